use gracekey_core::{Seconds, Timestamp};
use serde_json::json;

use crate::actor::Actor;
use crate::change::{About, Done};
use crate::connect::Store;
use crate::database::Statement;
use crate::error::StoreError;
use crate::{rows, usage};

impl Store {
    /// Drops what ended longer ago than `keep`, and says how much that was. A key that was replaced before anybody used it
    /// never reached a holder who would have to be told, and is dropped a day after its end. Clients, credentials and the audit log stay,
    /// and of each credential its last generation, so that the next one gets a number of its own.
    /// [`Document::TOMBSTONES`](gracekey_core::Document::TOMBSTONES) is the usual `keep`.
    ///
    /// # Errors
    /// What [`StoreError`] says of databases.
    pub async fn prune(&self, keep: Seconds, by: &Actor, now: Timestamp) -> Result<Done<usize>, StoreError> {
        let mut change = self.change(by, now).await?;
        let statement = Statement::new(concat!(
            "SELECT ",
            rows::generation_columns!(),
            " FROM gracekey_generations AS g \
             WHERE (g.revoked_at < $1 OR g.expires_at < $1 OR g.retires_at < $1) AND EXISTS \
             (SELECT 1 FROM gracekey_generations AS later WHERE later.client_id = g.client_id \
             AND later.credential = g.credential AND later.generation > g.generation) \
             ORDER BY g.client_id, g.credential, g.generation",
        ));
        let oldest = now.saturating_add(-i64::from(keep.0));
        let mut dropped = change.transaction.rows(statement.bind(oldest), rows::generation).await?;
        dropped.retain(|generation| generation.is_forgotten(keep, now));
        // The lost answer of a rotation, which another one from the same generation took the place of.
        let statement = Statement::new(concat!(
            "SELECT ",
            rows::generation_columns!(),
            " FROM gracekey_generations AS g WHERE g.revoked_at < $1 AND EXISTS \
             (SELECT 1 FROM gracekey_generations AS later WHERE later.client_id = g.client_id \
             AND later.credential = g.credential AND later.generation > g.generation \
             AND later.rotated_from = g.rotated_from) AND NOT EXISTS \
             (SELECT 1 FROM gracekey_usage AS u WHERE u.key_id = g.key_id AND u.requests > 0) \
             ORDER BY g.client_id, g.credential, g.generation",
        ));
        let a_day_ago = now.saturating_add(-i64::from(Seconds::DAY.0));
        let mut lost = change.transaction.rows(statement.bind(a_day_ago), rows::generation).await?;
        lost.retain(|generation| dropped.iter().all(|dropped| dropped.key_id != generation.key_id));
        dropped.append(&mut lost);
        for generation in &dropped {
            let statement = Statement::new("DELETE FROM gracekey_generations WHERE key_id = $1");
            change.transaction.execute(statement.bind(generation.key_id)).await?;
            let detail = json!({"generation": generation.generation});
            change.note("key.prune", About::generation(generation), detail).await?;
        }
        for statement in usage::forget(now) {
            change.transaction.execute(statement).await?;
        }
        change.commit(dropped.len()).await
    }
}
