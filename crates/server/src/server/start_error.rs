use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use gracekey_core::{DocumentError, PolicyError};
use gracekey_store::StoreError;

use crate::feed::FeedError;

/// Why a server did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// It can't listen there.
    Listen {
        /// Where.
        listen: SocketAddr,
        /// What the system says.
        why: io::Error,
    },
    /// The store did not give its keyring.
    Store(StoreError),
    /// What the store holds makes no keyring with these peppers.
    Keyring(DocumentError),
    /// A file of the certificate is not in order.
    Tls {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is no feed to begin with.
    Feed(String),
    /// The server's own policy is not in order: a defect of this build.
    Policy(PolicyError),
}

impl StartError {
    pub(super) fn feed(error: FeedError) -> Self {
        match error {
            FeedError::Store(error) => Self::Store(error),
            FeedError::Document(error) => Self::Keyring(error),
            other => Self::Feed(other.to_string()),
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { listen, why } => write!(f, "can't listen on {listen}: {why}; give another address"),
            Self::Store(error) => error.fmt(f),
            Self::Keyring(error) => write!(f, "the keyring in the store: {error}"),
            Self::Tls { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Feed(why) => f.write_str(why),
            Self::Policy(error) => write!(f, "the server's own policy: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { why, .. } => Some(why),
            Self::Store(error) => Some(error),
            Self::Keyring(error) => Some(error),
            Self::Policy(error) => Some(error),
            Self::Tls { .. } | Self::Feed(_) => None,
        }
    }
}
