use gracekey_core::{ClientId, CredentialName, KeyId, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::connect::Engine;
use crate::error::{StoreError, damaged, in_database};

/// SQL that both databases read, with `$1`, `$2` … for its values.
pub(crate) struct Statement {
    pub(super) sql: SqlStr,
    pub(super) values: Vec<Value>,
}

/// A value of a type that both databases know.
#[derive(Clone)]
pub(crate) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Vec<u8>),
    Bool(bool),
}

/// A row of either database.
pub(crate) enum Row<'r> {
    Sqlite(&'r SqliteRow),
    Postgres(&'r PgRow),
    /// One of many that came as one.
    Packed(&'r [&'r str]),
}

// === impl Statement ===

impl Statement {
    pub(crate) fn new(sql: &'static str) -> Self {
        Self { sql: sql.into_sql_str(), values: Vec::new() }
    }

    /// SQL that was put together here from literals, numbers of parameters and quoted identifiers alone.
    pub(crate) fn composed(sql: String) -> Self {
        Self { sql: AssertSqlSafe(sql).into_sql_str(), values: Vec::new() }
    }

    #[cfg(test)]
    pub(crate) fn sql(&self) -> &str {
        self.sql.as_str()
    }

    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Adds SQL that ends in a place for this value.
    pub(crate) fn then(self, sql: &'static str, value: impl Into<Value>) -> Self {
        let place = self.values.len() + 1;
        let sql = format!("{}{sql} ${place}", self.sql.as_str());
        Self { sql: AssertSqlSafe(sql).into_sql_str(), values: self.values }.bind(value)
    }

    /// The same if there is a value. A condition that is left out keeps no index from being used.
    pub(crate) fn then_if<V: Into<Value>>(self, sql: &'static str, value: Option<V>) -> Self {
        match value {
            Some(value) => self.then(sql, value),
            None => self,
        }
    }

    /// `($1, $2), ($3, $4)`: places for so many rows of so many values, and for no others.
    ///
    /// In SQLite `(?, ?), (?, ?)`: it finds a place by its name only by walking over all those before it.
    pub(crate) fn places(engine: Engine, rows: usize, columns: usize) -> String {
        let mut text = String::with_capacity(rows * columns * 7);
        for place in 1..=rows * columns {
            text.push_str(match place {
                1 => "(",
                _ if place % columns == 1 || columns == 1 => "), (",
                _ => ", ",
            });
            match engine {
                Engine::Sqlite => text.push('?'),
                Engine::Postgres => text.extend(["$", &place.to_string()]),
            }
        }
        text.push(')');
        text
    }
}

// === impl Value ===

macro_rules! value {
    ($($type:ty: $value:ident => $variant:expr;)*) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $variant
            }
        }
    )*};
}

value! {
    bool: value => Self::Bool(value);
    i64: value => Self::Int(Some(value));
    u32: value => Self::Int(Some(value.into()));
    u16: value => Self::Int(Some(value.into()));
    u64: value => Self::Int(Some(i64::try_from(value).unwrap_or(i64::MAX)));
    Timestamp: value => Self::Int(Some(value.unix_seconds()));
    Option<Timestamp>: value => Self::Int(value.map(Timestamp::unix_seconds));
    String: value => Self::Text(Some(value));
    &str: value => Self::Text(Some(value.into()));
    KeyId: value => Self::Text(Some(value.as_str().into()));
    Option<KeyId>: value => Self::Text(value.map(|value| value.as_str().into()));
    &ClientId: value => Self::Text(Some(value.as_str().into()));
    Option<&ClientId>: value => Self::Text(value.map(|value| value.as_str().into()));
    &CredentialName: value => Self::Text(Some(value.as_str().into()));
    Option<&CredentialName>: value => Self::Text(value.map(|value| value.as_str().into()));
    [u8; 32]: value => Self::Bytes(value.into());
}

// === impl Row ===

macro_rules! column {
    ($name:ident, $type:ty, $field:pat => $packed:expr) => {
        pub(crate) fn $name(&self, at: usize) -> Result<$type, StoreError> {
            match self {
                Self::Sqlite(row) => sqlx::Row::try_get(*row, at).map_err(in_database),
                Self::Postgres(row) => sqlx::Row::try_get(*row, at).map_err(in_database),
                Self::Packed(fields) => {
                    let $field = fields.get(at).copied().unwrap_or_default();
                    $packed
                }
            }
        }
    };
}

impl<'r> Row<'r> {
    column!(int, i64, text => whole_number(text));
    column!(maybe_int, Option<i64>, text => if text.is_empty() { Ok(None) } else { whole_number(text).map(Some) });
    column!(text, &'r str, text => Ok(text));
    column!(maybe_text, Option<&'r str>, text => Ok(Some(text).filter(|text| !text.is_empty())));
    column!(bytes, &'r [u8], _ => Err(damaged("bytes are not read like this")));
    column!(bool, bool, text => Ok(text == "1"));

    /// 32 bytes.
    pub(crate) fn digest(&self, at: usize) -> Result<[u8; 32], StoreError> {
        let wrong = || damaged("a digest has not 32 bytes");
        let Self::Packed(fields) = self else { return self.bytes(at)?.try_into().map_err(|_| wrong()) };
        let (pairs, _) = fields.get(at).copied().unwrap_or_default().as_bytes().as_chunks::<2>();
        let pairs: &[[u8; 2]; 32] = pairs.try_into().map_err(|_| wrong())?;
        Ok(pairs.map(|[high, low]| nibble(high) << 4 | nibble(low)))
    }
}

fn whole_number(text: &str) -> Result<i64, StoreError> {
    text.parse().map_err(|_| damaged(format!("`{}` is no number", text.escape_debug())))
}

/// Of a digit that SQLite wrote.
fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10) & 15,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbered_row_by_row() {
        let places = |rows, columns| Statement::places(Engine::Postgres, rows, columns);
        assert_eq!(places(1, 1), "($1)");
        assert_eq!(places(2, 1), "($1), ($2)");
        assert_eq!(places(2, 3), "($1, $2, $3), ($4, $5, $6)");
        assert_eq!(Statement::places(Engine::Sqlite, 2, 3), "(?, ?, ?), (?, ?, ?)");
    }
}
