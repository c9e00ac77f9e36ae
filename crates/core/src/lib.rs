#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

mod api_keys;
mod decide;
mod digest;
mod document;
mod extract;
mod key;
mod keyring;
mod lifecycle;
#[cfg(gracekey_memcheck)]
pub mod memcheck;
mod names;
mod pepper;
mod policy;
mod reason;
mod request;
mod secret;
mod time;
mod verdict;
mod wire;

pub use api_keys::{ApiKeys, ApiKeysError};
pub use decide::{Admitted, Held, decide, decide_scopes};
pub use digest::{Digest, DigestError};
pub use document::{Client, Document, DocumentError, End, Generation, SealedDocument};
pub use key::{ApiKey, KeyError, KeyId, KeyIdError, MintError, Prefix, PrefixError, Shape};
pub use keyring::{Buckets, Entry, Keyring, Opening, Sought};
pub use lifecycle::{Credential, Grace, GraceError, LifecycleError, Minted, Revoke, Rotation};
pub use names::{ClientId, CredentialName, FieldName, Method, NameError, ParameterName, Scheme, Scope};
pub use pepper::{Pepper, PepperError, PepperId, Peppers};
pub use policy::{ErrorFormat, FailureMode, Forward, Mode, PathMatch, Place, Policy, PolicyConfig, PolicyError, Route};
pub use reason::Reason;
pub use request::{Headers, Request};
pub use time::{Seconds, SecondsError, Timestamp, TimestampError};
pub use verdict::{
    Denial, Field, Grant, KeyStatus, Notice, RequestEdit, Response, Verdict, without_cookie, without_query_parameter,
};
pub use wire::is_unseen;
