//! The answer to a denied request, and the body that either it or the inner service gives.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use gracekey_core::{Denial, Notice, Reason};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a response: that of the inner service, or that of a denial.
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Inner { #[pin] body: B },
        Denial { text: Option<Bytes> },
    }
}

/// Stands in the extensions of a response that some part behind the Layer refused, so that the Layer counts it so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused(pub(crate) Reason);

impl<B> ResponseBody<B> {
    pub(crate) fn inner(body: B) -> Self {
        Self { kind: Kind::Inner { body } }
    }

    pub(crate) fn denial(text: Bytes) -> Self {
        Self { kind: Kind::Denial { text: Some(text).filter(|text| !text.is_empty()) } }
    }
}

impl<B: Body<Data: From<Bytes>>> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Inner { body } => body.poll_frame(cx),
            KindProjection::Denial { text } => Poll::Ready(text.take().map(|text| Ok(Frame::data(text.into())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Denial { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Denial { text } => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
        }
    }
}

impl<B: Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::inner(B::default())
    }
}

impl<B> std::fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}

/// The answer as the engine wrote it.
pub(crate) fn answer(denial: &Denial<'_>) -> http::Response<Bytes> {
    let gracekey_core::Response { status, headers, body } = denial.response();
    let mut response = http::Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED);
    set_all(response.headers_mut(), headers);
    response
}

/// Tells the caller of a key near its end, on the response of the inner service.
pub(crate) fn tell(notice: &Notice, headers: &mut HeaderMap) {
    set_all(headers, notice.headers());
}

/// The answer where the Layer is missing in front of what needs it: the operator's mistake, not the caller's.
pub(crate) fn layer_missing() -> http::Response<Bytes> {
    tracing::error!("{LAYER_MISSING}");
    let mut response = http::Response::new(Bytes::from_static(LAYER_MISSING.as_bytes()));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

const LAYER_MISSING: &str =
    "this route asks who called, but no GracekeyLayer stands in front of it: add the layer to the router";

fn set_all(headers: &mut HeaderMap, own: impl IntoIterator<Item = (&'static str, String)>) {
    for (name, value) in own {
        // The engine writes names and values that HTTP can carry.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}
