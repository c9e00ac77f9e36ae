//! The server behind Gracekey: self-service rotation, admin, the feed of keyrings, forward auth.
