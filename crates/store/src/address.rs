//! Where a store lies, as text: `sqlite:<path>` or `postgres://<user>@<host>/<database>`.

use std::path::PathBuf;

use sqlx::postgres::PgConnectOptions;

use crate::error::StoreError;

pub(crate) enum Address {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

impl Address {
    /// Errors repeat nothing of the address behind its scheme, which may hold a password.
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            return sqlite(path.strip_prefix("//").unwrap_or(path)).map(Self::Sqlite);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let options: PgConnectOptions = text.parse().map_err(|_| {
                StoreError::config(
                    "its address is not understood; write postgres://<user>:<password>@<host>:<port>/<database>, with special characters in percent codes",
                )
            })?;
            return Ok(Self::Postgres(Box::new(options)));
        }
        Err(StoreError::config(
            "its address is not understood; write sqlite:<path> or postgres://<user>@<host>/<database>",
        ))
    }
}

fn sqlite(path: &str) -> Result<PathBuf, StoreError> {
    if path.is_empty() || path.ends_with('/') {
        return Err(StoreError::config("its address names no file; write sqlite:<path>, like sqlite:gracekey.db"));
    }
    if path.starts_with(":memory:") || path.contains('?') {
        return Err(StoreError::config("a store is a file that lasts; write sqlite:<path> without anything behind it"));
    }
    Ok(path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Address::parse(text).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn paths_are_taken_as_they_stand() {
        for (text, path) in [
            ("sqlite:gracekey.db", "gracekey.db"),
            ("sqlite:/var/lib/gracekey/store.db", "/var/lib/gracekey/store.db"),
            ("sqlite:///var/lib/gracekey/store.db", "/var/lib/gracekey/store.db"),
            ("sqlite:a b%20c#d.db", "a b%20c#d.db"),
        ] {
            assert!(matches!(Address::parse(text).unwrap(), Address::Sqlite(found) if found.as_os_str() == path));
        }
    }

    #[test]
    fn a_refusal_shows_no_password() {
        for text in ["mysql://root:hunter2@host/db", "postgres://user:hunter2@[::1/db", "hunter2"] {
            assert!(refusal(text).contains("not understood"), "{text}");
            assert!(!refusal(text).contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_store_in_memory_is_none() {
        for text in ["sqlite::memory:", "sqlite://:memory:", "sqlite:x.db?mode=memory"] {
            assert!(refusal(text).contains("a file that lasts"), "{text}");
        }
        assert!(refusal("sqlite:").contains("names no file"));
    }
}
