#![doc = include_str!("../README.md")]

/// The decision engine: keys, keyrings, documents, policies and verdicts.
pub use gracekey_core as core;

pub use gracekey_core::{Keyring, Peppers, Policy, PolicyConfig};
pub use gracekey_tower::*;

/// The README of the project, whose examples must compile.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}
