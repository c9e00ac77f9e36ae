//! Where keyrings come from.

#[cfg(feature = "feed")]
mod feed;
#[cfg(feature = "file")]
mod file;
#[cfg(feature = "file")]
mod watch;

#[cfg(feature = "feed")]
pub use feed::{FeedError, Following, KeyringFeed};
#[cfg(feature = "file")]
pub use file::{KeyringFile, KeyringFileError};
#[cfg(feature = "file")]
pub use watch::Watch;
