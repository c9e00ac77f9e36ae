//! What is done on a store: SQLite or PostgreSQL, opened by this very process.

mod life;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gracekey_core::{Client, ClientId, Document, LifecycleError, PepperId, Peppers, Timestamp};
use gracekey_store::{
    Actor, AuditEntry, AuditFilter, Done, Import, KeyFilter, KeyRow, Limit, Outcome, Store, StoreError, Trouble,
};
use tokio::runtime::Runtime;

use super::address::without_password;
use super::file::read_import;
use super::order::refused_import;
use super::{AuditLine, AuditOrder, AuditPage, ImportFormat, Imported, KeyLine, Listing, Missing};
use crate::clock;
use crate::failure::Failure;
use crate::output::Output;
use crate::pepper_file::PepperSource;

/// A store, and where its pepper stands.
pub(crate) struct StorePlace {
    name: String,
    runtime: Runtime,
    store: Store,
    pepper: PepperSource,
    by: Actor,
}

/// How often a change is asked for whose answer got lost, and how long is waited before that.
const ATTEMPTS: usize = 3;
const PAUSE: Duration = Duration::from_millis(300);

impl StorePlace {
    pub(crate) fn open(address: &str, pepper: PepperSource, missing: Missing) -> Result<Self, Failure> {
        Self::open_on(crate::runtime::of_one_thread()?, address, pepper, missing)
    }

    pub(crate) fn open_on(
        runtime: Runtime,
        address: &str,
        pepper: PepperSource,
        missing: Missing,
    ) -> Result<Self, Failure> {
        let name = without_password(address);
        if missing == Missing::Refuse && file_of(address).is_some_and(|file| !file.exists()) {
            let advice = format!("there is no store; `gracekey init --store {name}` makes one");
            return Err(Failure::refused(format!("{name}: {advice}")));
        }
        let store = runtime.block_on(Store::connect(address)).map_err(|error| failure(&name, error))?;
        Ok(Self { name, runtime, store, pepper, by: actor()? })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Which epoch it has.
    pub(crate) fn epoch(&self) -> Result<u64, Failure> {
        self.wait(self.store.epoch())
    }

    /// What it works on.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The store itself.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Under which pepper its keys are digested, if it has any keys.
    pub(crate) fn pepper_of_keys(&self) -> Result<Option<PepperId>, Failure> {
        let filter = KeyFilter { limit: Limit::new(1).unwrap_or_default(), ..KeyFilter::default() };
        Ok(self.wait(self.store.keys(&filter))?.first().map(|row| row.generation.digest.pepper()))
    }

    /// Makes a pepper if there is none, unless keys were digested with one already. Says whether it made one.
    pub(crate) fn make_pepper(&self, id: PepperId) -> Result<bool, Failure> {
        if self.pepper_of_keys()?.is_none() { self.pepper.make(id) } else { Ok(false) }
    }

    /// How a message names its pepper.
    pub(crate) fn pepper_name(&self) -> String {
        self.pepper.name()
    }

    /// The pepper, if it is the one that the keys are digested with.
    pub(crate) fn peppers(&self) -> Result<Arc<Peppers>, Failure> {
        let peppers = match self.pepper_of_keys()? {
            Some(id) if !self.pepper.is_there() => {
                return Err(Failure::refused(format!(
                    "{}: its keys are digested with the pepper `{id}`, and {} is not there; --pepper names its file, GRACEKEY_PEPPER holds it",
                    self.name,
                    self.pepper.name()
                )));
            }
            Some(id) => {
                let peppers = self.pepper.read()?;
                if peppers.by_id(id).is_none() {
                    let held: Vec<_> = peppers.iter().map(|pepper| format!("`{}`", pepper.id())).collect();
                    return Err(Failure::refused(format!(
                        "{}: its keys are digested with the pepper `{id}`, and the one at hand is {}; --pepper names another file, GRACEKEY_PEPPER holds one",
                        self.name,
                        held.join(" and ")
                    )));
                }
                peppers
            }
            None => self.pepper.read()?,
        };
        self.wait(self.store.check_peppers(&peppers))?;
        Ok(peppers)
    }

    fn known_client(&self, client_id: &ClientId) -> Result<Client, Failure> {
        let known = self.wait(self.store.client(client_id))?;
        Ok(known.ok_or_else(|| LifecycleError::UnknownClient { client_id: client_id.clone() })?.client)
    }

    pub(super) fn list(&self, client: Option<&ClientId>) -> Result<Listing, Failure> {
        if let Some(client_id) = client {
            self.known_client(client_id)?;
        }
        let (epoch, now) = (self.epoch()?, clock::now()?);
        let rows = self.rows(KeyFilter { client_id: client.cloned(), ..KeyFilter::default() })?;
        let line = |row: KeyRow| {
            let mut line = KeyLine::new(&row.generation, row.client_disabled, now);
            line.times.created_at = Some(row.created_at);
            (line.requests, line.last_used) = (Some(row.requests), row.last_used);
            line
        };
        Ok(Listing { epoch, keys: rows.into_iter().map(line).collect() })
    }

    /// All pages.
    fn rows(&self, mut filter: KeyFilter) -> Result<Vec<KeyRow>, Failure> {
        filter.limit = Limit::new(Limit::MAX).unwrap_or_default();
        let mut rows = Vec::new();
        loop {
            let page = self.wait(self.store.keys(&filter))?;
            let last = page.len() < usize::from(Limit::MAX);
            rows.extend(page);
            filter.after = rows.last().map(KeyRow::cursor);
            if last {
                return Ok(rows);
            }
        }
    }

    pub(super) fn import(&self, text: &[u8], format: ImportFormat, output: &mut Output) -> Result<Imported, Failure> {
        let peppers = self.peppers()?;
        // Read anew for another attempt, since the store consumes it; what was taken in already is passed over.
        let import = || read_import(text, format, &peppers);
        let mut again = import()?;
        for _ in 1..ATTEMPTS {
            match self.try_import(again, clock::now()?, output) {
                Err(StoreError::Unavailable(error)) if error.outcome == Outcome::Unknown => again = import()?,
                done => return self.imported(done),
            }
            self.runtime.block_on(tokio::time::sleep(PAUSE));
        }
        let done = self.try_import(again, clock::now()?, output);
        self.imported(done)
    }

    fn try_import(
        &self,
        import: Import,
        now: Timestamp,
        output: &mut Output,
    ) -> Result<Done<gracekey_store::ImportReport>, StoreError> {
        let mut progress = output.progress("keys taken in");
        self.runtime.block_on(self.store.import(import, &self.by, now, |step| progress.step(step.done, step.total)))
    }

    fn imported(&self, done: Result<Done<gracekey_store::ImportReport>, StoreError>) -> Result<Imported, Failure> {
        match done {
            Ok(Done { epoch, value, .. }) => Ok(Imported::new(value, epoch)),
            Err(StoreError::Import(error)) => Err(refused_import(error)),
            Err(error) => Err(failure(&self.name, error)),
        }
    }

    pub(super) fn document(&self) -> Result<(Document, Arc<Peppers>), Failure> {
        Ok((self.wait(self.store.snapshot())?, self.peppers()?))
    }

    pub(super) fn published(&self) -> Result<(Document, Arc<Peppers>), Failure> {
        let (document, peppers) = self.document()?;
        Ok((gracekey_server::published(&document), peppers))
    }

    pub(super) fn audit(&self, order: &AuditOrder) -> Result<AuditPage, Failure> {
        let limit = Limit::new(order.limit).unwrap_or_default();
        let filter = AuditFilter { client_id: order.client.clone(), key_id: order.key_id, after: order.after, limit };
        let entries: Vec<_> = self.wait(self.store.audit(&filter))?.into_iter().map(line).collect();
        let next = entries.last().filter(|_| entries.len() >= limit.rows().into()).map(|last| last.seq);
        Ok(AuditPage { entries, next })
    }

    /// Asks for a change again when its answer got lost: with the same key it happens once.
    fn change<T>(&self, change: impl AsyncFn(Timestamp) -> Result<T, StoreError>) -> Result<T, Failure> {
        for _ in 1..ATTEMPTS {
            let now = clock::now()?;
            match self.runtime.block_on(change(now)) {
                Err(StoreError::Unavailable(error)) if error.outcome == Outcome::Unknown => {}
                done => return done.map_err(|error| failure(&self.name, error)),
            }
            self.runtime.block_on(tokio::time::sleep(PAUSE));
        }
        let now = clock::now()?;
        self.wait(change(now))
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, Failure> {
        self.runtime.block_on(work).map_err(|error| failure(&self.name, error))
    }
}

impl Drop for StorePlace {
    fn drop(&mut self) {
        self.runtime.block_on(self.store.close());
    }
}

fn line(entry: AuditEntry) -> AuditLine {
    let AuditEntry { seq, at, epoch, actor, action, client_id, credential, key_id, detail, .. } = entry;
    let detail = serde_json::from_str(&detail).unwrap_or(serde_json::Value::String(detail));
    AuditLine { seq, at, epoch, actor, action, client_id, credential, key_id, detail }
}

/// The file that a store is, if it is one.
pub(crate) fn file_of(address: &str) -> Option<&Path> {
    let (_, path) = address.split_once(':').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("sqlite"))?;
    (!path.is_empty()).then(|| Path::new(path.strip_prefix("//").unwrap_or(path)))
}

/// Who does it, for the audit log: the user of this machine, as far as it says.
fn actor() -> Result<Actor, Failure> {
    let user = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let named = user.and_then(|user| format!("cli:{user}").parse().ok());
    named.map_or_else(|| "cli".parse().map_err(Failure::refused), Ok)
}

/// Says what to do next, where the store itself can't know it.
pub(crate) fn failure(name: &str, error: StoreError) -> Failure {
    let unavailable = match error {
        StoreError::Refused(error) => return error.into(),
        StoreError::Conflict(error) => return Failure::refused(error),
        StoreError::Import(error) => return refused_import(error),
        StoreError::Unavailable(error) => error,
        error => return Failure::refused(format!("{name}: {error}")),
    };
    let advice = match unavailable.trouble {
        Trouble::Unreachable => "; is the database running, and is its address right?",
        // Some of what is wrong says it already.
        Trouble::Damaged if !unavailable.detail.contains("backup") => "; restore a backup",
        _ => "",
    };
    let lost = match unavailable.outcome {
        Outcome::Unknown => "; `gracekey list` shows whether it happened",
        _ => "",
    };
    Failure::refused(format!("{name}: {unavailable}{advice}{lost}"))
}
