//! The one place where the two databases differ in type: pools, transactions, values and rows.

mod statement;
mod transaction;

pub(crate) use statement::{Row, Statement, Value};
pub(crate) use transaction::Transaction;

use sqlx::{PgPool, SqlitePool};

use crate::error::{StoreError, busy, in_database};

pub(crate) enum Database {
    Sqlite {
        reads: SqlitePool,
        writes: SqlitePool,
    },
    /// Of two pools, so that changes that wait for each other keep no reader from a connection.
    Postgres {
        reads: PgPool,
        writes: PgPool,
    },
}

impl Database {
    /// Begins to read one state of the database, whatever others do meanwhile.
    pub(crate) async fn read(&self) -> Result<Transaction, StoreError> {
        match self {
            Self::Sqlite { reads, .. } => reads.begin().await.map(Transaction::Sqlite).map_err(in_use),
            Self::Postgres { reads, .. } => {
                let begun = reads.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await;
                begun.map(Transaction::Postgres).map_err(in_database)
            }
        }
    }

    /// Begins to write. In SQLite that waits until all other writers have finished.
    pub(crate) async fn write(&self) -> Result<Transaction, StoreError> {
        match self {
            Self::Sqlite { writes, .. } => {
                writes.begin_with("BEGIN IMMEDIATE").await.map(Transaction::Sqlite).map_err(in_use)
            }
            Self::Postgres { writes, .. } => writes.begin().await.map(Transaction::Postgres).map_err(in_database),
        }
    }
}

/// A file is there at once, or is not: whoever gets no connection to it waits for others of the same process.
fn in_use(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::PoolTimedOut => busy("others of this process use it"),
        other => in_database(other),
    }
}
