//! What every JSON document of this crate shares: strict fields, texts that are parsed, errors with a path.

mod discreet;
mod strict;

pub(crate) use strict::{Derived, number, object, some, strict, word};

use alloc::string::{String, ToString};
use core::fmt;
use core::marker::PhantomData;
use core::str::FromStr;

use serde::de::{DeserializeOwned, Deserializer, Error, Visitor};

/// Reads a JSON string and parses it, so that a bad one is refused where it stands.
pub(crate) fn parsed<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    struct Parsed<T>(PhantomData<T>);

    impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Parsed<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Parsed(PhantomData))
}

/// Reads a whole JSON text into `T`. The fast way first; only a refusal is read again to learn its path. In WebAssembly
/// there is one way, since every reader of every type doubles what a proxy loads.
pub(crate) fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, Refusal> {
    if cfg!(not(target_family = "wasm"))
        && let Ok(value) = serde_json::from_slice(text)
    {
        return Ok(value);
    }
    if let Some(why) = other_encoding(text) {
        return Err(Refusal { path: String::new(), line: 1, column: 1, why: why.into(), syntax: true });
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| Refusal::new(&error.path().to_string(), error.inner()))?;
    reader.end().map_err(|error| Refusal::new("", &error))?;
    Ok(value)
}

/// What editors put before a text, and JSON does not want (RFC 8259 §8.1).
fn other_encoding(text: &[u8]) -> Option<&'static str> {
    match text {
        [0xEF, 0xBB, 0xBF, ..] => Some("it begins with a byte order mark; save it as UTF-8 without one"),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Some("it is UTF-16; save it as UTF-8"),
        _ => None,
    }
}

/// Where a JSON text was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Like `keys[3].digest`; empty where the text as a whole is meant.
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) why: String,
    /// The text is no JSON, or ends too early.
    pub(crate) syntax: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.why)?;
        if self.line > 0 {
            write!(f, " (line {}, column {})", self.line, self.column)?;
        }
        Ok(())
    }
}

impl Refusal {
    pub(crate) fn new(path: &str, error: &serde_json::Error) -> Self {
        let why = error.to_string();
        let why = why.rsplit_once(" at line ").map_or(why.as_str(), |(why, _)| why);
        Self {
            // A dot is the whole, and a question mark a place that has no name yet.
            path: if matches!(path, "." | "?") { String::new() } else { shown(path) },
            line: error.line(),
            column: error.column(),
            why: shown(&plain(why)),
            syntax: error.is_syntax() || error.is_eof(),
        }
    }
}

/// What `serde` says, in the words of JSON rather than of Rust.
fn plain(why: &str) -> String {
    let json = |what: &str| match what {
        "sequence" | "a sequence" => "an array".into(),
        "map" | "a map" => "an object".into(),
        what => what.replace("floating point", "number"),
    };
    let mismatch = why.strip_prefix("invalid type: ").or_else(|| why.strip_prefix("invalid value: "));
    match mismatch.and_then(|mismatch| mismatch.rsplit_once(", expected ")) {
        Some((found, expected)) => alloc::format!("found {}, and it must be {}", json(found), json(expected)),
        None => why.replacen("unknown variant", "unknown word", 1),
    }
}

/// A text for a message, whatever was read: one line of bounded length, cut in the middle where it is longer, without what
/// may be a secret.
pub(crate) fn shown(text: &str) -> String {
    let text = discreet::discreet(text);
    const HEAD: usize = 120;
    const TAIL: usize = 240;
    let mut line = String::with_capacity(text.len().min(HEAD + TAIL));
    let len = text.chars().count();
    for (at, char) in text.chars().enumerate() {
        if len <= HEAD + TAIL || at < HEAD || at >= len - TAIL {
            match char {
                '\n' | '\r' | '\t' => line.extend(char.escape_default()),
                char if is_unseen(char) => line.push(char::REPLACEMENT_CHARACTER),
                char => line.push(char),
            }
        } else if at == HEAD {
            line.push('…');
        }
    }
    line
}

/// Whether a character is no part of a line of text that people read: a control character, a separator of lines, or one
/// that changes the direction in which what stands around it is shown (UAX #9), so that a line reads as another.
#[must_use]
pub fn is_unseen(char: char) -> bool {
    let turns =
        matches!(char, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    turns || char.is_control() || matches!(char, '\u{2028}' | '\u{2029}')
}
