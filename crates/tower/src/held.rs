//! A request that waits for news of its key, and the response in the making that may be one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gracekey_core::Reason;
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::future::{Passage, ResponseFuture};
use crate::gate::Gate;
use crate::metrics::Outcome;
use crate::recheck::Wait;
use crate::response::ResponseBody;

pin_project! {
    /// The response of [`Gracekey`](crate::Gracekey): it is in the making from the start, or as soon as the key of the
    /// request is known.
    #[must_use = "futures do nothing unless polled"]
    pub struct GracekeyFuture<F, S, B> {
        #[pin]
        kind: Kind<F, S, B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<F, S, B> {
        Decided { #[pin] future: ResponseFuture<F> },
        // Apart, since it is larger than any other, and every request that passes would carry its room.
        Held { held: Box<Held<S, B>> },
    }
}

/// All that it takes to decide once more, and to go on.
pub(crate) struct Held<S, B> {
    gate: Arc<Gate>,
    /// Not asked yet whether it is ready, so that who only waits takes up nothing of it.
    inner: S,
    stage: Stage<B>,
}

enum Stage<B> {
    Waiting(Wait, http::Request<B>),
    Granted(Passage, http::Request<B>),
    Over,
}

impl<F, S, B> GracekeyFuture<F, S, B> {
    #[inline]
    pub(crate) fn decided(future: ResponseFuture<F>) -> Self {
        Self { kind: Kind::Decided { future } }
    }

    #[cold]
    pub(crate) fn held(wait: Wait, gate: Arc<Gate>, request: http::Request<B>, inner: S) -> Self {
        Self { kind: Kind::Held { held: Box::new(Held { gate, inner, stage: Stage::Waiting(wait, request) }) } }
    }
}

impl<S, B> Held<S, B> {
    #[cold]
    fn poll<InnerBody>(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseFuture<S::Future>, S::Error>>
    where
        S: Service<http::Request<B>, Response = http::Response<InnerBody>>,
    {
        loop {
            match &mut self.stage {
                Stage::Waiting(wait, _) => ready!(wait.poll(cx)),
                Stage::Granted(..) => ready!(self.inner.poll_ready(cx))?,
                // Polled again after it was ready: nothing will ever come.
                Stage::Over => return Poll::Pending,
            }
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Waiting(_, mut request) => match self.gate.decide_again(&mut request) {
                    Ok(passage) => self.stage = Stage::Granted(passage, request),
                    Err(answer) => return Poll::Ready(Ok(ResponseFuture::answer(answer))),
                },
                Stage::Granted(passage, request) => {
                    return Poll::Ready(Ok(ResponseFuture::inner(self.inner.call(request), Some(passage))));
                }
                Stage::Over => {}
            }
        }
    }
}

/// A request whose caller went away while it waited counts, too.
impl<S, B> Drop for Held<S, B> {
    fn drop(&mut self) {
        if matches!(self.stage, Stage::Waiting(..)) {
            self.gate.metrics.count(Outcome::Denied(Reason::Unknown));
        }
    }
}

impl<F, S, B, InnerBody> Future for GracekeyFuture<F, S, B>
where
    F: Future<Output = Result<http::Response<InnerBody>, S::Error>>,
    S: Service<http::Request<B>, Response = http::Response<InnerBody>, Future = F>,
    InnerBody: Body<Data: From<Bytes>>,
{
    type Output = Result<http::Response<ResponseBody<InnerBody>>, S::Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let future = match self.as_mut().project().kind.project() {
                KindProjection::Decided { future } => return future.poll(cx),
                KindProjection::Held { held } => ready!(held.poll(cx))?,
            };
            self.as_mut().project().kind.set(Kind::Decided { future });
        }
    }
}

impl<F, S, B> std::fmt::Debug for GracekeyFuture<F, S, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GracekeyFuture").finish_non_exhaustive()
    }
}
