//! A grant of a current key costs at most two heap allocations in the Layer. Counted by the allocator of this test.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::convert::Infallible;
use std::task::{Context, Poll, Waker};

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use gracekey_tower::{GracekeyLayer, LiveKeyring};
use http::{HeaderMap, Request, Response};
use http_body_util::Empty;
use support::{bearer, generation, key, keyring, policy};
use tower::{Layer, Service, service_fn};

/// What a server has put there before the Layer runs.
#[derive(Clone)]
struct FromTheServer;

/// The allocations of one call, besides those of the same call of the bare service.
fn allocations(policy_json: &str) -> u64 {
    let bare = service_fn(|request: Request<()>| {
        assert!(request.extensions().get::<FromTheServer>().is_some());
        std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
    });
    let keys = LiveKeyring::new(keyring(1, vec![generation("acme", 1)]));
    let guarded = GracekeyLayer::new(policy(policy_json), keys).layer(bare);
    // The first request registers the metrics, and the first of each second sets the gauges.
    count(guarded.clone(), request());
    let with_layer = (0..3).map(|_| count(guarded.clone(), request())).min().unwrap();
    with_layer - count(bare, request())
}

fn request() -> Request<()> {
    let mut request: Request<()> = bearer(&key(1));
    for name in ["host", "accept", "user-agent", "content-type", "accept-encoding"] {
        request.headers_mut().insert(name, "x".parse().unwrap());
    }
    // A map without room grows, whoever adds a header: here there is room, as in a request with a few headers more.
    let mut roomy = HeaderMap::with_capacity(16);
    roomy.extend(std::mem::take(request.headers_mut()));
    *request.headers_mut() = roomy;
    request.extensions_mut().insert(FromTheServer);
    request
}

fn count<S: Service<Request<()>, Error = Infallible>>(mut service: S, request: Request<()>) -> u64 {
    let mut request = Some(request);
    let AllocationInfo { count_total, .. } = measure(|| {
        let mut future = std::pin::pin!(service.call(request.take().unwrap()));
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(response) => drop(response),
            Poll::Pending => panic!("the service answers at once"),
        }
    });
    count_total
}

#[test]
fn a_grant_that_forwards_who_called_costs_two() {
    assert_eq!(allocations("{}"), 2);
}

#[test]
fn a_grant_that_forwards_nothing_costs_one() {
    assert_eq!(allocations(r#"{"forward":null}"#), 1);
}

/// That the counter counts.
#[test]
fn the_counter_sees_what_is_allocated() {
    assert_eq!(measure(|| drop(std::hint::black_box(Box::new([0_u8; 64])))).count_total, 1);
}
