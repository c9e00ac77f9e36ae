//! Where keyrings come from.

mod file;
mod watch;

pub use file::{KeyringFile, KeyringFileError};
pub use watch::Watch;
