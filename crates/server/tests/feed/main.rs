//! The feed as verifiers see it: a real server, a real store, bare sockets.
#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "../running/mod.rs"]
mod running;

mod outage;
mod poll;
mod usage;
mod verifiers;
