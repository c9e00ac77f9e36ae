//! What a request is about: its path on the server, and the names in it.

use gracekey_core::{ClientId, CredentialName, LifecycleError, Revoke};

use crate::place::Ending;

/// A path with its query, and whom it is about.
pub(super) struct Target {
    pub(super) path: String,
    /// How long its answer may be, in bytes: what answers may be no server of ours, and fill the memory.
    pub(super) most: usize,
    client_id: Option<ClientId>,
    credential: Option<CredentialName>,
}

impl Target {
    /// One thing, with all that is said of it.
    const ONE: usize = 1 << 20;
    /// One page of many, or all keys of a client.
    const LIST: usize = 16 << 20;
    /// The largest keyring that verifiers take.
    const KEYRING: usize = 256 << 20;

    pub(super) fn list(path: &str) -> Self {
        Self { most: Self::LIST, ..path.into() }
    }

    pub(super) fn keyring() -> Self {
        Self { most: Self::KEYRING, ..Self::from("/v2/keyring") }
    }

    /// A line is answered for each key, and it says more than the key.
    pub(super) fn import(content: &[u8]) -> Self {
        Self { most: Self::ONE + content.len().saturating_mul(16), ..Self::from("/v2/import") }
    }

    pub(super) fn client(client_id: &ClientId) -> Self {
        let path = format!("/v2/clients/{}", escaped(client_id.as_str()));
        Self { most: Self::ONE, path, client_id: Some(client_id.clone()), credential: None }
    }

    pub(super) fn credential(client_id: &ClientId, credential: &CredentialName) -> Self {
        let mut target = Self::client(client_id).below(&format!("/credentials/{}", escaped(credential.as_str())));
        target.credential = Some(credential.clone());
        target
    }

    pub(super) fn ending(what: &Ending) -> Self {
        let target = match what {
            Ending::Revoke(Revoke::Key(key_id)) => format!("/v2/keys/{key_id}/revoke").as_str().into(),
            Ending::Revoke(Revoke::Credential(client_id, credential)) => {
                Self::credential(client_id, credential).below("/revoke")
            }
            Ending::Revoke(Revoke::Client(client_id)) => Self::client(client_id).below("/revoke"),
            Ending::Window(client_id, credential) => Self::credential(client_id, credential).below("/close-window"),
        };
        Self { most: Self::LIST, ..target }
    }

    pub(super) fn below(mut self, more: &str) -> Self {
        self.path.push_str(more);
        self
    }

    pub(super) fn with_query(self, query: &[(&str, String)]) -> Self {
        let pairs: Vec<_> = query.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        self.below(&format!("?{}", pairs.join("&")))
    }

    /// What the server means by that code. It repeats no name that it does not know, but here the names are at hand.
    pub(super) fn unknown(&self, code: &str) -> Option<LifecycleError> {
        let client_id = self.client_id.clone()?;
        match code {
            "unknown_client" => Some(LifecycleError::UnknownClient { client_id }),
            "unknown_credential" => {
                Some(LifecycleError::UnknownCredential { client_id, credential: self.credential.clone()? })
            }
            _ => None,
        }
    }
}

impl From<&str> for Target {
    fn from(path: &str) -> Self {
        Self { most: Self::ONE, path: path.into(), client_id: None, credential: None }
    }
}

/// In percent codes, all but the unreserved characters of RFC 3986 §2.3: a client id may hold `/` and `:`.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_segment() {
        let client: ClientId = "a/b:c@d-e.f_g".parse().unwrap();
        assert_eq!(Target::client(&client).path, "/v2/clients/a%2Fb%3Ac%40d-e.f_g");
        let query = [("limit", "5".to_owned()), ("after", "a&b=c:1".to_owned())];
        assert_eq!(Target::from("/v2/keys").with_query(&query).path, "/v2/keys?limit=5&after=a%26b%3Dc%3A1");
    }
}
