//! What may be shown of a text that may hold a key.

use gracekey_core::{ApiKey, KeyId, Shape};

/// What may be shown of a key: all before its secret, or how long it is.
pub(crate) fn shown(key: &[u8]) -> String {
    match Shape::of(key) {
        Shape::Gracekey(_) | Shape::Mistyped | Shape::Cut => {
            let public = key.iter().rposition(|byte| *byte == b'_').and_then(|at| key.get(..=at));
            let public = public.and_then(|public| std::str::from_utf8(public).ok()).unwrap_or_default();
            format!("{public}…")
        }
        _ if key.is_empty() => "nothing".into(),
        _ if key.len() == 1 => "1 byte, not shown".into(),
        _ => format!("{} bytes, not shown", key.len()),
    }
}

/// The key id in front of a secret, also where the key was cut or mistyped.
pub(crate) fn key_id(key: &[u8]) -> Option<KeyId> {
    let mut parts = key.rsplit(|byte| *byte == b'_');
    let _secret = parts.next()?;
    std::str::from_utf8(parts.next()?).ok()?.parse().ok().filter(|_| parts.next().is_some())
}

/// The value in an argument, if it may be a key and so must not be repeated.
pub(crate) fn argument(argument: &str) -> Option<String> {
    let value = match argument.split_once('=') {
        Some((flag, _)) if flag.starts_with('-') && holds_key(flag) => flag,
        Some((flag, value)) if flag.starts_with('-') => value,
        _ => argument,
    };
    let holds_key = words(value).any(|word| !matches!(Shape::of(word), Shape::Foreign));
    let may_be_key = value.len() >= LONG && !value.starts_with('-') && ApiKey::parse(value).is_ok();
    (holds_key || may_be_key).then(|| value.to_owned())
}

/// Whether a whole key of ours stands in an argument.
pub(crate) fn holds_key(argument: &str) -> bool {
    words(argument).any(|word| matches!(Shape::of(word), Shape::Gracekey(_)))
}

fn words(text: &str) -> impl Iterator<Item = &[u8]> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).map(str::as_bytes)
}

/// No argument of ours that people type by hand is so long, but a path may be.
const LONG: usize = 20;
