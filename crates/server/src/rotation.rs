//! A rotation over HTTP: the holder's own, and an operator's.

use axum::extract::State;
use gracekey_core::{ApiKey, Generation, Grace, KeyId, Prefix, Rotation, Seconds, Timestamp};
use gracekey_store::{Actor, AtMost, Done, Outcome, Rotate, RotateFrom, StoreError};
use gracekey_tower::Caller;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::actor;
use crate::answer::{Answer, Secret};
use crate::app::App;
use crate::described::GraceSpan;
use crate::error::{ApiError, ErrorBody};
use crate::input::OptionalJson;
use crate::telemetry::Rotations;

/// How a holder rotates.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RotateKey)]
struct Wish {
    /// How long the old key goes on working, 24 hours by default, at most 30 days or what the server allows.
    #[schema(value_type = Option<GraceSpan>)]
    grace: Option<Grace>,
}

/// The new key, shown this once, and until when the old one works.
#[derive(Serialize, ToSchema)]
pub(crate) struct RotatedKey {
    /// The new key. It is stored nowhere: keep it now.
    #[schema(value_type = String)]
    new_api_key: Secret,
    /// The public name of the new key.
    #[schema(value_type = String, example = "3fK9aB2c")]
    key_id: KeyId,
    /// Whose it is.
    client_id: String,
    /// For which use.
    credential: String,
    /// Its number within its credential.
    #[schema(minimum = 1)]
    generation: u32,
    /// When it ends by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// The public name of the old key.
    #[schema(value_type = String)]
    previous_key_id: KeyId,
    /// When the old key stops working.
    #[schema(value_type = Option<String>, format = DateTime)]
    previous_key_retires_at: Option<Timestamp>,
    /// Keys of earlier rotations whose answer was lost: never used, and revoked now.
    #[schema(value_type = Vec<String>)]
    replaced_key_ids: Vec<KeyId>,
    /// The epoch from which on verifiers know the new key.
    #[schema(minimum = 0)]
    epoch: u64,
}

/// A rotation that is asked for.
pub(crate) struct Order {
    pub(crate) from: RotateFrom,
    pub(crate) grace: Option<Grace>,
    pub(crate) prefix: Option<Prefix>,
    pub(crate) by: Actor,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(rotate_key))
}

/// Rotates the very key that the request carries. Both work until the old one retires. As long as nobody has used the
/// new key, this can be asked again with the old one, if the answer was lost: the deadline stays where it was.
#[utoipa::path(post, path = "/v2/auth/rotate-key", tag = "self-service", request_body(content = Option<Wish>, description = "May be left out."), responses(
    (status = 200, description = "The new key, shown this once.", body = RotatedKey),
    (status = 409, description = "`already_rotated`: the successor of this key is in use. `conflict`: somebody else rotates it at this moment. `ended`: it has ended just now.", body = ErrorBody),
    (status = 429, description = "`too_many_rotations`: this credential was rotated too often; `Retry-After` says when it may be again. `throttled`: too many wrong keys from this address.", body = ErrorBody),
))]
async fn rotate_key(
    State(app): State<App>,
    caller: Caller,
    OptionalJson(Wish { grace }): OptionalJson<Wish>,
) -> Result<Answer<RotatedKey>, ApiError> {
    let by = actor::holder(&caller)?;
    let from = RotateFrom::Held(actor::key_id(&caller)?);
    rotate(&app, Order { from, grace, prefix: None, by }).await.map(Answer::ok)
}

/// Rotates, counts how that ended, and waits until this server's own keyring shows it.
pub(crate) async fn rotate(app: &App, order: Order) -> Result<RotatedKey, ApiError> {
    let rotated = written(app, order).await;
    app.rotations.count(rotated.as_ref().map_or_else(ApiError::code, |_| Rotations::ROTATED));
    let (key, done) = rotated?;
    app.feed.changed(done.epoch).await;
    Ok(RotatedKey::new(&key, done))
}

async fn written(app: &App, order: Order) -> Result<(ApiKey, Done<Rotation>), ApiError> {
    let Order { from, grace, prefix, by } = order;
    let prefix = prefix.as_ref().unwrap_or(&app.config.prefix);
    let grace = grace.unwrap_or_default().min(app.config.max_grace);
    let now = app.now()?;
    let (key, minted) = gracekey_store::mint(prefix, app.peppers.current())?;
    if !matches!(from, RotateFrom::Current(..)) {
        // It may end a successor that nobody used, and what was used is known to this server before the store knows it.
        app.feed.write_down().await?;
    }
    let rotate = Rotate { from, key: minted, grace };
    let limits = [
        AtMost { rotations: app.config.limits.rotations_per_hour, within: Seconds::HOUR },
        AtMost { rotations: app.config.limits.rotations_per_day, within: Seconds::DAY },
    ];
    let mut done = app.store.rotate_within(&limits, &rotate, &by, now).await;
    if was_lost(&done) {
        done = app.store.rotate_within(&limits, &rotate, &by, now).await;
    }
    Ok((key, done?))
}

/// Whether the store's answer was lost. Asked again with the same key, a change happens once.
pub(crate) fn was_lost<T>(done: &Result<T, StoreError>) -> bool {
    matches!(done, Err(StoreError::Unavailable(error)) if error.outcome == Outcome::Unknown)
}

impl RotatedKey {
    fn new(key: &ApiKey, Done { epoch, value, .. }: Done<Rotation>) -> Self {
        let Rotation { successor, predecessor, replaced } = value;
        Self {
            new_api_key: Secret::of(key),
            key_id: successor.key_id,
            client_id: successor.client_id.to_string(),
            credential: successor.credential.to_string(),
            generation: successor.generation,
            expires_at: successor.expires_at,
            previous_key_id: predecessor.key_id,
            previous_key_retires_at: predecessor.end().map(|(at, _)| at),
            replaced_key_ids: replaced.iter().map(|generation: &Generation| generation.key_id).collect(),
            epoch,
        }
    }
}
