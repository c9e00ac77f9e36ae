//! The keyring document: what a store hands to verifiers, and what may lie in a file or a `ConfigMap`.
//!
//! A [`SealedDocument`] is what was read and is not yet trusted. Opening it checks the seal and yields a [`Document`],
//! from which a [`Keyring`](crate::Keyring) is built.

mod error;
mod reader;
mod sealed;

pub use error::DocumentError;
pub(crate) use reader::{Header, Reader, Taker};
pub use sealed::SealedDocument;

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::key::KeyId;
use crate::names::{ClientId, CredentialName, Scope};
use crate::time::Timestamp;

/// All clients and keys of a keyring, at one epoch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Document {
    /// The version of the keyring: it only grows. At most 2^53 - 1, so that every JSON reader keeps it exact.
    pub epoch: u64,
    /// When this epoch was made.
    pub issued_at: Timestamp,
    /// The tenants.
    pub clients: Vec<Client>,
    /// Their keys, also those that have ended lately, so that their holders learn why.
    pub keys: Vec<Generation>,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Client {
    /// Its name, unique in a document.
    pub client_id: ClientId,
    /// While it is set, every key of this client is denied with `client_disabled`.
    #[serde(default)]
    pub disabled: bool,
    /// What it may do.
    #[serde(default)]
    pub scopes: Vec<Scope>,
}

/// One key of a credential. The fields stand in the order of their names, as RFC 8785 wants them for the seal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Generation {
    /// Whose key it is.
    pub client_id: ClientId,
    /// The named use that it belongs to.
    pub credential: CredentialName,
    /// What is kept instead of the key, unique in a document.
    pub digest: Digest,
    /// The key is valid before this moment only.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// 1, 2, 3 … within its credential.
    #[serde(deserialize_with = "generation_number")]
    pub generation: u32,
    /// The public name of this generation, unique in a document.
    pub key_id: KeyId,
    /// The key is valid from this moment on.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
    /// A superseded key is valid before this moment only.
    #[serde(default)]
    pub retires_at: Option<Timestamp>,
    /// The key was revoked at this moment. It is not valid any more, also where a clock has not come to it yet.
    #[serde(default)]
    pub revoked_at: Option<Timestamp>,
    /// A successor was minted at this moment: the rotation window begins.
    #[serde(default)]
    pub superseded_at: Option<Timestamp>,
}

crate::wire::strict!(object: Client, Generation);

impl Document {
    /// The JSON Schema (draft 2020-12) of a sealed document, for editors and pipelines.
    pub const SCHEMA: &str = include_str!("../schema/keyring.schema.json");
    /// What `format` says of this kind of document.
    pub const FORMAT: &str = "gracekey/1";
    /// The largest epoch: what every JSON reader keeps exact.
    pub const MAX_EPOCH: u64 = (1 << 53) - 1;

    /// A document without clients and keys.
    #[must_use]
    pub fn empty(issued_at: Timestamp) -> Self {
        Self { epoch: 0, issued_at, clients: Vec::new(), keys: Vec::new() }
    }
}

impl Generation {
    /// The largest number of a generation.
    pub const MAX: u32 = (1 << 24) - 1;

    /// When it ends, and why: of several ends the earliest counts, and of ends at one moment the weightiest.
    #[must_use]
    pub fn end(&self) -> Option<(Timestamp, End)> {
        [(self.revoked_at, End::Revoked), (self.expires_at, End::Expired), (self.retires_at, End::Retired)]
            .into_iter()
            .filter_map(|(at, end)| at.map(|at| (at, end)))
            .min_by_key(|(at, _)| *at)
    }

    /// When it ended, and why, if it has by `now`. A revocation ends it at once, whatever the clock at hand says: nobody
    /// revokes in advance, so a clock that is not there yet is slow.
    #[must_use]
    pub fn ended(&self, now: Timestamp) -> Option<(Timestamp, End)> {
        self.end().filter(|(at, _)| *at <= now || self.revoked_at.is_some())
    }
}

/// Why a generation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Somebody revoked it.
    Revoked,
    /// Its expiry came.
    Expired,
    /// It was superseded and its rotation window closed.
    Retired,
}

fn generation_number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = crate::wire::number(deserializer, 1..=Generation::MAX.into())?;
    u32::try_from(number).map_err(serde::de::Error::custom)
}
