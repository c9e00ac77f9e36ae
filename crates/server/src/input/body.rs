use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::refusal::refusal;
use crate::app::App;
use crate::error::ApiError;

/// A body that is a JSON object.
pub(crate) struct Json<T>(pub(crate) T);

/// A body that is a JSON object with as many entries as a verifier has keys.
pub(crate) struct Bulk<T>(pub(crate) T);

/// A body that may be left out, and is a JSON object if it is there.
pub(crate) struct OptionalJson<T>(pub(crate) T);

/// No body, or an empty object, as some clients send it unasked.
pub(crate) struct NoBody;

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        must_be_json(request.headers())?;
        json(&read(request, app.config.limits.body, app).await?).map(Self)
    }
}

impl<T: DeserializeOwned> FromRequest<App> for Bulk<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        must_be_json(request.headers())?;
        json(&read_bulk(request, app).await?).map(Self)
    }
}

impl<T: DeserializeOwned + Default> FromRequest<App> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let is_json = must_be_json(request.headers());
        let text = read(request, app.config.limits.body, app).await?;
        if text.trim_ascii().is_empty() {
            return Ok(Self(T::default()));
        }
        is_json?;
        if text.trim_ascii() == b"null" {
            return Ok(Self(T::default()));
        }
        json(&text).map(Self)
    }
}

impl FromRequest<App> for NoBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let text = read(request, app.config.limits.body, app).await?;
        match text.trim_ascii() {
            b"" | b"{}" => Ok(Self),
            _ => Err(ApiError::invalid("this request takes no body; send none")),
        }
    }
}

/// The whole body of an import or of a report.
pub(crate) async fn read_bulk(request: Request, app: &App) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    read(request, app.config.limits.bulk, app).await
}

/// The whole body. What says that it is too large is not read at all.
async fn read(request: Request, limit: usize, app: &App) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    let said = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    let reading = collect(request.into_body(), limit);
    tokio::time::timeout(app.config.limits.body_time, reading).await.unwrap_or_else(|_| {
        let why = "the body did not come in time; send it again";
        Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "invalid_request", "timeout", why))
    })
}

async fn collect(mut body: Body, limit: usize) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    let mut text = Zeroizing::new(Vec::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::invalid("the body ended too early; send it again"))?;
        let Some(data) = frame.data_ref() else { continue };
        if text.len() + data.len() > limit {
            return Err(too_large(limit));
        }
        grow(&mut text, data.len());
        text.extend_from_slice(data);
    }
    Ok(text)
}

/// Makes room in a new place and wipes the old one, which growing by itself would leave behind.
fn grow(text: &mut Zeroizing<Vec<u8>>, by: usize) {
    if text.capacity() - text.len() < by {
        let mut larger = Zeroizing::new(Vec::with_capacity((text.len() + by).max(text.capacity() * 2)));
        larger.extend_from_slice(text);
        *text = larger;
    }
}

fn too_large(limit: usize) -> ApiError {
    let why = format!("the body is larger than {limit} bytes; send less");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", "too_large", why)
}

fn must_be_json(headers: &HeaderMap) -> Result<(), ApiError> {
    if media_type(headers).is_some_and(|media| media.eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    Err(unsupported("the body must be JSON; send it with Content-Type: application/json"))
}

/// 415.
pub(crate) fn unsupported(why: &'static str) -> ApiError {
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request", "unsupported_media_type", why)
}

/// The media type without its parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

fn json<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiError> {
    // `serde` would take an array for a structure, its fields by their order.
    if text.trim_ascii_start().first() == Some(&b'[') {
        return Err(ApiError::invalid("the body must be a JSON object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let inner = error.inner();
        if inner.is_data() {
            ApiError::invalid(refusal(&error.path().to_string(), &inner.to_string()))
        } else {
            not_json(inner)
        }
    })?;
    reader.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn not_json(error: &serde_json::Error) -> ApiError {
    ApiError::invalid(format!("the body is not JSON (line {}, column {})", error.line(), error.column()))
}
