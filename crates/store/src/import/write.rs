//! What an import reads and writes, many rows by one statement.

use gracekey_core::{Client, Generation, Timestamp};
use serde_json::json;

use super::Progress;
use super::plan::{Known, Plan};
use crate::change::{About, Change};
use crate::connect::{Engine, Store};
use crate::database::{Database, Statement, Transaction, Value};
use crate::error::{StoreError, busy, damaged};
use crate::rows;

/// Where the keyring stood when an import was planned.
pub(super) struct Since {
    pub(super) epoch: u64,
    pub(super) issued_at: Timestamp,
    /// The last line of the audit log.
    seq: i64,
}

/// What became of an import's lines of the audit log.
pub(super) enum Noted {
    /// All are written.
    All,
    /// On PostgreSQL somebody asks for the lock who can't wait.
    GaveWay,
}

impl Store {
    /// What is there, without keeping anybody from changing it.
    pub(super) async fn known(&self) -> Result<(Known, Since), StoreError> {
        let mut read = self.database.read().await?;
        let statement = Statement::new(
            "SELECT epoch, issued_at, (SELECT COALESCE(MAX(seq), 0) FROM gracekey_audit) FROM gracekey_keyring WHERE id = 1",
        );
        let since = read.first(statement, |row| {
            Ok(Since { epoch: rows::epoch(row, 0)?, issued_at: rows::timestamp(row.int(1)?)?, seq: row.int(2)? })
        });
        let since = since.await?.ok_or_else(|| damaged("the keyring's row is gone; restore a backup"))?;
        let (clients, generations) = (read.clients().await?, read.generations().await?);
        Ok((Known::new(clients, generations), since))
    }

    /// Gives way to a change that can't wait, which this import keeps from the file.
    pub(super) async fn make_way(&self) {
        if let Database::Sqlite { urgent, .. } = &*self.database {
            urgent.make_way().await;
        }
    }

    /// Whether a change that can't wait asks for the file that this import holds.
    fn look_around(&self) -> Result<(), StoreError> {
        match &*self.database {
            Database::Sqlite { urgent, .. } if urgent.is_there() => {
                Err(busy("another change came in between, which could not wait"))
            }
            _ => Ok(()),
        }
    }

    /// Everything but the audit log, whose lines are in the order of the epochs.
    ///
    /// PostgreSQL keeps nobody waiting for it but who writes the same: nobody else sees these rows before they are committed.
    pub(super) async fn write_plan(
        &self,
        transaction: &mut Transaction,
        plan: &Plan,
        now: Timestamp,
        mut progress: impl FnMut(Progress),
    ) -> Result<(), StoreError> {
        let batch = batch(transaction.engine());
        for clients in plan.clients.chunks(batch) {
            self.look_around()?;
            let into = "gracekey_clients (client_id, name, scopes, disabled, created_at)";
            transaction.insert(into, "", clients.iter().map(|client| client_values(client, now))).await?;
        }
        let (mut done, total) = (0, plan.generations.len());
        for generations in plan.generations.chunks(batch) {
            self.look_around()?;
            // A credential that was there has a generation already, or had one.
            let new: Vec<_> = generations.iter().filter(|generation| generation.generation == 1).collect();
            let into = "gracekey_credentials (client_id, credential, created_at)";
            let credential = |new: &&Generation| [(&new.client_id).into(), (&new.credential).into(), Value::from(now)];
            transaction.insert(into, " ON CONFLICT DO NOTHING", new.iter().map(credential)).await?;
            let into = "gracekey_generations (key_id, client_id, credential, generation, pepper, digest, not_before, \
                        expires_at, superseded_at, retires_at, revoked_at, created_at)";
            transaction
                .insert(into, "", generations.iter().map(|generation| generation_values(generation, now)))
                .await?;
            done += generations.len();
            progress(Progress { done, total });
        }
        Ok(())
    }
}

impl Change<'_> {
    /// Sees that nothing happened since then that makes the plan another one.
    ///
    /// What was made meanwhile and is in the plan, too, the database itself refuses to take twice.
    pub(super) async fn still(&mut self, since: &Since) -> Result<(), StoreError> {
        if self.epoch() == since.epoch {
            return Ok(());
        }
        let statement = Statement::new(
            "SELECT seq FROM gracekey_audit WHERE seq > $1 AND action NOT LIKE 'key.%' \
             AND action NOT IN ('client.add', 'client.disable', 'client.enable') LIMIT 1",
        );
        match self.transaction.first(statement.bind(since.seq), |row| row.int(0)).await? {
            None => Ok(()),
            Some(_) => Err(busy("somebody else changed clients at this moment")),
        }
    }

    pub(super) async fn note_plan(&mut self, store: &Store, plan: &Plan) -> Result<Noted, StoreError> {
        let batch = batch(self.transaction.engine());
        for clients in plan.clients.chunks(batch) {
            let detail =
                |client: &Client| json!({"scopes": rows::scopes_text(&client.scopes), "disabled": client.disabled});
            store.look_around()?;
            if self.transaction.is_asked_for().await? {
                return Ok(Noted::GaveWay);
            }
            let lines = clients.iter().map(|client| (About::client(&client.client_id), detail(client).to_string()));
            self.note_many("client.add", lines).await?;
        }
        for generations in plan.generations.chunks(batch) {
            store.look_around()?;
            if self.transaction.is_asked_for().await? {
                return Ok(Noted::GaveWay);
            }
            let detail = |generation: &Generation| format!(r#"{{"generation":{}}}"#, generation.generation);
            let lines = generations.iter().map(|generation| (About::generation(generation), detail(generation)));
            self.note_many("key.import", lines).await?;
        }
        Ok(Noted::All)
    }

    async fn note_many<'a>(
        &mut self,
        action: &str,
        lines: impl ExactSizeIterator<Item = (About<'a>, String)>,
    ) -> Result<(), StoreError> {
        let (at, epoch, by) = (self.now(), self.advance().await?, self.by().to_string());
        let line = |(About { client_id, credential, key_id }, detail): (About<'_>, String)| {
            [
                at.into(),
                epoch.into(),
                by.as_str().into(),
                action.into(),
                client_id.into(),
                credential.into(),
                key_id.into(),
                Value::from(detail),
            ]
        };
        let into = "gracekey_audit (at, epoch, actor, action, client_id, credential, key_id, detail)";
        self.transaction.insert(into, "", lines.map(line)).await
    }
}

/// Rows of one statement: in SQLite each has a place for every value, and there are no more than 32,766.
fn batch(engine: Engine) -> usize {
    match engine {
        Engine::Sqlite => 200,
        Engine::Postgres => 1000,
    }
}

fn client_values(client: &Client, now: Timestamp) -> [Value; 5] {
    [
        (&client.client_id).into(),
        client.client_id.as_str().into(),
        rows::scopes_text(&client.scopes).into(),
        client.disabled.into(),
        now.into(),
    ]
}

fn generation_values(generation: &Generation, now: Timestamp) -> [Value; rows::GENERATION_COLUMNS + 1] {
    let mut values = rows::values(generation).into_iter();
    std::array::from_fn(|_| values.next().unwrap_or(Value::Int(Some(now.unix_seconds()))))
}
