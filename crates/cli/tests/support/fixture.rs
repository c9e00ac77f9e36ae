//! A keyring whose keys and times are fixed, so that what is said of them can stand in text files.
#![allow(dead_code, reason = "each test uses a part of it")]

use gracekey_core::{
    ApiKey, Client, CredentialName, Document, Generation, KeyId, Minted, Peppers, Prefix, Scope, Timestamp,
};

/// A pepper of zeros, for tests alone.
pub(crate) const PEPPER: &str = "test:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

pub(crate) fn peppers() -> Peppers {
    PEPPER.parse().unwrap()
}

/// The key of that number, always the same.
pub(crate) fn key(number: u8) -> ApiKey {
    let entropy = std::array::from_fn(|at| {
        let at = u32::try_from(at).unwrap();
        u8::try_from((at * at * 7 + at * 37 + u32::from(number) * 101) % 248).unwrap()
    });
    let prefix: Prefix = "sk_test".parse().unwrap();
    ApiKey::mint(&prefix, &entropy).unwrap()
}

pub(crate) fn id(number: u8) -> KeyId {
    key(number).key_id().unwrap()
}

fn year(year: u32) -> Option<Timestamp> {
    Some(format!("{year:04}-01-01T00:00:00Z").parse().unwrap())
}

fn client(name: &str, scopes: &[&str], disabled: bool) -> Client {
    let scopes: Vec<Scope> = scopes.iter().map(|scope| scope.parse().unwrap()).collect();
    Client { client_id: name.parse().unwrap(), scopes, disabled }
}

/// Every state that a key can be in.
pub(crate) fn document() -> Document {
    let mut document = Document::empty(year(2026).unwrap());
    document.epoch = 42;
    document.clients =
        vec![client("acme_corp", &["logs:write"], false), client("globex", &[], false), client("initech", &[], true)];
    let mut add = |number, client: &str, credential: &str, generation, change: &dyn Fn(&mut Generation)| {
        let key = Minted::of(&key(number), peppers().current()).unwrap();
        let credential: CredentialName = credential.parse().unwrap();
        let mut minted = Generation {
            client_id: client.parse().unwrap(),
            credential,
            digest: key.digest,
            expires_at: None,
            generation,
            key_id: key.key_id,
            not_before: None,
            retires_at: None,
            revoked_at: None,
            superseded_at: None,
        };
        change(&mut minted);
        document.keys.push(minted);
    };
    add(1, "acme_corp", "default", 1, &|key| (key.superseded_at, key.retires_at) = (year(2024), year(2025)));
    add(2, "acme_corp", "default", 2, &|key| (key.superseded_at, key.retires_at) = (year(2025), year(9000)));
    add(3, "acme_corp", "default", 3, &|_| {});
    add(4, "acme_corp", "ci", 1, &|key| key.expires_at = year(2025));
    add(5, "globex", "default", 1, &|key| key.revoked_at = year(2025));
    add(6, "initech", "default", 1, &|_| {});
    add(7, "globex", "later", 1, &|key| key.not_before = year(9000));
    add(8, "globex", "ops", 1, &|key| key.expires_at = year(9000));
    document
}
