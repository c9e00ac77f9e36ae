use gracekey_core::{FieldName, Place, PolicyConfig};

use crate::sent::Sent;

/// What a request presents.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Presented {
    Nothing,
    /// Two different keys, or one header, parameter or cookie twice, or two keys joined by a comma.
    Ambiguous,
    /// One credential that no key could be: too short, too long, of other bytes.
    Malformed,
    Key(Vec<u8>),
}

/// Reads all the places of a policy: a list of what each holds, and then one look at the list.
pub(crate) fn presented(config: &PolicyConfig, sent: &Sent) -> Presented {
    let (mut found, mut ambiguous) = (Vec::new(), false);
    for place in &config.extract_from {
        let held: Vec<Vec<u8>> = match place {
            Place::Header { name, scheme } => {
                let values: Vec<&[u8]> = sent.values(name.as_str()).collect();
                ambiguous |= values.len() > 1;
                match scheme {
                    // What stands behind a scheme is one key, and is not read bare once more with the scheme.
                    None => {
                        let schemes = schemes(config, name);
                        let bare = |value: &Vec<u8>| !schemes.iter().any(|own| behind(value, own).is_some());
                        values.iter().map(|value| trimmed(value)).filter(bare).collect()
                    }
                    Some(scheme) => values
                        .iter()
                        .filter_map(|value| {
                            let value = trimmed(value);
                            let behind = behind(&value, scheme.as_str());
                            ambiguous |= behind.is_none() && joined(&value, scheme.as_str());
                            behind
                        })
                        .collect(),
                }
            }
            Place::Query(name) => parameters(&sent.target, name.as_str()),
            Place::Cookie(name) => sent.values("cookie").flat_map(|value| cookies(value, name.as_str())).collect(),
        };
        ambiguous |= held.len() > 1;
        found.extend(held);
    }
    found.dedup();
    match found.as_slice() {
        _ if ambiguous || found.len() > 1 => Presented::Ambiguous,
        [] => Presented::Nothing,
        [one] if (8..=512).contains(&one.len()) && one.iter().all(|b| (0x21..=0x7e).contains(b) && *b != b',') => {
            Presented::Key(one.clone())
        }
        // No key holds a comma, so a proxy joined two headers.
        [one] if one.contains(&b',') => Presented::Ambiguous,
        _ => Presented::Malformed,
    }
}

/// The schemes behind which a header is read.
fn schemes<'c>(config: &'c PolicyConfig, header: &FieldName) -> Vec<&'c str> {
    let schemes = config.extract_from.iter().map(|place| match place {
        Place::Header { name, scheme: Some(scheme) } if name == header => Some(scheme.as_str()),
        _ => None,
    });
    schemes.flatten().collect()
}

fn trimmed(value: &[u8]) -> Vec<u8> {
    let white = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let start = value.iter().position(|byte| !white(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !white(byte)).map_or(start, |last| last + 1);
    value[start..end].to_vec()
}

/// What follows the scheme, or nothing when another scheme stands there.
fn behind(value: &[u8], scheme: &str) -> Option<Vec<u8>> {
    let first = value.split(|byte| *byte == b' ').next().unwrap_or_default();
    let is_scheme = first.to_ascii_lowercase() == scheme.to_ascii_lowercase().into_bytes();
    is_scheme.then(|| value[first.len()..].iter().copied().skip_while(|byte| *byte == b' ').collect())
}

/// Whether a header of another scheme had one of ours joined to it with a comma.
fn joined(value: &[u8], scheme: &str) -> bool {
    let mut later = value.split(|byte| *byte == b',').skip(1).map(trimmed);
    later.any(|element| behind(&element, scheme).is_some_and(|rest| !rest.is_empty()))
}

fn parameters(target: &[u8], wanted: &str) -> Vec<Vec<u8>> {
    let end = target.iter().position(|byte| *byte == b'#').unwrap_or(target.len());
    let Some(start) = target[..end].iter().position(|byte| *byte == b'?') else { return Vec::new() };
    let pairs = target[start + 1..end].split(|byte| *byte == b'&').map(|pair| {
        let mut parts = pair.splitn(2, |byte| *byte == b'=').map(decoded);
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
    });
    pairs.filter(|(name, _)| name == wanted.as_bytes()).map(|(_, value)| value).collect()
}

/// `application/x-www-form-urlencoded`: `+` is a space, `%41` an `A`, and a `%` without two digits is itself.
fn decoded(text: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let code = text.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.filter(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()));
        match (text[at], code.map(|digits| u8::from_str_radix(digits, 16))) {
            (b'%', Some(Ok(byte))) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    out
}

fn cookies(value: &[u8], wanted: &str) -> Vec<Vec<u8>> {
    let mut held = Vec::new();
    for pair in value.split(|byte| *byte == b';') {
        let Some(at) = pair.iter().position(|byte| *byte == b'=') else { continue };
        if trimmed(&pair[..at]) == wanted.as_bytes() {
            let value = trimmed(&pair[at + 1..]);
            let quoted = value.len() >= 2 && value.starts_with(b"\"") && value.ends_with(b"\"");
            held.push(if quoted { value[1..value.len() - 1].to_vec() } else { value });
        }
    }
    held
}
