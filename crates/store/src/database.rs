//! The one place where the two databases differ in type: pools, transactions, values and rows.

mod statement;
mod transaction;
mod urgent;
mod whole;

pub(crate) use statement::{Row, Statement, Value};
pub(crate) use transaction::Transaction;
pub(crate) use urgent::Urgent;
pub(crate) use whole::Whole;

use std::time::Duration;

use sqlx::{PgPool, Postgres, SqlitePool};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::connect::Engine;
use crate::error::{StoreError, Trouble, busy, failed, in_database};

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
    /// 25 seconds, as long as people wait for an answer: whatever has taken long already.
    Long,
    /// The same, and an import makes way for it: what takes something away from somebody.
    Urgent,
}

/// How long a change waits for others to finish theirs, and for a connection.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// How long a new connection may take while others are idle.
const SOON: Duration = Duration::from_millis(200);
/// Each of them as long as [`PATIENCE`].
const ATTEMPTS: u32 = 5;
/// Of the advisory lock that urgent changes share on PostgreSQL, so that an import sees them: `gracekey` in ASCII.
const URGENT: i64 = 0x6772_6163_656b_6579;

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
        if wait == Wait::Usual {
            return self.begin().await;
        }
        let begun = self.begin_patiently();
        let (mut transaction, left) = match self {
            Self::Sqlite { urgent, .. } if wait == Wait::Urgent => urgent.announced(begun).await?,
            _ => begun.await?,
        };
        if transaction.engine() == Engine::Postgres {
            let statement = Statement::new(match wait {
                Wait::Urgent => "SELECT set_config('lock_timeout', $1, true), pg_advisory_xact_lock_shared($2)",
                _ => "SELECT set_config('lock_timeout', $1, true), $2",
            });
            transaction.execute(statement.bind(format!("{}s", left.as_secs())).bind(URGENT)).await?;
        }
        Ok(transaction)
    }

    /// Also says for how long the transaction may wait for others, after what it has waited for a connection.
    async fn begin_patiently(&self) -> Result<(Transaction, Duration), StoreError> {
        for left in (2..=ATTEMPTS).rev() {
            match self.begin().await {
                Err(StoreError::Unavailable(error)) if error.trouble == Trouble::Busy => {}
                done => return done.map(|begun| (begun, PATIENCE * left)),
            }
        }
        self.begin().await.map(|begun| (begun, PATIENCE))
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
///
/// Tasks of their own begin. Given up in the middle, over a slow network or by whoever asked, a beginning would cost a
/// connection, or leave it in a transaction that nobody ends.
async fn begun(pool: &PgPool, sql: &'static str) -> Result<Transaction, StoreError> {
    let wanted = async {
        let mut new = begin(pool, async move |pool| pool.begin_with(sql).await.map(Some));
        loop {
            if let Ok(begun) = timeout(SOON, &mut new).await {
                return begun;
            }
            if pool.num_idle() > 0 {
                match begin(pool, async move |pool| pool.try_begin_with(sql).await).await {
                    // Somebody else was faster, or it was broken.
                    Ok(Ok(None)) | Ok(Err(_)) => {}
                    begun => return begun,
                }
            }
        }
    };
    match timeout(PATIENCE, wanted).await {
        Ok(Ok(Ok(Some(begun)))) => Ok(Transaction::Postgres(begun)),
        Ok(Ok(Err(error))) => Err(in_pool(pool, error)),
        Ok(Ok(Ok(None))) | Err(_) => Err(in_pool(pool, sqlx::Error::PoolTimedOut)),
        Ok(Err(_)) => Err(failed("a beginning was interrupted")),
    }
}

type Begun = Result<Option<sqlx::Transaction<'static, Postgres>>, sqlx::Error>;

/// Begins in a task, which a server that never answers does not keep for good.
fn begin<F>(pool: &PgPool, begin: impl FnOnce(PgPool) -> F) -> JoinHandle<Begun>
where
    F: Future<Output = Begun> + Send + 'static,
{
    let begun = begin(pool.clone());
    tokio::spawn(async move { timeout(2 * PATIENCE, begun).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)) })
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
