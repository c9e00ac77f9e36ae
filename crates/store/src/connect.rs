use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use gracekey_core::Scope;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::sync::Semaphore;

use crate::address::Address;
use crate::database::{Database, PATIENCE, Statement, Urgent};
use crate::error::{StoreError, damaged, in_database};
use crate::{migrate, rows};

/// The keys of all clients and their lives, on SQLite or PostgreSQL. Cheap to clone: all clones share one pool.
///
/// `now` is an argument everywhere, and every change says by whom it was asked for. A change happens whole or not at
/// all, together with its new epoch and its line in the audit log.
#[derive(Clone)]
pub struct Store {
    pub(crate) database: Arc<Database>,
    /// Whoever imports has it.
    pub(crate) imports: Arc<Semaphore>,
    /// See [`Store::keeping`].
    pub(crate) keeps: Option<Arc<Scope>>,
}

/// The two kinds of database that carry a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engine {
    /// Embedded: one file on one machine.
    Sqlite,
    /// Any number of servers share it.
    Postgres,
}

/// Readers of one SQLite file at once. One more connection writes.
const SQLITE_READERS: u32 = 4;
/// Memory of one connection for pages, in KiB, as far as it uses it: keys lie in random order, and a large import
/// without it writes each page many times.
const SQLITE_CACHE: &str = "-65536";
/// Rows that SQLite's thread reads ahead: a snapshot is read with few switches between it and ours.
const SQLITE_ROWS: usize = 1024;
/// Connections of one server to PostgreSQL that read, and that write. Changes wait for each other anyway.
const POSTGRES_READERS: u32 = 6;
const POSTGRES_WRITERS: u32 = 4;

/// A server that hangs in the middle of a change must not keep the others from theirs, and a change that was
/// acknowledged must be on disk: a stronger `synchronous_commit` than `on` is left alone.
const POSTGRES_SESSION: &str = "
    SET lock_timeout = '5s';
    SET idle_in_transaction_session_timeout = '15s';
    SET tcp_keepalives_idle = '10s';
    SET tcp_keepalives_interval = '5s';
    SET tcp_keepalives_count = 3;
    SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') IN ('off', 'local')";

impl Store {
    /// Opens a store, and makes its tables or brings them up to date.
    ///
    /// - `sqlite:<path>`: a file, made when it is not there, in WAL mode with `synchronous=FULL`. It belongs on a local
    ///   disk: SQLite's locks do not hold on a network file system.
    /// - `postgres://<user>:<password>@<host>:<port>/<database>`, or `postgres://<user>@/<database>?host=<folder>` for
    ///   a Unix socket. With the feature `tls` also `?sslmode=verify-full`.
    ///
    /// # Errors
    /// [`StoreError::Config`] when the address, the file or the login is wrong or the tables are a newer build's;
    /// [`StoreError::Unavailable`] when the database can't be reached within 5 seconds.
    pub async fn connect(address: &str) -> Result<Self, StoreError> {
        let database = match Address::parse(address)? {
            Address::Sqlite(path) => sqlite(&path).await?,
            Address::Postgres(options) => postgres(*options).await?,
        };
        let store = Self { database: Arc::new(database), imports: Arc::new(Semaphore::new(1)), keeps: None };
        store.epoch().await?;
        Ok(store)
    }

    /// What carries it.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match *self.database {
            Database::Sqlite { .. } => Engine::Sqlite,
            Database::Postgres { .. } => Engine::Postgres,
        }
    }

    /// The current epoch. It also tells whether the store can be reached.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn epoch(&self) -> Result<u64, StoreError> {
        let mut read = self.database.read().await?;
        let statement = Statement::new("SELECT epoch FROM gracekey_keyring WHERE id = 1");
        let epoch = read.first(statement, |row| rows::epoch(row, 0)).await?;
        epoch.ok_or_else(|| damaged("the keyring's row is gone; restore a backup"))
    }

    /// Closes all connections, after what is under way. Clones are closed with it.
    pub async fn close(&self) {
        match &*self.database {
            Database::Sqlite { reads, writes, .. } => {
                reads.close().await;
                writes.close().await;
            }
            Database::Postgres { reads, writes } => {
                reads.close().await;
                writes.close().await;
            }
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("engine", &self.engine()).finish_non_exhaustive()
    }
}

async fn sqlite(path: &Path) -> Result<Database, StoreError> {
    make_private(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(PATIENCE)
        .row_buffer_size(SQLITE_ROWS)
        .pragma("cache_size", SQLITE_CACHE)
        .disable_statement_logging();
    // One connection writes, so that changes of one process queue up in order and none starves.
    let writes = sqlite_pool(1).connect_with(options.clone()).await.map_err(in_database)?;
    migrate::sqlite(&writes).await?;
    let reads =
        sqlite_pool(SQLITE_READERS).connect_with(options.pragma("query_only", "ON")).await.map_err(in_database)?;
    Ok(Database::Sqlite { reads, writes, urgent: Urgent::beside(path) })
}

/// SQLite itself rolls back when a disk is full or fails. Then the library's own rollback fails, it takes the connection
/// for one in a transaction for good, and so that one is closed.
fn sqlite_pool(connections: u32) -> SqlitePoolOptions {
    let pool = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE);
    pool.after_release(|connection, _| {
        Box::pin(async move {
            // A rollback on its way is over when this is answered.
            connection.ping().await?;
            Ok(!connection.is_in_transaction())
        })
    })
}

/// Others on the machine need not read who has which keys: SQLite gives its side files the rights of this one.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            let path = path.display();
            Err(StoreError::config(format!(
                "its file {path} can't be made: {error}; make the folder, or give another path"
            )))
        }
        _ => Ok(()),
    }
}

async fn postgres(options: PgConnectOptions) -> Result<Database, StoreError> {
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("gracekey"),
    };
    let options = options.disable_statement_logging();
    let by_socket = options.get_socket().is_some();
    let writes = postgres_pool(POSTGRES_WRITERS).connect_with(options.clone()).await;
    let writes = writes.map_err(|error| match error {
        // Over a network nothing but certificates is looked for in files.
        sqlx::Error::Io(error) if error.kind() == ErrorKind::NotFound && !by_socket => {
            StoreError::config(format!("a file of its address is not there: {error}; correct `sslrootcert`"))
        }
        other => in_database(other),
    })?;
    migrate::postgres(&writes).await?;
    let reads = postgres_pool(POSTGRES_READERS).connect_lazy_with(options);
    Ok(Database::Postgres { reads, writes })
}

fn postgres_pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE).after_connect(|connection, _| {
        Box::pin(async move { connection.execute(sqlx::raw_sql(POSTGRES_SESSION)).await.map(drop) })
    })
}
