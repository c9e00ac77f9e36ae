use axum::extract::{FromRequestParts, Query};
use gracekey_store::Limit;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::refusal::refusal;
use crate::error::ApiError;

/// The query. Unknown, repeated and empty parameters are refused.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Query::try_from_uri(&parts.uri).map(|Query(parameters)| Self(parameters)).map_err(|rejection| {
            let text = rejection.body_text();
            let what = text.split_once("query string: ").map_or("", |(_, what)| what);
            match what.split_once(": ") {
                Some((path, why)) => ApiError::invalid(refusal(path, why)),
                None => ApiError::invalid(refusal("", what)),
            }
        })
    }
}

/// How many rows a page has.
pub(crate) fn limit(rows: Option<u16>) -> Result<Limit, ApiError> {
    match rows {
        None => Ok(Limit::default()),
        Some(rows) => Limit::new(rows).ok_or_else(|| ApiError::field("limit", "is 1 to 1000")),
    }
}
