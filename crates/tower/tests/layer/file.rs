use std::fs;
use std::path::Path;
use std::time::Duration;

use gracekey_core::Document;
use gracekey_tower::{FakeClock, KeyringFile, KeyringFileError, LiveKeyring};

use crate::support::{document, generation, now, peppers};

/// Events alone must do, or the poll alone: the other is out of reach.
const NEVER: Duration = Duration::from_secs(3600);
const OFTEN: Duration = Duration::from_millis(20);

fn write(path: &Path, document: Document) {
    fs::write(path, document.seal(&peppers()).to_json()).unwrap();
}

/// Waits until it holds; the test harness ends a wait that never does.
fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..3000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("never: {what}");
}

#[test]
fn a_changed_file_is_taken_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyring.json");
    write(&path, document(1, vec![generation("acme", 1)]));
    let keys = LiveKeyring::empty();
    let watch = KeyringFile::new(&path, peppers()).poll_every(NEVER).watch(&keys).unwrap();
    assert_eq!(keys.epoch(), Some(1), "read before the watch returns");
    write(&path, document(2, vec![generation("acme", 1)]));
    until("epoch 2", || keys.epoch() == Some(2));

    // As the command line writes it: another file, renamed over it.
    let beside = folder.path().join(".keyring.json.new");
    write(&beside, document(3, vec![]));
    fs::rename(&beside, &path).unwrap();
    until("epoch 3", || keys.epoch() == Some(3));
    drop(watch);
}

/// Kubernetes mounts `keyring.json -> ..data/keyring.json` and `..data -> ..<time>`, and on a change renames another
/// link over `..data`.
#[cfg(unix)]
#[test]
fn a_config_map_is_followed_when_its_link_is_swapped() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().unwrap();
    let mount = folder.path();
    let version = |name: &str, epoch| {
        fs::create_dir(mount.join(name)).unwrap();
        write(&mount.join(name).join("keyring.json"), document(epoch, vec![generation("acme", 1)]));
    };
    version("..2026_11_22_12_00_00.1", 1);
    symlink("..2026_11_22_12_00_00.1", mount.join("..data")).unwrap();
    symlink("..data/keyring.json", mount.join("keyring.json")).unwrap();

    let keys = LiveKeyring::empty();
    let file = KeyringFile::new(mount.join("keyring.json"), peppers()).poll_every(NEVER);
    let _watch = file.watch(&keys).unwrap();
    assert_eq!(keys.epoch(), Some(1));
    for epoch in 2..=4 {
        let (new, old) = (format!("..2026_11_22_12_00_00.{epoch}"), format!("..2026_11_22_12_00_00.{}", epoch - 1));
        version(&new, epoch);
        symlink(&new, mount.join("..data_tmp")).unwrap();
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
        fs::remove_dir_all(mount.join(old)).unwrap();
        until("the next epoch", || keys.epoch() == Some(epoch));
    }
}

#[test]
fn a_bad_file_leaves_the_last_good_keyring() {
    let good = document(5, vec![generation("acme", 1)]).seal(&peppers()).to_json();
    let older = document(4, vec![]).seal(&peppers()).to_json();
    let same_epoch = document(5, vec![]).seal(&peppers()).to_json();
    for (bad, said) in [
        (String::new(), "is empty"),
        (good.get(..good.len() / 2).unwrap().to_owned(), "it was cut"),
        ("not JSON".into(), "is not JSON"),
        (good.replace("acme", "evil"), "seal: does not fit"),
        (older, "epoch: 4 is older than 5"),
        (same_epoch, "epoch: 5 is held already"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring.json");
        fs::write(&path, &good).unwrap();
        let clock = FakeClock::at(now());
        let keys = LiveKeyring::with_clock(None, clock.clone());
        let file = KeyringFile::new(&path, peppers()).poll_every(OFTEN);
        let _watch = file.watch(&keys).unwrap();

        fs::write(&path, &bad).unwrap();
        if let Ok(keyring) = file.load() {
            let why = keys.replace(keyring).unwrap_err().to_string();
            assert!(why.contains(said), "{why}");
        } else {
            let why = file.load().unwrap_err().to_string();
            assert!(why.starts_with(&path.display().to_string()) && why.contains(said), "{why}");
        }
        // Several polls see the bad file: none of them confirms or replaces.
        std::thread::sleep(OFTEN * 5);
        clock.advance(60);
        std::thread::sleep(OFTEN * 5);
        assert_eq!((keys.epoch(), keys.confirmed_at()), (Some(5), now()), "{said}");

        // And the next good one is taken.
        write(&path, document(6, vec![]));
        until("epoch 6", || keys.epoch() == Some(6));
    }
}

#[test]
fn a_file_that_does_not_change_confirms() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyring.json");
    write(&path, document(1, vec![]));
    let clock = FakeClock::at(now());
    let keys = LiveKeyring::with_clock(None, clock.clone());
    let watch = KeyringFile::new(&path, peppers()).poll_every(OFTEN).watch(&keys).unwrap();
    clock.advance(60);
    until("confirmed", || keys.confirmed_at() == now().saturating_add(60));

    // One that is gone does not.
    fs::remove_file(&path).unwrap();
    std::thread::sleep(OFTEN * 5);
    clock.advance(60);
    std::thread::sleep(OFTEN * 5);
    assert_eq!(keys.confirmed_at(), now().saturating_add(60));
    assert_eq!(keys.epoch(), Some(1));
    drop(watch);
}

#[test]
fn a_file_that_comes_later_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyring.json");
    let keys = LiveKeyring::empty();
    let file = KeyringFile::new(&path, peppers()).poll_every(NEVER);
    let _watch = file.watch(&keys).unwrap();
    assert!(matches!(file.load(), Err(KeyringFileError::Unreadable { .. })));
    assert_eq!(keys.epoch(), None);
    write(&path, document(1, vec![]));
    until("epoch 1", || keys.epoch() == Some(1));
}

#[test]
fn a_dropped_watch_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyring.json");
    write(&path, document(1, vec![]));
    let keys = LiveKeyring::empty();
    let watch = KeyringFile::new(&path, peppers()).poll_every(OFTEN).watch(&keys).unwrap();
    drop(watch);
    std::thread::sleep(OFTEN * 5);
    write(&path, document(2, vec![]));
    std::thread::sleep(OFTEN * 10);
    assert_eq!(keys.epoch(), Some(1));
}
