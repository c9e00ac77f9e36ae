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
        self.database.read().await?.rows(lines(filter), entry).await
    }
}

fn lines(filter: &AuditFilter) -> Statement {
    let statement = Statement::new(
        "SELECT seq, at, epoch, actor, action, client_id, credential, key_id, detail FROM gracekey_audit WHERE seq > $1",
    );
    let statement = statement.bind(filter.after).then_if(" AND client_id =", filter.client_id.as_ref());
    statement.then_if(" AND key_id =", filter.key_id).then(" ORDER BY seq LIMIT", filter.limit.rows())
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

#[cfg(test)]
mod tests {
    use sqlx::{Connection, Executor, Row as _, SqliteConnection};

    use super::*;

    /// How SQLite finds them. What PostgreSQL does is seen in `tests/suite/lists.rs`.
    #[tokio::test]
    async fn lines_are_found_by_an_index() {
        let mut database = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        for tables in [
            include_str!("../migrations/sqlite/0001_keyring.sql"),
            include_str!("../migrations/sqlite/0005_audit_by_key.sql"),
        ] {
            database.execute(sqlx::raw_sql(tables)).await.unwrap();
        }
        let (client_id, key_id) = ("acme_corp".parse().ok(), "zzzzzzzz".parse().ok());
        for (filter, index) in [
            (AuditFilter::default(), "INTEGER PRIMARY KEY (rowid>?)"),
            (AuditFilter { client_id, ..AuditFilter::default() }, "gracekey_audit_client (client_id=? AND seq>?)"),
            (AuditFilter { key_id, ..AuditFilter::default() }, "gracekey_audit_key (key_id=? AND seq>?)"),
        ] {
            let sql = format!("EXPLAIN QUERY PLAN {}", lines(&filter).sql());
            let plan = database.fetch_all(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.unwrap();
            let plan: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
            assert!(plan.len() == 1 && plan[0].contains(index), "{plan:?}");
        }
    }
}
