//! Keyrings of plain keys.

use std::sync::Arc;

use gracekey_core::{Client, Document, Generation, KeyId, Keyring, Timestamp};

use crate::strategies::peppers;

pub(crate) const NOW: Timestamp = match Timestamp::from_unix_seconds(1_800_000_000) {
    Some(now) => now,
    None => Timestamp::MIN,
};

pub(crate) fn client(name: &str) -> Client {
    Client { client_id: name.parse().expect("a client id"), disabled: false, scopes: Vec::new() }
}

/// A keyring of one client with these keys, each changed as its function says. The key ids count up from `key00000`.
pub(crate) fn ring_of<F: Fn(&mut Generation)>(keys: &[(&[u8], F)]) -> Keyring {
    let peppers = Arc::new(peppers());
    let mut document = Document::empty(NOW);
    document.clients.push(client("acme_corp"));
    for (at, (key, change)) in keys.iter().enumerate() {
        let mut generation = Generation {
            client_id: "acme_corp".parse().expect("a client id"),
            credential: "default".parse().expect("a name"),
            digest: peppers.current().digest(key),
            expires_at: None,
            generation: u32::try_from(at).expect("few keys") + 1,
            key_id: key_id(at),
            not_before: None,
            retires_at: None,
            revoked_at: None,
            superseded_at: None,
        };
        change(&mut generation);
        document.keys.push(generation);
    }
    Keyring::new(&document, peppers).expect("a keyring")
}

pub(crate) fn key_id(at: usize) -> KeyId {
    format!("key{at:05}").parse().expect("a key id")
}
