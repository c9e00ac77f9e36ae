//! One suite over both databases, each real. A PostgreSQL server is started by each test that needs one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that goes wrong panics, also where it is not the test function itself"
)]

mod support;

mod audit;
mod clocks;
mod connections;
mod crash;
mod errors;
mod full_disk;
mod given_up;
mod hammer;
mod import;
mod keeping;
mod lifecycle;
mod lists;
mod model;
mod outage;
mod races;
mod secrets;
#[cfg(feature = "tls")]
mod tls;
mod usage;
mod verifier;
mod waiting;
