use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gracekey_core::Timestamp;
use gracekey_tower::{FakeClock, FeedError, GracekeyLayer, KeyringFeed, LiveKeyring};
use http::StatusCode;
use tower::{Layer, ServiceExt, service_fn};

use crate::server::{LONG, Server, feed_key, fine, until};
use crate::support::{bearer, document, generation, header, key, keyring, now, peppers, policy, superseded};

#[tokio::test]
async fn a_change_arrives_by_the_poll_that_waits_for_it() {
    let server = Server::start().await;
    server.publish(document(1, vec![generation("acme", 1)]));
    let (live, _following) = server.followed().await;
    assert_eq!(live.epoch(), Some(1));
    for epoch in 2..=5 {
        until("a poll that waits", || server.asked() == usize::try_from(epoch).unwrap()).await;
        assert_eq!(server.last("if-none-match").unwrap(), format!("W/\"{}-01234567\"", epoch - 1));
        let wait: u64 = server.last("prefer").unwrap().strip_prefix("wait=").unwrap().parse().unwrap();
        assert!((24..=30).contains(&wait), "{wait}");
        assert_eq!(server.last("x-gracekey-verifier").as_deref(), Some("tester"));
        assert_eq!(server.last("accept-encoding").as_deref(), Some("gzip"));
        server.publish(document(epoch, vec![generation("acme", 1)]));
        until("the next epoch", || live.epoch() == Some(epoch)).await;
    }
}

/// As the file source has it: a request sees one keyring or the next, and nothing between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotations_under_load_give_not_one_wrong_verdict() {
    let server = Server::start().await;
    server.publish(document(1, vec![generation("acme", 1), generation("beta", 2)]));
    let (live, following) = server.followed().await;
    let service = GracekeyLayer::new(policy("{}"), live.clone()).layer(service_fn(fine));
    let done = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let (service, done, served) = (service.clone(), Arc::clone(&done), Arc::clone(&served));
            tokio::spawn(async move {
                let mut told = [0_u64; 2];
                while !done.load(Ordering::Relaxed) {
                    let steady = service.clone().oneshot(bearer(&key(1))).await.unwrap();
                    assert_eq!(steady.status(), StatusCode::OK);
                    let rotating = service.clone().oneshot(bearer(&key(2))).await.unwrap();
                    assert_eq!(rotating.status(), StatusCode::OK);
                    told[usize::from(header(&rotating, "x-api-key-retires").is_some())] += 1;
                    served.fetch_add(2, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
                told
            })
        })
        .collect();
    for epoch in 2..=40 {
        let mut beta = generation("beta", 2);
        if epoch % 2 == 0 {
            beta = superseded(beta);
            (beta.superseded_at, beta.retires_at) = (Some(Timestamp::MIN), Some(Timestamp::MAX));
        }
        server.publish(document(epoch, vec![generation("acme", 1), beta]));
        until("the next epoch", || live.epoch() == Some(epoch)).await;
        let before = served.load(Ordering::Relaxed);
        until("a few requests", || served.load(Ordering::Relaxed) > before + 4).await;
    }
    done.store(true, Ordering::Relaxed);
    for caller in callers {
        let told = caller.await.expect("no wrong verdict");
        assert!(told.iter().all(|count| *count > 0), "{told:?}");
    }
    drop(following);
}

#[tokio::test]
async fn an_answer_that_nothing_changed_confirms_the_keyring() {
    let server = Server::start().await;
    server.publish(document(1, vec![generation("acme", 1)]));
    let clock = FakeClock::at(now());
    let live = LiveKeyring::with_clock(None, clock.clone());
    let following = server.feed().wait(Duration::from_secs(1)).follow(&live).unwrap();
    following.first(LONG).await.unwrap();
    clock.advance(60);
    until("a 304", || live.confirmed_at() == now().saturating_add(60)).await;
    assert_eq!(live.epoch(), Some(1));
    // Without news from the server the keyring stays and ages.
    server.answer((503, "unavailable"));
    until("a 503", || following.trouble().is_some()).await;
    clock.advance(60);
    let asked = server.asked();
    until("more of them", || server.asked() > asked + 2).await;
    assert_eq!((live.epoch(), live.confirmed_at()), (Some(1), now().saturating_add(60)));
    server.answer(None);
    until("another 304", || live.confirmed_at() == now().saturating_add(120)).await;
    assert!(following.trouble().is_none());
}

#[tokio::test]
async fn a_server_that_cannot_wait_is_not_asked_all_the_time() {
    let server = Server::start().await;
    server.publish(document(1, vec![]));
    let live = LiveKeyring::empty();
    let following = server.feed().wait(Duration::ZERO).follow(&live).unwrap();
    following.first(LONG).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(server.asked() <= 3, "{}", server.asked());
}

#[tokio::test]
async fn a_server_that_restarts_is_followed_on() {
    let mut server = Server::start().await;
    server.publish(document(1, vec![generation("acme", 1)]));
    let (live, following) = server.followed().await;
    for epoch in 2..=4 {
        server.stop();
        until("its absence", || matches!(following.trouble(), Some(FeedError::Unreachable { .. }))).await;
        assert_eq!(live.epoch(), Some(epoch - 1));
        server.publish(document(epoch, vec![generation("acme", 1)]));
        server = server.restart().await;
        until("the next epoch", || live.epoch() == Some(epoch)).await;
        until("no trouble", || following.trouble().is_none()).await;
    }
}

#[tokio::test]
async fn without_a_first_keyring_it_is_nobodys_fault_but_ours() {
    let mut server = Server::start().await;
    server.stop();
    let live = LiveKeyring::empty();
    let following = server.feed().follow(&live).unwrap();
    let why = following.first(Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(why, FeedError::Unreachable { .. }), "{why}");
    assert!(why.to_string().contains("refused"), "{why}");
    let service = GracekeyLayer::new(policy("{}"), live.clone()).layer(service_fn(fine));
    for number in [1, 9] {
        let response = service.clone().oneshot(bearer(&key(number))).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    server.publish(document(1, vec![generation("acme", 1)]));
    let _server = server.restart().await;
    assert_eq!(following.first(LONG).await.unwrap(), 1);
    assert_eq!(service.oneshot(bearer(&key(1))).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_dropped_following_asks_no_more_and_leaves_the_keyring() {
    let server = Server::start().await;
    server.publish(document(1, vec![generation("acme", 1)]));
    let (live, following) = server.followed().await;
    assert!(matches!(server.feed().follow(&live), Err(FeedError::Followed)));
    until("a poll that waits", || server.asked() == 2).await;
    drop(following);
    server.publish(document(2, vec![generation("acme", 1)]));
    let again = server.feed().follow(&live).unwrap();
    assert_eq!(again.first(LONG).await.unwrap(), 2);
    drop(again);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let asked = server.asked();
    server.publish(document(3, vec![]));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((server.asked(), live.epoch()), (asked, Some(2)));
}

#[tokio::test]
async fn a_keyring_from_elsewhere_is_followed_on() {
    let server = Server::start().await;
    server.publish(document(5, vec![generation("acme", 1)]));
    let live = LiveKeyring::new(keyring(4, vec![generation("acme", 1)]));
    let following = server.feed().follow(&live).unwrap();
    assert_eq!(following.first(LONG).await.unwrap(), 5);
    assert_eq!(live.epoch(), Some(5));
}

#[test]
fn without_a_runtime_it_is_told() {
    let feed = KeyringFeed::new("http://127.0.0.1:1", peppers()).unwrap();
    assert!(matches!(feed.follow(&LiveKeyring::empty()), Err(FeedError::Runtime)));
}

#[test]
fn no_debug_shows_the_key() {
    let feed = KeyringFeed::new("http://127.0.0.1:1", peppers()).unwrap().key(feed_key());
    let shown = format!("{feed:?}");
    assert!(shown.contains("http://127.0.0.1:1") && !shown.contains(feed_key().reveal()), "{shown}");
    assert!(!shown.contains(feed_key().reveal().rsplit('_').next().unwrap()), "{shown}");
}
