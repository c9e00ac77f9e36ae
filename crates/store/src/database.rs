//! The one place where the two databases differ in type: pools, transactions, values and rows.

mod copy;
mod statement;
mod transaction;
mod urgent;
mod whole;

pub(crate) use statement::{Row, Statement, Value};
pub(crate) use transaction::Transaction;
pub(crate) use urgent::Urgent;
pub(crate) use whole::Whole;

use std::pin::pin;
use std::time::Duration;

use sqlx::{PgPool, SqlitePool};
use tokio::time::timeout;

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
    /// 25 seconds, as long as people wait for an answer, and an import makes way for it: what takes something away from
    /// somebody. And whatever has taken long already.
    Long,
}

/// How long a change waits for others to finish theirs, and for a connection.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// How long a new connection may take while others are idle.
const SOON: Duration = Duration::from_millis(200);
/// Each of them as long as [`PATIENCE`].
const ATTEMPTS: usize = 5;

impl Database {
    /// Begins to read one state of the database, whatever others do meanwhile.
    pub(crate) async fn read(&self) -> Result<Transaction, StoreError> {
        match self {
            Self::Sqlite { reads, .. } => reads.begin().await.map(Transaction::Sqlite).map_err(in_use),
            Self::Postgres { reads, .. } => begun(reads, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await,
        }
    }

    /// Begins to write. In SQLite that waits until all other writers have finished.
    pub(crate) async fn write(&self, wait: Wait) -> Result<Transaction, StoreError> {
        match (self, wait) {
            (_, Wait::Usual) => self.begin().await,
            (Self::Sqlite { urgent, .. }, Wait::Long) => urgent.announced(self.begin_patiently()).await,
            (Self::Postgres { .. }, Wait::Long) => {
                let mut transaction = self.begin_patiently().await?;
                transaction.execute(Statement::new("SET LOCAL lock_timeout = '25s'")).await?;
                Ok(transaction)
            }
        }
    }

    async fn begin_patiently(&self) -> Result<Transaction, StoreError> {
        for _ in 1..ATTEMPTS {
            match self.begin().await {
                Err(StoreError::Unavailable(error)) if error.trouble == Trouble::Busy => {}
                done => return done,
            }
        }
        self.begin().await
    }

    async fn begin(&self) -> Result<Transaction, StoreError> {
        match self {
            Self::Sqlite { writes, .. } => {
                writes.begin_with("BEGIN IMMEDIATE").await.map(Transaction::Sqlite).map_err(in_use)
            }
            Self::Postgres { writes, .. } => begun(writes, "BEGIN").await,
        }
    }
}

/// Begins on a connection of the pool. While the server has none left for a new one, whoever wants one takes one of ours as
/// soon as it is idle: the pool itself would go on asking the server.
async fn begun(pool: &PgPool, sql: &'static str) -> Result<Transaction, StoreError> {
    let wanted = async {
        loop {
            let mut begin = pin!(pool.begin_with(sql));
            loop {
                match timeout(SOON, &mut begin).await {
                    Ok(done) => return done,
                    Err(_) if pool.num_idle() > 0 => break,
                    Err(_) => {}
                }
            }
        }
    };
    let done = timeout(PATIENCE, wanted).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    done.map(Transaction::Postgres).map_err(|error| in_pool(pool, error))
}

/// Whoever waits for a connection while all that this process may have are in use waits for others of the same process.
fn in_pool(pool: &PgPool, error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::PoolTimedOut if pool.size() >= pool.options().get_max_connections() => {
            busy("all connections of this process to it are in use")
        }
        other => in_database(other),
    }
}

/// A file is there at once, or is not: whoever gets no connection to it waits for others of the same process.
fn in_use(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::PoolTimedOut => busy("others of this process use it"),
        other => in_database(other),
    }
}
