use axum::extract::State;
use gracekey_core::{Client, ClientId, LifecycleError, Scope, Timestamp};
use gracekey_store::{ClientChange, ClientRow, NewClient};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Answer;
use crate::app::App;
use crate::authority::Authority;
use crate::described::{ClientIdText, ScopeToken};
use crate::error::{ApiError, ErrorBody, Refused};
use crate::input::{self, ClientPath, Json, Parameters};

/// A client to take in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewClient)]
struct Wanted {
    /// What keys stand for.
    #[schema(value_type = ClientIdText)]
    client_id: ClientId,
    /// What people call it; its id by default.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// What its keys may do.
    #[schema(value_type = Vec<ScopeToken>)]
    #[serde(default)]
    scopes: Vec<Scope>,
    /// Whether its keys are denied from the start.
    #[serde(default)]
    disabled: bool,
}

/// What is to change. What is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ClientUpdate)]
struct Update {
    /// Whether its keys are denied.
    disabled: Option<bool>,
    /// What its keys may do: all of it, not only what is new.
    #[schema(value_type = Option<Vec<ScopeToken>>)]
    scopes: Option<Vec<Scope>>,
}

/// A client.
#[derive(Serialize, ToSchema)]
#[schema(as = Client)]
struct Shown {
    #[schema(example = "acme_corp")]
    client_id: String,
    /// What people call it.
    name: String,
    /// What its keys may do.
    #[schema(value_type = Vec<ScopeToken>)]
    scopes: Vec<Scope>,
    /// Whether its keys are denied.
    disabled: bool,
    /// When it was taken in.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When any of its keys was last used, as far as that was reported.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used: Option<Timestamp>,
}

/// A client after a change.
#[derive(Serialize, ToSchema)]
struct ChangedClient {
    #[serde(flatten)]
    client: Shown,
    /// The epoch from which on verifiers know it.
    #[schema(minimum = 0)]
    epoch: u64,
    /// Whether anything was changed.
    changed: bool,
}

/// Clients in the order of their ids.
#[derive(Serialize, ToSchema)]
#[schema(as = Clients)]
struct Page {
    clients: Vec<Shown>,
    /// Give it as `after` to read on; `null` at the end.
    next: Option<String>,
}

/// Which clients.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// How many at most: 100 by default.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// Those behind this one: `next` of the page before.
    #[param(value_type = Option<String>, max_length = 128, pattern = "^[0-9A-Za-z][0-9A-Za-z._:@/-]*$")]
    after: Option<ClientId>,
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(list, add)).routes(routes!(one, update))
}

/// Lists clients.
#[utoipa::path(get, path = "/v2/clients", tag = "clients", params(Which), responses(
    (status = 200, description = "A page of clients.", body = Page),
))]
async fn list(State(app): State<App>, Parameters(which): Parameters<Which>) -> Result<Answer<Page>, ApiError> {
    let limit = input::limit(which.limit)?;
    let rows = app.store.clients(which.after.as_ref(), limit).await?;
    let next = rows.last().filter(|_| rows.len() == usize::from(limit.rows()));
    let next = next.map(|row| row.client.client_id.to_string());
    Ok(Answer::ok(Page { clients: rows.into_iter().map(Shown::from).collect(), next }))
}

/// Takes in a client.
#[utoipa::path(post, path = "/v2/clients", tag = "clients", request_body = Wanted, responses(
    (status = 201, description = "It is there.", body = ChangedClient),
    (status = 409, description = "`exists`: there is a client of that id.", body = ErrorBody),
))]
async fn add(
    State(app): State<App>,
    authority: Authority,
    Json(wanted): Json<Wanted>,
) -> Result<Answer<ChangedClient>, Refused> {
    let Wanted { client_id, name, scopes, disabled } = wanted;
    let name = name.unwrap_or_else(|| client_id.to_string());
    no_key("name", &name)?;
    let by = authority.over(&app, &client_id, &scopes).await?;
    let new = NewClient { client: Client { client_id: client_id.clone(), disabled, scopes }, name };
    let done = app.store.add_client(&new, &by, app.now()?).await?;
    app.feed.changed(done.epoch).await;
    let client = known(&app, client_id).await?;
    Ok(Answer::created(ChangedClient { client, epoch: done.epoch, changed: done.changed }))
}

/// Shows a client.
#[utoipa::path(get, path = "/v2/clients/{client_id}", tag = "clients",
    params(ClientPath),
    responses((status = 200, description = "The client.", body = Shown)))]
async fn one(State(app): State<App>, ClientPath(client_id): ClientPath) -> Result<Answer<Shown>, ApiError> {
    known(&app, client_id).await.map(Answer::ok)
}

/// Denies all keys of a client or lets them in again, and says anew what they may do: both at once, or one.
#[utoipa::path(patch, path = "/v2/clients/{client_id}", tag = "clients",
    params(ClientPath),
    request_body = Update, responses(
    (status = 200, description = "The client as it is now.", body = ChangedClient),
    (status = 409, description = "`last_admin`: nobody could administer the server any more.", body = ErrorBody),
))]
async fn update(
    State(app): State<App>,
    authority: Authority,
    ClientPath(client_id): ClientPath,
    Json(update): Json<Update>,
) -> Result<Answer<ChangedClient>, Refused> {
    let change = ClientChange { disabled: update.disabled, scopes: update.scopes };
    let by = authority.over(&app, &client_id, change.scopes.as_deref().unwrap_or_default()).await?;
    let done = app.store.change_client(&client_id, &change, &by, app.now()?).await?;
    app.feed.changed(done.epoch).await;
    let client = known(&app, client_id).await?;
    Ok(Answer::ok(ChangedClient { client, epoch: done.epoch, changed: done.changed }))
}

async fn known(app: &App, client_id: ClientId) -> Result<Shown, ApiError> {
    match app.store.client(&client_id).await? {
        Some(row) => Ok(row.into()),
        None => Err(LifecycleError::UnknownClient { client_id }.into()),
    }
}

/// What people read must not hold a key that was pasted into the wrong place.
fn no_key(field: &str, text: &str) -> Result<(), ApiError> {
    if input::holds_a_key(text) {
        return Err(ApiError::field(field, "an API key stands where a name belongs; a key is a secret"));
    }
    Ok(())
}

impl From<ClientRow> for Shown {
    fn from(row: ClientRow) -> Self {
        Self {
            client_id: row.client.client_id.to_string(),
            name: row.name,
            scopes: row.client.scopes,
            disabled: row.client.disabled,
            created_at: row.created_at,
            last_used: row.last_used,
        }
    }
}
