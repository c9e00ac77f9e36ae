use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gracekey_core::DocumentError;
use gracekey_tower::{FakeClock, LiveKeyring};
use http::StatusCode;
use tower::ServiceExt;

use super::service::{guarded, live};
use crate::support::{bearer, generation, header, key, keyring, now, superseded};

#[test]
fn no_keyring_goes_back_to_a_smaller_epoch() {
    let keys = LiveKeyring::empty();
    assert_eq!(keys.epoch(), None);
    keys.replace(keyring(5, vec![generation("acme", 1)])).unwrap();
    let older = keys.replace(keyring(4, vec![])).unwrap_err();
    assert!(matches!(older, DocumentError::OlderEpoch { held: 5, offered: 4 }));
    let other = keys.replace(keyring(5, vec![])).unwrap_err();
    assert!(matches!(other, DocumentError::SameEpoch { epoch: 5 }));
    keys.replace(keyring(5, vec![generation("acme", 1)])).unwrap();
    assert_eq!(keys.epoch(), Some(5));
    assert_eq!(keys.current().unwrap().len(), 1);
}

#[test]
fn clones_hold_the_same_keyring() {
    let keys = LiveKeyring::empty();
    let clone = keys.clone();
    keys.replace(keyring(7, vec![])).unwrap();
    assert_eq!(clone.epoch(), Some(7));
}

/// A request sees one keyring or the next, and nothing between: the key that every ring has always passes, the one that
/// none has never does, and the one that is superseded in every other ring is told so or not, but passes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_swaps_under_load_give_not_one_wrong_verdict() {
    let keys = live(vec![generation("acme", 1), generation("beta", 2)]);
    let service = guarded("{}", keys.clone());
    let done = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (service, done, served) = (service.clone(), Arc::clone(&done), Arc::clone(&served));
            tokio::spawn(async move {
                let mut told = [0_u64; 2];
                while !done.load(Ordering::Relaxed) {
                    let steady = service.clone().oneshot(bearer(&key(1))).await.unwrap();
                    assert_eq!(steady.status(), StatusCode::OK);
                    assert_eq!(header(&steady, "x-api-key-retires"), None);
                    let unknown = service.clone().oneshot(bearer(&key(3))).await.unwrap();
                    assert_eq!(unknown.status(), StatusCode::UNAUTHORIZED);
                    let rotating = service.clone().oneshot(bearer(&key(2))).await.unwrap();
                    assert_eq!(rotating.status(), StatusCode::OK);
                    told[usize::from(header(&rotating, "x-api-key-retires").is_some())] += 1;
                    served.fetch_add(3, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
                told
            })
        })
        .collect();

    for epoch in 2..=1001 {
        let beta = generation("beta", 2);
        let beta = if epoch % 2 == 0 { superseded(beta) } else { beta };
        keys.replace(keyring(epoch, vec![generation("acme", 1), beta])).unwrap();
        // Each ring is used: the next one waits for a few requests more.
        let before = served.load(Ordering::Relaxed);
        while served.load(Ordering::Relaxed) < before + 6 && !callers.iter().any(|caller| caller.is_finished()) {
            tokio::task::yield_now().await;
        }
    }
    done.store(true, Ordering::Relaxed);
    let mut told = [0; 2];
    for caller in callers {
        let [current, superseded] = caller.await.expect("no wrong verdict");
        told = [told[0] + current, told[1] + superseded];
    }
    assert_eq!(keys.epoch(), Some(1001));
    assert!(served.load(Ordering::Relaxed) >= 6000 && told[0] > 0 && told[1] > 0, "{told:?}");
}

#[test]
fn a_clock_that_is_lost_confirms_nothing() {
    let clock = FakeClock::at(now());
    let keys = LiveKeyring::with_clock(None, clock.clone());
    assert_eq!(keys.confirmed_at(), now());
    clock.lose();
    keys.confirm();
    assert_eq!(keys.confirmed_at(), gracekey_core::Timestamp::MIN);
}
