//! The feed.

mod busy;
mod outage;
mod pieces;
mod poll;
mod usage;
mod verifiers;
