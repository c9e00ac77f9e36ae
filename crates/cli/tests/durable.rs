//! No change is lost: not to other processes, not to `kill -9`, not to a full or read-only disk, not to a closed pipe.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use support::{Ran, Sandbox};

#[track_caller]
fn assert_works(sandbox: &Sandbox, key: &str) {
    let ran = sandbox.run_with(&["explain"], key.as_bytes()).expect_code(0);
    assert!(ran.stdout.starts_with("GRANTED"), "{ran:?}");
}

#[test]
fn eight_processes_at_once_lose_no_change() {
    let sandbox = Sandbox::new();
    let keys: Vec<String> = thread::scope(|scope| {
        let sandbox = &sandbox;
        let work = |process| {
            move || (0..5).map(|number| sandbox.issue(&format!("client-{process}-{number}"))).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..8).map(|process| scope.spawn(work(process))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 40);
    let listed = sandbox.run(&["list"]).expect_code(0).stdout;
    assert_eq!(listed.lines().count(), 41, "{listed}");
    for key in &keys {
        assert_works(&sandbox, key);
    }
}

/// Kills the command at moments spread over all of its run. Whatever it printed counts, and nothing else may be lost.
#[test]
fn a_kill_at_any_moment_loses_no_acknowledged_key() {
    let sandbox = Sandbox::new();
    let (mut acknowledged, mut killed) = (Vec::new(), 0);
    let mut longest = Duration::from_millis(1);
    for round in 0..60_u32 {
        let client = format!("client-{}", round / 2);
        let verb = if round % 2 == 0 { "issue" } else { "rotate" };
        let mut command = sandbox.command(&[verb, "--client", &client]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        // Every sixth run shows how long an undisturbed one takes, and the others die somewhere in it.
        let waited = if round % 6 == 0 {
            let mut waited = Duration::ZERO;
            while child.try_wait().unwrap().is_none() {
                thread::sleep(Duration::from_millis(1));
                waited += Duration::from_millis(1);
            }
            longest = longest.max(waited);
            waited
        } else {
            longest.mul_f64(f64::from(round * 7 % 60) / 50.0)
        };
        if round % 6 != 0 {
            thread::sleep(waited);
            child.kill().unwrap();
        }
        killed += u32::from(child.wait().unwrap().code().is_none());
        let mut printed = String::new();
        stdout.read_to_string(&mut printed).unwrap();
        acknowledged.extend(printed.strip_suffix('\n').map(str::to_owned));
        sandbox.run(&["list"]).expect_code(0);
    }
    assert!(killed > 0, "no run was killed");
    assert!(acknowledged.len() >= 10, "the undisturbed runs were acknowledged");
    for key in &acknowledged {
        assert_works(&sandbox, key);
    }
    // Whatever the killed ones left behind is in nobody's way.
    sandbox.issue("afterwards");
}

/// Runs a script with a small disk of its own at `disk`, which is real and really full or read-only.
fn on_a_small_disk(script: &str) -> Ran {
    let sandbox = Sandbox::empty();
    fs::create_dir(sandbox.path("disk")).unwrap();
    let script = format!(
        "set -e; mount -t tmpfs -o size=64k,mode=700 none disk; cd disk; \"$GRACEKEY\" init >../init.txt 2>&1; {script}"
    );
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]).current_dir(sandbox.folder());
    command
        .env("GRACEKEY", env!("CARGO_BIN_EXE_gracekey"))
        .env_remove("GRACEKEY_PEPPER")
        .env_remove("GRACEKEY_KEYRING");
    let ran = command.output().map(Ran::from).unwrap();
    assert!(
        !ran.stderr.contains("unshare:") && !ran.stderr.contains("mount:"),
        "this test mounts a disk of 64 KiB in a namespace of its own, which this system does not allow: {ran:?}\n\
         run it as root, or type: sysctl -w kernel.unprivileged_userns_clone=1 (in a container: --security-opt seccomp=unconfined)"
    );
    ran
}

#[test]
fn a_full_disk_changes_nothing() {
    let ran = on_a_small_disk(
        "\"$GRACEKEY\" issue --client first >key 2>/dev/null; \
         cp gracekey.keyring.json ../before; (cat /dev/zero >filler) 2>/dev/null || true; \
         \"$GRACEKEY\" issue --client second && exit 9; \
         cmp gracekey.keyring.json ../before; rm filler; \
         \"$GRACEKEY\" explain <key >/dev/null; \"$GRACEKEY\" issue --client second >key2 2>/dev/null; ls -a | grep new && exit 8; exit 0",
    )
    .expect_code(0);
    assert_eq!(ran.stdout, "", "no key is shown that was not stored");
    ran.expect_error("nothing was changed: No space left on device").expect_error("make room and try again");
}

#[test]
fn a_read_only_folder_changes_nothing() {
    let ran = on_a_small_disk(
        "\"$GRACEKEY\" issue --client first >key 2>/dev/null; mount -o remount,ro none .; \
         \"$GRACEKEY\" issue --client second && exit 9; \
         \"$GRACEKEY\" list >/dev/null; \"$GRACEKEY\" explain <key >/dev/null",
    )
    .expect_code(0);
    assert_eq!(ran.stdout, "");
    ran.expect_error("nothing was changed: Read-only file system").expect_error("must be writable");
}

#[test]
fn a_key_that_nobody_reads_is_said_to_be_lost() {
    let sandbox = Sandbox::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ran: Ran = sandbox.command(&["issue", "--client", "acme_corp"]).stdout(writer).output().unwrap().into();
    ran.expect_code(1).expect_error("the key could not be printed").expect_error("gracekey revoke --key-id ");
}

/// A closed standard output is `/dev/null` by the time that it is written to, and the key would be gone.
#[test]
fn a_key_that_nobody_can_read_is_not_made() {
    let sandbox = Sandbox::new();
    sandbox.issue("acme_corp");
    let before = fs::read(sandbox.keyring()).unwrap();
    for verb in ["issue --client globex", "rotate --client acme_corp", "rotate --client acme_corp --json"] {
        for to in [">&-", ">/dev/null"] {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("exec \"$GRACEKEY\" {verb} {to}")]).current_dir(sandbox.folder());
            let ran = Ran::from(shell.env("GRACEKEY", env!("CARGO_BIN_EXE_gracekey")).output().unwrap());
            ran.expect_code(1).expect_error("the new key would be lost; nothing was changed");
        }
    }
    assert_eq!(fs::read(sandbox.keyring()).unwrap(), before);
}

#[test]
fn eight_processes_at_once_lose_no_change_of_a_store() {
    let sandbox = Sandbox::empty();
    let store = "sqlite:gracekey.db";
    sandbox.run(&["init", "--store", store]).expect_code(0);
    thread::scope(|scope| {
        let sandbox = &sandbox;
        let work = |process| {
            move || {
                for number in 0..3 {
                    let client = format!("client-{process}-{number}");
                    sandbox.run(&["issue", "--store", store, "--client", &client]).expect_code(0);
                }
            }
        };
        let threads: Vec<_> = (0..8).map(|process| scope.spawn(work(process))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    let listed = sandbox.run(&["list", "--store", store]).expect_code(0).stdout;
    assert_eq!(listed.lines().count(), 25, "{listed}");
}

/// Whoever watches the file that an export goes to sees the old keyring or the new one.
#[test]
fn an_export_replaces_its_file_as_a_whole() {
    let sandbox = Sandbox::new();
    sandbox.issue("acme_corp");
    let out = sandbox.path("out.json");
    sandbox.run(&["export", "--out", "out.json"]).expect_code(0);
    let first = fs::metadata(&out).unwrap();
    sandbox.issue("globex");
    sandbox.run(&["export", "--out", "out.json"]).expect_code(0);
    assert_ne!(
        std::os::unix::fs::MetadataExt::ino(&first),
        std::os::unix::fs::MetadataExt::ino(&fs::metadata(&out).unwrap())
    );
    sandbox.run(&["check", "out.json"]).expect_code(0);
    assert_eq!(sandbox.run(&["export"]).stdout, fs::read_to_string(&out).unwrap());
    sandbox.run(&["export", "--out", "nowhere/out.json"]).expect_code(1).expect_error("it was left as it was");
    let left = fs::read_dir(sandbox.folder())
        .unwrap()
        .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().ends_with(".new"));
    assert_eq!(left.count(), 0);
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let sandbox = Sandbox::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ran: Ran = sandbox.command(&["list"]).stdout(writer).output().unwrap().into();
    assert_eq!(ran.expect_code(0).stderr, "");
}
