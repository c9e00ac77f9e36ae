use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use gracekey_tower::{Caller, FakeClock, Gracekey, GracekeyLayer, LiveKeyring};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::util::ServiceFn;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{bearer, generation, header, key, keyring, now, policy, superseded, text};

type Guarded = Gracekey<ServiceFn<fn(Request<()>) -> Echoed>>;
type Echoed = std::future::Ready<Result<Response<Full<Bytes>>, Infallible>>;

/// The Layer over a service that answers with the headers and the caller it got.
pub(crate) fn guarded(policy_json: &str, keys: LiveKeyring) -> Guarded {
    GracekeyLayer::new(policy(policy_json), keys).layer(service_fn(echo as fn(Request<()>) -> Echoed))
}

pub(crate) fn echo(request: Request<()>) -> Echoed {
    let caller = request.extensions().get::<Caller>();
    let seen = format!("{caller:?} {} {:?}", request.uri(), request.headers());
    std::future::ready(Ok(Response::new(Full::from(seen))))
}

pub(crate) fn live(keys: Vec<gracekey_core::Generation>) -> LiveKeyring {
    LiveKeyring::with_clock(Some(keyring(1, keys)), FakeClock::at(now()))
}

#[tokio::test]
async fn a_good_key_passes_and_the_service_learns_who_called() {
    let service = guarded("{}", live(vec![generation("acme", 1)]));
    let response = service.oneshot(bearer(&key(1))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "authentication-info"), None);
    let seen = text(response).await;
    assert!(seen.contains(r#"Caller { client_id: "acme", credential: "default", generation: 1"#), "{seen}");
    assert!(seen.contains(r#""x-client-id": "acme""#) && !seen.contains("authorization"), "{seen}");
}

#[tokio::test]
async fn a_key_in_the_query_is_taken_out_of_the_target_and_the_rest_stays() {
    let service = guarded(r#"{"extract_from":[{"query":"api_key"}]}"#, live(vec![generation("acme", 1)]));
    let target = format!("http://example.test/logs?limit=5&api_key={}&after=2", key(1).reveal());
    let response = service.oneshot(Request::get(target).body(()).unwrap()).await.unwrap();
    let seen = text(response).await;
    assert!(seen.contains(" http://example.test/logs?limit=5&after=2 "), "{seen}");
}

#[tokio::test]
async fn a_denied_request_never_reaches_the_service() {
    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    let inner = service_fn(move |_: Request<()>| {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
    });
    let service = GracekeyLayer::new(policy("{}"), live(vec![generation("acme", 1)])).layer(inner);
    let response = service.clone().oneshot(bearer(&key(2))).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(header(&response, "content-type"), Some("application/json"));
    assert!(text(response).await.contains("This API key is not valid."));
    assert_eq!(reached.load(Ordering::Relaxed), 0);
    service.oneshot(bearer(&key(1))).await.unwrap();
    assert_eq!(reached.load(Ordering::Relaxed), 1);
}

/// A service that must be asked whether it is ready before each call, and by the very value that is called.
#[derive(Default)]
struct Strict {
    ready: bool,
    polls: usize,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<Request<()>> for Strict {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.polls += 1;
        if self.polls == 1 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        assert!(self.ready, "called without being ready");
        self.ready = false;
        std::future::ready(Ok(Response::new(Full::default())))
    }
}

#[tokio::test]
async fn readiness_is_that_of_the_inner_service() {
    let mut service = GracekeyLayer::new(policy("{}"), live(vec![generation("acme", 1)])).layer(Strict::default());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_pending());
    // A denial leaves the inner service ready, and a grant uses that up.
    for number in [2, 1] {
        service.ready().await.unwrap();
        service.call(bearer(&key(number))).await.unwrap();
    }
    assert!(!service.inner().ready);
}

#[tokio::test]
async fn a_superseded_key_is_told_so_on_the_successful_response() {
    let service = guarded("{}", live(vec![superseded(generation("acme", 1))]));
    let response = service.oneshot(bearer(&key(1))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let info = header(&response, "authentication-info").unwrap();
    assert!(info.ends_with(r#"key_status="superseded", key_retires="2026-11-22T13:00:00Z""#), "{info}");
    assert_eq!(header(&response, "x-api-key-retires"), Some("2026-11-22T13:00:00Z"));
}

#[tokio::test]
async fn the_window_closes_at_the_second_and_the_caller_learns_when() {
    let clock = FakeClock::at(now());
    let keys = LiveKeyring::with_clock(Some(keyring(1, vec![superseded(generation("acme", 1))])), clock.clone());
    let service = guarded("{}", keys);
    clock.advance(3599);
    assert_eq!(service.clone().oneshot(bearer(&key(1))).await.unwrap().status(), StatusCode::OK);
    clock.advance(1);
    let response = service.oneshot(bearer(&key(1))).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(text(response).await.contains("stopped working at 2026-11-22T13:00:00Z"));
}

#[tokio::test]
async fn an_unknown_time_denies_and_so_does_a_missing_or_stale_keyring() {
    let clock = FakeClock::at(now());
    let keys = LiveKeyring::with_clock(None, clock.clone());
    let service = guarded(r#"{"max_staleness":"60s"}"#, keys.clone());
    let status = || async { service.clone().oneshot(bearer(&key(1))).await.unwrap().status() };

    assert_eq!(status().await, StatusCode::SERVICE_UNAVAILABLE);
    keys.replace(keyring(1, vec![generation("acme", 1)])).unwrap();
    assert_eq!(status().await, StatusCode::OK);
    clock.advance(60);
    assert_eq!(status().await, StatusCode::OK);
    clock.advance(1);
    assert_eq!(status().await, StatusCode::SERVICE_UNAVAILABLE);
    keys.confirm();
    assert_eq!(status().await, StatusCode::OK);
    clock.lose();
    assert_eq!(status().await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn modes_are_carried_out() {
    let status = |mode: &'static str, number: Option<u8>| async move {
        let service = guarded(&format!(r#"{{"mode":"{mode}"}}"#), live(vec![generation("acme", 1)]));
        let request = number.map_or_else(|| Request::new(()), |number| bearer(&key(number)));
        service.oneshot(request).await.unwrap().status().as_u16()
    };
    for (mode, none, bad, good) in
        [("strict", 401, 401, 200), ("optional", 200, 401, 200), ("shadow", 200, 200, 200), ("open", 200, 200, 200)]
    {
        let seen = [status(mode, None).await, status(mode, Some(2)).await, status(mode, Some(1)).await];
        assert_eq!(seen, [none, bad, good], "{mode}");
    }
}

#[tokio::test]
async fn a_request_body_of_any_type_passes() {
    let inner = service_fn(|request: Request<String>| async move {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(request.into_body())))
    });
    let service = GracekeyLayer::new(policy("{}"), live(vec![generation("acme", 1)])).layer(inner);
    let mut request = bearer::<String>(&key(1));
    *request.body_mut() = "as it came".into();
    assert_eq!(text(service.oneshot(request).await.unwrap()).await, "as it came");
}
