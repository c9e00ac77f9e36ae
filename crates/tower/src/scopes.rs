//! Scopes that a single route asks for.

use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use gracekey_core::{NameError, Scope, Verdict};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::caller::with_scopes;
use crate::events;
use crate::future::ResponseFuture;
use crate::request::Parts;
use crate::response::{Refused, ResponseBody, answer, layer_missing};

/// Lets only callers pass whose client has these scopes: for a route behind a [`GracekeyLayer`](crate::GracekeyLayer).
///
/// Others get 403 `insufficient_scope`, and anonymous requests 401 `missing`, in the form in which the Layer denies. In
/// shadow mode it lets all pass, as the Layer does. Read from a text as in RFC 6749 §3.3: `"logs:read logs:write"`.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct RequireScopes {
    scopes: Arc<[Scope]>,
}

/// A service behind [`RequireScopes`].
#[derive(Clone, Debug)]
pub struct ScopesRequired<S> {
    inner: S,
    scopes: Arc<[Scope]>,
}

impl RequireScopes {
    /// All of these scopes; with none of them, any caller.
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self { scopes: scopes.into_iter().collect() }
    }

    /// The denial of a request that the Layer let pass and whose caller lacks one of the scopes: for a handler that learns
    /// only on its way what is needed.
    #[must_use]
    pub fn refusal(&self, head: &http::request::Parts) -> Option<http::Response<Bytes>> {
        refusal(head, &self.scopes)
    }
}

impl FromStr for RequireScopes {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        text.split_ascii_whitespace().map(Scope::from_str).collect::<Result<_, _>>().map(|scopes| Self { scopes })
    }
}

impl<S> Layer<S> for RequireScopes {
    type Service = ScopesRequired<S>;

    fn layer(&self, inner: S) -> ScopesRequired<S> {
        ScopesRequired { inner, scopes: Arc::clone(&self.scopes) }
    }
}

impl<S, RequestBody, InnerBody> Service<http::Request<RequestBody>> for ScopesRequired<S>
where
    S: Service<http::Request<RequestBody>, Response = http::Response<InnerBody>>,
    InnerBody: Body<Data: From<Bytes>>,
{
    type Response = http::Response<ResponseBody<InnerBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<RequestBody>) -> Self::Future {
        match refusal(&request, &self.scopes) {
            None => ResponseFuture::inner(self.inner.call(request), None),
            Some(answer) => ResponseFuture::answer(Box::new(answer)),
        }
    }
}

/// The answer to a request that may not go on: its caller lacks scopes, or the Layer is missing.
pub(crate) fn refusal(request: &impl Parts, scopes: &[Scope]) -> Option<http::Response<Bytes>> {
    let decided = with_scopes(request, scopes, |verdict| match verdict {
        Verdict::Grant(grant) => {
            events::would_deny(&grant);
            None
        }
        Verdict::Denial(denial) => {
            events::denied(&denial);
            let mut answer = answer(&denial);
            answer.extensions_mut().insert(Refused(denial.reason()));
            Some(answer)
        }
    });
    decided.unwrap_or_else(|_| Some(layer_missing()))
}
