//! What others find while somebody holds the store: changes are refused in time and can be asked for again, and readers
//! wait for nothing.

use std::sync::mpsc;
use std::time::Duration;

use gracekey_core::{Client, Revoke};
use gracekey_store::{Done, Import, ImportReport, Issue, Kind, NewClient, Outcome, Store, StoreError, Trouble};
use sqlx::{Connection, Executor};
use tokio::task::JoinHandle;

use crate::support::{Place, acme, at, by, credential, issue, issue_to, mint, on_both, peppers};

on_both! {
    an_import_keeps_no_reader_waiting
    an_import_makes_way_for_revocations
    an_import_and_a_key_for_one_credential
    an_import_that_fails_at_its_last_row_has_done_nothing
}

fn assert_busy(refusal: &StoreError) {
    let StoreError::Unavailable(error) = refusal else { panic!("{refusal:?}") };
    assert_eq!((error.trouble, error.outcome), (Trouble::Busy, Outcome::NothingDone), "{refusal}");
    assert!(refusal.to_string().contains("ask again in a moment"), "{refusal}");
}

/// An import that stops after so many of its steps until it is let go on.
struct Stuck {
    running: JoinHandle<Result<Done<ImportReport>, StoreError>>,
    end: mpsc::Sender<()>,
}

impl Stuck {
    async fn start(store: &Store, last: &'static str) -> Self {
        let rows: String = (0..1200).map(|row| format!("some-foreign-key-{row},client-{row},\n")).collect();
        let text = format!("key,client_id,credential\n{rows}{last}");
        let ((begun, begins), (end, ends)) = (mpsc::channel(), mpsc::channel::<()>());
        let store = store.clone();
        let running = tokio::spawn(async move {
            let import = Import::csv(text.as_bytes(), &peppers()).unwrap();
            let mut is_stuck = true;
            let stuck = move |_| {
                if std::mem::take(&mut is_stuck) {
                    begun.send(()).unwrap();
                    tokio::task::block_in_place(|| ends.recv_timeout(Duration::from_secs(60)).ok());
                }
            };
            store.import(import, &by(), at(2), stuck).await
        });
        tokio::task::block_in_place(|| begins.recv_timeout(Duration::from_secs(60)).unwrap());
        Self { running, end }
    }

    async fn go_on(self) -> Result<Done<ImportReport>, StoreError> {
        drop(self.end);
        self.running.await.unwrap()
    }
}

fn client(name: &str) -> NewClient {
    Client { client_id: name.parse().unwrap(), disabled: false, scopes: Vec::new() }.into()
}

async fn an_import_keeps_no_reader_waiting(place: Place) {
    let (store, other) = (place.store_with_client().await, place.store().await);
    let import = Stuck::start(&store, "").await;
    let (mine, theirs, operator) = (client("mine"), client("theirs"), by());
    let (mine, theirs) =
        tokio::join!(store.add_client(&mine, &operator, at(3)), other.add_client(&theirs, &operator, at(3)));
    match &place {
        // A file has one lock.
        Place::Sqlite(_) => [mine, theirs].map(|refused| assert_busy(&refused.unwrap_err())),
        Place::Postgres(_) => [mine, theirs].map(|done| assert!(done.unwrap().changed)),
    };
    let changes = store.epoch().await.unwrap();
    for reader in [&store, &other] {
        assert_eq!((reader.epoch().await.unwrap(), reader.snapshot().await.unwrap().keys.len()), (changes, 0));
    }
    let done = import.go_on().await.unwrap();
    assert_eq!((done.value.imported(), done.epoch), (1200, changes + 1));
}

/// Whoever is under attack can't wait until it is over.
async fn an_import_makes_way_for_revocations(place: Place) {
    let (store, other) = (place.store_with_client().await, place.store().await);
    let [first, second] = [issue_to(&store, "default", 1).await, issue_to(&store, "ci", 1).await];
    let [first, second] = [first, second].map(|done| Revoke::Key(done.value.key_id));
    let import = Stuck::start(&store, "").await;
    let revoke = async |store: Store, what: Revoke| store.revoke(&what, &by(), at(3)).await;
    let mut revoked = [tokio::spawn(revoke(store.clone(), first)), tokio::spawn(revoke(other, second))];
    let mut epochs = Vec::new();
    match &place {
        // Both wait and say so, and the import looks for that.
        Place::Sqlite(folder) => {
            while !folder.path().join("store.db-urgent").exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert!(revoked.iter().all(|revoked| !revoked.is_finished()));
        }
        // Nobody waits.
        Place::Postgres(_) => {
            for revoked in &mut revoked {
                epochs.push(revoked.await.unwrap().unwrap().epoch);
            }
        }
    }
    let done = import.go_on().await.unwrap();
    if epochs.is_empty() {
        for revoked in revoked {
            epochs.push(revoked.await.unwrap().unwrap().epoch);
        }
    }
    epochs.sort_unstable();
    assert!(epochs[0] < done.epoch, "{epochs:?} and {}", done.epoch);
    assert_eq!((done.value.imported(), store.epoch().await.unwrap()), (1200, 6));
    assert_eq!(place.count("SELECT COUNT(*) FROM gracekey_generations WHERE revoked_at IS NOT NULL").await, 2);
    assert_eq!(place.count("SELECT COUNT(DISTINCT epoch) FROM gracekey_audit").await, 6);
}

/// The lines of its audit log are written under the lock, and the first of them takes until somebody revokes a key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_gives_the_lock_back_for_a_revocation() {
    let place = Place::postgres();
    let store = place.store_with_client().await;
    let key = issue(&store, 1).await.key_id;
    let script = "
        CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            WHILE NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory')
                AND NOT EXISTS (SELECT FROM gracekey_generations WHERE revoked_at IS NOT NULL)
            LOOP
                PERFORM pg_sleep(0.01);
            END LOOP;
            RETURN NEW;
        END
        $$;
        CREATE TRIGGER wait BEFORE INSERT ON gracekey_audit FOR EACH ROW
            WHEN (NEW.action = 'key.import' AND NEW.client_id = 'client-0') EXECUTE FUNCTION wait()";
    place.sql(script).await.unwrap();
    let import = Stuck::start(&store, "").await;
    let other = place.store().await;
    let running = tokio::spawn(import.go_on());
    let waits = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    while place.count(waits).await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let revoked = other.revoke(&Revoke::Key(key), &by(), at(3)).await.unwrap();
    let imported = running.await.unwrap().unwrap();
    assert_eq!((revoked.epoch, imported.epoch, imported.value.imported()), (3, 4, 1200));
    assert_eq!(place.count("SELECT COUNT(*) FROM gracekey_audit WHERE action = 'key.import'").await, 1200);
}

/// Whoever wants what an import brings does not wait for it, and keeps nobody else waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_import_brings_is_busy_at_once() {
    let place = Place::postgres();
    let store = place.store_with_client().await;
    let key = issue_to(&store, "ci", 1).await.value.key_id;
    let import = Stuck::start(&store, "").await;
    let other = place.store().await;
    assert_busy(&other.add_client(&client("client-7"), &by(), at(3)).await.unwrap_err());
    assert!(other.revoke(&Revoke::Key(key), &by(), at(4)).await.unwrap().changed);
    assert_eq!(import.go_on().await.unwrap().value.imported(), 1200);
}

/// Its last row asks for a credential that somebody else asks for while it is written.
async fn an_import_and_a_key_for_one_credential(place: Place) {
    let store = place.store_with_client().await;
    let import = Stuck::start(&store, "some-other-foreign-key,acme_corp,default\n").await;
    let other = place.store().await;
    let wanted = Issue { client_id: acme(), credential: credential("default"), key: mint(), expires_at: None };
    let mut issued = tokio::spawn(async move { other.issue(&wanted, &by(), at(3)).await.map(|done| done.epoch) });
    let issued_first = if matches!(place, Place::Postgres(_)) { Some((&mut issued).await.unwrap()) } else { None };
    let imported = import.go_on().await;
    let (refused, keys) = match issued_first {
        // A file has one lock, and the import has it.
        None => {
            assert_eq!(imported.unwrap().value.imported(), 1201);
            (issued.await.unwrap().unwrap_err().to_string(), 1201)
        }
        Some(issued) => {
            assert_eq!(issued.unwrap(), 2);
            (imported.unwrap_err().to_string(), 1)
        }
    };
    assert!(refused.contains("has a live key"), "{refused}");
    assert_eq!((store.epoch().await.unwrap(), store.snapshot().await.unwrap().keys.len()), (2, keys));
}

async fn an_import_that_fails_at_its_last_row_has_done_nothing(place: Place) {
    let store = place.store_with_client().await;
    let last = "NEW.action = 'key.import' AND NEW.client_id = 'last'";
    let trigger = match place {
        Place::Sqlite(_) => format!("WHEN {last} BEGIN SELECT RAISE(ABORT, 'not this one'); END"),
        Place::Postgres(_) => format!("FOR EACH ROW WHEN ({last}) EXECUTE FUNCTION gracekey_refuse('not this one')"),
    };
    place.sql(&format!("CREATE TRIGGER last BEFORE INSERT ON gracekey_audit {trigger}")).await.unwrap();
    let refused = Stuck::start(&store, "some-other-foreign-key,last,\n").await.go_on().await.unwrap_err();
    assert!(refused.to_string().contains("not this one"), "{refused}");
    let StoreError::Unavailable(error) = refused else { panic!("{refused}") };
    assert_eq!(error.outcome, Outcome::NothingDone);
    for (rows, left) in [("clients", 1), ("credentials", 0), ("generations", 0), ("audit", 1)] {
        assert_eq!(place.count(&format!("SELECT COUNT(*) FROM gracekey_{rows}")).await, left, "{rows}");
    }
    assert_eq!(store.epoch().await.unwrap(), 1);
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
