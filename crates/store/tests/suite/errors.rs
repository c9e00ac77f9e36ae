//! Three kinds of error, each told from the others and each with what to do.

use gracekey_store::{Kind, Outcome, Store, StoreError, Trouble};

use crate::support::folder::Folder;
use crate::support::{Place, at, by, issue, on_both};

on_both! {
    tables_of_a_newer_build_are_left_alone
    a_row_that_nobody_here_wrote_is_damage
    a_keyring_without_its_row_is_damage
    a_closed_store_says_so
}

async fn refusal(address: &str) -> StoreError {
    match Store::connect(address).await {
        Ok(_) => panic!("{address} was opened"),
        Err(refusal) => refusal,
    }
}

async fn tables_of_a_newer_build_are_left_alone(place: Place) {
    place.store().await.close().await;
    let columns = "(version, description, success, checksum, execution_time)";
    let bytes = if matches!(place, Place::Sqlite(_)) { "x'00'" } else { "'\\x00'" };
    let newer = format!("INSERT INTO gracekey_migrations {columns} VALUES (99, 'newer', true, {bytes}, 0)");
    place.sql(&newer).await.unwrap();
    let refusal = refusal(&place.address()).await;
    assert_eq!(refusal.kind(), Kind::Operator);
    assert!(refusal.to_string().contains("tables of version 99"), "{refusal}");
}

async fn a_row_that_nobody_here_wrote_is_damage(place: Place) {
    let store = place.store_with_client().await;
    issue(&store, 1).await;
    place.sql("UPDATE gracekey_generations SET pepper = 'NOT A PEPPER'").await.unwrap();
    let refusal = store.snapshot().await.unwrap_err();
    assert!(refusal.to_string().contains("pepper `NOT A PEPPER`"), "{refusal}");
    let StoreError::Unavailable(error) = refusal else { panic!("{refusal}") };
    assert_eq!(error.trouble, Trouble::Damaged);
    for text in ["p1\u{1f}", "p1\u{1e}"] {
        place.sql(&format!("UPDATE gracekey_generations SET pepper = '{text}'")).await.unwrap();
        let StoreError::Unavailable(error) = store.snapshot().await.unwrap_err() else { panic!() };
        assert_eq!(error.trouble, Trouble::Damaged);
    }
}

async fn a_keyring_without_its_row_is_damage(place: Place) {
    let store = place.store_with_client().await;
    let trigger = match place {
        Place::Sqlite(_) => "DROP TRIGGER gracekey_keyring_stays",
        Place::Postgres(_) => "DROP TRIGGER gracekey_keyring_stays ON gracekey_keyring",
    };
    place.sql(trigger).await.unwrap();
    place.sql("DELETE FROM gracekey_keyring").await.unwrap();
    for refusal in [
        store.epoch().await.unwrap_err(),
        store.snapshot().await.unwrap_err(),
        store.revoke(&gracekey_core::Revoke::Client(crate::support::acme()), &by(), at(1)).await.unwrap_err(),
    ] {
        assert_eq!(refusal.kind(), Kind::World);
        assert!(refusal.to_string().contains("restore a backup"), "{refusal}");
    }
}

async fn a_closed_store_says_so(place: Place) {
    let store = place.store().await;
    let other = store.clone();
    store.close().await;
    let StoreError::Unavailable(error) = other.epoch().await.unwrap_err() else { panic!() };
    assert_eq!((error.trouble, error.outcome), (Trouble::Unreachable, Outcome::NothingDone));
}

#[tokio::test]
async fn a_file_that_cannot_be_a_store_is_the_operators() {
    let folder = Folder::new("errors");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("text"), "this is no database, and long enough to be looked at as one".repeat(20)).unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    for (name, why) in [
        ("missing/store.db", "make the folder, or give another path"),
        ("text", "is no SQLite database"),
        ("folder", "can't be opened"),
    ] {
        let refusal = refusal(&format!("sqlite:{}", path(name))).await;
        assert_eq!(refusal.kind(), Kind::Operator, "{name}: {refusal:?}");
        assert!(refusal.to_string().contains(why), "{name}: {refusal}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::sqlite();
    let store = place.store_with_client().await;
    let Place::Sqlite(folder) = &place else { panic!() };
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap()).collect();
    assert_eq!(files.len(), 3, "the database, its log and its index");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{file:?}");
    }
    drop(store);
}

#[tokio::test]
async fn a_wrong_login_is_the_operators() {
    let place = Place::postgres();
    for (from, to) in [("gracekey@", "nobody:hunter2@"), ("/postgres?", "/no_such_database?")] {
        let refusal = refusal(&place.address().replace(from, to)).await;
        assert_eq!(refusal.kind(), Kind::Operator, "{refusal:?}");
        assert!(!format!("{refusal} {refusal:?}").contains("hunter2"), "{refusal:?}");
    }
    let refusal = refusal(&format!("{}&sslmode=require", place.address())).await;
    assert_eq!(refusal.kind(), Kind::Operator, "{refusal:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_the_worlds() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    drop(taken);
    let refusal = refusal(&format!("postgres://gracekey:hunter2@127.0.0.1:{port}/postgres")).await;
    let StoreError::Unavailable(error) = &refusal else { panic!("{refusal:?}") };
    assert_eq!((error.trouble, error.outcome), (Trouble::Unreachable, Outcome::NothingDone));
    assert!(!format!("{refusal} {refusal:?}").contains("hunter2"), "{refusal:?}");
}
