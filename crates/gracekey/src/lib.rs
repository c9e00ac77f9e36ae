//! Gracekey.
