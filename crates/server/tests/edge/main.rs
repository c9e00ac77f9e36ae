//! The server as verifiers and proxies see it: a real server on a real store, asked over bare sockets, and by the real nginx,
//! Caddy and Envoy.
#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod feed;
mod renewal;
mod running;
mod verify;
