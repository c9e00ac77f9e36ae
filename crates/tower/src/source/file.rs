use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gracekey_core::{DocumentError, Keyring, Peppers};

use super::watch::Watch;
use crate::live::LiveKeyring;

/// A sealed keyring document in a file, as `gracekey` writes it or as a Kubernetes `ConfigMap` is mounted.
#[derive(Clone, Debug)]
pub struct KeyringFile {
    path: PathBuf,
    peppers: Arc<Peppers>,
    poll_every: Duration,
}

impl KeyringFile {
    /// The file, and the peppers that its keyring was made with.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, peppers: Arc<Peppers>) -> Self {
        Self { path: path.into(), peppers, poll_every: Duration::from_secs(10) }
    }

    /// How often a watch reads the file where no event of the file system came, 10 seconds by default. That is also how
    /// often an unchanged keyring is confirmed, so `max_staleness` must be longer.
    #[must_use]
    pub fn poll_every(mut self, interval: Duration) -> Self {
        self.poll_every = interval;
        self
    }

    /// Reads the keyring.
    ///
    /// # Errors
    /// [`KeyringFileError`] with the path, and the field where one is wrong.
    pub fn load(&self) -> Result<Keyring, KeyringFileError> {
        self.open(&self.read()?)
    }

    /// Keeps a live keyring as new as the file: reads it now, whenever it changes, and from time to time.
    ///
    /// A file that is missing or bad leaves the live keyring as it is, with an error in the log that says why; so does an
    /// older epoch. An unchanged file confirms the keyring. It ends when the watch is dropped.
    ///
    /// # Errors
    /// [`KeyringFileError::Watch`] when there is no thread to be had.
    pub fn watch(&self, live: &LiveKeyring) -> Result<Watch, KeyringFileError> {
        Watch::start(self.clone(), live.clone())
    }

    pub(super) fn read(&self) -> Result<Vec<u8>, KeyringFileError> {
        std::fs::read(&self.path).map_err(|why| KeyringFileError::Unreadable { path: self.path.clone(), why })
    }

    pub(super) fn open(&self, text: &[u8]) -> Result<Keyring, KeyringFileError> {
        Keyring::open(text, Arc::clone(&self.peppers)).map_err(|why| self.refused(why))
    }

    pub(super) fn refused(&self, why: DocumentError) -> KeyringFileError {
        KeyringFileError::Document { path: self.path.clone(), why }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn interval(&self) -> Duration {
        self.poll_every
    }
}

/// Why a keyring file was not taken. Whoever holds a keyring keeps it.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyringFileError {
    /// The file can't be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// What stands in the file is no keyring, or not one that may follow the held one.
    Document {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: DocumentError,
    },
    /// The file can't be watched.
    Watch {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
}

impl fmt::Display for KeyringFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, why } => write!(f, "the keyring file {} cannot be read: {why}", path.display()),
            Self::Document { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Watch { path, why } => write!(f, "the keyring file {} cannot be watched: {why}", path.display()),
        }
    }
}

impl std::error::Error for KeyringFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { why, .. } | Self::Watch { why, .. } => Some(why),
            Self::Document { why, .. } => Some(why),
        }
    }
}
