//! A whole tower service: bare, behind the Layer, and behind tower-http's bearer check.

use std::convert::Infallible;
use std::future::ready;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Waker};

use gracekey_core::{ApiKey, Policy};
use gracekey_tower::{GracekeyLayer, LiveKeyring};
use http::{Request, Response};
use tower::{Layer, Service, service_fn};
use tower_http::validate_request::ValidateRequestHeaderLayer;

use crate::{Case, SetUp, World};

const CIRCUMSTANCES: &str = "1,000 keys, one key";

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case("bare tower service", "a request as a server hands it on", |_| inner()),
        case("the Layer over it", CIRCUMSTANCES, |World { ring, .. }| {
            GracekeyLayer::new(Policy::default(), LiveKeyring::new(ring)).layer(inner())
        }),
        #[expect(deprecated, reason = "it is what people still take for this")]
        case("tower-http's bearer check over it", "1 key", |World { keys, .. }| {
            ValidateRequestHeaderLayer::bearer(keys.first().map_or("", ApiKey::reveal)).layer(inner())
        }),
    ]
}

/// A service that does nothing.
fn inner() -> impl Service<Request<()>, Response = Response<String>> + Clone + 'static {
    service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(String::new()))))
}

/// One call, from the request to its response, which all of these services give at once.
fn case<S, B>(name: &'static str, circumstances: &str, service: fn(World) -> S) -> Case
where
    S: Service<Request<()>, Response = Response<B>> + 'static,
{
    Case::new(name, circumstances, move || {
        let world = World::new(1_000)?;
        let request = request(world.keys.first().ok_or("a world has a key")?.reveal())?;
        let mut service = service(world);
        Ok(move || {
            let mut context = Context::from_waker(Waker::noop());
            let _ = black_box(service.poll_ready(&mut context)).is_ready();
            let _ = black_box(pin!(service.call(received(black_box(&request)))).poll(&mut context)).is_ready();
        })
    })
}

/// A request as a server hands it on: a header map with room, and extensions that hold something already.
fn received(wire: &Request<()>) -> Request<()> {
    let mut request = Request::new(());
    *request.uri_mut() = wire.uri().clone();
    request.headers_mut().reserve(16);
    for (name, value) in wire.headers() {
        request.headers_mut().append(name, value.clone());
    }
    request.extensions_mut().insert(());
    request
}

fn request(key: &str) -> SetUp<Request<()>> {
    Ok(Request::get("/v1/logs")
        .header("host", "api.example.com")
        .header("user-agent", "curl/8.1.2")
        .header("accept", "*/*")
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .header("content-length", "120")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .body(())?)
}
