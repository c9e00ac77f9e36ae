//! Three kinds of error that stay apart: the operator's, the caller's and the world's.

mod database;

pub(crate) use database::{at_commit, busy, damaged, failed, in_database, in_migration};

use std::fmt;

use gracekey_core::{ClientId, CredentialName, KeyId, LifecycleError};

use crate::import::ImportError;
use crate::keeping::LastHolder;

/// Why the store did not do it.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The operator's: the store is set up wrongly. Trying again does not help.
    Config(ConfigError),
    /// The caller's: the life of a key does not go that way. Nothing was changed.
    Refused(LifecycleError),
    /// The caller's: somebody else changed the same credential at the same moment. Nothing was changed.
    Conflict(Conflict),
    /// The caller's: its holder rotates the credential too often. Nothing was changed.
    TooManyRotations(TooManyRotations),
    /// The caller's: nobody would have a scope any more that somebody has to have. Nothing was changed.
    LastHolder(LastHolder),
    /// The caller's: keys to import are not in order. Nothing was changed.
    Import(ImportError),
    /// The world's: the database is away, busy, full or damaged. Never a reason to deny a key.
    Unavailable(Unavailable),
}

/// Whose error it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Whoever set the store up has to change something.
    Operator,
    /// Whoever asked has to ask for something else: 4xx in HTTP.
    Caller,
    /// Nobody here is to blame: 503 in HTTP.
    World,
}

/// What is wrong with how the store was set up, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    pub(crate) what: String,
}

/// Two changes to one credential at the same moment: the other one was first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Whose credential.
    pub client_id: ClientId,
    /// Which.
    pub credential: CredentialName,
    /// The generation that the other change made.
    pub newest: KeyId,
}

/// A credential was rotated as often as [`Store::rotate_within`](crate::Store::rotate_within) lets its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooManyRotations {
    /// Whose credential.
    pub client_id: ClientId,
    /// Which.
    pub credential: CredentialName,
    /// How many seconds from now on its holder may rotate it again.
    pub wait: u64,
}

/// The database did not do its part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// What the matter is.
    pub trouble: Trouble,
    /// What became of the change that was asked for.
    pub outcome: Outcome,
    /// What the database said. It holds no key, no digest and no password.
    pub detail: String,
}

/// What keeps a database from doing its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// It can't be reached, or the connection was cut.
    Unreachable,
    /// Somebody else holds it for too long.
    Busy,
    /// Its disk is full.
    Full,
    /// It holds something that this store did not write.
    Damaged,
    /// Anything else.
    Failed,
}

/// What became of a change when the database failed in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing was changed.
    NothingDone,
    /// All of it or nothing: the answer was lost. Ask for the same change with the same key again, it happens once.
    Unknown,
}

// === impl StoreError ===

impl StoreError {
    /// Whose error it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Config(_) => Kind::Operator,
            Self::Refused(_)
            | Self::Conflict(_)
            | Self::TooManyRotations(_)
            | Self::LastHolder(_)
            | Self::Import(_) => Kind::Caller,
            Self::Unavailable(_) => Kind::World,
        }
    }

    pub(crate) fn config(what: impl Into<String>) -> Self {
        Self::Config(ConfigError { what: what.into() })
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Refused(error) => error.fmt(f),
            Self::Conflict(error) => error.fmt(f),
            Self::TooManyRotations(error) => error.fmt(f),
            Self::LastHolder(error) => error.fmt(f),
            Self::Import(error) => error.fmt(f),
            Self::Unavailable(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(error) => Some(error),
            Self::Import(error) => Some(error),
            _ => None,
        }
    }
}

impl From<LifecycleError> for StoreError {
    fn from(error: LifecycleError) -> Self {
        Self::Refused(error)
    }
}

impl From<ImportError> for StoreError {
    fn from(error: ImportError) -> Self {
        Self::Import(error)
    }
}

// === impl the others ===

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store: {}", self.what)
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client_id, credential, newest } = self;
        write!(
            f,
            "credential `{credential}` of client {client_id} was changed by somebody else at this moment, its newest key is {newest}; look again in a second"
        )
    }
}

impl fmt::Display for TooManyRotations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client_id, credential, wait } = self;
        write!(
            f,
            "credential `{credential}` of client {client_id} was rotated too often; rotate it in {wait} seconds, or ask an operator to"
        )
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.trouble {
            Trouble::Unreachable => "the store can't be reached",
            Trouble::Busy => "the store is busy with somebody else's change; ask again in a moment",
            Trouble::Full => "the store's disk is full, make room on it",
            Trouble::Damaged => "the store holds something that it did not write",
            Trouble::Failed => "the store failed",
        })?;
        f.write_str(match self.outcome {
            Outcome::NothingDone => "; nothing was changed",
            Outcome::Unknown => {
                "; the answer was lost: ask for the same change with the same key again, it happens once"
            }
        })?;
        write!(f, " ({})", self.detail)
    }
}

impl std::error::Error for ConfigError {}
impl std::error::Error for Conflict {}
impl std::error::Error for TooManyRotations {}
impl std::error::Error for Unavailable {}
