use core::fmt;

use crate::document::End;
use crate::key::KeyId;
use crate::names::{ClientId, CredentialName};
use crate::time::Timestamp;

/// Why a step in the life of a key was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LifecycleError {
    /// There is no such client.
    UnknownClient {
        /// Its name.
        client_id: ClientId,
    },
    /// There is such a client already.
    ClientExists {
        /// Its name.
        client_id: ClientId,
    },
    /// The client has no such credential.
    UnknownCredential {
        /// The client.
        client_id: ClientId,
        /// The name that it does not have.
        credential: CredentialName,
    },
    /// There is no generation of that key id.
    UnknownKey {
        /// The key id.
        key_id: KeyId,
    },
    /// The credential has a live generation, so it is rotated, not issued.
    IsLive {
        /// The client.
        client_id: ClientId,
        /// Its credential.
        credential: CredentialName,
        /// The generation that is live.
        key_id: KeyId,
    },
    /// The credential has no live generation, so it is issued, not rotated.
    NothingLive {
        /// The client.
        client_id: ClientId,
        /// Its credential.
        credential: CredentialName,
    },
    /// No generation is within its window, so no lost successor can be replaced.
    NothingLost {
        /// The client.
        client_id: ClientId,
        /// Its credential.
        credential: CredentialName,
    },
    /// The generation to rotate has ended.
    Ended {
        /// Which.
        key_id: KeyId,
        /// When.
        at: Timestamp,
        /// Why.
        end: End,
    },
    /// The generation to rotate has a successor that is in use: 409 in HTTP.
    SuccessorUsed {
        /// The generation that was to be rotated.
        key_id: KeyId,
        /// Its successor.
        successor: KeyId,
    },
    /// Three generations would go on working beside the new one.
    TooManyLive {
        /// The client.
        client_id: ClientId,
        /// Its credential.
        credential: CredentialName,
        /// When the first of them ends.
        until: Option<Timestamp>,
    },
    /// The expiry is not in the future.
    ExpiryPassed {
        /// The expiry.
        at: Timestamp,
        /// The moment of the attempt.
        now: Timestamp,
    },
    /// An end was to be moved later.
    NeverLater {
        /// Which generation.
        key_id: KeyId,
        /// When it ends.
        ends_at: Timestamp,
    },
    /// Another generation has that key id, or that very key.
    Taken {
        /// The generation that is there.
        key_id: KeyId,
    },
    /// The counter of epochs or generations is at its end.
    Exhausted,
}

impl fmt::Display for LifecycleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownClient { client_id } => write!(f, "there is no client {client_id}; issue it a key first"),
            Self::ClientExists { client_id } => write!(f, "there is a client {client_id} already"),
            Self::UnknownCredential { client_id, credential } => {
                write!(f, "client {client_id} has no credential `{credential}`; issue it a key first")
            }
            Self::UnknownKey { key_id } => write!(f, "there is no key with the key id {key_id}"),
            Self::IsLive { client_id, credential, key_id } => write!(
                f,
                "credential `{credential}` of client {client_id} has a live key, {key_id}; rotate it, or issue a credential of another name"
            ),
            Self::NothingLive { client_id, credential } => {
                write!(f, "credential `{credential}` of client {client_id} has no live key left; issue a new one")
            }
            Self::NothingLost { client_id, credential } => write!(
                f,
                "credential `{credential}` of client {client_id} has no earlier key within its window, so there is nothing to go back to; rotate it with a grace of 0s instead"
            ),
            Self::Ended { key_id, at, end } => {
                let how = match end {
                    End::Revoked => "was revoked at",
                    End::Expired => "expired at",
                    End::Retired => "was rotated and stopped working at",
                };
                write!(f, "key {key_id} {how} {at}; rotate the one that took its place, or issue a new one")
            }
            Self::SuccessorUsed { key_id, successor } => {
                write!(
                    f,
                    "key {key_id} was rotated already and its successor {successor} is in use; rotate with that one"
                )
            }
            Self::TooManyLive { client_id, credential, until } => {
                write!(f, "credential `{credential}` of client {client_id} has three live keys; ")?;
                match until {
                    Some(at) => write!(f, "wait until {at}, or revoke one of them"),
                    None => f.write_str("revoke one of them"),
                }
            }
            Self::ExpiryPassed { at, now } => write!(f, "the expiry {at} is not after {now}; give one in the future"),
            Self::NeverLater { key_id, ends_at } => {
                write!(f, "key {key_id} ends at {ends_at}, and an end never moves later; rotate it instead")
            }
            Self::Taken { key_id } => write!(f, "this key is there already as {key_id}; mint another"),
            Self::Exhausted => f.write_str("the keyring has counted to its end; begin a new one"),
        }
    }
}

impl core::error::Error for LifecycleError {}
