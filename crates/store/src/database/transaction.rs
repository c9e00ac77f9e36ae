use std::future::Future;
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::{Postgres, Sqlite};

use super::{Row, Statement, URGENT, Value};
use crate::connect::Engine;
use crate::error::{Outcome, StoreError, Trouble, Unavailable, at_commit, in_database};

/// A transaction of either database. Dropped before [`Transaction::commit`], it changes nothing.
pub(crate) enum Transaction {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

/// How long one statement may take. A network that swallows packets answers never.
const DEADLINE: Duration = Duration::from_secs(60);

/// Hands the values over, for whichever database the query is.
macro_rules! query {
    ($statement:expr) => {{
        let Statement { sql, values } = $statement;
        let mut query = sqlx::query(sql);
        for value in values {
            query = match value {
                Value::Int(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
                Value::Bool(value) => query.bind(value),
            };
        }
        query
    }};
}

impl Transaction {
    /// Carries the statement out, and says how many rows it changed.
    pub(crate) async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let done = async {
            match self {
                Self::Sqlite(transaction) => {
                    query!(statement).execute(&mut **transaction).await.map(|done| done.rows_affected())
                }
                Self::Postgres(transaction) => {
                    query!(statement).execute(&mut **transaction).await.map(|done| done.rows_affected())
                }
            }
        };
        in_time(done, in_database, Outcome::NothingDone).await
    }

    /// Adds many rows. `into` is a table and its columns, as `INSERT INTO` names them, and `rest` what comes after the rows.
    ///
    /// PostgreSQL's COPY would be faster, but given up in its middle it leaves the connection one answer behind.
    pub(crate) async fn insert<const N: usize>(
        &mut self,
        into: &str,
        rest: &str,
        rows: impl ExactSizeIterator<Item = [Value; N]>,
    ) -> Result<(), StoreError> {
        if rows.len() == 0 {
            return Ok(());
        }
        let places = Statement::places(self.engine(), rows.len(), N);
        let statement = Statement::composed(format!("INSERT INTO {into} VALUES {places}{rest}"));
        self.execute(rows.flatten().fold(statement, Statement::bind)).await.map(drop)
    }

    /// All rows, each read while the next one is under way.
    pub(crate) async fn rows<T>(
        &mut self,
        statement: Statement,
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut rows = Vec::new();
        match self {
            Self::Sqlite(transaction) => {
                let mut stream = query!(statement).fetch(&mut **transaction);
                while let Some(row) = in_time(stream.try_next(), in_database, Outcome::NothingDone).await? {
                    rows.push(read(&Row::Sqlite(&row))?);
                }
            }
            Self::Postgres(transaction) => {
                let mut stream = query!(statement).fetch(&mut **transaction);
                while let Some(row) = in_time(stream.try_next(), in_database, Outcome::NothingDone).await? {
                    rows.push(read(&Row::Postgres(&row))?);
                }
            }
        }
        Ok(rows)
    }

    /// The first row, if there is one.
    pub(crate) async fn first<T>(
        &mut self,
        statement: Statement,
        read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.rows(statement, read).await?.into_iter().next())
    }

    /// Makes all of it last.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let done = async {
            match self {
                Self::Sqlite(transaction) => transaction.commit().await,
                Self::Postgres(transaction) => transaction.commit().await,
            }
        };
        in_time(done, at_commit, Outcome::Unknown).await
    }

    /// Whether an urgent change asks for PostgreSQL's lock, which this transaction holds.
    pub(crate) async fn is_asked_for(&mut self) -> Result<bool, StoreError> {
        if self.engine() == Engine::Sqlite {
            return Ok(false);
        }
        let statement = Statement::new(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND pid <> pg_backend_pid() \
             AND (classid::bigint << 32) + objid::bigint = $1 \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1",
        );
        Ok(self.first(statement.bind(URGENT), |_| Ok(())).await?.is_some())
    }

    /// Whose it is.
    pub(crate) fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }
}

async fn in_time<T>(
    work: impl Future<Output = Result<T, sqlx::Error>>,
    error: fn(sqlx::Error) -> StoreError,
    outcome: Outcome,
) -> Result<T, StoreError> {
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(done) => done.map_err(error),
        Err(_) => {
            let detail = format!("no answer within {} seconds", DEADLINE.as_secs());
            Err(StoreError::Unavailable(Unavailable { trouble: Trouble::Unreachable, outcome, detail }))
        }
    }
}
