//! Whole tables. Out of SQLite each row comes at a price, a message between two threads and a copy of each value, and so a
//! thousand of them come as one text.

use super::{Row, Statement, Transaction, Value};
use crate::connect::Engine;
use crate::error::{StoreError, damaged};

/// A table, its columns with a comma and a space between them, and what SQLite goes through it by.
pub(crate) struct Whole {
    pub(crate) columns: &'static str,
    pub(crate) table: &'static str,
    pub(crate) place: &'static str,
    /// What comes before all places.
    pub(crate) start: Value,
}

/// What no value holds: the separators of ASCII for units and for records.
const UNIT: char = '\x1f';
const RECORD: char = '\x1e';
/// So many rows as one.
const PACK: u32 = 1000;

impl Transaction {
    /// All rows of a table, in any order.
    pub(crate) async fn whole<T>(
        &mut self,
        whole: Whole,
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        if self.engine() == Engine::Postgres {
            let sql = format!("SELECT {} FROM {}", whole.columns, whole.table);
            return self.rows(Statement::composed(sql), read).await;
        }
        let ((sql, width), mut start) = (whole.packed(), whole.start);
        let mut rows = Vec::new();
        loop {
            let pack = self.first(Statement::composed(sql.clone()).bind(start.clone()), |row| {
                let Some(text) = row.maybe_text(1)? else { return Ok(None) };
                for line in text.split(RECORD) {
                    let fields: Vec<_> = line.split(UNIT).collect();
                    if fields.len() != width {
                        return Err(damaged("a row has control characters"));
                    }
                    rows.push(read(&Row::Packed(&fields))?);
                }
                match start {
                    Value::Int(_) => row.int(0).map(|last| Some(last.into())),
                    _ => row.text(0).map(|last| Some(last.into())),
                }
            });
            match pack.await?.flatten() {
                Some(last) => start = last,
                None => return Ok(rows),
            }
        }
    }
}

impl Whole {
    /// What SQLite packs rows by, and of how many columns.
    fn packed(&self) -> (String, usize) {
        let Self { columns, table, place, .. } = self;
        let columns: Vec<_> = columns
            .split(", ")
            .map(|column| match column.ends_with("digest") {
                true => format!("hex({column})"),
                false => format!("coalesce({column}, '')"),
            })
            .collect();
        let line = columns.join(&format!(" || char({}) || ", u32::from(UNIT)));
        let sql = format!(
            "SELECT MAX(place), group_concat(line, char({})) FROM (SELECT {place} AS place, {line} AS line FROM {table} \
             WHERE {place} > $1 ORDER BY {place} LIMIT {PACK})",
            u32::from(RECORD)
        );
        (sql, columns.len())
    }
}
