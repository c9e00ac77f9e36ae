use gracekey_core::{ApiKey, KeyError, KeyId, Prefix, Shape};

use crate::{message, reference};

/// Whatever parses prints the same bytes, the shape is the one that a plain reading finds, and of a minted key no
/// single altered byte keeps the checksum.
pub fn key(data: &[u8]) {
    assert_eq!(Shape::of(data), reference::shape(data));
    if let Ok(text) = std::str::from_utf8(data) {
        names(text);
        parse(text);
    }
    if let Some((entropy, rest)) = data.split_first_chunk::<{ ApiKey::ENTROPY }>() {
        mint(entropy, rest);
    }
}

fn parse(text: &str) {
    let good = (8..=512).contains(&text.len()) && text.chars().all(|c| ('!'..='~').contains(&c) && c != ',');
    match ApiKey::parse(text) {
        Ok(key) => {
            assert!(good, "parsed, but is no key: {text:?}");
            assert_eq!(key.reveal(), text);
            assert_eq!(key.as_bytes(), text.as_bytes());
            assert_eq!(key.shape(), reference::shape(text.as_bytes()));
            assert_eq!(
                key.key_id().map(Shape::Gracekey),
                Some(key.shape()).filter(|s| matches!(s, Shape::Gracekey(_)))
            );
            assert!(!format!("{key:?}").contains(text), "the key stands in its Debug");
        }
        Err(error) => {
            assert!(!good, "refused, but is a key: {text:?}");
            message::check(&error);
            let length = !(8..=512).contains(&text.len());
            let told = if length { KeyError::Length { bytes: text.len() } } else { KeyError::Bytes };
            assert_eq!(error, told, "and nothing of the key itself");
        }
    }
}

fn names(text: &str) {
    assert_eq!(text.parse::<Prefix>().is_ok(), reference::is_prefix(text), "prefix {text:?}");
    if let Ok(prefix) = text.parse::<Prefix>() {
        assert_eq!(prefix.to_string(), text);
    }
    assert_eq!(text.parse::<KeyId>().is_ok(), text.len() == 8 && text.chars().all(|c| c.is_ascii_alphanumeric()));
    if let Ok(id) = text.parse::<KeyId>() {
        assert_eq!(id.to_string(), text);
    }
}

fn mint(entropy: &[u8; ApiKey::ENTROPY], rest: &[u8]) {
    let (choice, rest) = rest.split_at(rest.len().min(3));
    let prefix = std::str::from_utf8(rest).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
    let uniform = entropy.iter().filter(|byte| **byte < 248).count();
    let Ok(key) = ApiKey::mint(&prefix, entropy) else {
        assert!(uniform < 40, "{uniform} bytes were enough, and nothing was minted");
        return;
    };
    assert!(uniform >= 40);
    assert_eq!(key.reveal().len(), prefix.as_str().len() + 2 + 8 + 32 + 6);
    assert!(key.reveal().starts_with(prefix.as_str()));
    let id = key.key_id().expect("a minted key has an id");
    assert_eq!(reference::shape(key.as_bytes()), Shape::Gracekey(id));
    if let [high, low, change] = choice {
        let mut altered = key.as_bytes().to_vec();
        let at = usize::from(u16::from_be_bytes([*high, *low])) % altered.len();
        altered[at] ^= change;
        let shape = Shape::of(&altered);
        assert_eq!(matches!(shape, Shape::Gracekey(_)), *change == 0, "byte {at} altered, and yet {shape:?}");
    }
}
