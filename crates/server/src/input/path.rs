use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use gracekey_core::{ClientId, CredentialName, KeyId};
use http::request::Parts;

use crate::error::ApiError;

/// `{client_id}` in a path.
pub(crate) struct ClientPath(pub(crate) ClientId);

/// `{client_id}` and `{credential}` in a path.
pub(crate) struct CredentialPath(pub(crate) ClientId, pub(crate) CredentialName);

/// `{key_id}` in a path.
pub(crate) struct KeyPath(pub(crate) KeyId);

impl<S: Send + Sync> FromRequestParts<S> for ClientPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parameters = parameters(parts, state).await?;
        parsed(&parameters, "client_id").map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for CredentialPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parameters = parameters(parts, state).await?;
        Ok(Self(parsed(&parameters, "client_id")?, parsed(&parameters, "credential")?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for KeyPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parameters = parameters(parts, state).await?;
        parsed(&parameters, "key_id").map(Self)
    }
}

async fn parameters<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<RawPathParams, ApiError> {
    let parameters = RawPathParams::from_request_parts(parts, state).await;
    parameters.map_err(|_| ApiError::invalid("the path holds percent codes that are no UTF-8"))
}

/// Says what is wrong with it without repeating it: it may be a key.
fn parsed<T: FromStr<Err: Display>>(parameters: &RawPathParams, name: &str) -> Result<T, ApiError> {
    let found = parameters.iter().find(|(own, _)| *own == name).map(|(_, value)| value);
    found.unwrap_or_default().parse().map_err(|why| ApiError::field(name, why))
}
