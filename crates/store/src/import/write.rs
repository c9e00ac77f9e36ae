//! Many rows by one statement.

use gracekey_core::{Client, Generation, Timestamp};
use serde_json::json;

use super::Progress;
use super::plan::{Known, Plan};
use crate::change::{About, Change};
use crate::connect::Engine;
use crate::database::Statement;
use crate::error::StoreError;
use crate::rows;

/// Rows of one statement.
const BATCH: usize = 100;

impl Change<'_> {
    pub(super) async fn known(&mut self) -> Result<Known, StoreError> {
        let statement = Statement::new("SELECT client_id, scopes, disabled FROM gracekey_clients");
        let clients = self.transaction.rows(statement, rows::client).await?;
        let statement =
            Statement::new(concat!("SELECT ", rows::generation_columns!(), " FROM gracekey_generations AS g"));
        let generations = self.transaction.rows(statement, rows::generation).await?;
        Ok(Known::new(clients, generations))
    }

    pub(super) async fn write_plan(
        &mut self,
        plan: &Plan,
        now: Timestamp,
        mut progress: impl FnMut(Progress),
    ) -> Result<(), StoreError> {
        let total = plan.generations.len();
        if total == 0 {
            return Ok(());
        }
        let (epoch, engine) = (self.advance().await?, self.transaction.engine());
        for clients in plan.clients.chunks(BATCH) {
            self.transaction.execute(insert_clients(engine, clients, now)).await?;
            let detail = |client: &Client| {
                json!({"scopes": rows::scopes_text(&client.scopes), "disabled": client.disabled}).to_string()
            };
            let lines = clients.iter().map(|client| (About::client(&client.client_id), detail(client)));
            let entries = self.audit_entries("client.add", lines, epoch);
            self.transaction.execute(entries).await?;
        }
        let mut done = 0;
        for generations in plan.generations.chunks(BATCH) {
            self.transaction.execute(insert_credentials(engine, generations, now)).await?;
            self.transaction.execute(insert_generations(engine, generations, now)).await?;
            let detail = |generation: &Generation| json!({"generation": generation.generation}).to_string();
            let lines = generations.iter().map(|generation| (About::generation(generation), detail(generation)));
            let entries = self.audit_entries("key.import", lines, epoch);
            self.transaction.execute(entries).await?;
            done += generations.len();
            progress(Progress { done, total });
        }
        Ok(())
    }

    fn audit_entries<'a>(
        &self,
        action: &str,
        lines: impl ExactSizeIterator<Item = (About<'a>, String)>,
        epoch: u64,
    ) -> Statement {
        let places = Statement::places(self.transaction.engine(), lines.len(), 8);
        let statement = Statement::composed(format!(
            "INSERT INTO gracekey_audit (at, epoch, actor, action, client_id, credential, key_id, detail) VALUES {places}"
        ));
        lines.fold(statement, |statement, (About { client_id, credential, key_id }, detail)| {
            let statement = statement.bind(self.now()).bind(epoch).bind(self.by().as_str()).bind(action);
            statement.bind(client_id).bind(credential).bind(key_id).bind(detail)
        })
    }
}

fn insert_clients(engine: Engine, clients: &[Client], now: Timestamp) -> Statement {
    let places = Statement::places(engine, clients.len(), 5);
    let statement = Statement::composed(format!(
        "INSERT INTO gracekey_clients (client_id, name, scopes, disabled, created_at) VALUES {places}"
    ));
    clients.iter().fold(statement, |statement, client| {
        statement
            .bind(&client.client_id)
            .bind(client.client_id.as_str())
            .bind(rows::scopes_text(&client.scopes))
            .bind(client.disabled)
            .bind(now)
    })
}

fn insert_credentials(engine: Engine, generations: &[Generation], now: Timestamp) -> Statement {
    let places = Statement::places(engine, generations.len(), 3);
    let statement = Statement::composed(format!(
        "INSERT INTO gracekey_credentials (client_id, credential, created_at) VALUES {places} ON CONFLICT DO NOTHING"
    ));
    generations.iter().fold(statement, |statement, generation| {
        statement.bind(&generation.client_id).bind(&generation.credential).bind(now)
    })
}

fn insert_generations(engine: Engine, generations: &[Generation], now: Timestamp) -> Statement {
    let places = Statement::places(engine, generations.len(), rows::GENERATION_COLUMNS + 1);
    let statement = Statement::composed(format!(
        "INSERT INTO gracekey_generations (key_id, client_id, credential, generation, pepper, digest, not_before, \
         expires_at, superseded_at, retires_at, revoked_at, created_at) VALUES {places}"
    ));
    generations.iter().fold(statement, |statement, generation| rows::bind_generation(statement, generation).bind(now))
}
