//! What an operator decides.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gracekey_core::{Grace, Peppers, Policy, Prefix};
use gracekey_store::Store;
use gracekey_tower::Clock;
use ipnet::IpNet;

use crate::telemetry::Telemetry;

/// What an operator decides about one server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where the keys live.
    pub store: Store,
    /// What keys are digested and keyrings are sealed with.
    pub peppers: Arc<Peppers>,
    /// Where it listens: 127.0.0.1:8787 by default. Port 0 takes any that is free.
    pub listen: SocketAddr,
    /// What `/verify` decides by.
    pub policy: Policy,
    /// Who may say on whose behalf `/verify` is asked. By default nobody.
    pub trusted_proxies: Vec<IpNet>,
    /// A certificate and its key, for HTTPS.
    pub tls: Option<Tls>,
    /// The longest grace that anyone may ask for, 30 days by default.
    pub max_grace: Grace,
    /// What new keys begin with where nobody says otherwise, `sk_live` by default.
    pub prefix: Prefix,
    /// Whether the feed takes pollers and their reports without a key: only for a network that is closed to others.
    pub open_feed: bool,
    /// What `/metrics` shows; without it that route is not there.
    pub telemetry: Option<Telemetry>,
    /// The first word of the metrics' names, `gracekey` by default.
    pub metrics_prefix: String,
    /// How much and how long a request may take.
    pub limits: Limits,
    /// Where the time is read.
    pub clock: Clock,
}

/// A certificate chain and its private key, both as PEM files. A server that runs reads them again when they change.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// How much and how long a request may take.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The largest body of most requests, in bytes: 64 KiB.
    pub body: usize,
    /// The largest body of an import and of a usage report, in bytes: 32 MiB.
    pub bulk: usize,
    /// How long a caller may take for the head of a request, and how long a connection may be idle: 30 seconds.
    pub head_time: Duration,
    /// How long a caller may take for the body of a request: 30 seconds.
    pub body_time: Duration,
    /// How many denied guesses an address has in a minute before it is answered with 429: 60.
    pub guesses_per_minute: u32,
    /// How often the holder of a credential rotates it in an hour before the answer is 429: 5. 0 is no limit. Rotations by
    /// operators count, but are not refused.
    pub rotations_per_hour: u32,
    /// The same in a day: 20.
    pub rotations_per_day: u32,
}

impl Config {
    /// The defaults over this store and with these peppers.
    #[must_use]
    pub fn new(store: Store, peppers: Arc<Peppers>) -> Self {
        Self {
            store,
            peppers,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8787)),
            policy: Policy::default(),
            trusted_proxies: Vec::new(),
            tls: None,
            max_grace: Grace::new(Grace::MAX).unwrap_or_default(),
            prefix: Prefix::default(),
            open_feed: false,
            telemetry: None,
            metrics_prefix: "gracekey".into(),
            limits: Limits::default(),
            clock: Clock::system(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 64 * 1024,
            bulk: 32 * 1024 * 1024,
            head_time: Duration::from_secs(30),
            body_time: Duration::from_secs(30),
            guesses_per_minute: 60,
            rotations_per_hour: 5,
            rotations_per_day: 20,
        }
    }
}
