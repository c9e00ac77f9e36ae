//! A keyring that is fed by a server.

mod address;
mod back_off;
mod error;
mod follower;
mod following;
mod http_client;
mod inflate;
mod usage;
mod verifier;

pub use error::FeedError;
pub use following::Following;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gracekey_core::{ApiKey, Peppers};
use rustls::pki_types::CertificateDer;

use crate::live::LiveKeyring;
use address::Address;
use verifier::VerifierName;

/// The keyring of a running `gracekey serve`, followed by long-polling: a change is here as soon as the server has it.
///
/// What is followed is the sealed document. Whoever stands between server and verifier can hold it back, but can neither
/// change it nor take a verifier back to an older epoch than it holds.
#[derive(Clone)]
pub struct KeyringFeed {
    address: Address,
    peppers: Arc<Peppers>,
    key: Option<Arc<ApiKey>>,
    verifier: VerifierName,
    trusted: Vec<CertificateDer<'static>>,
    wait: Duration,
    deadline: Duration,
    recheck_every: Duration,
    usage_every: Option<Duration>,
    max_bytes: u64,
}

impl KeyringFeed {
    const USAGE_EVERY: Duration = Duration::from_secs(1);

    /// The feed of a server, by the server's URL like `https://keys.example.com` (behind a proxy also with a path, under
    /// which the server's own paths begin), and the peppers that its keyring is made with.
    ///
    /// # Errors
    /// [`FeedError::Url`] says what is wrong with the URL. It repeats nothing of it.
    pub fn new(url: &str, peppers: Arc<Peppers>) -> Result<Self, FeedError> {
        Ok(Self {
            address: url.parse()?,
            peppers,
            key: None,
            verifier: VerifierName::own(),
            trusted: Vec::new(),
            wait: Duration::from_secs(30),
            deadline: Duration::from_secs(30),
            recheck_every: Duration::from_secs(1),
            usage_every: Some(Self::USAGE_EVERY),
            max_bytes: 256 << 20,
        })
    }

    /// The API key that the feed itself is read with. It needs the scope `gracekey:feed`, and nothing else. Without one
    /// the server must have been started with `--open-feed`.
    #[must_use]
    pub fn key(mut self, key: ApiKey) -> Self {
        self.key = Some(Arc::new(key));
        self
    }

    /// How the server names this verifier where it tells who lags behind: a name that no other verifier has at the same
    /// time. By default that of the machine, with the process and a random number.
    ///
    /// # Errors
    /// [`FeedError::Verifier`] unless it is 1 to 128 visible ASCII characters.
    pub fn verifier(mut self, name: &str) -> Result<Self, FeedError> {
        self.verifier = name.parse()?;
        Ok(self)
    }

    /// Trusts the certificate authorities of this PEM text, and not those of the system. Those of the system are in the
    /// file that `SSL_CERT_FILE` names, where it is set.
    ///
    /// # Errors
    /// [`FeedError::Trust`] for a text without a certificate.
    pub fn trust(mut self, pem: &[u8]) -> Result<Self, FeedError> {
        self.trusted.extend(http_client::certificates(pem)?);
        Ok(self)
    }

    /// How long the server may keep a poll waiting for news, 30 seconds by default; it takes at most 60. That is also how
    /// often an unchanged keyring is confirmed, so `max_staleness` must be longer.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// How long an answer may take beyond that wait, 30 seconds by default: once for its head, and once for its body.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How often the server may be asked for nothing, because requests have keys that it does not know either: once a
    /// second by default, and up to eight times in a row after a quiet while, however many such requests there are.
    #[must_use]
    pub fn recheck_every(mut self, interval: Duration) -> Self {
        self.recheck_every = interval;
        self
    }

    /// Whether the server is told how often each key is used, on by default: that is how it knows who still uses an old
    /// key. Uses are counted in memory, and no request waits for a report.
    #[must_use]
    pub fn usage(mut self, reported: bool) -> Self {
        self.usage_every = reported.then_some(self.usage_every.unwrap_or(Self::USAGE_EVERY));
        self
    }

    /// How often the server is told, every second by default, and never while there is nothing to tell. That is also how
    /// exact its `last_used` is, and for how long it does not know that a new key is in use: with a longer interval, whoever
    /// rotates with the old key meanwhile, as if the answer had been lost, ends the new one.
    #[must_use]
    pub fn usage_every(mut self, interval: Duration) -> Self {
        self.usage_every = Some(interval);
        self
    }

    /// The most bytes that a keyring may have, on the wire and inflated: 256 MiB by default, some 700,000 keys.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Keeps a live keyring as new as the server's, on the runtime of the caller, until the [`Following`] is dropped.
    ///
    /// It returns at once: [`Following::first`] waits for the first keyring. A server that is down, refuses or sends
    /// something bad leaves the live keyring as it is, with a line in the log that says why, and is asked again, sooner
    /// at first and later at most every 15 seconds. An answer that nothing changed confirms the keyring.
    ///
    /// # Errors
    /// [`FeedError::Runtime`] outside of a tokio runtime, [`FeedError::Followed`] for a live keyring that follows a feed
    /// already, and [`FeedError::Trust`] for an `https` URL where no certificate authority is trusted.
    pub fn follow(&self, live: &LiveKeyring) -> Result<Following, FeedError> {
        Following::start(self, live)
    }
}

impl fmt::Debug for KeyringFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyringFeed")
            .field("server", &self.address.shown())
            .field("key", &self.key)
            .field("verifier", &self.verifier.as_str())
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}
