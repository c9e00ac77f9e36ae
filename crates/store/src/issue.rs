use gracekey_core::{ClientId, Credential, CredentialName, Generation, LifecycleError, Minted, Timestamp};
use serde_json::json;

use crate::actor::Actor;
use crate::change::{About, Change, Done};
use crate::connect::Store;
use crate::database::Statement;
use crate::error::StoreError;
use crate::rows;

/// A key to issue.
#[derive(Clone, Debug)]
pub struct Issue {
    /// To whom.
    pub client_id: ClientId,
    /// For which use.
    pub credential: CredentialName,
    /// The key, from [`mint`](crate::mint). Asked for twice with the same one, it is issued once.
    pub key: Minted,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

impl Store {
    /// Adds the first generation of a credential, or the next one after all others have ended.
    ///
    /// # Errors
    /// As [`Credential::issue`]; [`LifecycleError::UnknownClient`] and [`LifecycleError::Taken`]; and what [`StoreError`]
    /// says of databases.
    pub async fn issue(&self, issue: &Issue, by: &Actor, now: Timestamp) -> Result<Done<Generation>, StoreError> {
        let Issue { client_id, credential, key, expires_at } = issue;
        let mut change = self.change(by, now).await?;
        change.known_client(client_id).await?;
        let known = change.generations(client_id, credential).await?;
        if let Some(key_id) = change.written(*key).await? {
            let same = known.into_iter().find(|generation| generation.key_id == key_id);
            return change.commit(same.ok_or(LifecycleError::Taken { key_id })?).await;
        }
        let issued = Credential::new(client_id, credential, &known).issue(*key, *expires_at, change.seen())?;
        change.hurry().await?;
        change.insert_credential(client_id, credential, now).await?;
        change.transaction.execute(rows::insert_generation(&issued, now, None)).await?;
        let detail = json!({"generation": issued.generation, "expires_at": expires_at.map(|at| at.to_string())});
        change.note("key.issue", About::generation(&issued), detail).await?;
        change.commit(issued).await
    }
}

impl Change<'_> {
    pub(crate) async fn insert_credential(
        &mut self,
        client_id: &ClientId,
        credential: &CredentialName,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let statement = Statement::new(
            "INSERT INTO gracekey_credentials (client_id, credential, created_at) VALUES ($1, $2, $3) \
             ON CONFLICT DO NOTHING",
        );
        self.transaction.execute(statement.bind(client_id).bind(credential).bind(now)).await.map(drop)
    }
}
