use axum::extract::State;
use gracekey_core::{ClientId, CredentialName, KeyId, LifecycleError, Timestamp};
use gracekey_store::{KeyFilter, KeyRow};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Answer;
use crate::app::App;
use crate::error::ApiError;
use crate::input::{self, KeyPath, Parameters};

/// A key, without the key: what is known of one generation.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
struct Shown {
    #[schema(value_type = String, example = "3fK9aB2c")]
    key_id: KeyId,
    client_id: String,
    credential: String,
    /// Its number within its credential.
    #[schema(minimum = 1)]
    generation: u32,
    /// What it is good for now: `current` and `superseded` work, the others do not.
    #[schema(value_type = StateOfKey)]
    state: String,
    /// How many seconds of its rotation window are left, 0 once it has closed; `null` without one.
    #[schema(minimum = 0)]
    window_left_seconds: Option<u64>,
    /// How many requests were granted on it, as far as that was reported.
    #[schema(minimum = 0)]
    requests: u64,
    /// When it was last used, as far as that was reported.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used: Option<Timestamp>,
    /// When it was issued, rotated to or imported.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// It works from this moment on.
    #[schema(value_type = Option<String>, format = DateTime)]
    not_before: Option<Timestamp>,
    /// When it ends by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// When a successor was minted.
    #[schema(value_type = Option<String>, format = DateTime)]
    superseded_at: Option<Timestamp>,
    /// When its rotation window closes.
    #[schema(value_type = Option<String>, format = DateTime)]
    retires_at: Option<Timestamp>,
    /// When somebody ended it.
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    /// The key that it took the place of.
    #[schema(value_type = Option<String>)]
    rotated_from: Option<KeyId>,
}

/// What a key is good for.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it stands in the API's document only")]
enum StateOfKey {
    Current,
    Superseded,
    NotYetValid,
    ClientDisabled,
    Expired,
    Retired,
    Revoked,
}

/// Keys in the order of client, credential and generation.
#[derive(Serialize, ToSchema)]
#[schema(as = Keys)]
struct Page {
    keys: Vec<Shown>,
    /// Give it as `after` to read on; `null` at the end.
    next: Option<String>,
}

/// Which keys.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Those of one client.
    #[param(value_type = Option<String>, max_length = 128, pattern = "^[0-9A-Za-z][0-9A-Za-z._:@/-]*$")]
    client_id: Option<ClientId>,
    /// Those of credentials of this name.
    #[param(value_type = Option<String>, max_length = 64, pattern = "^[0-9A-Za-z][0-9A-Za-z._-]*$")]
    credential: Option<CredentialName>,
    /// Those only that have not ended.
    #[serde(default)]
    live: bool,
    /// How many at most: 100 by default.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// Those behind this one: `next` of the page before.
    #[param(
        example = "acme_corp:default:2",
        pattern = "^[0-9A-Za-z][0-9A-Za-z._:@/-]{0,127}:[0-9A-Za-z][0-9A-Za-z._-]{0,63}:[0-9]{1,8}$"
    )]
    after: Option<String>,
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(one))
}

/// Lists keys with their state, what is left of their window, and their use.
#[utoipa::path(get, path = "/v2/keys", tag = "keys", params(Which), responses(
    (status = 200, description = "A page of keys.", body = Page),
))]
async fn list(State(app): State<App>, Parameters(which): Parameters<Which>) -> Result<Answer<Page>, ApiError> {
    let now = app.now()?;
    let after = which.after.map(|after| after.parse().map_err(|why| ApiError::field("after", why))).transpose()?;
    let filter = KeyFilter {
        client_id: which.client_id,
        credential: which.credential,
        live_at: which.live.then_some(now),
        after,
        limit: input::limit(which.limit)?,
    };
    let rows = app.store.keys(&filter).await?;
    let next = rows.last().filter(|_| rows.len() == usize::from(filter.limit.rows()));
    let next = next.map(|row| row.cursor().to_string());
    Ok(Answer::ok(Page { keys: rows.iter().map(|row| Shown::new(row, now)).collect(), next }))
}

/// Shows a key.
#[utoipa::path(get, path = "/v2/keys/{key_id}", tag = "keys",
    params(KeyPath),
    responses((status = 200, description = "What is known of it.", body = Shown)))]
async fn one(State(app): State<App>, KeyPath(key_id): KeyPath) -> Result<Answer<Shown>, ApiError> {
    match app.store.key(key_id).await? {
        Some(row) => Ok(Answer::ok(Shown::new(&row, app.now()?))),
        None => Err(LifecycleError::UnknownKey { key_id }.into()),
    }
}

impl Shown {
    fn new(row: &KeyRow, now: Timestamp) -> Self {
        let generation = &row.generation;
        Self {
            key_id: generation.key_id,
            client_id: generation.client_id.to_string(),
            credential: generation.credential.to_string(),
            generation: generation.generation,
            state: row.state(now).to_string(),
            window_left_seconds: row.window_left(now),
            requests: row.requests,
            last_used: row.last_used,
            created_at: row.created_at,
            not_before: generation.not_before,
            expires_at: generation.expires_at,
            superseded_at: generation.superseded_at,
            retires_at: generation.retires_at,
            revoked_at: generation.revoked_at,
            rotated_from: row.rotated_from,
        }
    }
}
