use axum::extract::State;
use gracekey_core::{ApiKey, Generation, KeyId, Prefix, Seconds, Timestamp};
use gracekey_store::{Done, Issue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Answer, Secret};
use crate::app::App;
use crate::authority::Authority;
use crate::described::{KeyPrefix, Moment, Span};
use crate::error::{ApiError, ErrorBody, Refused};
use crate::input::{CredentialPath, OptionalJson};
use crate::rotation::was_lost;

/// How a key is to be.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IssueKey)]
struct Wish {
    /// When it ends by itself; without it and without `expires_in`, never.
    #[schema(value_type = Option<Moment>)]
    expires_at: Option<Timestamp>,
    /// After how long it ends by itself. Of two ends the earlier counts.
    #[schema(value_type = Option<Span>)]
    expires_in: Option<Seconds>,
    /// What it begins with; the server's prefix by default.
    #[schema(value_type = Option<KeyPrefix>)]
    prefix: Option<String>,
}

/// A new key, shown this once.
#[derive(Serialize, ToSchema)]
struct IssuedKey {
    /// The key. It is stored nowhere: keep it now.
    #[schema(value_type = String)]
    api_key: Secret,
    /// Its public name.
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
    /// The epoch from which on verifiers know it.
    #[schema(minimum = 0)]
    epoch: u64,
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(issue))
}

/// Issues the first key of a credential, or the next one after all others have ended.
#[utoipa::path(post, path = "/v2/clients/{client_id}/credentials/{credential}/keys", tag = "keys",
    params(CredentialPath),
    request_body(content = Option<Wish>, description = "May be left out."), responses(
    (status = 201, description = "The key, shown this once.", body = IssuedKey),
    (status = 409, description = "`is_live`: the credential has a live key, which is rotated instead. `expiry_passed`: the expiry is not in the future.", body = ErrorBody),
))]
async fn issue(
    State(app): State<App>,
    authority: Authority,
    CredentialPath(client_id, credential): CredentialPath,
    OptionalJson(wish): OptionalJson<Wish>,
) -> Result<Answer<IssuedKey>, Refused> {
    let by = authority.over(&app, &client_id, &[]).await?;
    let now = app.now()?;
    let expires_at = wish.expires_at(now);
    let prefix = prefix(wish.prefix.as_deref())?;
    let prefix = prefix.as_ref().unwrap_or(&app.config.prefix);
    let (key, minted) = gracekey_store::mint(prefix, app.peppers.current())?;
    let order = Issue { client_id, credential, key: minted, expires_at };
    let mut done = app.store.issue(&order, &by, now).await;
    if was_lost(&done) {
        done = app.store.issue(&order, &by, now).await;
    }
    let done = done?;
    app.feed.changed(done.epoch).await;
    Ok(Answer::created(IssuedKey::new(&key, done)))
}

/// What a key begins with, if anything was said.
pub(super) fn prefix(text: Option<&str>) -> Result<Option<Prefix>, ApiError> {
    text.map(|text| text.parse().map_err(|why| ApiError::field("prefix", why))).transpose()
}

impl Wish {
    /// Of two ends the earlier counts.
    fn expires_at(&self, now: Timestamp) -> Option<Timestamp> {
        let span_ends = self.expires_in.map(|span| now.saturating_add(span.0.into()));
        self.expires_at.into_iter().chain(span_ends).min()
    }
}

impl IssuedKey {
    fn new(key: &ApiKey, Done { epoch, value, .. }: Done<Generation>) -> Self {
        Self {
            api_key: Secret::of(key),
            key_id: value.key_id,
            client_id: value.client_id.to_string(),
            credential: value.credential.to_string(),
            generation: value.generation,
            expires_at: value.expires_at,
            epoch,
        }
    }
}
