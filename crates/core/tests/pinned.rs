//! Digests, seals and keys against values that Python's `hmac` and `zlib` computed: `tests/data/pin.py`.
//!
//! They pin what is stored and sealed for years: a change that fails here locks every caller out.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/hex.rs"]
mod hex;

use std::collections::BTreeMap;

use gracekey_core::{ApiKey, DocumentError, Pepper, PepperId, Peppers, SealedDocument, Shape};
use hex::Hex;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pinned {
    peppers: Vec<PinnedPepper>,
    minted: Vec<Minted>,
    checksums: Vec<Checksum>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PinnedPepper {
    secret: Hex,
    subkeys: BTreeMap<String, Hex>,
    digests: Vec<Digested>,
    seals: Vec<Sealed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Digested {
    key: String,
    digest: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    document: serde_json::Value,
    canonical: String,
    seal: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Minted {
    prefix: String,
    entropy: Hex,
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Checksum {
    text: String,
    crc32: u32,
    base62: String,
}

fn pinned() -> Pinned {
    serde_json::from_str(include_str!("data/pinned.json")).expect("data/pinned.json")
}

fn p1() -> PepperId {
    "p1".parse().expect("a pepper id")
}

#[test]
fn digests_are_the_pinned_ones() {
    for PinnedPepper { secret, digests, subkeys, .. } in pinned().peppers {
        assert_eq!(subkeys.keys().collect::<Vec<_>>(), ["gracekey/1 digest", "gracekey/1 seal"]);
        assert_ne!(subkeys["gracekey/1 digest"].0, subkeys["gracekey/1 seal"].0);
        let pepper = Pepper::new(p1(), &secret.0).expect("a pepper");
        for Digested { key, digest } in digests {
            assert_eq!(pepper.digest(key.as_bytes()).to_string(), format!("hmac-sha256:p1:{digest}"), "{key}");
        }
    }
}

#[test]
fn seals_are_the_pinned_ones() {
    for PinnedPepper { secret, seals, .. } in pinned().peppers {
        let peppers = Peppers::one(Pepper::new(p1(), &secret.0).expect("a pepper"));
        for Sealed { mut document, canonical, seal } in seals {
            // The order of members is of no matter to a seal: `Value` sorts them, and so does RFC 8785.
            assert_eq!(document.to_string(), canonical);
            document["seal"] = format!("hmac-sha256:p1:{seal}").into();
            let sealed = SealedDocument::parse(document.to_string().as_bytes()).expect("a document");
            let opened = sealed.open(&peppers).expect("the seal that Python made");
            assert!(opened.seal(&peppers).to_json().contains(&seal));

            document["epoch"] = 1.into();
            let altered = SealedDocument::parse(document.to_string().as_bytes()).expect("a document");
            assert_eq!(altered.open(&peppers).expect_err("an altered document"), DocumentError::BadSeal);
        }
    }
}

#[test]
fn minted_keys_are_the_pinned_ones() {
    for Minted { prefix, entropy, key } in pinned().minted {
        let entropy: [u8; ApiKey::ENTROPY] = entropy.0.try_into().expect("96 bytes");
        let minted = ApiKey::mint(&prefix.parse().expect("a prefix"), &entropy).expect("a key");
        assert_eq!(minted.reveal(), key);
        assert_eq!(minted.as_bytes().len(), prefix.len() + 48);
        let id = key[prefix.len() + 1..][..8].parse().expect("a key id");
        assert_eq!(Shape::of(key.as_bytes()), Shape::Gracekey(id));
        assert_eq!(minted.key_id(), Some(id));
    }
}

#[test]
fn the_default_key_is_55_bytes() {
    let key = ApiKey::mint(&gracekey_core::Prefix::default(), &[7; ApiKey::ENTROPY]).expect("a key");
    assert_eq!(key.as_bytes().len(), 55);
    assert!(key.reveal().starts_with("sk_live_77777777_7777"));
}

#[test]
fn checksums_are_crc_32_in_base62() {
    for Checksum { text, crc32, base62 } in pinned().checksums {
        let key = format!("{text}{base62}");
        assert!(matches!(Shape::of(key.as_bytes()), Shape::Gracekey(_)), "{key}");
        // The number behind the characters, so that the alphabet's order counts too.
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            _ => byte - b'a' + 36,
        };
        assert_eq!(base62.bytes().fold(0, |sum, byte| sum * 62 + u64::from(digit(byte))), u64::from(crc32));
        // Any other six characters are a mistyped key.
        let other = format!("{text}{}", if base62 == "000000" { "000001" } else { "000000" });
        assert_eq!(Shape::of(other.as_bytes()), Shape::Mistyped, "{other}");
    }
}

#[test]
fn shapes_that_are_not_ours() {
    let key = pinned().minted.remove(0).key;
    let shape = |text: &str| Shape::of(text.as_bytes());
    assert_eq!(shape(&key[..54]), Shape::Cut);
    assert_eq!(shape(&format!("{key}0")), Shape::Cut);
    assert_eq!(shape(&key[..17]), Shape::Cut);
    assert_eq!(shape(&key[..16]), Shape::Foreign);
    assert_eq!(shape(&key.to_uppercase()), Shape::Foreign);
    assert_eq!(shape(&key[8..]), Shape::Foreign);
    assert_eq!(shape(&format!("_{key}")), Shape::Foreign);
    assert_eq!(shape("xyz789_real_key"), Shape::Foreign);
    assert_eq!(shape(""), Shape::Foreign);
}
