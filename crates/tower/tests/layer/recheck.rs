//! A source of one's own is looked at before an unknown key is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gracekey_tower::{LiveKeyring, RecheckError};
use http::StatusCode;
use metrics::{Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tower::ServiceExt;

use super::service::guarded;
use crate::support::{bearer, generation, key, keyring};

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(3600);

async fn status(keys: &LiveKeyring, number: u8) -> StatusCode {
    guarded("{}", keys.clone()).oneshot(bearer(&key(number))).await.unwrap().status()
}

/// Each look brings the next key.
#[tokio::test]
async fn new_keys_are_granted_at_once_and_never_wait_for_a_rest() {
    let keys = LiveKeyring::new(keyring(1, vec![generation("acme", 1)]));
    let looked = keys.clone();
    let _rechecking = keys.recheck(LONG, move || {
        let keys = looked.clone();
        async move {
            let epoch = keys.epoch().unwrap() + 1;
            keys.replace(keyring(epoch, vec![generation("acme", u8::try_from(epoch).unwrap())])).unwrap();
        }
    });
    for number in 2..50 {
        assert_eq!(status(&keys, number).await, StatusCode::OK);
        assert_eq!(keys.epoch(), Some(number.into()));
    }
}

#[tokio::test]
async fn looks_for_nothing_are_few() {
    let keys = LiveKeyring::new(keyring(1, vec![generation("acme", 1)]));
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&looks);
    let _rechecking = keys.recheck(LONG, move || {
        counted.fetch_add(1, Ordering::Relaxed);
        async {}
    });
    for _ in 0..50 {
        assert_eq!(status(&keys, 2).await, StatusCode::UNAUTHORIZED);
        assert_eq!(status(&keys, 1).await, StatusCode::OK);
    }
    assert_eq!(looks.load(Ordering::Relaxed), 8);
}

/// The wait has its bound, known keys go on working, and no look begins before the last one has ended.
#[tokio::test]
async fn a_look_that_never_ends_keeps_nobody_for_good() {
    let keys = LiveKeyring::new(keyring(1, vec![generation("acme", 1)]));
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&looks);
    let _rechecking = keys.recheck(LONG, move || {
        counted.fetch_add(1, Ordering::Relaxed);
        std::future::pending()
    });
    for _ in 0..3 {
        assert_eq!(status(&keys, 2).await, StatusCode::UNAUTHORIZED);
        assert_eq!(status(&keys, 1).await, StatusCode::OK);
    }
    assert_eq!(looks.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_look_that_panics_is_the_last_one() {
    let keys = LiveKeyring::new(keyring(1, vec![generation("acme", 1)]));
    let _rechecking = keys.recheck(LONG, || async { panic!("a defect of the source") });
    for _ in 0..3 {
        assert_eq!(status(&keys, 2).await, StatusCode::UNAUTHORIZED);
        assert_eq!(status(&keys, 1).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn one_source_at_a_time_is_asked() {
    let keys = LiveKeyring::empty();
    let first = keys.recheck(LONG, async || {}).unwrap();
    assert_eq!(keys.recheck(LONG, async || {}).unwrap_err(), RecheckError::Taken);
    drop(first);
    let second = keys.recheck(LONG, async || {});
    assert!(second.is_ok());
    let outside = std::thread::spawn(|| LiveKeyring::empty().recheck(LONG, async || {}).unwrap_err());
    assert_eq!(outside.join().unwrap(), RecheckError::Runtime);
}

/// Brings a newer keyring while a request is decided: after its own was taken up, when the gauges are set.
struct Interrupting(LiveKeyring);

impl GaugeFn for Interrupting {
    fn increment(&self, _: f64) {}

    fn decrement(&self, _: f64) {}

    fn set(&self, _: f64) {
        // The second time there is none that is newer.
        let _ = self.0.replace(keyring(2, vec![generation("acme", 2)]));
    }
}

impl Recorder for Interrupting {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(Self(self.0.clone())))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn a_keyring_that_comes_while_a_key_is_decided_over_is_looked_at_too() {
    let keys = LiveKeyring::new(keyring(1, vec![generation("acme", 1)]));
    let recorder = Interrupting(keys.clone());
    let _recording = metrics::set_default_local_recorder(&recorder);
    assert_eq!(status(&keys, 2).await, StatusCode::OK);
    assert_eq!((keys.epoch(), status(&keys, 1).await), (Some(2), StatusCode::UNAUTHORIZED));
}
