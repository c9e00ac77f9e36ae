use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gracekey_core::{ClientId, CredentialName, KeyId, Revoke};
use gracekey_store::Done;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, IntoResponses, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::dry_run::{DryRun, dry_run};
use crate::answer::Answer;
use crate::app::App;
use crate::authority::Authority;
use crate::error::{ErrorBody, Refused};
use crate::input::{ClientPath, CredentialPath, KeyPath, NoBody, Parameters};

/// Whether it is only asked what would be.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct How {
    /// Changes nothing, and says which keys would end and who would get 401.
    #[serde(default)]
    dry_run: bool,
}

/// What a change has ended.
#[derive(Serialize, ToSchema)]
struct Ended {
    /// The epoch from which on verifiers know it.
    #[schema(minimum = 0)]
    epoch: u64,
    /// Whether anything was changed. If not, all of it had ended already.
    changed: bool,
    /// The key ids.
    #[schema(value_type = Vec<String>)]
    ended: Vec<KeyId>,
}

/// What ended, or with `dry_run` what would.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it stands in the API's document only")]
enum EndedOrDryRun {
    Ended(Ended),
    DryRun(DryRun),
}

/// `last_admin`: nobody could administer the server any more.
#[derive(IntoResponses)]
#[response(status = 409, content_type = "application/json")]
#[expect(dead_code, reason = "it stands in the API's document only")]
struct LastAdmin(ErrorBody);

/// What is to end.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    Revoke(Revoke),
    /// The rotation windows of a credential.
    Window(ClientId, CredentialName),
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(revoke_key))
        .routes(routes!(revoke_credential))
        .routes(routes!(revoke_client))
        .routes(routes!(close_window))
}

/// Ends a key at once, window or not.
#[utoipa::path(post, path = "/v2/keys/{key_id}/revoke", tag = "ends",
    params(KeyPath, How),
    responses(
        (status = 200, description = "It has ended, now or before.", body = EndedOrDryRun),
        LastAdmin,
    ))]
async fn revoke_key(
    State(app): State<App>,
    authority: Authority,
    KeyPath(key_id): KeyPath,
    Parameters(how): Parameters<How>,
    NoBody: NoBody,
) -> Result<Response, Refused> {
    end(&app, &authority, Ending::Revoke(Revoke::Key(key_id)), how).await
}

/// Ends all keys of a credential at once.
#[utoipa::path(post, path = "/v2/clients/{client_id}/credentials/{credential}/revoke", tag = "ends",
    params(CredentialPath, How),
    responses(
        (status = 200, description = "They have ended, now or before.", body = EndedOrDryRun),
        LastAdmin,
    ))]
async fn revoke_credential(
    State(app): State<App>,
    authority: Authority,
    CredentialPath(client_id, credential): CredentialPath,
    Parameters(how): Parameters<How>,
    NoBody: NoBody,
) -> Result<Response, Refused> {
    end(&app, &authority, Ending::Revoke(Revoke::Credential(client_id, credential)), how).await
}

/// Ends all keys of a client at once.
#[utoipa::path(post, path = "/v2/clients/{client_id}/revoke", tag = "ends",
    params(ClientPath, How),
    responses(
        (status = 200, description = "They have ended, now or before.", body = EndedOrDryRun),
        LastAdmin,
    ))]
async fn revoke_client(
    State(app): State<App>,
    authority: Authority,
    ClientPath(client_id): ClientPath,
    Parameters(how): Parameters<How>,
    NoBody: NoBody,
) -> Result<Response, Refused> {
    end(&app, &authority, Ending::Revoke(Revoke::Client(client_id)), how).await
}

/// Closes the rotation windows of a credential at once: its superseded keys retire now, and whoever still sends one reads
/// that it was rotated.
#[utoipa::path(post, path = "/v2/clients/{client_id}/credentials/{credential}/close-window", tag = "ends",
    params(CredentialPath, How),
    responses(
        (status = 200, description = "No window is open any more.", body = EndedOrDryRun),
        LastAdmin,
    ))]
async fn close_window(
    State(app): State<App>,
    authority: Authority,
    CredentialPath(client_id, credential): CredentialPath,
    Parameters(how): Parameters<How>,
    NoBody: NoBody,
) -> Result<Response, Refused> {
    end(&app, &authority, Ending::Window(client_id, credential), how).await
}

async fn end(app: &App, authority: &Authority, ending: Ending, how: How) -> Result<Response, Refused> {
    let now = app.now()?;
    let by = match &ending {
        Ending::Revoke(Revoke::Key(key_id)) => authority.over_key(app, *key_id).await?,
        Ending::Revoke(Revoke::Client(client_id) | Revoke::Credential(client_id, _)) | Ending::Window(client_id, _) => {
            authority.over(app, client_id, &[]).await?
        }
    };
    if how.dry_run {
        return Ok(Answer::ok(dry_run(app, &ending, now).await?).into_response());
    }
    let Done { epoch, changed, value: ended } = match &ending {
        Ending::Revoke(what) => app.store.revoke(what, &by, now).await?,
        Ending::Window(client_id, credential) => app.store.close_window(client_id, credential, &by, now).await?,
    };
    app.feed.changed(epoch).await;
    Ok(Answer::ok(Ended { epoch, changed, ended }).into_response())
}
