use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use gracekey_core::{ClientId, CredentialName, KeyId};
use http::request::Parts;
use utoipa::IntoParams;

use crate::error::ApiError;

/// `{client_id}` in a path.
#[derive(IntoParams)]
#[into_params(names("client_id"), parameter_in = Path)]
pub(crate) struct ClientPath(
    #[param(value_type = String, max_length = 128, pattern = "^[0-9A-Za-z][0-9A-Za-z._:@/-]*$")] pub(crate) ClientId,
);

/// `{client_id}` and `{credential}` in a path.
#[derive(IntoParams)]
#[into_params(names("client_id", "credential"), parameter_in = Path)]
pub(crate) struct CredentialPath(
    #[param(value_type = String, max_length = 128, pattern = "^[0-9A-Za-z][0-9A-Za-z._:@/-]*$")] pub(crate) ClientId,
    #[param(value_type = String, max_length = 64, pattern = "^[0-9A-Za-z][0-9A-Za-z._-]*$")] pub(crate) CredentialName,
);

/// `{key_id}` in a path.
#[derive(IntoParams)]
#[into_params(names("key_id"), parameter_in = Path)]
pub(crate) struct KeyPath(
    #[param(value_type = String, min_length = 8, max_length = 8, pattern = "^[0-9A-Za-z]{8}$")] pub(crate) KeyId,
);

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
