//! What stands behind the Layer: it says yes, and hands the proxy what the original request gets.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use gracekey_core::Policy;
use gracekey_tower::Caller;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::Empty;
use tower::Service;

use super::Asked;
use super::origin::Proxy;
use crate::feed::Feed;

/// Answers a request that the Layer let pass.
#[derive(Clone)]
pub(super) struct Pass {
    shared: Arc<Shared>,
}

struct Shared {
    /// The names under which the policy forwards who called.
    forwarded: Vec<HeaderName>,
    /// Every name that the policy may set or remove.
    fields: Vec<HeaderName>,
    feed: Feed,
}

/// What Envoy takes away from the original request.
const TO_REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");

impl Pass {
    pub(super) fn new(policy: &Policy, feed: Feed) -> Self {
        let name = |name: &str| HeaderName::try_from(name).ok();
        let forward = policy.config().forward.iter().flat_map(|forward| [&forward.client_id, &forward.key_id]);
        let forwarded = forward.filter_map(|field| name(field.as_str())).collect();
        let fields = policy.fields().iter().filter_map(|field| name(field.as_str())).collect();
        Self { shared: Arc::new(Shared { forwarded, fields, feed }) }
    }
}

impl Service<Request<()>> for Pass {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let (parts, ()) = request.into_parts();
        if let Some(caller) = parts.extensions.get::<Caller>() {
            self.shared.feed.count(caller);
        }
        let mut response = Response::new(Empty::new());
        let headers = response.headers_mut();
        if parts.extensions.get::<Asked>().is_some_and(|asked| asked.proxy == Proxy::Envoy) {
            self.shared.remove(&parts.headers, headers);
        }
        self.shared.forward(parts.headers, headers);
        ready(Ok(response))
    }
}

impl Shared {
    /// The Layer has set these on the request, whatever its caller had sent.
    fn forward(&self, mut request: HeaderMap, response: &mut HeaderMap) {
        for name in &self.forwarded {
            if let Some(value) = request.remove(name) {
                response.insert(name.clone(), value);
            }
        }
    }

    /// What the Layer took off the request, Envoy takes off the original one: the key, and copies of the forwarded headers
    /// in an anonymous request.
    fn remove(&self, request: &HeaderMap, response: &mut HeaderMap) {
        let mut names = String::new();
        for name in self.fields.iter().filter(|name| !request.contains_key(*name)) {
            if !names.is_empty() {
                names.push(',');
            }
            names.push_str(name.as_str());
        }
        if let Ok(names) = HeaderValue::try_from(names)
            && !names.is_empty()
        {
            response.insert(TO_REMOVE, names);
        }
    }
}
