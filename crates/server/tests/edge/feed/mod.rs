//! The feed.

mod outage;
mod poll;
mod usage;
mod verifiers;
