//! Keys from elsewhere: read and digested at once, checked as a whole, and taken in all or not at all.

mod plan;
mod report;
mod source;
mod table;
mod write;

pub use report::{Fate, ImportError, ImportLine, ImportReport};
pub use table::Table;

use std::io::Read;

use gracekey_core::{ApiKeys, Document, LifecycleError, Peppers, Timestamp};

use crate::actor::Actor;
use crate::change::Done;
use crate::connect::Store;
use crate::error::{StoreError, failed};
use plan::Known;
use source::Row;

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
        let plan = known.plan(self, now)?;
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
    /// Other changes wait meanwhile, for 5 seconds at most: then they are refused as [`Trouble::Busy`](crate::Trouble::Busy)
    /// and can be asked for again. Whoever only reads waits for nothing.
    ///
    /// # Errors
    /// [`ImportError::Rows`] with a line for every row when any of them is refused; [`ImportError::Reserved`]; and what
    /// [`StoreError`] says of databases.
    pub async fn import(
        &self,
        import: Import,
        by: &Actor,
        now: Timestamp,
        progress: impl FnMut(Progress),
    ) -> Result<Done<ImportReport>, StoreError> {
        let mut change = self.change(by, now).await?;
        let (known, now) = (change.known().await?, change.seen());
        // With many rows it takes a while, in which this thread goes on with what else there is.
        let plan = tokio::task::spawn_blocking(move || known.plan(import, now)).await.map_err(interrupted)??;
        if plan.report.refused() > 0 {
            return Err(ImportError::Rows(plan.report).into());
        }
        change.write_plan(&plan, now, progress).await?;
        change.commit(plan.report).await
    }
}

fn interrupted(_: tokio::task::JoinError) -> StoreError {
    failed("the import was interrupted")
}
