//! The Layer as its users meet it.

#[path = "../support.rs"]
mod support;

mod axum_app;
mod file;
mod live;
mod metrics;
mod pepper;
mod scopes;
mod service;
mod throttle;
mod tonic_server;
