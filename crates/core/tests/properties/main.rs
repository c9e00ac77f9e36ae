//! What must hold for everything: round trips, tampering, times, and decisions over any bytes.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod decisions;
mod fixture;
mod round_trips;
mod strategies;
mod tampering;
mod windows;
