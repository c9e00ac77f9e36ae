use axum::extract::State;
use gracekey_core::{ClientId, KeyId, Timestamp};
use gracekey_store::{AuditEntry, AuditFilter};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Answer;
use crate::app::App;
use crate::error::ApiError;
use crate::input::{self, Parameters};

/// Who did what when.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
struct Line {
    /// Its place in the log. Numbers grow, and some are left out.
    #[schema(minimum = 1)]
    seq: u64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The epoch that the change made.
    #[schema(minimum = 0)]
    epoch: u64,
    /// Who: `admin:<key id>`, `holder:<key id>`, or whoever worked on the store itself.
    #[schema(example = "admin:3fK9aB2c")]
    actor: String,
    /// What: `client.add`, `key.issue`, `key.rotate`, `key.retire`, `key.revoke` and so on.
    #[schema(example = "key.rotate")]
    action: String,
    client_id: Option<String>,
    credential: Option<String>,
    #[schema(value_type = Option<String>)]
    key_id: Option<KeyId>,
    /// The rest.
    #[schema(value_type = Object)]
    detail: Value,
}

/// The log, the oldest line first.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditLog)]
struct Page {
    entries: Vec<Line>,
    /// Give it as `after` to read on; `null` at the end.
    #[schema(minimum = 0)]
    next: Option<u64>,
}

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Those about one client.
    #[param(value_type = Option<String>, max_length = 128, pattern = "^[0-9A-Za-z][0-9A-Za-z._:@/-]*$")]
    client_id: Option<ClientId>,
    /// Those about one key.
    #[param(value_type = Option<String>, min_length = 8, max_length = 8, pattern = "^[0-9A-Za-z]{8}$")]
    key_id: Option<KeyId>,
    /// How many at most: 100 by default.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// Those behind this one: `next` of the page before.
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    after: Option<u64>,
}

/// What every JSON reader keeps exact.
const LAST: u64 = (1 << 53) - 1;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(list))
}

/// Reads the audit log.
#[utoipa::path(get, path = "/v2/audit", tag = "audit", params(Which), responses(
    (status = 200, description = "A page of the log.", body = Page),
))]
async fn list(State(app): State<App>, Parameters(which): Parameters<Which>) -> Result<Answer<Page>, ApiError> {
    let after = which.after.unwrap_or(0);
    if after > LAST {
        return Err(ApiError::field("after", "is at most 9007199254740991"));
    }
    let limit = input::limit(which.limit)?;
    let filter = AuditFilter { client_id: which.client_id, key_id: which.key_id, after, limit };
    let entries = app.store.audit(&filter).await?;
    let next = entries.last().filter(|_| entries.len() == usize::from(limit.rows())).map(|entry| entry.seq);
    Ok(Answer::ok(Page { entries: entries.into_iter().map(Line::from).collect(), next }))
}

impl From<AuditEntry> for Line {
    fn from(entry: AuditEntry) -> Self {
        Self {
            seq: entry.seq,
            at: entry.at,
            epoch: entry.epoch,
            actor: entry.actor,
            action: entry.action,
            client_id: entry.client_id.map(|client_id| client_id.to_string()),
            credential: entry.credential.map(|credential| credential.to_string()),
            key_id: entry.key_id,
            detail: serde_json::from_str(&entry.detail).unwrap_or_default(),
        }
    }
}
