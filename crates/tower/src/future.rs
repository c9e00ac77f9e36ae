//! The response in the making.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gracekey_core::Notice;
use pin_project_lite::pin_project;

use crate::metrics::Tally;
use crate::response::{self, Refused, ResponseBody};

pin_project! {
    /// The response of [`Gracekey`](crate::Gracekey) or [`ScopesRequired`](crate::ScopesRequired).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<F> {
        Inner { #[pin] future: F, passage: Option<Passage> },
        // Apart, since it is larger than many a future, and every request that passes would carry its room.
        Answer { answer: Option<Box<http::Response<Bytes>>> },
    }
}

/// What is left to do for a request that was let pass, once its response is there.
pub(crate) struct Passage {
    /// Counts when it is dropped, so that a request whose caller went away counts too.
    pub(crate) tally: Tally,
    /// Few have one, and what lies in memory of its own need not be moved along by all others.
    pub(crate) notice: Option<Box<Notice>>,
}

impl<F> ResponseFuture<F> {
    pub(crate) fn inner(future: F, passage: Option<Passage>) -> Self {
        Self { kind: Kind::Inner { future, passage } }
    }

    pub(crate) fn answer(answer: Box<http::Response<Bytes>>) -> Self {
        Self { kind: Kind::Answer { answer: Some(answer) } }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<http::Response<B>, E>>,
{
    type Output = Result<http::Response<ResponseBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Inner { future, passage } => {
                let outcome = ready!(future.poll(cx));
                let passage = passage.take();
                Poll::Ready(outcome.map(|response| {
                    let mut response = response.map(ResponseBody::inner);
                    if let Some(Passage { mut tally, notice }) = passage {
                        if let Some(Refused(reason)) = response.extensions_mut().remove() {
                            tally.refused(reason);
                        }
                        if let Some(notice) = notice {
                            response::tell(&notice, response.headers_mut());
                        }
                    }
                    response
                }))
            }
            KindProjection::Answer { answer } => match answer.take() {
                Some(answer) => Poll::Ready(Ok((*answer).map(ResponseBody::denial))),
                // Polled again after it was ready: nothing will ever come.
                None => Poll::Pending,
            },
        }
    }
}

impl<F> std::fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
