use std::ffi::OsString;
use std::path::PathBuf;

use crate::failure::Failure;

/// Where the keys live, as it was named.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A keyring file.
    File(PathBuf),
    /// `sqlite:<path>` or `postgres://…`, which may hold a password.
    Store(String),
    /// `https://<server>`.
    Server(String),
}

impl Address {
    pub(crate) const STORE: &str = "GRACEKEY_STORE";
    pub(crate) const KEYRING: &str = "GRACEKEY_KEYRING";
    const FILE: &str = "gracekey.keyring.json";

    /// Finds it: the command line counts before the environment, and that before the usual file.
    pub(crate) fn find(keyring: Option<&PathBuf>, store: Option<&String>) -> Result<Self, Failure> {
        match (keyring, store) {
            (Some(_), Some(_)) => {
                return Err(Failure::Usage("--keyring and --store name two places; give one of them".into()));
            }
            (Some(keyring), None) => return Ok(Self::File(keyring.clone())),
            (None, Some(store)) => return Self::of_store(store),
            (None, None) => {}
        }
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        match (set(Self::KEYRING), set(Self::STORE)) {
            (Some(_), Some(_)) => Err(Failure::Usage(
                "GRACEKEY_KEYRING and GRACEKEY_STORE are both set; say which with --keyring or --store".into(),
            )),
            (Some(keyring), None) => Ok(Self::File(keyring.into())),
            (None, Some(store)) => Self::of_store(&text(store)?),
            (None, None) => Ok(Self::File(Self::FILE.into())),
        }
    }

    /// Repeats nothing of an address that is not understood: it may hold a password.
    pub(crate) fn of_store(text: &str) -> Result<Self, Failure> {
        let begins = |start: &str| text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start));
        if begins("http://") || begins("https://") {
            Ok(Self::Server(text.into()))
        } else if begins("sqlite:") || begins("postgres://") || begins("postgresql://") {
            Ok(Self::Store(text.into()))
        } else {
            Err(Failure::Usage(
                "the store's address is not understood; write sqlite:<path>, postgres://<user>@<host>/<database> or https://<server>; a keyring file is named by --keyring".into(),
            ))
        }
    }
}

fn text(value: OsString) -> Result<String, Failure> {
    value.into_string().map_err(|_| Failure::Usage("GRACEKEY_STORE is not UTF-8".into()))
}

/// An address without what may be a password in it.
pub(crate) fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://").filter(|(scheme, _)| !scheme.contains(':')) else {
        return address.to_owned();
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_by_its_scheme() {
        let store = |text: &str| Address::of_store(text);
        assert_eq!(store("sqlite:a.db"), Ok(Address::Store("sqlite:a.db".into())));
        assert_eq!(store("POSTGRES://h/d"), Ok(Address::Store("POSTGRES://h/d".into())));
        assert_eq!(store("https://h"), Ok(Address::Server("https://h".into())));
        for text in ["", "a.db", "mysql://root:hunter2@h", "http:/h", "\u{e9}"] {
            let refusal = store(text).unwrap_err();
            assert!(matches!(&refusal, Failure::Usage(why) if !why.contains("hunter2")), "{refusal}");
        }
    }

    #[test]
    fn a_password_is_left_out_of_a_name() {
        for (address, shown) in [
            ("sqlite:a.db", "sqlite:a.db"),
            ("sqlite:///var/a.db", "sqlite:///var/a.db"),
            ("postgres://user:hunter2@h:5432/d", "postgres://h:5432/d"),
            ("postgres://user:hunt@er2@h/d?password=hunter2", "postgres://h/d"),
            ("postgres://h/d", "postgres://h/d"),
        ] {
            assert_eq!(without_password(address), shown);
        }
    }
}
