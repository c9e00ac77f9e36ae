use gracekey_core::{Document, Timestamp};

use crate::connect::Store;
use crate::database::Statement;
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
        let statement = Statement::new("SELECT client_id, scopes, disabled FROM gracekey_clients ORDER BY client_id");
        document.clients = read.rows(statement, rows::client).await?;
        let statement = Statement::new(concat!(
            "SELECT ",
            rows::generation_columns!(),
            " FROM gracekey_generations AS g ORDER BY g.client_id, g.credential, g.generation",
        ));
        document.keys = read.rows(statement, rows::generation).await?;
        Ok(document)
    }
}
