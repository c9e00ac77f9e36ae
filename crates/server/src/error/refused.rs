use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::ApiError;

/// Why a handler did not do it: an error of this API, or a denial as the Layer writes it.
pub(crate) enum Refused {
    Error(ApiError),
    Denied(Box<http::Response<Bytes>>),
}

impl<E: Into<ApiError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Error(error) => error.into_response(),
            Self::Denied(denial) => denial.map(Body::from),
        }
    }
}
