//! The answer in the making, and its form for nginx.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody as _};
use axum::response::Response;
use bytes::Bytes;
use gracekey_tower::{Gracekey, ResponseBody};
use http::{HeaderName, HeaderValue, StatusCode};
use tower::Service;

use super::origin::Proxy;
use super::pass::Pass;
use crate::feed::Feed;

/// What the Layer has to say.
type Decision = <Gracekey<Pass> as Service<http::Request<()>>>::Future;

/// The response to a proxy.
pub(super) struct Answer {
    proxy: Proxy,
    state: State,
}

enum State {
    Deciding(Decision, Feed),
    /// The body of what nginx gets is read, to stand in a header, too.
    Reading(Option<Response>),
}

/// The status that the caller should have got.
const STATUS: HeaderName = HeaderName::from_static("x-gracekey-status");
/// The body that the caller should get: one line of visible ASCII.
const DENIAL: HeaderName = HeaderName::from_static("x-gracekey-denial");

impl Answer {
    pub(super) fn decided(proxy: Proxy, decision: Decision, feed: Feed) -> Self {
        Self { proxy, state: State::Deciding(decision, feed) }
    }

    pub(super) fn refused(proxy: Proxy, response: Response) -> Self {
        Self { proxy, state: State::Reading(Some(response)) }
    }
}

impl Future for Answer {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Deciding(decision, feed) = &mut self.state {
            let Ok(response) = ready!(Pin::new(decision).poll(cx));
            if response.status() == StatusCode::FORBIDDEN {
                feed.count_refusal(&response);
            }
            // A grant has no body, and needs no box for it.
            let boxed = |body: ResponseBody<_>| {
                if body.is_end_stream() { Body::empty() } else { Body::new(body) }
            };
            self.state = State::Reading(Some(response.map(boxed)));
        }
        let proxy = self.proxy;
        let State::Reading(response) = &mut self.state else { return Poll::Pending };
        match response {
            Some(denial) if proxy == Proxy::Nginx && !denial.status().is_success() => {
                let text = match ready!(Pin::new(denial.body_mut()).poll_frame(cx)) {
                    Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                    _ => Bytes::new(),
                };
                for_nginx(denial, text);
            }
            _ => {}
        }
        // Polled again after it was ready: nothing will ever come.
        response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
    }
}

/// `auth_request` knows 2xx, 401 and 403, makes 500 of all else, and drops the body. So a 4xx of another kind becomes 403,
/// and what the caller should read stands in headers, from where the configuration of nginx can take it. A 503 stays one:
/// a key must not be blamed for it.
fn for_nginx(response: &mut Response, text: Bytes) {
    let status = response.status();
    let headers = response.headers_mut();
    if let Ok(denial) = HeaderValue::from_maybe_shared(text.clone()) {
        headers.insert(DENIAL, denial);
    }
    headers.insert(STATUS, status.as_u16().into());
    if status.is_client_error() && status != StatusCode::UNAUTHORIZED {
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    // In one piece, as it came.
    *response.body_mut() = Body::from(text);
}
