//! PostgreSQL goes away and comes back, and connections are cut at every byte of a change.

mod cut;

use gracekey_core::{Revoke, Timestamp};
use gracekey_store::{Kind, Outcome, Store, StoreError, Trouble};

use crate::support::postgres::Postgres;
use crate::support::{acme, add_client, at, by, current, held, issue, issue_to};
use cut::{BACK, Proxy, THERE};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_is_found_again() {
    let mut server = Postgres::start();
    let store = Store::connect(&server.address()).await.unwrap();
    add_client(&store, "acme_corp").await;
    let first = issue(&store, 1).await;
    let before = format!("{:?}", store.snapshot().await.unwrap());
    for round in 0..3 {
        server.stop();
        let away = store.revoke(&Revoke::Key(first.key_id), &by(), at(2)).await.unwrap_err();
        assert_eq!(away.kind(), Kind::World);
        let StoreError::Unavailable(error) = &away else { panic!("{away}") };
        assert_eq!(
            (error.trouble, error.outcome),
            (Trouble::Unreachable, Outcome::NothingDone),
            "round {round}: {away}"
        );
        server.resume();
        assert_eq!(format!("{:?}", store.snapshot().await.unwrap()), before);
    }
    assert!(store.rotate(&held(&first), &by(), at(10)).await.unwrap().changed);
}

/// The server goes down while changes are under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_server_that_stops() {
    let mut server = Postgres::start();
    let store = Store::connect(&server.address()).await.unwrap();
    add_client(&store, "acme_corp").await;
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            let mut acknowledged = Vec::new();
            for number in 0.. {
                let issue = gracekey_store::Issue {
                    client_id: acme(),
                    credential: format!("use-{number}").parse().unwrap(),
                    key: crate::support::mint(),
                    expires_at: None,
                };
                match store.issue(&issue, &by(), at(1)).await {
                    Ok(done) => acknowledged.push(done.value.key_id),
                    Err(error) => return (acknowledged, error),
                }
            }
            unreachable!()
        }
    });
    while store.epoch().await.unwrap() < 20 {
        tokio::task::yield_now().await;
    }
    server.stop();
    let (acknowledged, error) = writer.await.unwrap();
    assert_eq!(error.kind(), Kind::World);
    server.resume();
    let document = store.snapshot().await.unwrap();
    assert!(acknowledged.len() >= 19);
    for key_id in &acknowledged {
        assert!(document.keys.iter().any(|key| key.key_id == *key_id), "{key_id} was acknowledged and is not there");
    }
    // One more may be there whose answer was lost; then its epoch is there too.
    assert_eq!(document.epoch, 1 + u64::try_from(document.keys.len()).unwrap());
}

/// The connection is cut somewhere in a rotation, on the way there and on the way back. The change is there or not,
/// as the error says; and asked for again with the same key it happens once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_leaves_a_whole_change_or_none() {
    let server = Postgres::start();
    let direct = Store::connect(&server.address()).await.unwrap();
    add_client(&direct, "acme_corp").await;
    issue(&direct, 0).await;
    let proxy = Proxy::start(server.socket()).await;
    let address = format!("postgres://gracekey@127.0.0.1:{}/postgres", proxy.port());
    let mut cuts = Cuts { store: Store::connect(&address).await.unwrap(), direct, proxy, now: at(10), seen: [0; 3] };
    for (direction, bytes) in [THERE, BACK].into_iter().flat_map(|way| (1..=60).map(move |step| (way, step * 47))) {
        cuts.proxy.cut_after(direction, bytes);
        cuts.rotate(&format!("direction {direction}, {bytes} bytes")).await;
    }
    // The commit is short: it is cut on purpose.
    for arrives in [true, false].repeat(10) {
        cuts.proxy.cut_at_commit(arrives);
        assert_eq!(cuts.rotate(&format!("the commit arrives: {arrives}")).await, (LOST, arrives));
    }
    let [whole, nothing, lost] = cuts.seen;
    assert!(whole > 0 && nothing > 0 && lost >= 20, "whole {whole}, nothing done {nothing}, answer lost {lost}");
    issue_to(&cuts.store, "afterwards", 10).await;
}

/// One store behind a proxy, and one that sees what really happened.
struct Cuts {
    store: Store,
    direct: Store,
    proxy: Proxy,
    now: Timestamp,
    /// How often all was done, nothing was, and the answer was lost.
    seen: [usize; 3],
}

const WHOLE: usize = 0;
const NOTHING: usize = 1;
const LOST: usize = 2;

impl Cuts {
    /// Rotates once while the proxy cuts, and says how that ended and whether it is there.
    async fn rotate(&mut self, place: &str) -> (usize, bool) {
        self.now = self.now.saturating_add(100_000);
        let rotate = current();
        let before = self.direct.epoch().await.unwrap();
        let outcome = self.store.rotate(&rotate, &by(), self.now).await;
        self.proxy.restore();
        let there = self.direct.key(rotate.key.key_id).await.unwrap().is_some();
        let seen = match outcome {
            Ok(_) => {
                assert!(there, "{place}");
                WHOLE
            }
            Err(StoreError::Unavailable(error)) if error.outcome == Outcome::NothingDone => {
                assert!(!there, "{place}: {error}, and yet it is there");
                NOTHING
            }
            Err(StoreError::Unavailable(error)) => {
                assert_eq!((error.trouble, error.outcome), (Trouble::Unreachable, Outcome::Unknown), "{place}");
                LOST
            }
            Err(other) => panic!("{place}: {other}"),
        };
        self.seen[seen] += 1;
        assert_eq!(self.direct.epoch().await.unwrap(), before + u64::from(there), "{place}");
        let again = self.store.rotate(&rotate, &by(), self.now).await.unwrap();
        assert_eq!((again.changed, again.epoch), (!there, before + 1), "{place}");
        assert_eq!(again.value.successor.key_id, rotate.key.key_id, "{place}");
        (seen, there)
    }
}
