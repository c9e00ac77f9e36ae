//! Rows as the engine's own types. What can't be read back was not written by this store.

use std::fmt::Display;
use std::str::FromStr;

use gracekey_core::{Client, Digest, Document, Generation, Scope, Timestamp};

use crate::database::{Row, Statement, Value};
use crate::error::{StoreError, damaged};

/// The columns that [`generation`] reads, in its order, of `gracekey_generations AS g`.
macro_rules! generation_columns {
    () => {
        "g.key_id, g.client_id, g.credential, g.generation, g.pepper, g.digest, \
         g.not_before, g.expires_at, g.superseded_at, g.retires_at, g.revoked_at"
    };
}
pub(crate) use generation_columns;

/// How many columns [`generation_columns`] has.
pub(crate) const GENERATION_COLUMNS: usize = 11;

pub(crate) fn generation(row: &Row<'_>) -> Result<Generation, StoreError> {
    let number = u32::try_from(row.int(3)?).ok().filter(|number| (1..=Generation::MAX).contains(number));
    Ok(Generation {
        key_id: parsed(row.text(0)?, "key_id")?,
        client_id: parsed(row.text(1)?, "client_id")?,
        credential: parsed(row.text(2)?, "credential")?,
        generation: number.ok_or_else(|| damaged("a generation's number is out of range"))?,
        digest: Digest::from_bytes(parsed(row.text(4)?, "pepper")?, &row.digest(5)?),
        not_before: moment(row, 6)?,
        expires_at: moment(row, 7)?,
        superseded_at: moment(row, 8)?,
        retires_at: moment(row, 9)?,
        revoked_at: moment(row, 10)?,
    })
}

/// Of the columns `client_id, scopes, disabled`.
pub(crate) fn client(row: &Row<'_>) -> Result<Client, StoreError> {
    Ok(Client { client_id: parsed(row.text(0)?, "client_id")?, scopes: scopes(row.text(1)?)?, disabled: row.bool(2)? })
}

pub(crate) fn scopes(text: &str) -> Result<Vec<Scope>, StoreError> {
    text.split_ascii_whitespace().map(|scope| parsed(scope, "scopes")).collect()
}

pub(crate) fn scopes_text(scopes: &[Scope]) -> String {
    scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ")
}

pub(crate) fn epoch(row: &Row<'_>, at: usize) -> Result<u64, StoreError> {
    let epoch = u64::try_from(row.int(at)?).ok().filter(|epoch| *epoch <= Document::MAX_EPOCH);
    epoch.ok_or_else(|| damaged("the epoch is out of range"))
}

pub(crate) fn moment(row: &Row<'_>, at: usize) -> Result<Option<Timestamp>, StoreError> {
    row.maybe_int(at)?.map(timestamp).transpose()
}

pub(crate) fn timestamp(seconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_unix_seconds(seconds).ok_or_else(|| damaged(format!("{seconds} is no moment of years 0 to 9999")))
}

pub(crate) fn parsed<T: FromStr<Err: Display>>(text: &str, column: &str) -> Result<T, StoreError> {
    text.parse().map_err(|error| damaged(format!("{column} `{}`: {error}", text.escape_debug())))
}

/// Adds a generation, made at `created_at` from the one named in `rotated_from`.
pub(crate) fn insert_generation(
    generation: &Generation,
    created_at: Timestamp,
    rotated_from: Option<gracekey_core::KeyId>,
) -> Statement {
    let statement = Statement::new(
        "INSERT INTO gracekey_generations (key_id, client_id, credential, generation, pepper, digest, not_before, \
         expires_at, superseded_at, retires_at, revoked_at, created_at, rotated_from) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    );
    values(generation).into_iter().fold(statement, Statement::bind).bind(created_at).bind(rotated_from)
}

/// Its values in the order of [`generation_columns`].
pub(crate) fn values(generation: &Generation) -> [Value; GENERATION_COLUMNS] {
    [
        generation.key_id.into(),
        (&generation.client_id).into(),
        (&generation.credential).into(),
        generation.generation.into(),
        generation.digest.pepper().as_str().into(),
        generation.digest.to_bytes().into(),
        generation.not_before.into(),
        generation.expires_at.into(),
        generation.superseded_at.into(),
        generation.retires_at.into(),
        generation.revoked_at.into(),
    ]
}

/// Writes the ends of a generation, which is all that ever changes of one.
pub(crate) fn update_generation(generation: &Generation) -> Statement {
    Statement::new(
        "UPDATE gracekey_generations SET expires_at = $2, superseded_at = $3, retires_at = $4, revoked_at = $5 \
         WHERE key_id = $1",
    )
    .bind(generation.key_id)
    .bind(generation.expires_at)
    .bind(generation.superseded_at)
    .bind(generation.retires_at)
    .bind(generation.revoked_at)
}
