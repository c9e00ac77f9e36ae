use alloc::vec::Vec;
use core::fmt;

use super::record::Record;
use super::{ClientRow, CredentialRow, Keyring};
use crate::document::End;
use crate::key::KeyId;
use crate::names::Scope;
use crate::secret::Words;
use crate::time::Timestamp;

/// One generation in a keyring, with its credential and its client.
#[derive(Clone, Copy)]
pub struct Entry<'k> {
    keyring: &'k Keyring,
    index: u32,
}

impl<'k> Entry<'k> {
    pub(super) fn new(keyring: &'k Keyring, index: u32) -> Self {
        Self { keyring, index }
    }

    /// Where it stands in its keyring; of no meaning in any other.
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// The public name of the generation.
    #[must_use]
    pub fn key_id(self) -> KeyId {
        self.record().map_or(KeyId::NOBODY, |record| record.key_id)
    }

    /// The public name of the generation, borrowed from the keyring.
    #[must_use]
    pub fn key_id_str(self) -> &'k str {
        self.record().map_or("", |record| record.key_id.as_str())
    }

    /// 1, 2, 3 … within the credential.
    #[must_use]
    pub fn generation(self) -> u32 {
        self.record().map_or(0, Record::generation)
    }

    /// The tenant that the key stands for.
    #[must_use]
    pub fn client_id(self) -> &'k str {
        self.client().map_or("", |client| self.keyring.text(client.name))
    }

    /// The named use of the client's access.
    #[must_use]
    pub fn credential(self) -> &'k str {
        self.credential_row().map_or("", |credential| self.keyring.text(credential.name))
    }

    /// What the client may do.
    #[must_use]
    pub fn scopes(self) -> &'k [Scope] {
        let index = self.client().and_then(|client| usize::try_from(client.scopes).ok());
        index.and_then(|index| self.keyring.scopes.get(index)).map_or(&[], |scopes| scopes)
    }

    /// Whether the client is disabled.
    #[must_use]
    pub fn client_disabled(self) -> bool {
        self.record().is_none_or(Record::disabled)
    }

    /// The key is valid from this moment on.
    #[must_use]
    pub fn not_before(self) -> Option<Timestamp> {
        self.record().and_then(Record::not_before)
    }

    /// A successor was minted at this moment.
    #[must_use]
    pub fn superseded_at(self) -> Option<Timestamp> {
        self.record().and_then(Record::superseded_at)
    }

    /// When the generation ends, and why: the earliest of its ends.
    #[must_use]
    pub fn end(self) -> Option<(Timestamp, End)> {
        self.record().and_then(Record::end)
    }

    /// When the generation ended, and why, if it has by `now`. A revocation waits for no clock.
    #[must_use]
    #[inline]
    pub fn ended(self, now: Timestamp) -> Option<(Timestamp, End)> {
        self.end().filter(|(at, _)| *at <= now || self.record().is_some_and(Record::revoked))
    }

    /// Whether a successor has taken its place by `now`.
    #[must_use]
    pub fn is_superseded(self, now: Timestamp) -> bool {
        self.superseded_at().is_some_and(|at| at <= now)
    }

    pub(super) fn words(self) -> Option<&'k Words> {
        self.record().map(|record| &record.digest)
    }

    pub(super) fn write_record(self, bytes: &mut Vec<u8>) {
        if let Some(record) = self.record() {
            record.write(bytes);
        }
    }

    fn record(self) -> Option<&'k Record> {
        self.keyring.table.record(self.index)
    }

    fn credential_row(self) -> Option<&'k CredentialRow> {
        self.keyring.credentials.get(usize::try_from(self.record()?.credential).ok()?)
    }

    fn client(self) -> Option<&'k ClientRow> {
        self.keyring.clients.get(usize::try_from(self.credential_row()?.client).ok()?)
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("client_id", &self.client_id())
            .field("credential", &self.credential())
            .field("generation", &self.generation())
            .field("key_id", &self.key_id())
            .finish_non_exhaustive()
    }
}
