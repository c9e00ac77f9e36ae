//! A scope that some live key must go on having.

use std::fmt;
use std::sync::Arc;

use gracekey_core::{ClientId, Scope};

use crate::change::Change;
use crate::connect::{Engine, Store};
use crate::database::Statement;
use crate::error::StoreError;
use crate::rows;

/// After the change no live key would have a scope that one has to have: see [`Store::keeping`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastHolder {
    /// Which scope.
    pub scope: Scope,
}

impl Store {
    /// The same store, which refuses to take the last live key with this scope away: to revoke it or close its window, to
    /// disable its client or take the scope from it. That is looked at under the lock of the change itself, so that two
    /// servers that each take one of the last two away at the same instant leave one.
    ///
    /// A key counts as long as it works, also when its window or its expiry ends it soon: a leaked one can be revoked
    /// then. Where no live key has the scope, nothing is refused.
    #[must_use]
    pub fn keeping(&self, scope: &Scope) -> Self {
        Self { keeps: Some(Arc::new(scope.clone())), ..self.clone() }
    }
}

impl Change<'_> {
    /// Sees to it at the commit that what is changed of this client leaves a live key with the scope that is to be kept.
    pub(crate) async fn guard(&mut self, client_id: &ClientId) -> Result<(), StoreError> {
        let Some(scope) = self.keeps.clone() else { return Ok(()) };
        let is_holder = self.client(client_id).await?.is_some_and(|client| client.scopes.contains(&scope));
        self.guarded = if is_holder && self.is_held(&scope).await? { Some(scope) } else { None };
        Ok(())
    }

    pub(crate) async fn check_guarded(&mut self) -> Result<(), StoreError> {
        match self.guarded.take() {
            Some(scope) if !self.is_held(&scope).await? => {
                Err(StoreError::LastHolder(LastHolder { scope: Scope::clone(&scope) }))
            }
            _ => Ok(()),
        }
    }

    /// Those with such a scope are few, and their keys are found by their index.
    async fn is_held(&mut self, scope: &Scope) -> Result<bool, StoreError> {
        let now = self.seen();
        let statement = Statement::new(match self.transaction.engine() {
            Engine::Sqlite => {
                "SELECT client_id FROM gracekey_clients WHERE NOT disabled AND instr(' ' || scopes || ' ', $1) > 0"
            }
            Engine::Postgres => {
                "SELECT client_id FROM gracekey_clients WHERE NOT disabled AND strpos(' ' || scopes || ' ', $1) > 0"
            }
        });
        let read = |row: &crate::database::Row<'_>| rows::parsed::<ClientId>(row.text(0)?, "client_id");
        for client_id in self.transaction.rows(statement.bind(format!(" {scope} ")), read).await? {
            let statement = Statement::new(
                "SELECT 1 FROM gracekey_generations AS g WHERE g.client_id = $1 \
                 AND (g.not_before IS NULL OR g.not_before <= $2) AND g.revoked_at IS NULL \
                 AND (g.expires_at IS NULL OR g.expires_at > $2) AND (g.retires_at IS NULL OR g.retires_at > $2) LIMIT 1",
            );
            if self.transaction.first(statement.bind(&client_id).bind(now), |_| Ok(())).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl fmt::Display for LastHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no live key would have the scope {} any more; first give another client it and a key", self.scope)
    }
}

impl std::error::Error for LastHolder {}
