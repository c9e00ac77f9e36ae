//! Answers that are a success.

use axum::response::{IntoResponse, Response};
use gracekey_core::ApiKey;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

/// A JSON answer that nobody on its way keeps.
pub(crate) struct Answer<T> {
    status: StatusCode,
    body: T,
}

/// A key that an answer shows this once. Wiped when it is dropped.
pub(crate) struct Secret(Zeroizing<String>);

impl<T> Answer<T> {
    /// 200.
    pub(crate) fn ok(body: T) -> Self {
        Self { status: StatusCode::OK, body }
    }

    /// 201.
    pub(crate) fn created(body: T) -> Self {
        Self { status: StatusCode::CREATED, body }
    }
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        // Names, numbers and moments under fixed names always serialize.
        let mut response = (self.status, serde_json::to_vec(&self.body).unwrap_or_default()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl Secret {
    pub(crate) fn of(key: &ApiKey) -> Self {
        Self(Zeroizing::new(key.reveal().to_owned()))
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
