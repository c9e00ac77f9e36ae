use gracekey_core::{ClientId, CredentialName, Generation, KeyId, LifecycleError, Revoke, Timestamp};
use serde_json::json;

use crate::actor::Actor;
use crate::change::{About, Change, Done};
use crate::connect::Store;
use crate::database::Statement;
use crate::error::StoreError;
use crate::rows;

impl Store {
    /// Ends generations at once, window or not, and says which: none when all of them had ended already.
    ///
    /// # Errors
    /// [`LifecycleError::UnknownKey`], [`LifecycleError::UnknownCredential`] or [`LifecycleError::UnknownClient`];
    /// [`StoreError::LastHolder`] with [`Store::keeping`]; and what [`StoreError`] says of databases.
    pub async fn revoke(&self, what: &Revoke, by: &Actor, now: Timestamp) -> Result<Done<Vec<KeyId>>, StoreError> {
        let mut change = self.urgent_change(by, now).await?;
        let mut ended = Vec::new();
        let meant = change.meant(what).await?;
        if let Some(generation) = meant.first() {
            change.guard(&generation.client_id).await?;
        }
        for mut generation in meant {
            if generation.revoke(now) {
                change.transaction.execute(rows::update_generation(&generation)).await?;
                change.note("key.revoke", About::generation(&generation), json!({})).await?;
                ended.push(generation.key_id);
            }
        }
        change.commit(ended).await
    }

    /// Closes the rotation windows of a credential at once, and says which keys that retired: none when none was open.
    ///
    /// # Errors
    /// [`LifecycleError::UnknownCredential`]; [`StoreError::LastHolder`] with [`Store::keeping`]; and what [`StoreError`]
    /// says of databases.
    pub async fn close_window(
        &self,
        client_id: &ClientId,
        credential: &CredentialName,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Done<Vec<KeyId>>, StoreError> {
        let mut change = self.urgent_change(by, now).await?;
        let now = change.seen();
        let mut retired = Vec::new();
        change.guard(client_id).await?;
        for mut generation in change.meant(&Revoke::Credential(client_id.clone(), credential.clone())).await? {
            if generation.close_window(now) {
                change.transaction.execute(rows::update_generation(&generation)).await?;
                change.note("key.retire", About::generation(&generation), json!({"why": "window closed"})).await?;
                retired.push(generation.key_id);
            }
        }
        change.commit(retired).await
    }

    /// Sets the expiry of a generation, which may only come nearer.
    ///
    /// # Errors
    /// [`LifecycleError::UnknownKey`], and as [`Generation::expire`]; and what [`StoreError`] says of databases.
    pub async fn expire(
        &self,
        key_id: KeyId,
        at: Timestamp,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Done<Generation>, StoreError> {
        let mut change = self.urgent_change(by, now).await?;
        let mut generation = change.generation(key_id).await?.ok_or(LifecycleError::UnknownKey { key_id })?;
        if generation.expires_at != Some(at) {
            generation.expire(at, now)?;
            change.transaction.execute(rows::update_generation(&generation)).await?;
            let detail = json!({"expires_at": at.to_string()});
            change.note("key.expire", About::generation(&generation), detail).await?;
        }
        change.commit(generation).await
    }
}

impl Change<'_> {
    /// The generations that a change is about, ended or not.
    async fn meant(&mut self, what: &Revoke) -> Result<Vec<Generation>, StoreError> {
        match what {
            Revoke::Key(key_id) => match self.generation(*key_id).await? {
                Some(generation) => Ok(vec![generation]),
                None => Err(LifecycleError::UnknownKey { key_id: *key_id }.into()),
            },
            Revoke::Credential(client_id, credential) => {
                let generations = self.generations(client_id, credential).await?;
                if generations.is_empty() {
                    let (client_id, credential) = (client_id.clone(), credential.clone());
                    return Err(LifecycleError::UnknownCredential { client_id, credential }.into());
                }
                Ok(generations)
            }
            Revoke::Client(client_id) => {
                self.known_client(client_id).await?;
                let statement = Statement::new(concat!(
                    "SELECT ",
                    rows::generation_columns!(),
                    " FROM gracekey_generations AS g WHERE g.client_id = $1 ORDER BY g.credential, g.generation",
                ));
                self.transaction.rows(statement.bind(client_id), rows::generation).await
            }
        }
    }
}
