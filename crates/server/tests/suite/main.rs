//! The server over real HTTP, on real databases. A PostgreSQL server is started by each test that needs one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that goes wrong panics, also where it is not the test function itself"
)]

mod support;

mod authority;
mod bad_input;
mod dry_run;
mod elsewhere;
mod import;
mod killed;
mod life;
mod limits;
mod lists;
mod metrics;
mod openapi;
mod outage;
mod own_clients;
mod rotation;
mod secrecy;
mod start;
