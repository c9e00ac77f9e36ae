//! Forward auth: a proxy asks whether it may let a request pass, and tells what that request was.
//!
//! What decides is the Layer, as in front of any other service. Here stands only what differs from proxy to proxy: who may
//! ask, where the original method and target stand, and how the answer goes back.

mod answer;
mod metrics;
mod origin;
mod pass;
mod trust;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use gracekey_tower::{Gracekey, GracekeyLayer, LiveKeyring, Throttle};
use http::header::CONTENT_TYPE;
use tower::{Layer, Service};

use crate::config::Config;
use crate::error::ApiError;
use crate::feed::Feed;
use metrics::Metrics;
use origin::Proxy;
use pass::Pass;
use trust::Trusted;

/// What all requests of proxies share.
#[derive(Clone)]
struct Verify(Arc<Shared>);

struct Shared {
    trusted: Trusted,
    gate: Gracekey<Pass>,
    metrics: Metrics,
}

/// Who asks, and for whom: the address that failures are counted under.
#[derive(Clone, Copy, Debug)]
struct Asked {
    proxy: Proxy,
    client: Option<IpAddr>,
}

/// The routes. They stand outside the server's own Layer: the key in these requests is a caller's, and not the proxy's.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(config: &Config, live: LiveKeyring, feed: Feed) -> Router<S> {
    let verify = Verify(Arc::new(Shared {
        trusted: Trusted::new(&config.trusted_proxies),
        gate: layer(config, live).layer(Pass::new(&config.policy, feed)),
        metrics: Metrics::new(&config.metrics_prefix),
    }));
    Router::new()
        .route("/verify", any(forwarding))
        .route("/verify/nginx", any(nginx))
        .route("/verify/envoy", any(envoy))
        .route("/verify/envoy/", any(envoy))
        .route("/verify/envoy/{*target}", any(envoy))
        .with_state(verify)
}

fn layer(config: &Config, live: LiveKeyring) -> GracekeyLayer {
    let guesses = NonZeroU32::new(config.limits.guesses_per_minute).unwrap_or(NonZeroU32::MIN);
    let throttle = Throttle::new(guesses, Duration::from_mins(1));
    let throttle = throttle.peer_from(|_, extensions| extensions.get::<Asked>().and_then(|asked| asked.client));
    let layer = GracekeyLayer::new(config.policy.clone(), live).throttle(throttle);
    layer.clock(config.clock.clone()).metrics_prefix(config.metrics_prefix.clone())
}

/// Traefik's `forwardAuth` and Caddy's `forward_auth`.
async fn forwarding(State(verify): State<Verify>, peer: ConnectInfo<SocketAddr>, request: Request) -> Response {
    verify.answer(peer, Proxy::Forwarding, request).await
}

/// nginx's `auth_request`.
async fn nginx(State(verify): State<Verify>, peer: ConnectInfo<SocketAddr>, request: Request) -> Response {
    answer::for_nginx(verify.answer(peer, Proxy::Nginx, request).await).await
}

/// Envoy's `ext_authz` over HTTP, with `/verify/envoy` as its `path_prefix`.
async fn envoy(State(verify): State<Verify>, peer: ConnectInfo<SocketAddr>, request: Request) -> Response {
    verify.answer(peer, Proxy::Envoy, request).await
}

impl Verify {
    async fn answer(&self, ConnectInfo(peer): ConnectInfo<SocketAddr>, proxy: Proxy, request: Request) -> Response {
        match self.original(peer, proxy, request) {
            Ok(original) => {
                let mut gate = self.0.gate.clone();
                // Whoever stands behind the Layer here answers at once, and never fails.
                match gate.call(original).await {
                    Ok(response) => response.map(Body::new),
                    Err(never) => match never {},
                }
            }
            Err(error) => {
                self.0.metrics.refused(&error);
                error.into_response()
            }
        }
    }

    /// The request that the proxy asks about, without its body.
    fn original(&self, peer: SocketAddr, proxy: Proxy, request: Request) -> Result<http::Request<()>, ApiError> {
        self.0.trusted.check(peer.ip())?;
        let (mut parts, _) = request.into_parts();
        let (method, uri) = proxy.origin(&parts)?;
        parts.method = method;
        parts.uri = uri;
        // A denial of gRPC is a 200, which a proxy takes for leave to let the call pass. The proxy knows how to tell a gRPC
        // caller of a 401.
        parts.headers.remove(CONTENT_TYPE);
        let client = self.0.trusted.client(proxy, &parts.headers);
        parts.extensions.insert(Asked { proxy, client });
        Ok(http::Request::from_parts(parts, ()))
    }
}
