//! What an operator may change.
//!
//! `gracekey:write` changes clients and keys, but nothing of those who open this server: else whoever may write could make
//! itself an admin. Each handler that changes something names what it changes here, since it gets its [`Actor`] nowhere else.

mod admins;

use axum::extract::FromRequestParts;
use gracekey_core::{ClientId, KeyId, Scope};
use gracekey_store::{Actor, Import, ImportError, StoreError};
use gracekey_tower::{Caller, RequireScopes};
use http::request::Parts;

use crate::actor;
use crate::app::App;
use crate::error::{ApiError, Refused};
use crate::guard;
pub(crate) use admins::Admins;

/// An operator, whose request the Layer let pass.
pub(crate) struct Authority {
    caller: Caller,
    head: Parts,
}

impl FromRequestParts<App> for Authority {
    type Rejection = <Caller as FromRequestParts<App>>::Rejection;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let caller = <Caller as FromRequestParts<App>>::from_request_parts(parts, app).await?;
        Ok(Self { caller, head: parts.clone() })
    }
}

impl Authority {
    /// For a change to a client or to its keys, in which it is granted these scopes.
    ///
    /// One that is not there is the store's to refuse.
    pub(crate) async fn over(&self, app: &App, client_id: &ClientId, granted: &[Scope]) -> Result<Actor, Refused> {
        let known = app.store.client(client_id).await?;
        let scopes = known.iter().flat_map(|row| &row.client.scopes).chain(granted);
        if gracekey_store::opens_server(scopes) {
            self.must_be_admin()?;
        }
        Ok(actor::admin(&self.caller)?)
    }

    /// For a change to a key.
    pub(crate) async fn over_key(&self, app: &App, key_id: KeyId) -> Result<Actor, Refused> {
        match app.store.key(key_id).await? {
            Some(row) => self.over(app, &row.generation.client_id, &[]).await,
            None => Ok(actor::admin(&self.caller)?),
        }
    }

    /// For an import. Which scopes its clients have already the store alone sees, as it takes them in: it refuses what is
    /// reserved, and [`Authority::refused`] says why.
    pub(crate) fn over_import(&self, import: Import) -> Result<(Import, Actor), ApiError> {
        let import = if self.caller.has_scope(guard::ADMIN) { import } else { import.reserving_own() };
        Ok((import, actor::admin(&self.caller)?))
    }

    /// Why the store did not take in an import.
    pub(crate) fn refused(&self, error: StoreError) -> Refused {
        if let StoreError::Import(ImportError::Reserved) = error
            && let Err(denied) = self.must_be_admin()
        {
            return denied;
        }
        error.into()
    }

    /// The engine decides, and its denial says which scope is needed.
    fn must_be_admin(&self) -> Result<(), Refused> {
        let admin: RequireScopes = guard::ADMIN.parse().map_err(|error| {
            tracing::error!(%error, "the scope of admins is none");
            ApiError::unavailable("the server can't tell who may do this; ask again")
        })?;
        admin.refusal(&self.head).map_or(Ok(()), |denial| Err(Refused::Denied(Box::new(denial))))
    }
}
