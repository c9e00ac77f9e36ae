use gracekey_core::Peppers;
use zeroize::Zeroizing;

use super::source::{Fields, Row};
use super::{Import, ImportError};
use crate::connect::Store;
use crate::database::Statement;
use crate::error::StoreError;

/// A table of plain keys in the store's own database, by the names of its columns.
///
/// The names are taken as they stand, quoted, so upper and lower case count. The table is only read: the plain keys in
/// it stay until somebody deletes them.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The schema that it lies in, when not the usual one.
    pub schema: Option<String>,
    /// Its name.
    pub table: String,
    /// The column of keys.
    pub key: String,
    /// The column of client ids.
    pub client_id: String,
    /// The column of credentials' names.
    pub credential: Option<String>,
    /// The column of scopes, with a space between them.
    pub scopes: Option<String>,
}

impl Store {
    /// Reads a table of plain keys and digests them. Rows are counted in the order of client ids and keys.
    ///
    /// # Errors
    /// [`ImportError::Table`] when there is no such table or column; and what [`StoreError`] says of databases.
    pub async fn read_table(&self, table: &Table, peppers: &Peppers) -> Result<Import, StoreError> {
        let statement = Statement::composed(table.select());
        let mut at = 0;
        let mut read = self.database.read().await?;
        let rows = read.rows(statement, |row| {
            at += 1;
            let key = Zeroizing::new(row.maybe_text(0)?.unwrap_or_default().to_owned());
            let fields = Fields {
                key: key.trim(),
                client_id: row.maybe_text(1)?.unwrap_or_default().trim(),
                credential: row.maybe_text(2)?.unwrap_or_default().trim(),
                scopes: row.maybe_text(3)?.unwrap_or_default().trim(),
            };
            Ok(Row::parse(at, &fields, peppers))
        });
        Ok(Import { rows: rows.await.map_err(in_table)?, reserves_own: false })
    }
}

impl Table {
    /// Each column is named with its table: SQLite takes an unknown name in quotes for a text otherwise.
    fn select(&self) -> String {
        let column = |name: &str| format!("CAST(t.{} AS TEXT)", quoted(name));
        let maybe = |name: &Option<String>| name.as_deref().map_or("CAST(NULL AS TEXT)".into(), column);
        let schema = self.schema.as_deref().map(|schema| format!("{}.", quoted(schema))).unwrap_or_default();
        format!(
            "SELECT {}, {}, {}, {} FROM {schema}{} AS t ORDER BY 2, 1",
            column(&self.key),
            column(&self.client_id),
            maybe(&self.credential),
            maybe(&self.scopes),
            quoted(&self.table),
        )
    }
}

/// An identifier in quotes, as standard SQL has it. Nothing in it ends it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\0', "").replace('"', "\"\""))
}

/// Whatever the database refuses here is about names that the caller gave.
fn in_table(error: StoreError) -> StoreError {
    use crate::error::Trouble::{Damaged, Failed};
    match error {
        StoreError::Config(error) => ImportError::Table { what: error.what }.into(),
        StoreError::Unavailable(error) if matches!(error.trouble, Damaged | Failed) => {
            ImportError::Table { what: error.detail }.into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_a_name() {
        assert_eq!(quoted("api_keys"), "\"api_keys\"");
        assert_eq!(quoted("a\" ; DROP TABLE x; --"), "\"a\"\" ; DROP TABLE x; --\"");
        assert_eq!(quoted("a\0b"), "\"ab\"");
    }
}
