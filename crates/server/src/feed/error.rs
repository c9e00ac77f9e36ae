use std::fmt;

use gracekey_core::DocumentError;
use gracekey_store::StoreError;

/// Why there is no newer keyring.
#[derive(Debug)]
pub(crate) enum FeedError {
    /// The store did not give it.
    Store(StoreError),
    /// What the store holds makes none.
    Document(DocumentError),
    /// The store is older than it was: a backup was restored.
    WentBack {
        /// The epoch that this server has shown to verifiers.
        held: u64,
        /// The epoch of the store.
        found: u64,
    },
    /// The process ends.
    Ended,
}

impl fmt::Display for FeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Document(error) => write!(f, "what the store holds makes no keyring: {error}"),
            Self::WentBack { held, found } => write!(
                f,
                "the store is at epoch {found}, and verifiers have seen {held}; was a backup restored? They keep what they hold until the store has passed that epoch"
            ),
            Self::Ended => f.write_str("the server is ending"),
        }
    }
}

impl std::error::Error for FeedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            Self::Document(error) => Some(error),
            Self::WentBack { .. } | Self::Ended => None,
        }
    }
}
