use axum::extract::State;
use gracekey_core::Grace;
use gracekey_store::RotateFrom;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::issue::prefix;
use crate::answer::Answer;
use crate::app::App;
use crate::authority::Authority;
use crate::described::{GraceSpan, KeyPrefix};
use crate::error::{ErrorBody, Refused};
use crate::input::{CredentialPath, OptionalJson};
use crate::rotation::{Order, RotatedKey, rotate};

/// How an operator rotates.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RotateCredential)]
struct Wish {
    /// How long the old key goes on working, 24 hours by default, at most 30 days or what the server allows.
    #[schema(value_type = Option<GraceSpan>)]
    grace: Option<Grace>,
    /// The key of the last rotation got lost on its way: another takes its place, and the window stays as it is.
    #[serde(default)]
    lost: bool,
    /// What the new key begins with; the server's prefix by default.
    #[schema(value_type = Option<KeyPrefix>)]
    prefix: Option<String>,
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(rotate_credential))
}

/// Rotates the current key of a credential.
#[utoipa::path(post, path = "/v2/clients/{client_id}/credentials/{credential}/rotate", tag = "keys",
    params(CredentialPath),
    request_body(content = Option<Wish>, description = "May be left out."), responses(
    (status = 200, description = "The new key, shown this once.", body = RotatedKey),
    (status = 409, description = "`nothing_live`, `too_many_live`, `conflict`; with `lost` also `nothing_lost` and `already_rotated`.", body = ErrorBody),
))]
async fn rotate_credential(
    State(app): State<App>,
    authority: Authority,
    CredentialPath(client_id, credential): CredentialPath,
    OptionalJson(wish): OptionalJson<Wish>,
) -> Result<Answer<RotatedKey>, Refused> {
    let by = authority.over(&app, &client_id, &[]).await?;
    let Wish { grace, lost, prefix: text } = wish;
    let from = match lost {
        false => RotateFrom::Current(client_id, credential),
        true => RotateFrom::Lost(client_id, credential),
    };
    let order = Order { from, grace, prefix: prefix(text.as_deref())?, by };
    Ok(rotate(&app, order).await.map(Answer::ok)?)
}
