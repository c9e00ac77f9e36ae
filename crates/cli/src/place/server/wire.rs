//! The answers of a server, as they stand on the wire. Members that are not needed here are passed over.

use std::fmt;

use gracekey_core::{ApiKey, ClientId, CredentialName, KeyId, Scope, Timestamp};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::place::listing::Times;
use crate::place::{AuditLine, AuditPage, Expiring, ImportedLine, KeyLine, NewKey, State, WouldEnd};
use crate::plain;

/// A key as text, wiped when it is dropped.
struct Secret(Zeroizing<String>);

#[derive(Deserialize)]
pub(super) struct Issued {
    api_key: Secret,
    #[serde(flatten)]
    generation: Generation,
}

#[derive(Deserialize)]
pub(super) struct Rotated {
    new_api_key: Secret,
    #[serde(flatten)]
    generation: Generation,
    previous_key_id: KeyId,
    previous_key_retires_at: Option<Timestamp>,
    #[serde(default)]
    replaced_key_ids: Vec<KeyId>,
}

#[derive(Deserialize)]
struct Generation {
    key_id: KeyId,
    generation: u32,
    expires_at: Option<Timestamp>,
    epoch: u64,
}

#[derive(Deserialize)]
pub(super) struct Ended {
    pub(super) epoch: u64,
    pub(super) ended: Vec<KeyId>,
}

#[derive(Deserialize)]
pub(super) struct Expires {
    key_id: KeyId,
    client_id: ClientId,
    credential: CredentialName,
    expires_at: Timestamp,
    epoch: u64,
    changed: bool,
}

#[derive(Deserialize)]
pub(super) struct Foreseen {
    pub(super) would_end: Vec<WouldEnd>,
}

#[derive(Deserialize)]
pub(super) struct Client {
    client_id: ClientId,
    scopes: Vec<Scope>,
    disabled: bool,
    pub(super) epoch: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct Ready {
    pub(super) epoch: u64,
}

#[derive(Deserialize)]
pub(super) struct Keys {
    pub(super) keys: Vec<Key>,
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Key {
    client_id: ClientId,
    credential: CredentialName,
    generation: u32,
    key_id: KeyId,
    state: KeyState,
    #[serde(flatten)]
    times: Times,
    window_left_seconds: Option<u64>,
    requests: u64,
    last_used: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeyState {
    Current,
    Superseded,
    NotYetValid,
    ClientDisabled,
    Retired,
    Expired,
    Revoked,
}

#[derive(Deserialize)]
pub(super) struct Imported {
    epoch: u64,
    lines: Vec<Line>,
}

/// What a server says when it does not do it.
#[derive(Deserialize)]
pub(super) struct Refusal {
    pub(super) error_description: String,
    #[serde(default)]
    pub(super) code: String,
    /// Of an import.
    #[serde(default)]
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    row: u64,
    client_id: Option<ClientId>,
    credential: Option<CredentialName>,
    key_id: Option<KeyId>,
    fate: Fate,
    why: Option<String>,
}

#[derive(PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fate {
    Imported,
    AlreadyThere,
    Refused,
}

#[derive(Deserialize)]
pub(super) struct Audit {
    entries: Vec<AuditLine>,
    next: Option<u64>,
}

// === impl Secret ===

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl Secret {
    fn key(&self) -> Result<ApiKey, Failure> {
        ApiKey::parse(&self.0).map_err(|error| Failure::refused(format!("the server's new key is none: {error}")))
    }
}

// === impl the answers ===

impl Issued {
    pub(super) fn into_key(self) -> Result<NewKey, Failure> {
        Ok(self.generation.with(self.api_key.key()?))
    }
}

impl Rotated {
    pub(super) fn into_rotated(self) -> Result<crate::place::Rotated, Failure> {
        Ok(crate::place::Rotated {
            new: self.generation.with(self.new_api_key.key()?),
            previous_key_id: self.previous_key_id,
            previous_key_retires_at: self.previous_key_retires_at,
            replaced_key_ids: self.replaced_key_ids,
        })
    }
}

impl Generation {
    fn with(self, key: ApiKey) -> NewKey {
        let Self { key_id, generation, expires_at, epoch } = self;
        NewKey { key, key_id, generation, expires_at, epoch }
    }
}

impl Expires {
    pub(super) fn into_expiring(self) -> Expiring {
        let Self { key_id, client_id, credential, expires_at, epoch, changed } = self;
        Expiring { key_id, client_id, credential, expires_at, epoch, changed }
    }
}

impl Client {
    pub(super) fn into_client(self) -> gracekey_core::Client {
        gracekey_core::Client { client_id: self.client_id, scopes: self.scopes, disabled: self.disabled }
    }
}

impl Key {
    pub(super) fn into_line(self) -> KeyLine {
        let Times { expires_at, retires_at, revoked_at, superseded_at, .. } = self.times;
        let (state, ended) = match self.state {
            KeyState::Retired => (State::Retired, retires_at),
            KeyState::Expired => (State::Expired, expires_at),
            KeyState::Revoked => (State::Revoked, revoked_at),
            KeyState::NotYetValid => (State::NotYetValid, None),
            KeyState::Superseded => (State::Previous, None),
            // That the client is disabled hides which of the two it is.
            KeyState::ClientDisabled if superseded_at.is_some() => (State::Previous, None),
            KeyState::Current | KeyState::ClientDisabled => (State::Current, None),
        };
        KeyLine {
            client_id: self.client_id,
            credential: self.credential,
            generation: self.generation,
            key_id: self.key_id,
            state,
            client_disabled: self.state == KeyState::ClientDisabled,
            times: self.times,
            window_remaining_seconds: self.window_left_seconds.filter(|_| state == State::Previous),
            requests: Some(self.requests),
            last_used: self.last_used,
            ended,
        }
    }
}

impl Refusal {
    /// What is wrong with which row, as a store says it.
    pub(super) fn take_rows(&mut self) -> Vec<String> {
        let refused = std::mem::take(&mut self.lines).into_iter().filter(|line| line.fate == Fate::Refused);
        refused.map(|line| line.to_string()).collect()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}:", self.row)?;
        if let Some(client_id) = &self.client_id {
            write!(f, " {client_id}")?;
        }
        if let Some(credential) = &self.credential {
            write!(f, " `{credential}`")?;
        }
        if let Some(key_id) = &self.key_id {
            write!(f, " {key_id}")?;
        }
        write!(f, " refused: {}", plain::line(self.why.as_deref().unwrap_or("the server does not say why")))
    }
}

impl Imported {
    pub(super) fn into_imported(self) -> crate::place::Imported {
        let line = |Line { client_id, credential, key_id, fate, .. }| ImportedLine {
            already_there: fate == Fate::AlreadyThere,
            client_id,
            credential,
            key_id,
        };
        crate::place::Imported { lines: self.lines.into_iter().map(line).collect(), epoch: self.epoch }
    }
}

impl From<Audit> for AuditPage {
    fn from(audit: Audit) -> Self {
        Self { entries: audit.entries, next: audit.next }
    }
}
