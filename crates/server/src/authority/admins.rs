use std::sync::Arc;

use gracekey_core::{Entry, Keyring, Revoke, Timestamp};
use gracekey_store::ClientChange;

use crate::admin::Ending;
use crate::app::App;
use crate::error::ApiError;
use crate::guard;

/// Who may do everything here at one moment: the live keys with `gracekey:admin`.
pub(crate) struct Admins {
    keyring: Option<Arc<Keyring>>,
    now: Timestamp,
}

impl Admins {
    pub(crate) fn at(app: &App, now: Timestamp) -> Self {
        Self { keyring: app.live.current(), now }
    }

    /// Whether there is none.
    pub(crate) fn are_none(&self) -> bool {
        !self.any(|_| true)
    }

    /// Refuses a change of a client after which there would be none.
    pub(crate) fn survive_change(&self, client_id: &str, change: &ClientChange) -> Result<(), ApiError> {
        let keeps = |scopes: &[_]| scopes.iter().any(|scope: &gracekey_core::Scope| scope.as_str() == guard::ADMIN);
        let stays = change.disabled != Some(true) && change.scopes.as_deref().is_none_or(keeps);
        if stays { Ok(()) } else { self.survive(|entry| entry.client_id() == client_id) }
    }

    /// Refuses to end keys without which there would be none.
    pub(crate) fn survive_end(&self, ending: &Ending) -> Result<(), ApiError> {
        self.survive(|entry| match ending {
            Ending::Revoke(Revoke::Key(key_id)) => entry.key_id() == *key_id,
            Ending::Revoke(Revoke::Client(client_id)) => entry.client_id() == client_id.as_str(),
            Ending::Revoke(Revoke::Credential(client_id, credential)) => {
                entry.client_id() == client_id.as_str() && entry.credential() == credential.as_str()
            }
            Ending::Window(client_id, credential) => {
                let same = entry.client_id() == client_id.as_str() && entry.credential() == credential.as_str();
                same && entry.is_superseded(self.now)
            }
        })
    }

    /// Of a server without an admin nothing is lost.
    fn survive(&self, goes: impl Fn(Entry<'_>) -> bool) -> Result<(), ApiError> {
        if !self.any(&goes) || self.any(|entry| !goes(entry)) {
            return Ok(());
        }
        let why = "nobody could administer this server any more: first give another client the scope gracekey:admin and a \
                   key, or do this on the store itself, with `gracekey` and --store";
        Err(ApiError::conflict("last_admin", why))
    }

    fn any(&self, is_meant: impl Fn(Entry<'_>) -> bool) -> bool {
        let is_admin = |entry: &Entry<'_>| entry.scopes().iter().any(|scope| scope.as_str() == guard::ADMIN);
        let mut admins = self.keyring.iter().flat_map(|keyring| keyring.entries()).filter(is_admin);
        admins.any(|entry| self.is_live(entry) && is_meant(entry))
    }

    fn is_live(&self, entry: Entry<'_>) -> bool {
        let has_begun = entry.not_before().is_none_or(|at| at <= self.now);
        has_begun && entry.ended(self.now).is_none() && !entry.client_disabled()
    }
}
