//! An answer in the form that nginx can do something with.

use axum::body::{Body, to_bytes};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};

/// The status that the caller should have got.
const STATUS: HeaderName = HeaderName::from_static("x-gracekey-status");
/// The body that the caller should get: one line of visible ASCII.
const DENIAL: HeaderName = HeaderName::from_static("x-gracekey-denial");
/// More than any denial has.
const LONGEST: usize = 16 * 1024;

/// `auth_request` knows 2xx, 401 and 403, makes 500 of all else, and drops the body. So a 4xx of another kind becomes 403,
/// and what the caller should read stands in headers, from where the configuration of nginx can take it. A 503 stays one:
/// a key must not be blamed for it.
pub(super) async fn for_nginx(response: Response) -> Response {
    let status = response.status();
    if status.is_success() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, LONGEST).await.unwrap_or_default();
    if let Ok(denial) = HeaderValue::try_from(body.as_ref()) {
        parts.headers.insert(DENIAL, denial);
    }
    parts.headers.insert(STATUS, status.as_u16().into());
    if status.is_client_error() && status != StatusCode::UNAUTHORIZED {
        parts.status = StatusCode::FORBIDDEN;
    }
    Response::from_parts(parts, Body::from(body)).into_response()
}
