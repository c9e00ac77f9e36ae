//! What is done on a store: SQLite or PostgreSQL, opened by this very process.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gracekey_core::{Client, ClientId, Document, LifecycleError, PepperId, Peppers, Revoke, Timestamp};
use gracekey_store::{
    Actor, AuditEntry, AuditFilter, ClientChange, Done, Import, Issue, KeyFilter, KeyRow, Limit, NewClient, Outcome,
    Rotate, RotateFrom, Store, StoreError, Trouble, UsedKey,
};
use tokio::runtime::Runtime;

use super::address::without_password;
use super::file::read_import;
use super::order::{NEXT_SECOND, check_scopes, refused_import};
use super::{
    AuditLine, AuditOrder, AuditPage, ClientNow, ClientOrder, Ended, Ending, Foreseen, ImportFormat, Imported,
    IssueOrder, Issued, KeyLine, Listing, Missing, NewKey, RotateOrder, Rotated, WouldEnd,
};
use crate::clock;
use crate::entropy;
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
const DAY: i64 = 86_400;

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
        if missing == Missing::Refuse && !is_there(address) {
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
        Ok(peppers)
    }

    pub(super) fn issue(&self, order: &IssueOrder<'_>) -> Result<Issued, Failure> {
        let (key, minted) = entropy::minted(order.prefix, &*self.peppers()?)?;
        let now = clock::now()?;
        let expires_at = order.expires.map(|until| until.moment(now));
        let known = match self.wait(self.store.client(order.client))? {
            Some(known) => {
                check_scopes(&known.client, order.scopes)?;
                known.client
            }
            None => self.take_in(order, expires_at, now)?,
        };
        let issue =
            Issue { client_id: order.client.clone(), credential: order.credential.clone(), key: minted, expires_at };
        let done = self.change(async |now| self.store.issue(&issue, &self.by, now).await)?;
        let generation = done.value.generation;
        let new = NewKey { key, key_id: minted.key_id, generation, expires_at, epoch: done.epoch };
        Ok(Issued { new, client_disabled: known.disabled })
    }

    fn take_in(
        &self,
        order: &IssueOrder<'_>,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Client, Failure> {
        // What is refused must not leave a client behind.
        if let Some(at) = expires_at.filter(|at| *at <= now) {
            return Err(LifecycleError::ExpiryPassed { at, now }.into());
        }
        let client = Client { client_id: order.client.clone(), disabled: false, scopes: order.scopes.to_vec() };
        let new = NewClient::from(client.clone());
        self.change(async |now| match self.store.add_client(&new, &self.by, now).await {
            // By ourselves, when the answer was lost, or by somebody else with the same intent.
            Err(StoreError::Refused(LifecycleError::ClientExists { .. })) => Ok(None),
            done => done.map(Some),
        })?;
        Ok(client)
    }

    pub(super) fn rotate(&self, order: &RotateOrder<'_>) -> Result<Rotated, Failure> {
        let (key, minted) = entropy::minted(order.prefix, &*self.peppers()?)?;
        let (client_id, credential) = (order.client.clone(), order.credential.clone());
        let from = match order.lost {
            true => RotateFrom::Lost(client_id, credential),
            false => RotateFrom::Current(client_id, credential),
        };
        let rotate = Rotate { from, key: minted, grace: order.grace.unwrap_or_default() };
        let done = self.change(async |now| match self.store.rotate(&rotate, &self.by, now).await {
            Err(StoreError::Conflict(_)) if order.lost => {
                tokio::time::sleep(NEXT_SECOND).await;
                self.store.rotate(&rotate, &self.by, now.saturating_add(1)).await
            }
            done => done,
        })?;
        let Done { epoch, value: rotation, .. } = done;
        let successor = rotation.successor;
        let (generation, expires_at) = (successor.generation, successor.expires_at);
        Ok(Rotated {
            new: NewKey { key, key_id: minted.key_id, generation, expires_at, epoch },
            previous_key_id: rotation.predecessor.key_id,
            previous_key_retires_at: rotation.predecessor.end().map(|(at, _)| at),
            replaced_key_ids: rotation.replaced.iter().map(|replaced| replaced.key_id).collect(),
        })
    }

    pub(super) fn end(&self, what: &Ending) -> Result<Ended, Failure> {
        let done = self.change(async |now| match what {
            Ending::Revoke(what) => self.store.revoke(what, &self.by, now).await,
            Ending::Window(client_id, credential) => {
                self.store.close_window(client_id, credential, &self.by, now).await
            }
        })?;
        Ok(Ended { key_ids: done.value, epoch: done.epoch })
    }

    pub(super) fn foresee(&self, what: &Ending) -> Result<Foreseen, Failure> {
        let now = clock::now()?;
        let meant = what.as_revoke();
        let rows = self.meant(&meant)?;
        let used = self.wait(self.store.used_since(&meant, now.saturating_add(-DAY), now))?;
        let used: HashMap<_, UsedKey> = used.into_iter().map(|used| (used.key_id, used)).collect();
        let would_end = rows.iter().filter(|row| what.ends(&row.generation, now)).map(|row| WouldEnd {
            requests_last_day: Some(used.get(&row.generation.key_id).map_or(0, |used| used.requests)),
            last_used: row.last_used,
            ..WouldEnd::new(&row.generation)
        });
        Ok(Foreseen { would_end: would_end.collect(), counted: true })
    }

    /// The keys that a revocation is about, ended or not.
    fn meant(&self, what: &Revoke) -> Result<Vec<KeyRow>, Failure> {
        let filter = match what {
            Revoke::Key(key_id) => {
                let row = self.wait(self.store.key(*key_id))?;
                return Ok(vec![row.ok_or(LifecycleError::UnknownKey { key_id: *key_id })?]);
            }
            Revoke::Credential(client_id, credential) => KeyFilter {
                client_id: Some(client_id.clone()),
                credential: Some(credential.clone()),
                ..KeyFilter::default()
            },
            Revoke::Client(client_id) => {
                self.known_client(client_id)?;
                KeyFilter { client_id: Some(client_id.clone()), ..KeyFilter::default() }
            }
        };
        let rows = self.rows(filter)?;
        match what {
            Revoke::Credential(client_id, credential) if rows.is_empty() => {
                let (client_id, credential) = (client_id.clone(), credential.clone());
                Err(LifecycleError::UnknownCredential { client_id, credential }.into())
            }
            _ => Ok(rows),
        }
    }

    pub(super) fn client(&self, order: &ClientOrder<'_>) -> Result<ClientNow, Failure> {
        let wanted = ClientChange { disabled: order.disabled, scopes: order.scopes.map(<[_]>::to_vec) };
        self.change(async |now| self.store.change_client(order.client, &wanted, &self.by, now).await)?;
        Ok(ClientNow { client: self.known_client(order.client)?, epoch: self.epoch()? })
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

    pub(super) fn sealed(&self) -> Result<String, Failure> {
        let (document, peppers) = self.document()?;
        Ok(gracekey_server::published(&document).seal(&peppers).to_json())
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

/// What is not a file can't be looked at beforehand.
fn is_there(address: &str) -> bool {
    let Some((scheme, path)) = address.split_once(':') else { return true };
    !scheme.eq_ignore_ascii_case("sqlite")
        || path.is_empty()
        || Path::new(path.strip_prefix("//").unwrap_or(path)).exists()
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
        Trouble::Busy => "; another one is in the middle of a long change, an import perhaps: try again",
        Trouble::Full => "; make room and try again",
        Trouble::Damaged => "; restore a backup",
        _ => "",
    };
    let lost = match unavailable.outcome {
        Outcome::Unknown => "; `gracekey list` shows whether it happened",
        _ => "",
    };
    Failure::refused(format!("{name}: {unavailable}{advice}{lost}"))
}
