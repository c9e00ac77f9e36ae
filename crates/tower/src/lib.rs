//! The tower half of Gracekey.
