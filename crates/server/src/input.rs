//! What callers send, read strictly. No refusal repeats a value: a key may stand anywhere.

mod body;
mod path;
mod query;
mod refusal;
mod whole;

pub(crate) use body::{Bulk, Json, NoBody, OptionalJson, media_type, read_bulk, unsupported};
pub(crate) use path::{ClientPath, CredentialPath, KeyPath};
pub(crate) use query::{Parameters, limit};
pub(crate) use whole::whole;

use gracekey_core::Shape;

/// Whether an API key stands in a text that people will read.
pub(crate) fn holds_a_key(text: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.any(|word| !matches!(Shape::of(word.as_bytes()), Shape::Foreign))
}
