//! Connections to PostgreSQL run out, are killed, or answer no more: an error of the world in time, and all is well again
//! when they are back.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use gracekey_core::Revoke;
use gracekey_store::{Kind, Outcome, Store, StoreError, Trouble};
use sqlx::{Connection, Executor, PgConnection};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::task::JoinSet;

use crate::support::folder::Folder;
use crate::support::postgres::Postgres;
use crate::support::{Place, acme, add_client, at, by, issue};

fn assert_world(refused: &StoreError, trouble: Trouble) {
    assert_eq!(refused.kind(), Kind::World);
    let StoreError::Unavailable(error) = refused else { panic!("{refused}") };
    assert_eq!((error.trouble, error.outcome), (trouble, Outcome::NothingDone), "{refused}");
}

async fn change(store: &Store, client: &str) -> Result<u64, StoreError> {
    let client = gracekey_core::Client { client_id: client.parse().unwrap(), disabled: false, scopes: Vec::new() };
    store.add_client(&client.into(), &by(), at(1)).await.map(|done| done.epoch)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_connection_left_is_unreachable_until_there_is_one() {
    let mut server = Postgres::new(Folder::new("connections"));
    server.set(["max_connections=8".into()]);
    server.resume();
    let store = Store::connect(&server.address()).await.unwrap();
    add_client(&store, "acme_corp").await;
    let mut others = Vec::new();
    while let Ok(other) = PgConnection::connect(&server.address()).await {
        others.push(other);
    }
    // Whoever has connections goes on with them.
    assert_eq!(change(&store, "globex").await.unwrap(), 2);
    assert_eq!(store.snapshot().await.unwrap().clients.len(), 2);
    let refused = Store::connect(&server.address()).await.unwrap_err();
    assert_world(&refused, Trouble::Unreachable);
    assert!(refused.to_string().contains("max_connections"), "{refused}");
    // More at once than there are connections: those that it has are enough.
    let mut reads = JoinSet::new();
    for _ in 0..20 {
        let store = store.clone();
        reads.spawn(async move { store.epoch().await.unwrap() });
    }
    assert_eq!(reads.join_all().await, [2; 20]);
    drop(others);
    while Store::connect(&server.address()).await.is_err() {}
    assert_eq!(change(&store, "initech").await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_wait_for_each_other_are_busy_and_leave_readers_alone() {
    let place = Place::postgres();
    let store = place.store_with_client().await;
    let mut other = PgConnection::connect(&place.address()).await.unwrap();
    other.execute("BEGIN").await.unwrap();
    other.execute("SELECT epoch FROM gracekey_keyring FOR UPDATE").await.unwrap();
    let mut waiting = JoinSet::new();
    for number in 0..12 {
        let store = store.clone();
        waiting.spawn(async move { change(&store, &format!("client-{number}")).await });
    }
    let mut refused = Vec::new();
    while refused.len() < 3 {
        assert_eq!(store.epoch().await.unwrap(), 1);
        tokio::select! {
            outcome = waiting.join_next() => refused.push(outcome.unwrap().unwrap().unwrap_err()),
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
    }
    other.execute("COMMIT").await.unwrap();
    for outcome in waiting.join_all().await {
        refused.extend(outcome.err());
    }
    refused.iter().for_each(|refused| assert_world(refused, Trouble::Busy));
    assert!(change(&store, "globex").await.unwrap() > 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_connections_are_replaced() {
    let place = Place::postgres();
    let store = place.store_with_client().await;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gracekey'";
    for round in 0..5 {
        // Idle ones nobody misses.
        store.snapshot().await.unwrap();
        place.sql(kill).await.unwrap();
        assert_eq!(change(&store, &format!("client-{round}")).await.unwrap(), round + 2);
    }
    // One in the middle of a change.
    let first = issue(&store, 2).await;
    let mut other = PgConnection::connect(&place.address()).await.unwrap();
    other.execute("BEGIN").await.unwrap();
    other.execute("SELECT epoch FROM gracekey_keyring FOR UPDATE").await.unwrap();
    let what = Revoke::Key(first.key_id);
    let revoke = async move |store: Store, what: Revoke| store.revoke(&what, &by(), at(3)).await;
    let waiting = tokio::spawn(revoke(store.clone(), what.clone()));
    let waits =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'gracekey'";
    while place.count(waits).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    place.sql(kill).await.unwrap();
    assert_world(&waiting.await.unwrap().unwrap_err(), Trouble::Unreachable);
    other.execute("COMMIT").await.unwrap();
    assert!(revoke(store, what).await.unwrap().changed);
}

/// As a network does that swallows all packets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_unreachable_until_it_goes_on() {
    let place = Place::postgres();
    let store = place.store_with_client().await;
    assert_eq!(store.snapshot().await.unwrap().clients[0].client_id, acme());
    let mut other = PgConnection::connect(&place.address()).await.unwrap();
    let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'gracekey'";
    let pids: Vec<i32> = sqlx::query_scalar(sql).fetch_all(&mut other).await.unwrap();
    let signal = |name: &str| {
        let pids = pids.iter().map(ToString::to_string);
        assert!(Command::new("kill").arg(format!("-{name}")).args(pids).status().unwrap().success());
    };
    signal("STOP");
    let outcomes = tokio::join!(store.epoch(), change(&store, "globex"));
    signal("CONT");
    for outcome in [outcomes.0, outcomes.1] {
        // A connection that hangs is given up, and another is made.
        outcome.map_or_else(|refused| assert_world(&refused, Trouble::Unreachable), |epoch| assert!(epoch <= 2));
    }
    assert_eq!(store.epoch().await.unwrap(), store.snapshot().await.unwrap().epoch);
    assert!(change(&store, "initech").await.is_ok());
}

/// The port of a way to the server on which each answer takes a quarter of a second.
async fn far(server: PathBuf) -> u16 {
    async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            tokio::time::sleep(Duration::from_millis(125)).await;
            if to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    }

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = UnixStream::connect(&server).await.unwrap().into_split();
            tokio::spawn(async move { tokio::join!(carry(from_client, to_server), carry(from_server, to_client)) });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_far_away_is_reached_and_keeps_its_connections() {
    let server = Postgres::start();
    add_client(&Store::connect(&server.address()).await.unwrap(), "acme_corp").await;
    let port = far(server.socket()).await;
    let address = format!("postgres://gracekey@127.0.0.1:{port}/postgres?sslmode=disable&application_name=far");
    let store = Store::connect(&address).await.unwrap();
    // Each has a connection of its own; later there is one more than are needed.
    let (first, second) = tokio::join!(store.epoch(), store.epoch());
    assert_eq!((first.unwrap(), second.unwrap()), (1, 1));
    let place = Place::Postgres(server);
    let pids = "SELECT SUM(pid) FROM pg_stat_activity WHERE application_name = 'far'";
    let pids = format!("SELECT ({pids})::bigint");
    let before = place.count(&pids).await;
    assert_eq!(store.epoch().await.unwrap(), 1);
    assert_eq!(store.epoch().await.unwrap(), 1);
    assert_eq!(place.count(&pids).await, before);
}
