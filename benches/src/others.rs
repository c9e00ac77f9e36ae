//! What people take instead, each on one good key: only the verification, without the reading of headers.

use std::collections::HashMap;
use std::hint::black_box;

use api_keys_simplified::{ApiKeyManagerV0, Environment, ExposeSecret, SecureString};
use prefixed_api_key::{PrefixedApiKey, PrefixedApiKeyController};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::{Case, SetUp, World};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("plain-text HashMap", CIRCUMSTANCES, plain_text_map),
        Case::new("linear scan in constant time (subtle)", CIRCUMSTANCES, constant_time_scan),
        Case::new("prefixed-api-key: parse, check_hash", "1 key", prefixed_api_key),
        Case::new("api-keys-simplified: verify (Argon2id)", "1 key", api_keys_simplified),
    ]
}

const CIRCUMSTANCES: &str = "1,000 keys, one key";

/// The keys of a ring, and one of them.
fn keys() -> SetUp<(Vec<String>, String)> {
    let keys: Vec<String> = World::new(1_000)?.keys.iter().map(|key| key.reveal().to_owned()).collect();
    let key = keys.first().ok_or("a world has a key")?.clone();
    Ok((keys, key))
}

/// Plain-text keys in a hash map: comparison and landing place both depend on the key.
fn plain_text_map() -> SetUp<impl FnMut()> {
    let (keys, key) = keys()?;
    let clients: HashMap<String, usize> = keys.into_iter().zip(0..).collect();
    Ok(move || {
        black_box(clients.get(black_box(key.as_str())));
    })
}

/// Plain-text keys, each compared in constant time with what came.
fn constant_time_scan() -> SetUp<impl FnMut()> {
    let (keys, key) = keys()?;
    Ok(move || {
        let mut found = u64::MAX;
        for (at, own) in (0_u64..).zip(&keys) {
            let same: Choice = own.as_bytes().ct_eq(black_box(&key).as_bytes());
            found.conditional_assign(&at, same);
        }
        black_box(found);
    })
}

/// SHA-256 of the long token against the hash of the one generation that its short token names.
fn prefixed_api_key() -> SetUp<impl FnMut()> {
    let controller = PrefixedApiKeyController::configure().prefix("gracekey".to_owned()).seam_defaults().finalize()?;
    let (key, hash) = controller.generate_key_and_hash();
    let key = key.to_string();
    Ok(move || {
        let key = PrefixedApiKey::from_string(black_box(&key));
        black_box(key.is_ok_and(|key| controller.check_hash(&key, &hash)));
    })
}

/// Argon2id behind a BLAKE3 checksum: slow on purpose, as for passwords.
fn api_keys_simplified() -> SetUp<impl FnMut()> {
    let manager = ApiKeyManagerV0::init_default_config("gracekey")?;
    let made = manager.generate(Environment::production())?;
    let hash = made.expose_hash().hash().to_owned();
    let key = SecureString::from(made.key().expose_secret().to_owned());
    Ok(move || {
        let _ = black_box(manager.verify(black_box(&key), black_box(&hash)));
    })
}
