use gracekey_core::{Pepper, Peppers};

use crate::connect::Store;
use crate::database::{Statement, Wait};
use crate::error::StoreError;

/// It has a space, which no key has, so that no key ever has its digest.
const MARKED: &[u8] = b"the mark of this pepper";

impl Store {
    /// Sees that these are the peppers that the keys here are digested with: with another pepper every key would be
    /// unknown. A pepper that is seen for the first time is marked, and so is one in the place of another that no key was
    /// ever digested with.
    ///
    /// # Errors
    /// [`StoreError::Config`] for a pepper that goes by the id of another one, and what [`StoreError`] says of databases.
    pub async fn check_peppers(&self, peppers: &Peppers) -> Result<(), StoreError> {
        for pepper in peppers.iter() {
            if self.mark(pepper).await?.as_deref() != Some(&pepper.digest(MARKED).to_bytes()) {
                self.mark_anew(pepper).await?;
            }
        }
        Ok(())
    }

    async fn mark(&self, pepper: &Pepper) -> Result<Option<Vec<u8>>, StoreError> {
        let mut read = self.database.read().await?;
        read.first(mark_of(pepper), |row| row.bytes(0).map(<[u8]>::to_vec)).await
    }

    async fn mark_anew(&self, pepper: &Pepper) -> Result<(), StoreError> {
        let (id, mark) = (pepper.id(), pepper.digest(MARKED).to_bytes());
        let mut transaction = self.database.write(Wait::Usual).await?;
        let is_marked = transaction.first(mark_of(pepper), |row| row.bytes(0).map(|known| known == mark)).await?;
        let statement = Statement::new("SELECT 1 FROM gracekey_generations WHERE pepper = $1 LIMIT 1");
        let is_used = transaction.first(statement.bind(id.as_str()), |_| Ok(())).await?.is_some();
        if is_marked == Some(false) && is_used {
            return Err(StoreError::config(format!(
                "its keys are digested with the pepper `{id}`, and the one at hand has that id but is another: every key would be unknown; give the right one, or restore it from a backup"
            )));
        }
        let statement = Statement::new(
            "INSERT INTO gracekey_peppers (pepper, mark) VALUES ($1, $2) \
             ON CONFLICT (pepper) DO UPDATE SET mark = excluded.mark",
        );
        transaction.execute(statement.bind(id.as_str()).bind(mark)).await?;
        transaction.commit().await
    }
}

fn mark_of(pepper: &Pepper) -> Statement {
    Statement::new("SELECT mark FROM gracekey_peppers WHERE pepper = $1").bind(pepper.id().as_str())
}
