use std::sync::Arc;

use gracekey_core::{Entry, Keyring, Timestamp};

use crate::app::App;
use crate::guard;

/// Who may do everything here at one moment: the live keys with `gracekey:admin`. That one of them stays, the store sees to.
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
        let is_admin = |entry: &Entry<'_>| entry.scopes().iter().any(|scope| scope.as_str() == guard::ADMIN);
        let mut admins = self.keyring.iter().flat_map(|keyring| keyring.entries()).filter(is_admin);
        !admins.any(|entry| self.is_live(entry))
    }

    fn is_live(&self, entry: Entry<'_>) -> bool {
        let has_begun = entry.not_before().is_none_or(|at| at <= self.now);
        has_begun && entry.ended(self.now).is_none() && !entry.client_disabled()
    }
}
