use std::collections::BTreeSet;

use gracekey_core::{ClientId, CredentialName, Generation, KeyId, Revoke, Timestamp};
use serde::{Deserialize, Serialize};

/// What is to end at once.
pub(crate) enum Ending {
    /// Keys are revoked, window or not.
    Revoke(Revoke),
    /// The rotation windows of a credential close: its superseded keys retire.
    Window(ClientId, CredentialName),
}

/// What would end, and who would miss it.
pub(crate) struct Foreseen {
    pub(crate) would_end: Vec<WouldEnd>,
    /// Whether usage is counted here. A keyring file counts none.
    pub(crate) counted: bool,
}

/// A live key that would end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WouldEnd {
    pub(crate) client_id: ClientId,
    pub(crate) credential: CredentialName,
    pub(crate) generation: u32,
    pub(crate) key_id: KeyId,
    pub(crate) requests_last_day: Option<u64>,
    pub(crate) last_used: Option<Timestamp>,
}

impl Ending {
    /// Whether a live generation would end.
    pub(super) fn ends(&self, generation: &Generation, now: Timestamp) -> bool {
        let meant = match self {
            Self::Revoke(Revoke::Key(key_id)) => generation.key_id == *key_id,
            Self::Revoke(Revoke::Credential(client_id, credential)) => {
                generation.client_id == *client_id && generation.credential == *credential
            }
            Self::Revoke(Revoke::Client(client_id)) => generation.client_id == *client_id,
            Self::Window(client_id, credential) => {
                return generation.client_id == *client_id
                    && generation.credential == *credential
                    && generation.clone().close_window(now);
            }
        };
        meant && generation.clone().revoke(now)
    }

    /// The same as a revocation, to ask who used it.
    pub(super) fn as_revoke(&self) -> Revoke {
        match self {
            Self::Revoke(what) => what.clone(),
            Self::Window(client_id, credential) => Revoke::Credential(client_id.clone(), credential.clone()),
        }
    }
}

impl WouldEnd {
    pub(super) fn new(generation: &Generation) -> Self {
        Self {
            client_id: generation.client_id.clone(),
            credential: generation.credential.clone(),
            generation: generation.generation,
            key_id: generation.key_id,
            requests_last_day: None,
            last_used: None,
        }
    }
}

impl Foreseen {
    /// Who used one of the keys in the last day, and so would read a 401. Unknown where no usage is counted.
    pub(crate) fn would_get_401(&self) -> Option<BTreeSet<&ClientId>> {
        let used = self.would_end.iter().filter(|key| key.requests_last_day.is_some_and(|requests| requests > 0));
        self.counted.then(|| used.map(|key| &key.client_id).collect())
    }
}
