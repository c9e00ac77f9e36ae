//! What others find while somebody holds the store: changes are refused in time and can be asked for again, and readers
//! wait for nothing.

use std::sync::mpsc;
use std::time::Duration;

use gracekey_core::Revoke;
use gracekey_store::{Import, Kind, Outcome, Store, StoreError, Trouble};
use sqlx::{Connection, Executor};

use crate::support::{Place, at, by, issue, on_both, peppers};

on_both! {
    a_long_import_keeps_no_reader_waiting
}

fn assert_busy(refusal: &StoreError) {
    let StoreError::Unavailable(error) = refusal else { panic!("{refusal:?}") };
    assert_eq!((error.trouble, error.outcome), (Trouble::Busy, Outcome::NothingDone), "{refusal}");
    assert!(refusal.to_string().contains("ask again in a moment"), "{refusal}");
}

async fn a_long_import_keeps_no_reader_waiting(place: Place) {
    let (store, other) = (place.store_with_client().await, place.store().await);
    let revoke = Revoke::Key(issue(&store, 1).await.key_id);
    let rows: String = (0..300).map(|row| format!("some-foreign-key-{row},client-{row}\n")).collect();
    let import = Import::csv(format!("key,client_id\n{rows}").as_bytes(), &peppers()).unwrap();
    let ((begun, begins), (end, ends)) = (mpsc::channel(), mpsc::channel::<()>());
    let importer = tokio::spawn({
        let store = store.clone();
        async move {
            let stuck = move |_| {
                begun.send(()).unwrap();
                tokio::task::block_in_place(|| ends.recv_timeout(Duration::from_secs(60)).ok());
            };
            store.import(import, &by(), at(2), stuck).await
        }
    });
    tokio::task::block_in_place(|| begins.recv_timeout(Duration::from_secs(60)).unwrap());

    let operator = by();
    let (mine, theirs) = tokio::join!(store.revoke(&revoke, &operator, at(3)), other.revoke(&revoke, &operator, at(3)));
    assert_busy(&mine.unwrap_err());
    assert_busy(&theirs.unwrap_err());
    for reader in [&store, &other] {
        assert_eq!((reader.epoch().await.unwrap(), reader.snapshot().await.unwrap().keys.len()), (2, 1));
    }
    drop(end);
    assert_eq!(importer.await.unwrap().unwrap().value.imported(), 300);
    assert!(other.revoke(&revoke, &by(), at(3)).await.unwrap().changed);
}

/// An operator's own limits on PostgreSQL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_the_database_are_kept() {
    let place = Place::postgres();
    let revoke = Revoke::Key(issue(&place.store_with_client().await, 1).await.key_id);
    place.sql("ALTER ROLE gracekey SET statement_timeout = '300ms'").await.unwrap();
    let store = place.store().await;
    let mut other = sqlx::PgConnection::connect(&place.address()).await.unwrap();
    other.execute("BEGIN").await.unwrap();
    other.execute("SELECT epoch FROM gracekey_keyring FOR UPDATE").await.unwrap();
    assert_busy(&store.revoke(&revoke, &by(), at(2)).await.unwrap_err());
    other.execute("COMMIT").await.unwrap();
    assert!(store.revoke(&revoke, &by(), at(3)).await.unwrap().changed);

    // What happens to a server whose PostgreSQL becomes a replica.
    place.sql("ALTER ROLE gracekey SET default_transaction_read_only = on").await.unwrap();
    let refusal = Store::connect(&place.address()).await.unwrap_err();
    assert!(refusal.kind() == Kind::Operator && refusal.to_string().contains("the primary"), "{refusal}");
}
