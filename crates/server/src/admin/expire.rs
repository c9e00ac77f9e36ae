use axum::extract::State;
use gracekey_core::{KeyId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Answer;
use crate::app::App;
use crate::authority::Authority;
use crate::described::Moment;
use crate::error::{ErrorBody, Refused};
use crate::input::{Json, KeyPath};

/// When a key is to end.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ExpireKey)]
struct Wish {
    /// The moment at which it no longer works: in the future, and never later than it ends anyway.
    #[schema(value_type = Moment)]
    at: Timestamp,
}

/// When a key ends.
#[derive(Serialize, ToSchema)]
struct ExpiringKey {
    #[schema(value_type = String)]
    key_id: KeyId,
    client_id: String,
    credential: String,
    /// When it ends by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// The epoch from which on verifiers know it.
    #[schema(minimum = 0)]
    epoch: u64,
    /// Whether anything was changed.
    changed: bool,
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(expire))
}

/// Sets when a key ends by itself. An end never moves later.
#[utoipa::path(post, path = "/v2/keys/{key_id}/expire", tag = "ends",
    params(KeyPath),
    request_body = Wish, responses(
    (status = 200, description = "It ends then.", body = ExpiringKey),
    (status = 409, description = "`never_later`: it ends before that moment anyway. `expiry_passed`: that moment is not in the future; revoke it instead.", body = ErrorBody),
))]
async fn expire(
    State(app): State<App>,
    authority: Authority,
    KeyPath(key_id): KeyPath,
    Json(Wish { at }): Json<Wish>,
) -> Result<Answer<ExpiringKey>, Refused> {
    let by = authority.over_key(&app, key_id).await?;
    let done = app.store.expire(key_id, at, &by, app.now()?).await?;
    app.feed.changed(done.epoch).await;
    Ok(Answer::ok(ExpiringKey {
        key_id,
        client_id: done.value.client_id.to_string(),
        credential: done.value.credential.to_string(),
        expires_at: done.value.expires_at,
        epoch: done.epoch,
        changed: done.changed,
    }))
}
