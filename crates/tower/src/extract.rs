//! Who called, as an argument of an axum handler.

use axum::body::Body;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;

use crate::caller::{self, Caller, LayerMissing};
use crate::response::layer_missing;
use crate::scopes::refusal;

/// Why a handler that asks for a [`Caller`] is not run.
#[derive(Debug)]
pub struct CallerRejection(http::Response<Bytes>);

/// The [`Caller`] of a request. An anonymous request is answered with the denial `missing`; without a
/// [`GracekeyLayer`](crate::GracekeyLayer) the answer is a 500 that says so.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = CallerRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, CallerRejection> {
        match parts.extensions.get::<Self>() {
            Some(caller) => Ok(caller.clone()),
            None => Err(CallerRejection(refusal(parts, &[]).unwrap_or_else(layer_missing))),
        }
    }
}

/// The [`Caller`] of a request, or `None` for an anonymous one.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = CallerRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, CallerRejection> {
        caller::of(&parts.extensions).map_err(|LayerMissing| CallerRejection(layer_missing()))
    }
}

impl IntoResponse for CallerRejection {
    fn into_response(self) -> Response {
        self.0.map(Body::from)
    }
}
