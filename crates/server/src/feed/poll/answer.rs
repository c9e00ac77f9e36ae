//! What a poll gets.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT_RANGES, AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, VARY};
use http::{HeaderValue, StatusCode};

use super::asked::Poll;
use crate::error::ApiError;
use crate::feed::Shared;
use crate::feed::edition::{Coding, Edition};

impl Shared {
    /// What there is now. `known` is the newest epoch that the poller must not be told is none.
    pub(super) async fn answer(&self, poll: &Poll, known: u64) -> Result<Response, ApiError> {
        let Some(edition) = self.edition() else {
            return Err(ApiError::unavailable("there is no keyring yet; ask again"));
        };
        // In the order of RFC 9110 §13.2.2.
        let Some(coding) = poll.wants(&edition) else { return Err(replaced()) };
        if let Some(held) = poll.holds(&edition) {
            // A 304 tells the verifier that its keyring is the newest, which nobody knows at the moment.
            return match self.silent_for() {
                None if edition.epoch() < known => Err(ApiError::unavailable(
                    "there is a newer keyring than this one, which this server has not ready yet; keep this one, and ask again",
                )),
                None => Ok(unchanged(&edition, held)),
                Some(seconds) => Err(ApiError::unavailable(format!(
                    "for {seconds} seconds this server has taken nothing from its store, and its log says why; nobody knows whether this keyring is the newest: keep it, and ask again"
                ))),
            };
        }
        Ok(self.transfer(&edition, coding, poll).await)
    }

    /// The next piece of an edition that the poller has begun to fetch, be it the newest or not.
    pub(super) async fn next_piece(&self, poll: &Poll) -> Option<Response> {
        let look = |edition: &Arc<Edition>| Some((Arc::clone(edition), poll.has_begun(edition)?));
        let newest = self.edition().as_ref().and_then(look);
        let (edition, coding) = newest.or_else(|| self.begun.find(look))?;
        Some(self.transfer(&edition, coding, poll).await)
    }

    /// An edition, or the piece of it that is asked for.
    async fn transfer(&self, edition: &Arc<Edition>, coding: Coding, poll: &Poll) -> Response {
        let bytes = edition.bytes(coding).await;
        let len = bytes.len();
        let mut response = match poll.range_of(edition, coding).map(|range| range.of(len)) {
            None => {
                self.metrics.transferred(len);
                Response::new(Body::from(bytes))
            }
            Some(None) => return not_satisfied(len),
            Some(Some(piece)) => {
                self.begun.asked(edition, self.now());
                self.metrics.piece(piece.len(), piece.end == len);
                let part = content_range(&piece, len);
                let mut response = Response::new(Body::from(bytes.slice(piece)));
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                response.headers_mut().extend([(CONTENT_RANGE, part)]);
                response
            }
        };
        describe(&mut response, edition, coding);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if coding == Coding::Gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        // RFC 9111 §5.1: how long ago the origin, which is the store, last vouched for it.
        if let Some(seconds) = self.silent_for() {
            headers.insert(AGE, seconds.into());
        }
        response
    }
}

fn unchanged(edition: &Edition, held: Coding) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    describe(&mut response, edition, held);
    response
}

fn describe(response: &mut Response, edition: &Edition, coding: Coding) {
    let headers = response.headers_mut();
    headers.insert(ETAG, edition.tag(coding).clone());
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
}

/// 412.
fn replaced() -> ApiError {
    let why = "another keyring has taken the place of the one that If-Match names; fetch that from its first byte, without If-Match";
    ApiError::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", "replaced", why)
}

/// 416.
fn not_satisfied(len: usize) -> Response {
    let why =
        format!("the keyring has {len} bytes, and the range is beyond them; ask for one that begins before its end");
    let error = ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", "range_not_satisfiable", why);
    let mut response = error.into_response();
    let whole = HeaderValue::try_from(format!("bytes */{len}"));
    response.headers_mut().extend(whole.ok().map(|whole| (CONTENT_RANGE, whole)));
    response
}

fn content_range(piece: &Range<usize>, len: usize) -> HeaderValue {
    let text = format!("bytes {}-{}/{len}", piece.start, piece.end.saturating_sub(1));
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("bytes"))
}
