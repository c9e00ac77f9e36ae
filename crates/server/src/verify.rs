//! Forward auth: a proxy asks whether it may let a request pass, and tells what that request was.
//!
//! What decides is the Layer, as in front of any other service. Here stands only what differs from proxy to proxy: who may
//! ask, where the original method and target stand, and how the answer goes back.

mod answer;
mod described;
mod metrics;
mod origin;
mod pass;
mod trust;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::response::{IntoResponse, Response};
use gracekey_core::Policy;
use gracekey_tower::{Gracekey, GracekeyLayer, LiveKeyring, Throttle};
use http::header::CONTENT_TYPE;
use http::{Extensions, HeaderMap};
use tower::{Layer, Service};

use crate::config::Config;
use crate::error::ApiError;
use crate::feed::Feed;
use answer::Answer;
use metrics::Metrics;
use origin::Proxy;
use pass::Pass;
use trust::Trusted;

/// What answers one kind of proxy. Cheap to clone.
#[derive(Clone)]
struct Verify {
    proxy: Proxy,
    trusted: Arc<Trusted>,
    gate: Gracekey<Pass>,
    feed: Feed,
    metrics: Arc<Metrics>,
}

/// The routes. They stand outside the server's own Layer: the key in these requests is a caller's, and not the proxy's. They
/// decide with the keyring of verifiers, in which the server's own clients are not.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(config: &Config, feed: &Feed) -> Router<S> {
    let trusted = Arc::new(Trusted::new(&config.trusted_proxies));
    let metrics = Arc::new(Metrics::new(&config.metrics_prefix));
    let verify = |proxy: Proxy| {
        let layer = layer(config, proxy, feed.published().clone(), Arc::clone(&trusted));
        let gate = layer.layer(Pass::new(proxy, &config.policy, feed.clone()));
        Verify { proxy, trusted: Arc::clone(&trusted), gate, feed: feed.clone(), metrics: Arc::clone(&metrics) }
    };
    let envoy = verify(Proxy::Envoy);
    Router::new()
        .route_service("/verify", verify(Proxy::Forwarding))
        .route_service("/verify/nginx", verify(Proxy::Nginx))
        .route_service("/verify/envoy", envoy.clone())
        .route_service("/verify/envoy/", envoy.clone())
        .route_service("/verify/envoy/{*target}", envoy)
}

/// What the API's document says of them.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    described::document()
}

fn layer(config: &Config, proxy: Proxy, live: LiveKeyring, trusted: Arc<Trusted>) -> GracekeyLayer {
    let guesses = NonZeroU32::new(config.limits.guesses_per_minute).unwrap_or(NonZeroU32::MIN);
    let client = move |headers: &HeaderMap, _: &Extensions| -> Option<IpAddr> { trusted.client(proxy, headers) };
    let throttle = Throttle::new(guesses, Duration::from_mins(1)).peer_from(client);
    let layer = GracekeyLayer::new(policy(config, proxy), live).throttle(throttle);
    layer.clock(config.clock.clone()).metrics_prefix(config.metrics_prefix.clone())
}

/// The operator's, and nothing else decides. Only what would be changed in a request is left out where nobody looks at it
/// afterwards: Envoy alone is told.
fn policy(config: &Config, proxy: Proxy) -> Policy {
    let mut lean = config.policy.config().clone();
    if proxy != Proxy::Envoy {
        (lean.forward, lean.sanitize) = (None, false);
    }
    Policy::new(lean).unwrap_or_else(|_| config.policy.clone())
}

impl Verify {
    /// The request that the proxy asks about, without its body.
    fn original(&self, request: Request) -> Result<http::Request<()>, ApiError> {
        let (mut parts, _) = request.into_parts();
        let peer = parts.extensions.get().map(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| peer.ip());
        self.trusted.check(peer)?;
        (parts.method, parts.uri) = self.proxy.origin(&parts)?;
        // A denial of gRPC is a 200, which a proxy takes for leave to let the call pass. The proxy knows how to tell a gRPC
        // caller of a 401.
        parts.headers.remove(CONTENT_TYPE);
        // Nobody reads on what connection it came from here on, and the Layer's own note finds room.
        parts.extensions.clear();
        Ok(http::Request::from_parts(parts, ()))
    }
}

impl Service<Request> for Verify {
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // So is what stands behind the Layer.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Answer {
        match self.original(request) {
            Ok(original) => Answer::decided(self.proxy, self.gate.call(original), self.feed.clone()),
            Err(error) => {
                self.metrics.refused(&error);
                Answer::refused(self.proxy, error.into_response())
            }
        }
    }
}
