//! Writers that are killed at any moment. What was acknowledged is there, nothing is half done, and no epoch goes back.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use gracekey_store::Store;

use crate::support::{Place, on_both};

on_both! {
    a_killed_writer_leaves_whole_changes
}

const KILLS: u32 = 110;

async fn a_killed_writer_leaves_whole_changes(place: Place) {
    place.store().await.close().await;
    let (mut epoch, mut acknowledged) = (0, 0);
    for kill in 0..KILLS {
        let mut writer = writer(&place.address());
        let (told, lines) = mpsc::channel();
        let output = writer.stdout.take().unwrap();
        let reader = thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).for_each(|line| told.send(line).unwrap());
        });
        // Most are killed among changes, some while they start.
        let mut lines_seen = Vec::new();
        if kill % 10 > 0 {
            lines_seen.extend(lines.recv_timeout(Duration::from_secs(60)));
        }
        thread::sleep(Duration::from_micros(random() % 60_000));
        writer.kill().unwrap();
        writer.wait().unwrap();
        reader.join().unwrap();
        lines_seen.extend(lines);
        acknowledged += lines_seen.len();
        epoch = check(&place, &lines_seen, epoch).await;
    }
    assert!(acknowledged > KILLS as usize, "{acknowledged} changes in all: the writers hardly wrote");
    // What is left is a store like any other.
    let store = place.store().await;
    store.prune(gracekey_core::Seconds(0), &crate::support::by(), gracekey_core::Timestamp::MAX).await.unwrap();
    assert_eq!(store.epoch().await.unwrap(), epoch + 1);
}

/// Looks at everything after a writer ended, and says the epoch.
pub(crate) async fn check(place: &Place, acknowledged: &[String], before: u64) -> u64 {
    let store = place.store().await;
    let document = store.snapshot().await.unwrap();
    let epoch = document.epoch;
    assert!(epoch >= before, "the epoch went back from {before} to {epoch}");
    for line in acknowledged {
        let [at, what, name] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        assert!(at.parse::<u64>().unwrap() <= epoch, "acknowledged with epoch {at}, and the store has {epoch}");
        let there = match what {
            "client" => document.clients.iter().any(|client| client.client_id.as_str() == name),
            "issue" | "rotate" | "import" => document.keys.iter().any(|key| key.key_id.as_str() == name),
            "revoke" => document.keys.iter().any(|key| key.key_id.as_str() == name && key.revoked_at.is_some()),
            _ => panic!("{line}"),
        };
        assert!(there, "{line} was acknowledged and is not there");
    }
    whole(place, epoch).await;
    close(store).await;
    epoch
}

/// Each change has its epoch, its line in the log and all its rows.
pub(crate) async fn whole(place: &Place, epoch: u64) {
    let changes = place.count("SELECT COUNT(DISTINCT epoch) FROM gracekey_audit").await;
    assert_eq!(u64::try_from(changes).unwrap(), epoch, "epochs and changes");
    for (rows, action) in [
        ("gracekey_clients", "= 'client.add'"),
        ("gracekey_generations", "IN ('key.issue', 'key.rotate', 'key.import')"),
        ("gracekey_generations WHERE superseded_at IS NOT NULL", "= 'key.rotate'"),
        ("gracekey_generations WHERE rotated_from IS NOT NULL", "= 'key.rotate'"),
        ("gracekey_generations WHERE revoked_at IS NOT NULL", "= 'key.revoke'"),
    ] {
        let rows_there = place.count(&format!("SELECT COUNT(*) FROM {rows}")).await;
        let told = place.count(&format!("SELECT COUNT(*) FROM gracekey_audit WHERE action {action}")).await;
        assert_eq!(rows_there, told, "{rows} against {action}");
    }
    let imports = "SELECT epoch FROM gracekey_audit WHERE action = 'key.import' GROUP BY epoch HAVING COUNT(*) <> 520";
    assert_eq!(place.count(&format!("SELECT COUNT(*) FROM ({imports}) AS half")).await, 0, "half an import");
}

async fn close(store: Store) {
    store.close().await;
}

fn writer(address: &str) -> Child {
    let mut writer =
        Command::new(program()).arg(address).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut errors = writer.stderr.take().unwrap();
    thread::spawn(move || {
        let mut text = String::new();
        errors.read_to_string(&mut text).ok();
        assert!(text.is_empty(), "the writer says: {text}");
    });
    writer
}

/// Built beside the tests, like all examples.
pub(crate) fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().and_then(|deps| deps.parent()).unwrap().join("examples/store_writer");
    assert!(program.exists(), "missing: cargo build -p gracekey-store --example store_writer");
    program
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}
