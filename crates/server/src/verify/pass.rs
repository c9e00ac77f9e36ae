//! What stands behind the Layer: it says yes, and hands the proxy what the original request gets.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use gracekey_core::Policy;
use gracekey_tower::Caller;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::Empty;
use tower::Service;

use super::origin::Proxy;
use crate::feed::Feed;

/// Answers a request that the Layer let pass.
#[derive(Clone)]
pub(super) struct Pass {
    shared: Arc<Shared>,
}

struct Shared {
    proxy: Proxy,
    /// The names under which the policy forwards the client id and the key id.
    forwarded: Option<[HeaderName; 2]>,
    /// Every name that the policy may set or remove.
    fields: Vec<HeaderName>,
    feed: Feed,
}

/// What Envoy takes away from the original request.
const TO_REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");

impl Pass {
    pub(super) fn new(proxy: Proxy, policy: &Policy, feed: Feed) -> Self {
        // Names of the engine are tokens of RFC 9110 in lower case, which every header name can be.
        let name = |name: &str| HeaderName::try_from(name).ok();
        let forward = policy.config().forward.as_ref();
        let forwarded = forward.and_then(|to| Some([name(to.client_id.as_str())?, name(to.key_id.as_str())?]));
        let fields = policy.fields().iter().filter_map(|field| name(field.as_str())).collect();
        Self { shared: Arc::new(Shared { proxy, forwarded, fields, feed }) }
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
        let mut response = Response::new(Empty::new());
        if self.shared.proxy == Proxy::Envoy {
            self.shared.remove(request.headers(), response.headers_mut());
        }
        if let Some(caller) = request.extensions().get::<Caller>() {
            self.shared.feed.count(caller);
            self.shared.forward(caller, response.headers_mut());
        }
        ready(Ok(response))
    }
}

impl Shared {
    /// Who called, whatever the caller had sent.
    fn forward(&self, caller: &Caller, response: &mut HeaderMap) {
        let Some([client, key]) = &self.forwarded else { return };
        let (client_id, key_id) = (caller.client_id(), caller.key_id());
        let mut text = BytesMut::with_capacity(client_id.len() + key_id.len());
        text.extend_from_slice(client_id.as_bytes());
        text.extend_from_slice(key_id.as_bytes());
        let mut text = text.freeze();
        let client_id = text.split_to(client_id.len());
        for (name, value) in [(client, client_id), (key, text)] {
            // Client ids and key ids are visible ASCII.
            if let Ok(value) = HeaderValue::from_maybe_shared(value) {
                response.insert(name.clone(), value);
            }
        }
    }

    /// What the Layer took off the request, Envoy takes off the original one: the key, and in an anonymous request what the
    /// caller says of itself.
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
