//! A feed as its verifiers meet it: real servers on the loopback interface, good and bad ones.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod bad_answers;
mod following;
mod server;
mod unknown;
mod usage;
