use std::sync::Arc;

use gracekey_core::{ClientId, CredentialName, Document, Generation, KeyId, LifecycleError, Minted, Scope, Timestamp};
use serde_json::Value as Json;

use crate::actor::Actor;
use crate::connect::{Engine, Store};
use crate::database::{Row, Statement, Transaction, Wait};
use crate::error::{StoreError, damaged};
use crate::rows;

/// What a change came to, and the epoch that shows it.
#[derive(Clone, Debug)]
pub struct Done<T> {
    /// The epoch from which on verifiers see it.
    pub epoch: u64,
    /// Whether anything was changed. If not, all was already as it was asked for, and the epoch is an old one.
    pub changed: bool,
    /// What was written.
    pub value: T,
}

/// A change to the keyring under way. It holds the one lock, so that changes happen one after the other, in the
/// order of their epochs, whichever server makes them.
pub(crate) struct Change<'a> {
    pub(crate) transaction: Transaction,
    epoch: u64,
    begun: bool,
    by: &'a Actor,
    now: Timestamp,
    seen: Timestamp,
    /// The scope that some live key must go on having, as far as anything watches over one.
    pub(crate) keeps: Option<Arc<Scope>>,
    /// The same, once what is changed may be the last of its holders.
    pub(crate) guarded: Option<Arc<Scope>>,
}

/// Clocks of several servers may differ by so many seconds. What is further ahead is a clock gone wrong, and nobody
/// follows it.
const CLOCKS: u64 = 15 * 60;

/// What a line of the audit log is about.
#[derive(Clone, Copy, Default)]
pub(crate) struct About<'a> {
    pub(crate) client_id: Option<&'a ClientId>,
    pub(crate) credential: Option<&'a CredentialName>,
    pub(crate) key_id: Option<KeyId>,
}

impl Store {
    pub(crate) async fn change<'a>(&self, by: &'a Actor, now: Timestamp) -> Result<Change<'a>, StoreError> {
        Change::begin(self.database.write(Wait::Usual).await?, by, now).await
    }

    /// A change that takes something away from somebody. It waits longer for others, and imports make way for it.
    pub(crate) async fn urgent_change<'a>(&self, by: &'a Actor, now: Timestamp) -> Result<Change<'a>, StoreError> {
        let mut change = Change::begin(self.database.write(Wait::Urgent).await?, by, now).await?;
        change.keeps.clone_from(&self.keeps);
        Ok(change)
    }
}

impl<'a> Change<'a> {
    /// Takes the lock, and waits for it.
    pub(crate) async fn begin(mut transaction: Transaction, by: &'a Actor, now: Timestamp) -> Result<Self, StoreError> {
        let statement = Statement::new(match transaction.engine() {
            Engine::Sqlite => "SELECT epoch, issued_at FROM gracekey_keyring WHERE id = 1",
            Engine::Postgres => "SELECT epoch, issued_at FROM gracekey_keyring WHERE id = 1 FOR UPDATE",
        });
        let read = |row: &Row<'_>| Ok((rows::epoch(row, 0)?, rows::timestamp(row.int(1)?)?));
        let keyring = transaction.first(statement, read).await?;
        let (epoch, before) = keyring.ok_or_else(|| damaged("the keyring's row is gone; restore a backup"))?;
        let seen = seen(before, now);
        Ok(Self { transaction, epoch, begun: false, by, now, seen, keeps: None, guarded: None })
    }
}

impl<'a> About<'a> {
    pub(crate) fn client(client_id: &'a ClientId) -> Self {
        Self { client_id: Some(client_id), ..Self::default() }
    }

    pub(crate) fn generation(generation: &'a Generation) -> Self {
        Self {
            client_id: Some(&generation.client_id),
            credential: Some(&generation.credential),
            key_id: Some(generation.key_id),
        }
    }
}

impl Change<'_> {
    /// Begins the new epoch, once for all that the change writes, and adds a line to the audit log.
    pub(crate) async fn note(&mut self, action: &str, about: About<'_>, detail: Json) -> Result<(), StoreError> {
        self.advance().await?;
        let statement = Statement::new(
            "INSERT INTO gracekey_audit (at, epoch, actor, action, client_id, credential, key_id, detail) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(self.now)
        .bind(self.epoch)
        .bind(self.by.as_str())
        .bind(action)
        .bind(about.client_id)
        .bind(about.credential)
        .bind(about.key_id)
        .bind(detail.to_string());
        self.transaction.execute(statement).await.map(drop)
    }

    /// Begins the new epoch, and says which it is.
    pub(crate) async fn advance(&mut self) -> Result<u64, StoreError> {
        if !self.begun {
            if self.epoch >= Document::MAX_EPOCH {
                return Err(LifecycleError::Exhausted.into());
            }
            self.epoch += 1;
            let statement = Statement::new("UPDATE gracekey_keyring SET epoch = $1, issued_at = $2 WHERE id = 1");
            self.transaction.execute(statement.bind(self.epoch).bind(self.seen)).await?;
            self.begun = true;
        }
        Ok(self.epoch)
    }

    /// Lets what follows wait but shortly for whoever writes the same at this moment. That is an import, which may take a
    /// while yet, and all others would wait behind this change.
    pub(crate) async fn hurry(&mut self) -> Result<(), StoreError> {
        match self.transaction.engine() {
            Engine::Sqlite => Ok(()),
            Engine::Postgres => {
                self.transaction.execute(Statement::new("SET LOCAL lock_timeout = '200ms'")).await.map(drop)
            }
        }
    }

    /// The epoch that this change found, or has begun.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) fn by(&self) -> &Actor {
        self.by
    }

    /// The moment by the clock of whoever asked. Ends are set by it: what is revoked ends no later for a clock ahead.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The same moment, but not before the last change, which a clock ahead may have dated: what has ended then has ended
    /// for everybody who comes later, and windows open one after the other.
    pub(crate) fn seen(&self) -> Timestamp {
        self.seen
    }

    /// Makes all of it last.
    pub(crate) async fn commit<T>(mut self, value: T) -> Result<Done<T>, StoreError> {
        self.check_guarded().await?;
        let done = Done { epoch: self.epoch, changed: self.begun, value };
        self.transaction.commit().await?;
        Ok(done)
    }

    /// All generations of a credential, the oldest first.
    pub(crate) async fn generations(
        &mut self,
        client_id: &ClientId,
        credential: &CredentialName,
    ) -> Result<Vec<Generation>, StoreError> {
        let statement = Statement::new(concat!(
            "SELECT ",
            rows::generation_columns!(),
            " FROM gracekey_generations AS g WHERE g.client_id = $1 AND g.credential = $2 ORDER BY g.generation",
        ));
        self.transaction.rows(statement.bind(client_id).bind(credential), rows::generation).await
    }

    /// The generation of that key id.
    pub(crate) async fn generation(&mut self, key_id: KeyId) -> Result<Option<Generation>, StoreError> {
        let statement = Statement::new(concat!(
            "SELECT ",
            rows::generation_columns!(),
            " FROM gracekey_generations AS g WHERE g.key_id = $1",
        ));
        self.transaction.first(statement.bind(key_id), rows::generation).await
    }

    /// The generation that this very key was written as already, by a change whose answer was lost.
    ///
    /// A key id or a key that belongs to another one is refused: [`LifecycleError::Taken`].
    pub(crate) async fn written(&mut self, key: Minted) -> Result<Option<KeyId>, StoreError> {
        let statement = Statement::new(
            "SELECT key_id, key_id = $1 AND digest = $2 AND pepper = $3 FROM gracekey_generations \
             WHERE key_id = $1 OR digest = $2",
        );
        let statement = statement.bind(key.key_id).bind(key.digest.to_bytes()).bind(key.digest.pepper().as_str());
        let found = self.transaction.rows(statement, |row| Ok((rows::parsed(row.text(0)?, "key_id")?, row.bool(1)?)));
        match found.await?.first() {
            None => Ok(None),
            Some((key_id, true)) => Ok(Some(*key_id)),
            Some((key_id, false)) => Err(LifecycleError::Taken { key_id: *key_id }.into()),
        }
    }
}

/// A moment, but not before the last change, unless that was dated by a clock gone wrong.
pub(crate) fn seen(before: Timestamp, now: Timestamp) -> Timestamp {
    if before.seconds_since(now) <= CLOCKS { before.max(now) } else { now }
}
