//! What a caller reads when something was not done.

mod refused;
mod store;

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use gracekey_core::Timestamp;
use gracekey_tower::Clock;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use refused::Refused;

/// An answer that is no success. Whoever makes one sees to it that it repeats nothing that may be a key.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    error: &'static str,
    code: &'static str,
    description: Cow<'static, str>,
    /// In seconds.
    retry_after: Option<u32>,
}

/// The body of every answer that is no success.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct ErrorBody {
    /// A word of OAuth (RFC 6749, RFC 6750), or the nearest where that knows none.
    #[schema(example = "invalid_request")]
    error: &'static str,
    /// What happened, and what to do next.
    error_description: Cow<'static, str>,
    /// The precise reason: a word that stays the same.
    #[schema(example = "conflict")]
    code: &'static str,
    /// When.
    #[schema(value_type = Option<String>, format = DateTime)]
    timestamp: Option<Timestamp>,
}

impl ApiError {
    /// How long to wait when the world is not in order, in seconds.
    const RETRY_AFTER: u32 = 2;

    pub(crate) fn new(
        status: StatusCode,
        error: &'static str,
        code: &'static str,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, error, code, description: description.into(), retry_after: None }
    }

    /// 400: the request itself is not in order.
    pub(crate) fn invalid(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", "invalid_request", description)
    }

    /// 400: one field of the body or of the query is not in order.
    pub(crate) fn field(name: &str, why: impl std::fmt::Display) -> Self {
        Self::invalid(format!("{name}: {why}"))
    }

    /// 404.
    pub(crate) fn not_found(code: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", code, description)
    }

    /// 409: it is not in a state in which that can be done.
    pub(crate) fn conflict(code: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", code, description)
    }

    /// Says after how many seconds it is worth asking again.
    pub(crate) fn after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// 503: nobody here is to blame, and it is worth asking again.
    pub(crate) fn unavailable(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "unavailable", description)
            .after(Self::RETRY_AFTER)
    }

    pub(crate) fn no_time() -> Self {
        Self::unavailable("the server's clock can't be read; ask again")
    }

    pub(crate) fn code(&self) -> &'static str {
        self.code
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.with_body(|body| body)
    }
}

impl ApiError {
    /// The answer, with more in its body than usual.
    pub(crate) fn with_body<B: Serialize>(self, body: impl FnOnce(ErrorBody) -> B) -> Response {
        let Self { status, error, code, description, retry_after } = self;
        let body = body(ErrorBody { error, error_description: description, code, timestamp: Clock::system().now() });
        // Strings under fixed names always serialize.
        let mut response = (status, serde_json::to_string(&body).unwrap_or_default()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
