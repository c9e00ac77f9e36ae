//! The feed.

mod outage;
mod pieces;
mod poll;
mod usage;
mod verifiers;
