//! The Service.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Body;
use tower_service::Service;

use crate::future::ResponseFuture;
use crate::gate::{Decided, Gate};
use crate::held::GracekeyFuture;
use crate::response::ResponseBody;

/// A service behind a [`GracekeyLayer`](crate::GracekeyLayer).
///
/// A request that is denied never reaches the inner service, which then stays ready for the next one. Where a source is
/// asked for news, a request with an unknown key may wait for news of it, with a clone of the inner service.
#[derive(Clone)]
pub struct Gracekey<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S> Gracekey<S> {
    pub(crate) fn new(inner: S, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }

    /// The inner service.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S, RequestBody, InnerBody> Service<http::Request<RequestBody>> for Gracekey<S>
where
    S: Service<http::Request<RequestBody>, Response = http::Response<InnerBody>> + Clone,
    InnerBody: Body<Data: From<Bytes>>,
{
    type Response = http::Response<ResponseBody<InnerBody>>;
    type Error = S::Error;
    type Future = GracekeyFuture<S::Future, S, RequestBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: http::Request<RequestBody>) -> Self::Future {
        match self.gate.decide(&mut request) {
            Decided::Pass(passage) => {
                GracekeyFuture::decided(ResponseFuture::inner(self.inner.call(request), Some(passage)))
            }
            Decided::Answer(answer) => GracekeyFuture::decided(ResponseFuture::answer(answer)),
            Decided::Wait(wait) => {
                // The one that is ready stays here, for the next request.
                GracekeyFuture::held(wait, Arc::clone(&self.gate), request, self.inner.clone())
            }
        }
    }
}

/// A gRPC service keeps its name, so that it can be added to a tonic server behind the Layer on its own.
#[cfg(feature = "tonic")]
impl<S: tonic::server::NamedService> tonic::server::NamedService for Gracekey<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> std::fmt::Debug for Gracekey<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gracekey").field("policy", &self.gate.policy).finish_non_exhaustive()
    }
}
