//! The Layer as its users meet it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod axum_app;
mod file;
mod live;
mod metrics;
mod pepper;
mod recheck;
mod scopes;
mod service;
mod throttle;
mod tonic_server;
