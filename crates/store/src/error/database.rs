//! What a database's own error means for whoever asked.

use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;

use super::{Outcome, StoreError, Trouble, Unavailable};

/// An error before the commit: nothing was changed.
pub(crate) fn in_database(error: sqlx::Error) -> StoreError {
    sort(&error, Outcome::NothingDone)
}

/// An error of the commit itself. A database that answered has changed nothing; one that did not may have.
pub(crate) fn at_commit(error: sqlx::Error) -> StoreError {
    let refused = error.as_database_error().is_some_and(|error| !is_lost_answer(error));
    sort(&error, if refused { Outcome::NothingDone } else { Outcome::Unknown })
}

/// An error while the tables were made or brought up to date.
pub(crate) fn in_migration(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => in_database(error),
        MigrateError::VersionMissing(version) => StoreError::config(format!(
            "it has tables of version {version}, which this build does not know; use the newer build that made them"
        )),
        MigrateError::VersionMismatch(version) => StoreError::config(format!(
            "its tables of version {version} were made by another build of the same version; use that one"
        )),
        other => StoreError::config(format!("its tables can't be brought up to date: {other}")),
    }
}

/// A row that this store never wrote.
pub(crate) fn damaged(what: impl Into<String>) -> StoreError {
    unavailable(Trouble::Damaged, Outcome::NothingDone, what.into())
}

/// Others have what a change needs.
pub(crate) fn busy(what: &str) -> StoreError {
    unavailable(Trouble::Busy, Outcome::NothingDone, what.into())
}

/// Something that should not happen.
pub(crate) fn failed(what: &str) -> StoreError {
    unavailable(Trouble::Failed, Outcome::NothingDone, what.into())
}

fn sort(error: &sqlx::Error, outcome: Outcome) -> StoreError {
    match error {
        sqlx::Error::Database(error) if error.is_unique_violation() => {
            unavailable(Trouble::Busy, outcome, "somebody else wrote the same at this moment".into())
        }
        sqlx::Error::Database(error) if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() => {
            sqlite(error.as_ref(), outcome)
        }
        sqlx::Error::Database(error) => postgres(error.as_ref(), outcome),
        sqlx::Error::Configuration(_) => {
            StoreError::config("its address can't be used; see the documentation of Store::connect")
        }
        sqlx::Error::Tls(error) => not_encrypted(error),
        // rustls hands its verdict on the server's certificate through the connection.
        sqlx::Error::Io(error) if error.to_string().starts_with("invalid peer certificate") => not_encrypted(error),
        sqlx::Error::Io(error) => unavailable(Trouble::Unreachable, outcome, error.to_string()),
        sqlx::Error::PoolTimedOut => unavailable(
            Trouble::Unreachable,
            outcome,
            "it gives no connection in time: it does not answer, or has none left for us (max_connections)".into(),
        ),
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::BeginFailed | sqlx::Error::Protocol(_) => {
            unavailable(Trouble::Unreachable, outcome, error.to_string())
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            unavailable(Trouble::Damaged, outcome, error.to_string())
        }
        _ => unavailable(Trouble::Failed, outcome, error.to_string()),
    }
}

fn not_encrypted(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::config(format!(
        "no encrypted connection: {error}; correct `sslmode` and `sslrootcert` and the host's name in the address, or build \
         with the feature `tls`"
    ))
}

/// The codes of <https://www.sqlite.org/rescode.html>; an extended one carries its primary one in the low byte.
fn sqlite(error: &dyn DatabaseError, outcome: Outcome) -> StoreError {
    let message = error.message().to_owned();
    match primary(error) {
        10 if error.code().as_deref() == Some(NO_ROOM_FOR_INDEX) => unavailable(Trouble::Full, outcome, message),
        5 | 6 => unavailable(Trouble::Busy, outcome, message),
        13 => unavailable(Trouble::Full, outcome, message),
        10 => unavailable(Trouble::Failed, outcome, message),
        11 => unavailable(Trouble::Damaged, outcome, message),
        3 | 8 | 23 => {
            StoreError::config(format!("its file may not be written ({message}); give this user the right to"))
        }
        14 => StoreError::config(format!(
            "its file can't be opened ({message}); is there such a folder, and may it be written?"
        )),
        26 => StoreError::config("its file is no SQLite database; give another path"),
        _ => unavailable(Trouble::Failed, outcome, message),
    }
}

/// The codes of PostgreSQL's appendix A, by class and where that is too coarse by code.
fn postgres(error: &dyn DatabaseError, outcome: Outcome) -> StoreError {
    let code = error.code().unwrap_or_default();
    let message = error.message().to_owned();
    match code.as_ref() {
        "3D000" | "3F000" | "42501" | "42P01" => {
            StoreError::config(format!("PostgreSQL refuses it: {message}; correct the address or the grants"))
        }
        code if code.starts_with("28") => StoreError::config(format!(
            "PostgreSQL refuses the login: {message}; correct user and password in the address, and `sslmode`"
        )),
        "25006" => StoreError::config(format!(
            "PostgreSQL lets nothing be written: {message}; give the address of the primary, or correct the role's settings"
        )),
        "53100" => unavailable(Trouble::Full, outcome, message),
        "55P03" | "57014" | "40001" | "40P01" => unavailable(Trouble::Busy, outcome, message),
        code if code.starts_with("08") || code.starts_with("57P") || code == "53300" || code == "25P03" => {
            unavailable(Trouble::Unreachable, outcome, message)
        }
        code if code.starts_with("XX") => unavailable(Trouble::Damaged, outcome, message),
        _ => unavailable(Trouble::Failed, outcome, message),
    }
}

/// SQLite could not finish writing, or PostgreSQL went down while it committed: either may or may not have happened.
fn is_lost_answer(error: &dyn DatabaseError) -> bool {
    if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        return primary(error) == 10;
    }
    error.code().is_some_and(|code| code.starts_with("08") || code.starts_with("57P"))
}

/// `SQLITE_IOERR_SHMSIZE`: the index of the write-ahead log can't grow.
const NO_ROOM_FOR_INDEX: &str = "4874";

fn primary(error: &dyn DatabaseError) -> u32 {
    error.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or(1) & 0xff
}

fn unavailable(trouble: Trouble, outcome: Outcome, detail: String) -> StoreError {
    StoreError::Unavailable(Unavailable { trouble, outcome, detail })
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, Executor, SqliteConnection};

    use super::*;

    async fn refusal(script: &'static str) -> StoreError {
        let mut database = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        in_database(database.execute(sqlx::raw_sql(script)).await.unwrap_err())
    }

    #[tokio::test]
    async fn a_full_database_is_told_from_others() {
        let fill = "PRAGMA max_page_count = 5; CREATE TABLE t (b BLOB); INSERT INTO t VALUES (zeroblob(100000))";
        let StoreError::Unavailable(error) = refusal(fill).await else { panic!() };
        assert_eq!((error.trouble, error.outcome), (Trouble::Full, Outcome::NothingDone));
        let StoreError::Unavailable(error) = refusal("SELECT nothing").await else { panic!() };
        assert_eq!(error.trouble, Trouble::Failed);
        let read_only = "PRAGMA query_only = ON; CREATE TABLE t (b BLOB)";
        assert!(matches!(refusal(read_only).await, StoreError::Config(_)));
    }

    #[test]
    fn an_answer_that_never_came_leaves_the_outcome_open() {
        let cut = || sqlx::Error::Io(std::io::ErrorKind::UnexpectedEof.into());
        let outcome = |error| match error {
            StoreError::Unavailable(error) => error.outcome,
            other => panic!("{other}"),
        };
        assert_eq!(outcome(in_database(cut())), Outcome::NothingDone);
        assert_eq!(outcome(at_commit(cut())), Outcome::Unknown);
    }
}
