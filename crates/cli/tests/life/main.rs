//! What a key lives through at real verifiers: rotations under load, revocations.
//!
//! Each test runs in small here; `scripts/life.sh` runs them at full size and prints what it measured.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![expect(clippy::disallowed_methods, reason = "they live in real time, and measure it")]

#[path = "../../../store/tests/suite/support/folder.rs"]
mod folder;
mod http;
mod pieces;
mod random;
mod revocation;
mod rotation;
mod server;
mod size;
mod usage;
mod verifier;
