//! A server that is killed at any moment, under load. What it acknowledged is there, nothing is half done, and no epoch
//! goes back.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gracekey_core::{End, Keyring};
use gracekey_store::{AuditFilter, KeyFilter, KeyRow, KeyState, Limit, Store};
use gracekey_tower::Clock;
use serde_json::json;

use crate::support::http::Http;
use crate::support::{Place, Running, on_both, peppers};

on_both! {
    a_killed_server_leaves_whole_changes
}

/// How often, on each database. `GRACEKEY_KILLS=200` does it more often.
const KILLS: u32 = 8;
/// Changes that are acknowledged before a server is killed among changes.
const AMONG: usize = 10;
/// Callers at once.
const LOAD: usize = 4;

/// What the server said that it did.
enum Acknowledged {
    Issued { key_id: String, epoch: u64 },
    Rotated { from: String, key_id: String, key: String, epoch: u64 },
    Revoked { key_id: String, epoch: u64 },
}

type Book = Arc<Mutex<Vec<Acknowledged>>>;

async fn a_killed_server_leaves_whole_changes(place: Place) {
    let running = Running::on(place, |_| {}).await;
    let admin = running.admin.clone();
    let place = running.end().await;
    let kills = std::env::var("GRACEKEY_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let (book, mut epoch): (Book, u64) = (Book::default(), 0);
    for kill in 0..kills {
        let (mut server, http) = server(&place.address());
        let load: Vec<_> = (0..LOAD)
            .map(|caller| {
                let (http, admin, book) = (http.clone(), admin.clone(), Arc::clone(&book));
                tokio::spawn(async move { load(&http, &admin, &book, &format!("client-{kill}-{caller}")).await })
            })
            .collect();
        // Most are killed among changes, some while they start.
        if kill % 4 > 0 {
            let seen = book.lock().unwrap().len() + AMONG;
            let among = async {
                while book.lock().unwrap().len() < seen {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), among).await.expect("the server acknowledges nothing");
        }
        tokio::time::sleep(Duration::from_micros(random() % 60_000)).await;
        server.kill().unwrap();
        server.wait().unwrap();
        for caller in load {
            // It ends with the first answer that does not come.
            caller.await.unwrap();
        }
        let store = Store::connect(&place.address()).await.unwrap();
        let now = store.epoch().await.unwrap();
        assert!(now >= epoch, "epoch {now} after {epoch}");
        epoch = now;
        store.close().await;
    }
    let book = Arc::try_unwrap(book).ok().unwrap().into_inner().unwrap();
    let store = Store::connect(&place.address()).await.unwrap();
    for acknowledged in &book {
        check(&store, acknowledged, epoch).await;
    }
    nothing_is_half_done(&store).await;
    println!("{kills} kills, {} changes acknowledged, epoch {epoch}", book.len());
    store.close().await;

    // And it goes on from there.
    let (mut server, http) = server(&place.address());
    let rotated = book.iter().rev().filter_map(|acknowledged| match acknowledged {
        Acknowledged::Rotated { key, .. } => Some(key),
        _ => None,
    });
    for key in rotated.take(3) {
        http.call("POST", "/v2/auth/rotate-key", Some(key), None).await.is(200);
    }
    server.kill().unwrap();
    server.wait().unwrap();
}

/// Issues, rotates and revokes until the server is gone, and writes down what was acknowledged.
async fn load(http: &Http, admin: &str, book: &Book, client: &str) -> Option<()> {
    let note = |acknowledged| book.lock().unwrap().push(acknowledged);
    let ask = async |path: String, key: &str, body| {
        let reply = http.try_call("POST", &path, Some(key), body).await?;
        // What was asked for is new and allowed: no other answer is in order.
        assert!(reply.status.is_success(), "{path}: {reply:?}");
        let body = reply.json();
        let epoch = body["epoch"].as_u64().unwrap();
        Some((body, epoch))
    };
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let new = json!({"client_id": client});
    ask("/v2/clients".into(), admin, Some(&new)).await?;
    for number in 0.. {
        let (issued, epoch) = ask(format!("/v2/clients/{client}/credentials/c{number}/keys"), admin, None).await?;
        let first = text(&issued["key_id"]);
        note(Acknowledged::Issued { key_id: first.clone(), epoch });
        let key = text(&issued["api_key"]);
        let (rotated, epoch) = ask("/v2/auth/rotate-key".into(), &key, None).await?;
        let (key_id, key) = (text(&rotated["key_id"]), text(&rotated["new_api_key"]));
        note(Acknowledged::Rotated { from: first.clone(), key_id, key, epoch });
        let (_, epoch) = ask(format!("/v2/keys/{first}/revoke"), admin, None).await?;
        note(Acknowledged::Revoked { key_id: first, epoch });
    }
    Some(())
}

async fn check(store: &Store, acknowledged: &Acknowledged, newest: u64) {
    let row =
        async |key_id: &str| store.key(key_id.parse().unwrap()).await.unwrap().expect("an acknowledged key is gone");
    let epoch = match acknowledged {
        Acknowledged::Issued { key_id, epoch } => {
            row(key_id).await;
            epoch
        }
        Acknowledged::Rotated { from, key_id, epoch, .. } => {
            assert_eq!(row(key_id).await.rotated_from.unwrap().as_str(), from);
            assert!(row(from).await.generation.superseded_at.is_some());
            epoch
        }
        Acknowledged::Revoked { key_id, epoch } => {
            let now = Clock::system().now().unwrap();
            assert_eq!(row(key_id).await.state(now), KeyState::Ended(End::Revoked));
            epoch
        }
    };
    assert!(*epoch <= newest, "epoch {epoch} was acknowledged, and the store is at {newest}");
}

/// Each key, acknowledged or not, has the one line in the audit log that made it, and each such line its key.
async fn nothing_is_half_done(store: &Store) {
    Keyring::new(&store.snapshot().await.unwrap(), peppers()).unwrap();
    let limit = Limit::new(Limit::MAX).unwrap();
    let (mut keys, mut made) = (HashSet::new(), HashSet::new());
    let mut filter = KeyFilter { limit, ..KeyFilter::default() };
    loop {
        let rows = store.keys(&filter).await.unwrap();
        filter.after = rows.last().map(KeyRow::cursor);
        keys.extend(rows.iter().map(|row| row.generation.key_id));
        if rows.len() < usize::from(limit.rows()) {
            break;
        }
    }
    let mut filter = AuditFilter { limit, ..AuditFilter::default() };
    loop {
        let lines = store.audit(&filter).await.unwrap();
        filter.after = lines.last().map_or(0, |line| line.seq);
        let makes = lines.iter().filter(|line| ["key.issue", "key.rotate"].contains(&line.action.as_str()));
        for line in makes {
            assert!(made.insert(line.key_id.unwrap()), "{line:?} stands there twice");
        }
        if lines.len() < usize::from(limit.rows()) {
            break;
        }
    }
    assert_eq!(keys, made);
}

/// A server as a process of its own, and who talks to it.
fn server(address: &str) -> (Child, Http) {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().and_then(|deps| deps.parent()).unwrap().join("examples/store_server");
    assert!(program.exists(), "missing: cargo build -p gracekey-server --example store_server");
    let mut server = Command::new(program).arg(address).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("http://"), "the server did not start");
    (server, Http::new(line.trim().into()))
}

fn random() -> u64 {
    RandomState::new().hash_one(0)
}
