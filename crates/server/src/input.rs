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
