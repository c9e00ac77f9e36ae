use gracekey_core::{Client, ClientId, LifecycleError, Scope, Timestamp, is_unseen};
use serde_json::json;

use crate::actor::Actor;
use crate::change::{About, Done};
use crate::connect::Store;
use crate::database::{Row, Statement};
use crate::error::StoreError;
use crate::page::Limit;
use crate::rows;

/// A client to take in.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Its id, its scopes, and whether it is denied from the start.
    pub client: Client,
    /// What people call it. What is unseen in it is left out ([`is_unseen`]), and what is longer than 200 characters is cut.
    pub name: String,
}

/// A client as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientRow {
    /// Its id, its scopes and whether it is disabled.
    pub client: Client,
    /// What people call it.
    pub name: String,
    /// When it was taken in.
    pub created_at: Timestamp,
    /// When any of its keys was last used, as far as that was reported.
    pub last_used: Option<Timestamp>,
}

/// What is to change of a client. What is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientChange {
    /// Whether all its keys are denied.
    pub disabled: Option<bool>,
    /// What it may do.
    pub scopes: Option<Vec<Scope>>,
}

const NAME: usize = 200;

macro_rules! list {
    () => {
        "SELECT c.client_id, c.scopes, c.disabled, c.name, c.created_at, \
         (SELECT MAX(u.last_used) FROM gracekey_usage AS u JOIN gracekey_generations AS g ON g.key_id = u.key_id \
          WHERE g.client_id = c.client_id) FROM gracekey_clients AS c"
    };
}

impl From<Client> for NewClient {
    /// A client that people call by its id.
    fn from(client: Client) -> Self {
        Self { name: client.client_id.as_str().into(), client }
    }
}

impl Store {
    /// Takes in a client.
    ///
    /// # Errors
    /// [`LifecycleError::ClientExists`], and what [`StoreError`] says of databases.
    pub async fn add_client(&self, new: &NewClient, by: &Actor, now: Timestamp) -> Result<Done<()>, StoreError> {
        let NewClient { client, name } = new;
        let mut change = self.change(by, now).await?;
        if change.client(&client.client_id).await?.is_some() {
            return Err(LifecycleError::ClientExists { client_id: client.client_id.clone() }.into());
        }
        let name: String = name.chars().filter(|c| !is_unseen(*c)).take(NAME).collect();
        change.hurry().await?;
        change.insert_client(client, &name, now).await?;
        let detail = json!({"scopes": rows::scopes_text(&client.scopes), "disabled": client.disabled});
        change.note("client.add", About::client(&client.client_id), detail).await?;
        change.commit(()).await
    }

    /// Denies all keys of a client until it is enabled again, or enables it.
    ///
    /// # Errors
    /// [`LifecycleError::UnknownClient`]; [`StoreError::LastHolder`] with [`Store::keeping`]; and what [`StoreError`] says of
    /// databases.
    pub async fn disable_client(
        &self,
        client_id: &ClientId,
        disabled: bool,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Done<()>, StoreError> {
        let change = ClientChange { disabled: Some(disabled), scopes: None };
        self.change_client(client_id, &change, by, now).await
    }

    /// Says anew what a client may do.
    ///
    /// # Errors
    /// [`LifecycleError::UnknownClient`]; [`StoreError::LastHolder`] with [`Store::keeping`]; and what [`StoreError`] says of
    /// databases.
    pub async fn set_scopes(
        &self,
        client_id: &ClientId,
        scopes: &[Scope],
        by: &Actor,
        now: Timestamp,
    ) -> Result<Done<()>, StoreError> {
        let change = ClientChange { disabled: None, scopes: Some(scopes.to_vec()) };
        self.change_client(client_id, &change, by, now).await
    }

    /// Changes several things of a client at once, in one epoch.
    ///
    /// # Errors
    /// [`LifecycleError::UnknownClient`]; [`StoreError::LastHolder`] with [`Store::keeping`]; and what [`StoreError`] says of
    /// databases.
    pub async fn change_client(
        &self,
        client_id: &ClientId,
        wanted: &ClientChange,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Done<()>, StoreError> {
        let mut change = self.urgent_change(by, now).await?;
        let known = change.known_client(client_id).await?;
        change.guard(client_id).await?;
        if let Some(disabled) = wanted.disabled.filter(|disabled| *disabled != known.disabled) {
            let statement = Statement::new("UPDATE gracekey_clients SET disabled = $2 WHERE client_id = $1");
            change.transaction.execute(statement.bind(client_id).bind(disabled)).await?;
            let action = if disabled { "client.disable" } else { "client.enable" };
            change.note(action, About::client(client_id), json!({})).await?;
        }
        if let Some(scopes) = wanted.scopes.as_ref().filter(|scopes| **scopes != known.scopes) {
            let text = rows::scopes_text(scopes);
            let statement = Statement::new("UPDATE gracekey_clients SET scopes = $2 WHERE client_id = $1");
            change.transaction.execute(statement.bind(client_id).bind(text.as_str())).await?;
            let detail = json!({"before": rows::scopes_text(&known.scopes), "scopes": text});
            change.note("client.scopes", About::client(client_id), detail).await?;
        }
        change.commit(()).await
    }

    /// One client, if there is such a one.
    ///
    /// # Errors
    /// What [`StoreError`] says of databases.
    pub async fn client(&self, client_id: &ClientId) -> Result<Option<ClientRow>, StoreError> {
        let statement = Statement::new(concat!(list!(), " WHERE c.client_id = $1")).bind(client_id);
        self.database.read().await?.first(statement, client_row).await
    }

    /// Clients in the order of their ids, those behind `after`.
    ///
    /// # Errors
    /// What [`StoreError`] says of databases.
    pub async fn clients(&self, after: Option<&ClientId>, limit: Limit) -> Result<Vec<ClientRow>, StoreError> {
        let statement = Statement::new(concat!(list!(), " WHERE c.client_id > $1 ORDER BY c.client_id LIMIT $2"));
        let statement = statement.bind(after.map_or("", ClientId::as_str)).bind(limit.rows());
        self.database.read().await?.rows(statement, client_row).await
    }
}

impl crate::change::Change<'_> {
    pub(crate) async fn client(&mut self, client_id: &ClientId) -> Result<Option<Client>, StoreError> {
        let statement = Statement::new("SELECT client_id, scopes, disabled FROM gracekey_clients WHERE client_id = $1");
        self.transaction.first(statement.bind(client_id), rows::client).await
    }

    pub(crate) async fn known_client(&mut self, client_id: &ClientId) -> Result<Client, StoreError> {
        let known = self.client(client_id).await?;
        known.ok_or_else(|| LifecycleError::UnknownClient { client_id: client_id.clone() }.into())
    }

    pub(crate) async fn insert_client(
        &mut self,
        client: &Client,
        name: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let statement = Statement::new(
            "INSERT INTO gracekey_clients (client_id, name, scopes, disabled, created_at) VALUES ($1, $2, $3, $4, $5)",
        );
        let statement = statement.bind(&client.client_id).bind(name).bind(rows::scopes_text(&client.scopes));
        self.transaction.execute(statement.bind(client.disabled).bind(now)).await.map(drop)
    }
}

fn client_row(row: &Row<'_>) -> Result<ClientRow, StoreError> {
    Ok(ClientRow {
        client: rows::client(row)?,
        name: row.text(3)?.into(),
        created_at: rows::timestamp(row.int(4)?)?,
        last_used: rows::moment(row, 5)?,
    })
}
