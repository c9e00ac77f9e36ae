//! Keys from elsewhere: read and digested at once, checked as a whole, and taken in all or not at all.

mod plan;
mod report;
mod source;
mod table;
mod write;

pub use report::{Fate, ImportError, ImportLine, ImportReport};
pub use table::Table;

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use gracekey_core::{ApiKeys, Document, LifecycleError, Peppers, Timestamp};

use crate::actor::Actor;
use crate::change::{Change, Done, seen};
use crate::connect::{Engine, Store};
use crate::database::{PATIENCE, Statement, Transaction, Wait};
use crate::error::{StoreError, Trouble, busy, failed};
use plan::{Known, Plan};
use source::Row;
use write::{Noted, Since};

/// Keys from elsewhere, digested already: of the keys themselves nothing is kept.
pub struct Import {
    rows: Vec<Row>,
    reserves_own: bool,
}

/// How far an import has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Rows written so far.
    pub done: usize,
    /// Rows to write.
    pub total: usize,
}

impl Import {
    /// Of `{"<key>":"<client id>"}`, as `API_KEYS` holds it.
    ///
    /// # Errors
    /// [`ImportError::ApiKeys`] names the usual slip.
    pub fn api_keys(text: &str, peppers: &Peppers) -> Result<Self, ImportError> {
        let keys = ApiKeys::parse(text).map_err(ImportError::ApiKeys)?;
        let rows = keys.iter().zip(1..).map(|((key, client_id), at)| Row::new(at, key, client_id, peppers));
        Ok(Self { rows: rows.collect(), reserves_own: false })
    }

    /// Of comma-separated values with a header: `key,client_id`, and if wanted `credential` and `scopes`, which are
    /// scopes with a space between them. Rows are counted by the lines of the file.
    ///
    /// # Errors
    /// [`ImportError::Csv`] when the header or the file as such is not in order. What is wrong with a row is said in the
    /// report.
    pub fn csv(file: impl Read, peppers: &Peppers) -> Result<Self, ImportError> {
        Ok(Self { rows: source::csv(file, peppers)?, reserves_own: false })
    }

    /// Refuses all of it if it names a client that opens the server itself, or makes one: see
    /// [`opens_server`](crate::opens_server).
    #[must_use]
    pub fn reserving_own(self) -> Self {
        Self { reserves_own: true, ..self }
    }

    /// Takes in the keys into a keyring document, by the rules of [`Store::import`]: all of them in one epoch, or none.
    ///
    /// # Errors
    /// [`ImportError::Rows`] with a line for every row when any of them is refused, [`ImportError::Reserved`] and
    /// [`ImportError::Exhausted`].
    pub fn into_document(self, document: &mut Document, now: Timestamp) -> Result<ImportReport, ImportError> {
        let known = Known::new(document.clients.clone(), document.keys.clone());
        let plan = known.plan(&self, now)?;
        if plan.report.refused() > 0 {
            return Err(ImportError::Rows(plan.report));
        }
        if !plan.generations.is_empty() {
            if document.epoch >= Document::MAX_EPOCH {
                return Err(ImportError::Exhausted(LifecycleError::Exhausted));
            }
            (document.epoch, document.issued_at) = (document.epoch + 1, now);
            document.clients.extend(plan.clients);
            document.keys.extend(plan.generations);
        }
        Ok(plan.report)
    }

    /// How many rows there are, good and bad.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl Store {
    /// Takes in keys from elsewhere: all of them in one epoch, or none.
    ///
    /// Clients that are not there yet come with them. A row without a credential becomes one of its own: `default`,
    /// `default-2` and so on. A client that opens the server itself takes no key that is shorter than 24 characters and not of
    /// our form: it could be guessed. A key that the same client has already is passed over, so an import can be repeated.
    ///
    /// It keeps nobody waiting for longer than it must: all is read, digested and checked before. On PostgreSQL the rows are
    /// written before the lock is taken, and only the lines of the audit log under it; a SQLite file is locked while all are
    /// written. When a revocation or another change of [`Store::revoke`]'s kind asks for the lock, an import gives it back:
    /// on PostgreSQL it writes the lines once more, on SQLite everything. Whoever asks for a client or a credential that an
    /// import brings at this moment is [`Trouble::Busy`](crate::Trouble::Busy) at once. Whoever only reads waits for nothing.
    /// Imports into one store wait for each other.
    ///
    /// # Errors
    /// [`ImportError::Rows`] with a line for every row when any of them is refused; [`ImportError::Reserved`];
    /// [`Trouble::Busy`](crate::Trouble::Busy) when other changes came in between time and again; and what [`StoreError`]
    /// says of databases.
    pub async fn import(
        &self,
        import: Import,
        by: &Actor,
        now: Timestamp,
        mut progress: impl FnMut(Progress),
    ) -> Result<Done<ImportReport>, StoreError> {
        let import = Arc::new(import);
        // Several would take all connections that others need for their changes.
        let alone = tokio::time::timeout(PATIENCE * 5, self.imports.acquire()).await;
        let _alone = alone.map_err(|_| busy("another import is under way"))?;
        for _ in 1..ATTEMPTS {
            match self.try_import(&import, by, now, &mut progress).await {
                Err(StoreError::Unavailable(error)) if error.trouble == Trouble::Busy => self.make_way().await,
                done => return done,
            }
        }
        self.try_import(&import, by, now, &mut progress).await
    }

    async fn try_import(
        &self,
        import: &Arc<Import>,
        by: &Actor,
        now: Timestamp,
        progress: impl FnMut(Progress),
    ) -> Result<Done<ImportReport>, StoreError> {
        let (known, since) = self.known().await?;
        let (import, at) = (import.clone(), seen(since.issued_at, now));
        // With many rows it takes a while, in which this thread goes on with what else there is.
        let plan = tokio::task::spawn_blocking(move || known.plan(&import, at)).await.map_err(interrupted)??;
        if plan.report.refused() > 0 {
            return Err(ImportError::Rows(plan.report).into());
        }
        if plan.generations.is_empty() {
            return Ok(Done { epoch: since.epoch, changed: false, value: plan.report });
        }
        let mut change = match self.engine() {
            Engine::Sqlite => {
                let mut change = self.change(by, now).await?;
                change.still(&since).await?;
                self.write_plan(&mut change.transaction, &plan, at, progress).await?;
                change
            }
            Engine::Postgres => {
                let mut transaction = self.database.write(Wait::Long).await?;
                self.write_plan(&mut transaction, &plan, at, progress).await?;
                return self.finish(transaction, plan, &since, by, now).await;
            }
        };
        change.note_plan(self, &plan).await?;
        change.commit(plan.report).await
    }

    /// Takes PostgreSQL's lock for the lines of the audit log, and gives it back while a change that can't wait asks for it:
    /// the rows stay written.
    async fn finish(
        &self,
        mut transaction: Transaction,
        plan: Plan,
        since: &Since,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Done<ImportReport>, StoreError> {
        transaction.execute(Statement::new("SAVEPOINT written")).await?;
        for _ in 0..TIMES {
            let mut change = Change::begin(transaction, by, now).await?;
            change.still(since).await?;
            match change.note_plan(self, &plan).await? {
                Noted::All => return change.commit(plan.report).await,
                Noted::GaveWay => transaction = change.transaction,
            }
            transaction.execute(Statement::new("ROLLBACK TO SAVEPOINT written")).await?;
            tokio::time::sleep(AWAY).await;
        }
        Err(busy("other changes came in between time and again, which could not wait"))
    }
}

/// How often an import on PostgreSQL gives the lock back, and for how long each time.
const TIMES: usize = 20;
const AWAY: Duration = Duration::from_millis(200);

/// How often an import begins anew when others come in between.
const ATTEMPTS: usize = 5;

fn interrupted(_: tokio::task::JoinError) -> StoreError {
    failed("the import was interrupted")
}
