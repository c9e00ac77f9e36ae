//! API keys that rotate without an outage.

/// The decision engine: keys, keyrings, policies and verdicts.
pub use gracekey_core as core;

pub use gracekey_core::{Keyring, Peppers, Policy, PolicyConfig};
pub use gracekey_tower::*;
