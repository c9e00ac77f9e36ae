use gracekey_core::{ClientId, CredentialName, KeyId, Timestamp};

use crate::connect::Store;
use crate::database::{Row, Statement};
use crate::error::StoreError;
use crate::page::Limit;
use crate::rows;

/// A line of the audit log: who did what when.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditEntry {
    /// Its place in the log. Numbers grow, and some are left out.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The epoch that the change made.
    pub epoch: u64,
    /// Who, as an [`Actor`](crate::Actor) says.
    pub actor: String,
    /// What: `client.add`, `client.disable`, `client.enable`, `client.scopes`, `key.issue`, `key.rotate`, `key.retire`,
    /// `key.revoke`, `key.expire`, `key.import` or `key.prune`.
    pub action: String,
    /// Whose.
    pub client_id: Option<ClientId>,
    /// For which use.
    pub credential: Option<CredentialName>,
    /// Which key.
    pub key_id: Option<KeyId>,
    /// The rest, as a JSON object.
    pub detail: String,
}

/// Which lines of the audit log are asked for.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Those of one client.
    pub client_id: Option<ClientId>,
    /// Those of one key.
    pub key_id: Option<KeyId>,
    /// Those behind this place: the `seq` of the last line that was read.
    pub after: u64,
    /// How many at most.
    pub limit: Limit,
}

impl Store {
    /// Lines of the audit log, the oldest first.
    ///
    /// # Errors
    /// What [`StoreError`] says of databases.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        let statement = Statement::new(
            "SELECT seq, at, epoch, actor, action, client_id, credential, key_id, detail FROM gracekey_audit \
             WHERE seq > $1 AND (client_id = $2 OR $2 IS NULL) AND (key_id = $3 OR $3 IS NULL) ORDER BY seq LIMIT $4",
        );
        let statement = statement.bind(filter.after).bind(filter.client_id.as_ref()).bind(filter.key_id);
        let statement = statement.bind(filter.limit.rows());
        self.database.read().await?.rows(statement, entry).await
    }
}

fn entry(row: &Row<'_>) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        seq: u64::try_from(row.int(0)?).unwrap_or(0),
        at: rows::timestamp(row.int(1)?)?,
        epoch: rows::epoch(row, 2)?,
        actor: row.text(3)?.into(),
        action: row.text(4)?.into(),
        client_id: row.maybe_text(5)?.map(|text| rows::parsed(text, "client_id")).transpose()?,
        credential: row.maybe_text(6)?.map(|text| rows::parsed(text, "credential")).transpose()?,
        key_id: row.maybe_text(7)?.map(|text| rows::parsed(text, "key_id")).transpose()?,
        detail: row.text(8)?.into(),
    })
}
