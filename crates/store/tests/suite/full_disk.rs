//! Disks that are really full. What does not fit is refused whole, all else goes on, and with room it fits.

use std::process::Command;

use gracekey_core::Document;
use gracekey_store::{Import, Issue, Kind, Outcome, Store, StoreError, Trouble};
use sqlx::{Connection, Executor};

use crate::crash::{check, program, whole};
use crate::support::folder::Folder;
use crate::support::postgres::Postgres;
use crate::support::small_disk::SmallDisk;
use crate::support::{Place, acme, at, by, credential, issue, mint, peppers};

/// Runs each of the tests on both databases, on a disk that holds little more than an empty one.
macro_rules! on_small_disks {
    ($($name:ident)*) => {
        mod sqlite {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let Some(disk) = super::SmallDisk::for_test(module_path!(), stringify!($name), 4) else { return };
                let place = super::Place::Sqlite(super::Folder::within(disk.path(), "sqlite"));
                super::$name(place, disk).await;
            }
        )*}

        mod postgres {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let Some(disk) = super::SmallDisk::for_test(module_path!(), stringify!($name), 80) else { return };
                let server = super::Postgres::start_in(super::Folder::within(disk.path(), "postgres"));
                super::$name(super::Place::Postgres(server), disk).await;
            }
        )*}
    };
}

on_small_disks! {
    what_does_not_fit_is_refused_and_fits_later
    a_writer_that_runs_out_of_room_leaves_whole_changes
}

fn issue_number(number: usize) -> Issue {
    Issue { client_id: acme(), credential: credential(&format!("use-{number}")), key: mint(), expires_at: None }
}

fn keys_of_others() -> Import {
    let rows: String = (0..5000).map(|row| format!("some-foreign-key-{row},client-{row}\n")).collect();
    Import::csv(format!("key,client_id\n{rows}").as_bytes(), &peppers()).unwrap()
}

fn assert_full(refusal: &StoreError) {
    let StoreError::Unavailable(error) = refusal else { panic!("{refusal:?}") };
    assert_eq!((error.trouble, error.outcome), (Trouble::Full, Outcome::NothingDone), "{refusal}");
    assert!(refusal.to_string().starts_with("the store's disk is full, make room on it; nothing was changed"));
}

async fn what_does_not_fit_is_refused_and_fits_later(place: Place, disk: SmallDisk) {
    let store = place.store_with_client().await;
    let mut written = vec![issue(&store, 1).await.key_id];
    disk.leave(192 * 1024);
    let before = store.epoch().await.unwrap();
    assert_full(&store.import(keys_of_others(), &by(), at(2), |_| {}).await.unwrap_err());
    assert_eq!(store.epoch().await.unwrap(), before);
    let (refused, refusal) = loop {
        let issue = issue_number(written.len());
        match store.issue(&issue, &by(), at(3)).await {
            Ok(done) => written.push(done.value.key_id),
            Err(refusal) => break (issue, refusal),
        }
        assert!(written.len() < 20_000, "the disk never gets full");
    };
    assert_full(&refusal);

    // All that was acknowledged is read, here and by a server that starts only now.
    let epoch = 1 + u64::try_from(written.len()).unwrap();
    written.sort();
    for reader in [&store, &place.store().await] {
        assert_eq!(key_ids(reader.snapshot().await.unwrap(), epoch), written);
    }
    whole(&place, epoch).await;

    disk.make_room();
    let done = store.issue(&refused, &by(), at(4)).await.unwrap();
    assert_eq!((done.epoch, done.changed), (epoch + 1, true));
    let done = store.import(keys_of_others(), &by(), at(5), |_| {}).await.unwrap();
    assert_eq!((done.epoch, done.value.imported()), (epoch + 2, 5000));
}

fn key_ids(document: Document, epoch: u64) -> Vec<gracekey_core::KeyId> {
    assert_eq!(document.epoch, epoch);
    let mut key_ids: Vec<_> = document.keys.into_iter().map(|key| key.key_id).collect();
    key_ids.sort();
    key_ids
}

async fn a_writer_that_runs_out_of_room_leaves_whole_changes(place: Place, disk: SmallDisk) {
    place.store().await.close().await;
    let mut epoch = 0;
    for kibibytes in [400, 150, 300] {
        disk.leave(kibibytes * 1024);
        let output = Command::new(program()).arg(place.address()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (failed, lines): (Vec<_>, Vec<_>) =
            text.lines().map(str::to_owned).partition(|line| line.starts_with("failed"));
        let told = format!("{text} {}", String::from_utf8_lossy(&output.stderr));
        assert!(failed.len() == 1 && failed[0].contains("disk is full, make room on it"), "{told}");
        epoch = check(&place, &lines, epoch).await;
    }
    assert!(epoch > 10, "only {epoch} changes fitted");
    disk.make_room();
    crate::support::add_client(&place.store().await, "afterwards").await;
}

/// PostgreSQL goes down when its log can't grow. Once there is room it starts again, and nothing is half done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_a_full_disk_takes_down_comes_back() {
    let Some(disk) = SmallDisk::for_test(module_path!(), "a_server_that_a_full_disk_takes_down_comes_back", 80) else {
        return;
    };
    let mut server = Postgres::start_in(Folder::within(disk.path(), "postgres"));
    let store = Store::connect(&server.address()).await.unwrap();
    crate::support::add_client(&store, "acme_corp").await;
    let first = issue(&store, 1).await;
    disk.leave(64 * 1024);
    // The next piece of its log is 16 MiB, and no room is left for that.
    let mut operator = sqlx::PgConnection::connect(&server.address()).await.unwrap();
    let switched = operator.execute("SELECT pg_switch_wal()").await;
    let refusal = store.issue(&issue_number(1), &by(), at(2)).await;
    let Err(refusal) = refusal else { panic!("it was written to a full disk: {switched:?}") };
    assert_eq!(refusal.kind(), Kind::World, "{refusal}");
    disk.make_room();
    server.stop();
    server.resume();
    assert_eq!(key_ids(store.snapshot().await.unwrap(), 2), [first.key_id]);
    assert_eq!(store.issue(&issue_number(1), &by(), at(3)).await.unwrap().epoch, 3);
}

/// A server that starts on a disk without any room says what the matter is, or serves what is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_opened_on_a_full_disk() {
    let Some(disk) = SmallDisk::for_test(module_path!(), "a_store_is_opened_on_a_full_disk", 4) else { return };
    let place = Place::Sqlite(Folder::within(disk.path(), "sqlite"));
    let store = place.store_with_client().await;
    let first = issue(&store, 1).await;
    store.close().await;
    disk.leave(0);
    assert_full(&Store::connect(&place.address()).await.unwrap_err());
    // What SQLite needs beside the file of a store fits in here.
    disk.leave(64 * 1024);
    let store = Store::connect(&place.address()).await.unwrap();
    assert_eq!(key_ids(store.snapshot().await.unwrap(), 2), [first.key_id]);
}

/// A file system that can't be written is the operator's to correct.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_can_only_be_read_is_the_operators() {
    let Some(disk) = SmallDisk::for_test(module_path!(), "a_file_that_can_only_be_read_is_the_operators", 4) else {
        return;
    };
    let address = |folder: &std::path::Path| format!("sqlite:{}", folder.join("store.db").display());
    let refusal = Store::connect(&address(&disk.read_only())).await.unwrap_err();
    assert!(refusal.kind() == Kind::Operator && refusal.to_string().contains("can't be made"), "{refusal}");
    Store::connect(&address(disk.path())).await.unwrap().close().await;
    let refusal = Store::connect(&address(&disk.read_only())).await.unwrap_err();
    assert!(refusal.kind() == Kind::Operator && refusal.to_string().contains("may it be written"), "{refusal}");
}
