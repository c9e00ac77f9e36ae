use std::fmt;
use std::str::FromStr;

use gracekey_core::{ClientId, CredentialName, End, Generation, KeyId, Timestamp};

use crate::connect::Store;
use crate::database::{Row, Statement};
use crate::error::StoreError;
use crate::page::Limit;
use crate::rows;

/// A generation as the store holds it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeyRow {
    /// What verifiers know of it.
    pub generation: Generation,
    /// When it was issued, rotated to or imported.
    pub created_at: Timestamp,
    /// The generation that it took the place of.
    pub rotated_from: Option<KeyId>,
    /// How many requests were granted on it, as far as that was reported.
    pub requests: u64,
    /// When it was last used, as far as that was reported.
    pub last_used: Option<Timestamp>,
    /// Whether its client is disabled.
    pub client_disabled: bool,
}

/// What a key is good for at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyState {
    /// It works.
    Current,
    /// It works until its window closes.
    Superseded,
    /// It works later.
    NotYetValid,
    /// Its client is disabled.
    ClientDisabled,
    /// It has ended.
    Ended(End),
}

/// Which keys are asked for.
#[derive(Clone, Debug, Default)]
pub struct KeyFilter {
    /// Those of one client.
    pub client_id: Option<ClientId>,
    /// Those of credentials of this name.
    pub credential: Option<CredentialName>,
    /// Those that have not ended by this moment.
    pub live_at: Option<Timestamp>,
    /// Those behind this place: [`KeyRow::cursor`] of the last row that was read.
    pub after: Option<Cursor>,
    /// How many at most.
    pub limit: Limit,
}

/// A place in the list of keys, written `<client id>:<credential>:<generation>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    client_id: ClientId,
    credential: CredentialName,
    generation: u32,
}

/// The text is no [`Cursor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorError;

macro_rules! list {
    () => {
        concat!(
            "SELECT ",
            rows::generation_columns!(),
            ", g.created_at, g.rotated_from, u.requests, u.last_used, c.disabled FROM gracekey_generations AS g \
             JOIN gracekey_clients AS c ON c.client_id = g.client_id \
             LEFT JOIN gracekey_usage AS u ON u.key_id = g.key_id",
        )
    };
}

// === impl Store ===

impl Store {
    /// Keys in the order of client, credential and generation.
    ///
    /// # Errors
    /// What [`StoreError`] says of databases.
    pub async fn keys(&self, filter: &KeyFilter) -> Result<Vec<KeyRow>, StoreError> {
        self.database.read().await?.rows(listed(filter), key_row).await
    }

    /// One key, if there is such a one.
    ///
    /// # Errors
    /// What [`StoreError`] says of databases.
    pub async fn key(&self, key_id: KeyId) -> Result<Option<KeyRow>, StoreError> {
        let statement = Statement::new(concat!(list!(), " WHERE g.key_id = $1")).bind(key_id);
        self.database.read().await?.first(statement, key_row).await
    }
}

// === impl KeyRow ===

impl KeyRow {
    /// What it is good for at `now`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> KeyState {
        let generation = &self.generation;
        match generation.ended(now) {
            Some((_, end)) => KeyState::Ended(end),
            _ if self.client_disabled => KeyState::ClientDisabled,
            _ if generation.not_before.is_some_and(|from| now < from) => KeyState::NotYetValid,
            _ if generation.superseded_at.is_some_and(|at| at <= now) => KeyState::Superseded,
            _ => KeyState::Current,
        }
    }

    /// How many seconds of its rotation window are left, 0 once it has closed; `None` without one.
    #[must_use]
    pub fn window_left(&self, now: Timestamp) -> Option<u64> {
        self.generation.superseded_at?;
        self.generation.end().map(|(at, _)| at.seconds_since(now))
    }

    /// Its place in the list of keys.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        let Generation { client_id, credential, generation, .. } = &self.generation;
        Cursor { client_id: client_id.clone(), credential: credential.clone(), generation: *generation }
    }
}

fn listed(filter: &KeyFilter) -> Statement {
    let statement = Statement::new(concat!(
        list!(),
        " WHERE (g.client_id, g.credential, g.generation) > ($1, $2, $3) \
         AND ($4 IS NULL OR (g.revoked_at IS NULL \
         AND (g.expires_at IS NULL OR g.expires_at > $4) AND (g.retires_at IS NULL OR g.retires_at > $4)))",
    ));
    let after = filter.after.as_ref();
    statement
        .bind(after.map_or("", |after| after.client_id.as_str()))
        .bind(after.map_or("", |after| after.credential.as_str()))
        .bind(after.map_or(0, |after| after.generation))
        .bind(filter.live_at)
        .then_if(" AND g.client_id =", filter.client_id.as_ref())
        .then_if(" AND g.credential =", filter.credential.as_ref())
        .then(" ORDER BY g.client_id, g.credential, g.generation LIMIT", filter.limit.rows())
}

fn key_row(row: &Row<'_>) -> Result<KeyRow, StoreError> {
    let rest = rows::GENERATION_COLUMNS;
    Ok(KeyRow {
        generation: rows::generation(row)?,
        created_at: rows::timestamp(row.int(rest)?)?,
        rotated_from: row.maybe_text(rest + 1)?.map(|text| rows::parsed(text, "rotated_from")).transpose()?,
        requests: row.maybe_int(rest + 2)?.and_then(|requests| u64::try_from(requests).ok()).unwrap_or(0),
        last_used: rows::moment(row, rest + 3)?,
        client_disabled: row.bool(rest + 4)?,
    })
}

// === impl KeyState ===

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Current => "current",
            Self::Superseded => "superseded",
            Self::NotYetValid => "not_yet_valid",
            Self::ClientDisabled => "client_disabled",
            Self::Ended(End::Revoked) => "revoked",
            Self::Ended(End::Expired) => "expired",
            Self::Ended(End::Retired) => "retired",
        })
    }
}

// === impl Cursor ===

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.client_id, self.credential, self.generation)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    /// From the right, since a client id may hold a colon itself.
    fn from_str(text: &str) -> Result<Self, CursorError> {
        let mut parts = text.rsplitn(3, ':');
        let mut part = || parts.next().ok_or(CursorError);
        let (generation, credential, client_id) = (part()?, part()?, part()?);
        Ok(Self {
            client_id: client_id.parse().map_err(|_| CursorError)?,
            credential: credential.parse().map_err(|_| CursorError)?,
            generation: generation.parse().map_err(|_| CursorError)?,
        })
    }
}

impl fmt::Display for CursorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a place in the list of keys, write <client id>:<credential>:<generation>")
    }
}

impl std::error::Error for CursorError {}
