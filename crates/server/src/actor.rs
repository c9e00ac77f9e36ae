//! Who asks, as the audit log names it.

use std::fmt::Display;
use std::str::FromStr;

use gracekey_core::KeyId;
use gracekey_store::Actor;
use gracekey_tower::Caller;

use crate::error::ApiError;

/// An operator, by the key that was presented. [`Authority`](crate::authority::Authority) asks for it, and nobody else.
pub(crate) fn admin(caller: &Caller) -> Result<Actor, ApiError> {
    named(&format!("admin:{}", caller.key_id()))
}

/// Whoever holds a key and rotates it.
pub(crate) fn holder(caller: &Caller) -> Result<Actor, ApiError> {
    named(&format!("holder:{}", caller.key_id()))
}

/// The key that was presented.
pub(crate) fn key_id(caller: &Caller) -> Result<KeyId, ApiError> {
    named(caller.key_id())
}

/// A key id of a keyring always is one.
fn named<T: FromStr<Err: Display>>(text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|error| {
        tracing::error!(%error, "a key id of the keyring is none");
        ApiError::unavailable("the server can't name this key at the moment; ask again")
    })
}
