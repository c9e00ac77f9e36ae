use gracekey_core::{Client, Document, Generation, Timestamp};

use crate::connect::Store;
use crate::database::{Statement, Transaction, Whole};
use crate::error::{StoreError, damaged};
use crate::rows;

impl Store {
    /// The keyring of the current epoch, read in one piece, to be sealed and handed to verifiers.
    ///
    /// # Errors
    /// What [`StoreError`] says of databases.
    pub async fn snapshot(&self) -> Result<Document, StoreError> {
        let mut read = self.database.read().await?;
        let statement = Statement::new("SELECT epoch, issued_at FROM gracekey_keyring WHERE id = 1");
        let keyring = read.first(statement, |row| Ok((rows::epoch(row, 0)?, rows::timestamp(row.int(1)?)?)));
        let (epoch, issued_at): (u64, Timestamp) =
            keyring.await?.ok_or_else(|| damaged("the keyring's row is gone; restore a backup"))?;
        let mut document = Document::empty(issued_at);
        document.epoch = epoch;
        document.clients = read.clients().await?;
        document.keys = read.generations().await?;
        document.clients.sort_unstable_by(|a, b| a.client_id.cmp(&b.client_id));
        document.keys.sort_unstable_by(|a, b| {
            (&a.client_id, &a.credential, a.generation).cmp(&(&b.client_id, &b.credential, b.generation))
        });
        Ok(document)
    }
}

impl Transaction {
    /// All clients, in any order.
    pub(crate) async fn clients(&mut self) -> Result<Vec<Client>, StoreError> {
        let (columns, table) = ("client_id, scopes, disabled", "gracekey_clients");
        self.whole(Whole { columns, table, place: "client_id", start: "".into() }, rows::client).await
    }

    /// All generations, in any order: they lie in the order in which they were made, and are read as they lie.
    pub(crate) async fn generations(&mut self) -> Result<Vec<Generation>, StoreError> {
        let (columns, table) = (rows::generation_columns!(), "gracekey_generations AS g");
        self.whole(Whole { columns, table, place: "g.rowid", start: i64::MIN.into() }, rows::generation).await
    }
}
