//! The one place where the two databases differ in type: pools, transactions, values and rows.

mod copy;
mod statement;
mod transaction;
mod urgent;

pub(crate) use statement::{Row, Statement, Value};
pub(crate) use transaction::Transaction;
pub(crate) use urgent::Urgent;

use sqlx::{PgPool, Sqlite, SqlitePool};

use crate::error::{StoreError, Trouble, busy, in_database};

pub(crate) enum Database {
    Sqlite {
        reads: SqlitePool,
        writes: SqlitePool,
        urgent: Urgent,
    },
    /// Of two pools, so that changes that wait for each other keep no reader from a connection.
    Postgres {
        reads: PgPool,
        writes: PgPool,
    },
}

/// How long a change waits for others to finish theirs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// 5 seconds.
    Usual,
    /// Half a minute at least, and an import makes way for it: what takes something away from somebody. And whatever has
    /// taken long already.
    Long,
}

/// Of 5 seconds each.
const ATTEMPTS: usize = 6;

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
    pub(crate) async fn write(&self, wait: Wait) -> Result<Transaction, StoreError> {
        match self {
            Self::Sqlite { writes, urgent, .. } => match wait {
                Wait::Usual => alone(writes).await,
                Wait::Long => urgent.announced(patiently(writes)).await,
            }
            .map(Transaction::Sqlite),
            Self::Postgres { writes, .. } => {
                let mut transaction = Transaction::Postgres(writes.begin().await.map_err(in_database)?);
                if wait == Wait::Long {
                    transaction.execute(Statement::new("SET LOCAL lock_timeout = '30s'")).await?;
                }
                Ok(transaction)
            }
        }
    }
}

async fn patiently(writes: &SqlitePool) -> Result<sqlx::Transaction<'static, Sqlite>, StoreError> {
    for _ in 1..ATTEMPTS {
        match alone(writes).await {
            Err(StoreError::Unavailable(error)) if error.trouble == Trouble::Busy => {}
            done => return done,
        }
    }
    alone(writes).await
}

async fn alone(writes: &SqlitePool) -> Result<sqlx::Transaction<'static, Sqlite>, StoreError> {
    writes.begin_with("BEGIN IMMEDIATE").await.map_err(in_use)
}

/// A file is there at once, or is not: whoever gets no connection to it waits for others of the same process.
fn in_use(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::PoolTimedOut => busy("others of this process use it"),
        other => in_database(other),
    }
}
