//! A key that was issued a moment ago is not refused because its keyring is still on its way.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use gracekey_tower::{GracekeyLayer, KeyringFeed, LiveKeyring, Throttle};
use http::{Request, Response, StatusCode};
use http_body_util::{Empty, Full};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::task::JoinSet;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::server::{LONG, Server, fine, until};
use crate::support::{bearer, document, generation, key, keyring, policy, text};

/// A server whose pollers hear nothing of the key 2, and a live keyring that follows it.
async fn behind(change: impl FnOnce(KeyringFeed) -> KeyringFeed) -> (Server, LiveKeyring, gracekey_tower::Following) {
    let server = Server::start().await;
    server.shared.slow_news.store(true, Ordering::Relaxed);
    server.publish(document(1, vec![generation("acme", 1)]));
    let live = LiveKeyring::empty();
    let following = change(server.feed()).follow(&live).unwrap();
    following.first(LONG).await.unwrap();
    until("a poll that waits", || server.asked() == 2).await;
    (server, live, following)
}

fn issue(server: &Server) {
    server.publish(document(2, vec![generation("acme", 1), generation("beta", 2)]));
}

async fn status(layer: &GracekeyLayer, number: u8) -> StatusCode {
    layer.layer(service_fn(fine)).oneshot(bearer(&key(number))).await.unwrap().status()
}

#[tokio::test]
async fn a_key_that_was_just_issued_is_granted_on_its_first_request() {
    let (server, live, _following) = behind(|feed| feed).await;
    let layer = GracekeyLayer::new(policy("{}"), live.clone());
    issue(&server);
    assert_eq!(status(&layer, 2).await, StatusCode::OK);
    assert_eq!((server.rechecked(), live.epoch()), (1, Some(2)));
    assert_eq!(server.last("cache-control").as_deref(), Some("no-cache"));
}

#[tokio::test]
async fn also_while_the_poll_pauses_after_failures_which_ends_the_pause() {
    let (server, live, following) = behind(|feed| feed.wait(Duration::ZERO)).await;
    server.answer((503, "unavailable"));
    until("a long pause", || server.asked() > 7).await;
    issue(&server);
    server.answer(None);
    let polls = server.asked() - server.rechecked();
    assert_eq!(status(&GracekeyLayer::new(policy("{}"), live), 2).await, StatusCode::OK);
    assert!(following.trouble().is_none());
    until("a poll", || server.asked() - server.rechecked() > polls).await;
}

#[tokio::test]
async fn what_stays_unknown_is_refused_as_ever_and_asked_for_once_in_a_while() {
    let (server, live, _following) = behind(|feed| feed.recheck_every(LONG)).await;
    let layer = GracekeyLayer::new(policy("{}"), live);
    for number in 3..=40 {
        let response = layer.layer(service_fn(fine)).oneshot(bearer(&key(number))).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(text(response).await.contains("This API key is not valid."));
    }
    // A few times in a row, and then at the set intervals.
    assert_eq!(server.rechecked(), 8);
}

#[tokio::test]
async fn a_flood_asks_once_and_good_keys_pass_meanwhile() {
    let (server, live, _following) = behind(|feed| feed.recheck_every(LONG)).await;
    server.shared.lose_answers.store(true, Ordering::Relaxed);
    let layer = GracekeyLayer::new(policy("{}"), live);
    let mut flood = JoinSet::new();
    for number in 0..5000_u32 {
        let layer = layer.clone();
        flood.spawn(async move { status(&layer, 2 + u8::try_from(number % 40).unwrap()).await });
    }
    // Those for whom there is no room are answered at once, while the others still wait.
    let mut answered = 0;
    while answered < 5000 - 1024 {
        assert_eq!(flood.join_next().await.unwrap().unwrap(), StatusCode::UNAUTHORIZED);
        answered += 1;
    }
    assert_eq!(flood.len(), 1024);
    assert_eq!(status(&layer, 1).await, StatusCode::OK);
    // And these when the server has not answered in time.
    while let Some(status) = flood.join_next().await {
        assert_eq!(status.unwrap(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(server.rechecked(), 1);
}

#[tokio::test]
async fn a_server_that_is_down_is_asked_and_the_answer_is_that_of_the_held_keyring() {
    let (mut server, live, _following) = behind(|feed| feed).await;
    server.stop();
    let layer = GracekeyLayer::new(policy("{}"), live);
    assert_eq!(status(&layer, 2).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&layer, 1).await, StatusCode::OK);
}

/// Without a feed, with a known key, in shadow mode, and with a key that can't be right, the verdict is there at once.
#[tokio::test]
async fn nothing_else_waits() {
    let (server, live, following) = behind(|feed| feed).await;
    let at_once = |layer: GracekeyLayer, request: Request<()>| {
        let mut answer = std::pin::pin!(layer.layer(service_fn(fine)).call(request));
        match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(response) => Some(response.unwrap().status().as_u16()),
            Poll::Pending => None,
        }
    };
    let strict = || GracekeyLayer::new(policy("{}"), live.clone());
    assert_eq!(at_once(strict(), bearer(&key(1))), Some(200));
    assert_eq!(at_once(strict(), Request::new(())), Some(401));
    let mistyped = Request::builder().header("x-api-key", key(2).reveal().replace("sk_", "sx_"));
    assert_eq!(at_once(strict(), mistyped.body(()).unwrap()), Some(401));
    let shadow = GracekeyLayer::new(policy(r#"{"mode":"shadow"}"#), live.clone());
    assert_eq!(at_once(shadow, bearer(&key(2))), Some(200));
    let unfed = LiveKeyring::new(keyring(1, vec![generation("acme", 1)]));
    assert_eq!(at_once(GracekeyLayer::new(policy("{}"), unfed), bearer(&key(2))), Some(401));
    assert_eq!(server.rechecked(), 0);
    let optional = GracekeyLayer::new(policy(r#"{"mode":"optional"}"#), live.clone());
    assert_eq!(at_once(optional, bearer(&key(2))), None, "it waits");
    drop(following);
    assert_eq!(at_once(strict(), bearer(&key(2))), Some(401), "there is nobody to ask");
}

#[tokio::test]
async fn a_throttled_peer_asks_for_nothing() {
    let (server, live, _following) = behind(|feed| feed.recheck_every(Duration::from_millis(1))).await;
    let throttle = Throttle::new(NonZeroU32::new(2).unwrap(), Duration::from_hours(24));
    let layer = GracekeyLayer::new(policy("{}"), live).throttle(throttle.peer_from(|_, _| Some([192, 0, 2, 1].into())));
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(status(&layer, 2).await.as_u16());
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert_eq!(seen, [401, 401, 429, 429, 429], "each failure counts once");
    assert_eq!(server.rechecked(), 2);
}

/// A service that must be asked whether it is ready before each call, and by the very value that is called.
#[derive(Default)]
struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<Request<String>> for Strict {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without being ready");
        let said = format!("{} {:?}", request.body(), request.headers().get("x-client-id"));
        std::future::ready(Ok(Response::new(Full::from(said))))
    }
}

#[tokio::test]
async fn the_whole_request_goes_on_to_a_service_that_is_ready_for_it() {
    let (server, live, _following) = behind(|feed| feed).await;
    let mut service = GracekeyLayer::new(policy("{}"), live).layer(Strict::default());
    issue(&server);
    let request = || {
        let mut request = bearer::<String>(&key(2));
        *request.body_mut() = "a body".into();
        request
    };
    let held = service.ready().await.unwrap().call(request());
    // The service stays ready for the next one, and a clone of it is asked whether it is ready for this one.
    assert!(service.inner().ready);
    let next = service.call(bearer(&key(1)));
    assert!(text(next.await.unwrap()).await.contains("acme"));
    assert_eq!(text(held.await.unwrap()).await, r#"a body Some("beta")"#);
}

#[tokio::test]
async fn each_request_counts_once_with_its_final_outcome() {
    let recorder = DebuggingRecorder::new();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let (server, live, _following) = behind(|feed| feed.recheck_every(Duration::from_millis(1))).await;
    let layer = GracekeyLayer::new(policy("{}"), live);
    assert_eq!(status(&layer, 9).await, StatusCode::UNAUTHORIZED);
    issue(&server);
    assert_eq!(status(&layer, 2).await, StatusCode::OK);
    // One whose caller went away while it waited.
    server.shared.lose_answers.store(true, Ordering::Relaxed);
    let mut gone = Box::pin(layer.layer(service_fn(fine)).oneshot(bearer::<()>(&key(9))));
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut gone).await.is_err());
    drop(gone);
    let counted = recorder.snapshotter().snapshot().into_vec().into_iter().filter_map(|(key, _, _, value)| {
        let labels: String = key.key().labels().map(|label| format!(" {}", label.value())).collect();
        let DebugValue::Counter(count) = value else { return None };
        (count > 0).then(|| format!("{}{labels} {count}", key.key().name()))
    });
    let mut counted: Vec<_> = counted.collect();
    counted.sort();
    assert_eq!(
        counted,
        [
            "gracekey_auth_failures_total unknown 2",
            "gracekey_auth_success_total current 1",
            "gracekey_requests_total 3",
        ]
    );
}

/// As a type that no server could hold.
fn _is_send<S: Send>(_: S) {}

#[test]
fn the_response_in_the_making_can_go_to_another_thread() {
    let layer = GracekeyLayer::new(policy("{}"), LiveKeyring::empty());
    let inner =
        service_fn(|_: Request<()>| std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))));
    _is_send(layer.layer(inner).call(Request::new(())));
}
