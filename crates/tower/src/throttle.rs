//! Throttling of repeated failures per peer address.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use gracekey_core::Timestamp;
use http::{Extensions, HeaderMap};

/// How many failed attempts a peer has before it is answered with 429 `throttled`.
///
/// What counts are guesses: keys that are unknown, malformed or ambiguous, not those that were rotated or expired, whose
/// holder is told so. What is answered with 429 are guesses too. A good key always passes, whoever else shares its
/// address, so that nobody behind a NAT or proxy can shut a neighbour out; one that is so new that its keyring is still on
/// its way counts as a guess until it comes. That also means that throttling does not keep a guesser from a key that is
/// short enough to be guessed: keys that Gracekey mints have 190 bits, imported ones should be as long.
///
/// The address is that of the connection: of axum's `ConnectInfo<SocketAddr>` (serve with
/// `into_make_service_with_connect_info`) or of tonic's `TcpConnectInfo`. Behind a proxy that is the proxy's, so give the
/// true one with [`Throttle::peer_from`]. IPv6 peers count by their /64 network. A request without an address is never
/// throttled.
pub struct Throttle {
    limiter: RateLimiter<IpAddr, HashMapStateStore<IpAddr>, Told, NoOpMiddleware<Duration>>,
    clock: Told,
    peer: Box<PeerFrom>,
    max_peers: usize,
    swept_at: AtomicI64,
}

type PeerFrom = dyn Fn(&HeaderMap, &Extensions) -> Option<IpAddr> + Send + Sync;

/// The time of the request at hand: the Layer reads the clock only once.
#[derive(Clone, Default)]
struct Told(Arc<AtomicU64>);

impl Throttle {
    /// So many failures within `per` from one peer are answered as they are, those beyond with 429. The allowance grows
    /// back evenly over `per`, which is held between a second and a day.
    #[must_use]
    pub fn new(failures: NonZeroU32, per: Duration) -> Self {
        let each = per.clamp(Duration::from_secs(1), Duration::from_hours(24)) / failures.get();
        let quota = Quota::with_period(each.max(Duration::from_nanos(1)));
        let quota = quota.unwrap_or_else(|| Quota::per_second(failures)).allow_burst(failures);
        let clock = Told::default();
        Self {
            limiter: RateLimiter::new(quota, HashMapStateStore::default(), clock.clone()),
            clock,
            peer: Box::new(connected),
            max_peers: 65_536,
            swept_at: AtomicI64::new(i64::MIN),
        }
    }

    /// Takes the address of the peer from the request in another way, as from a header that the own proxy sets.
    #[must_use]
    pub fn peer_from(
        mut self,
        peer: impl Fn(&HeaderMap, &Extensions) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        self.peer = Box::new(peer);
        self
    }

    /// How many peers are kept apart, 65,536 by default: about 100 bytes each. Those beyond share one allowance.
    #[must_use]
    pub fn max_peers(mut self, max_peers: usize) -> Self {
        self.max_peers = max_peers;
        self
    }

    /// Counts a failure. Seconds to wait, if it is one too many.
    pub(crate) fn refuses(&self, headers: &HeaderMap, extensions: &Extensions, now: Option<Timestamp>) -> Option<u64> {
        let peer = network((self.peer)(headers, extensions)?);
        let now = now.unwrap_or(Timestamp::MIN);
        self.clock.tell(now);
        self.sweep(now);
        let peer = if self.limiter.len() < self.max_peers { peer } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
        let refused = self.limiter.check_key(&peer).err()?;
        let wait = refused.wait_time_from(self.clock.now());
        Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
    }

    /// Forgets the peers that have their whole allowance back: when there are too many, and once a second at most.
    fn sweep(&self, now: Timestamp) {
        let now = now.unix_seconds();
        if self.limiter.len() >= self.max_peers && self.swept_at.swap(now, Ordering::Relaxed) != now {
            self.limiter.retain_recent();
        }
    }
}

impl std::fmt::Debug for Throttle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Throttle").field("peers", &self.limiter.len()).finish_non_exhaustive()
    }
}

impl Told {
    /// `governor` counts nanoseconds in 64 bits and panics beyond 584 years.
    const LATEST: i64 = 1 << 33;

    fn tell(&self, now: Timestamp) {
        let seconds = now.unix_seconds().clamp(0, Self::LATEST);
        self.0.store(seconds.unsigned_abs(), Ordering::Relaxed);
    }
}

impl Clock for Told {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

/// Whoever has one address of a /64 has them all.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

/// The other end of the connection, as the server notes it.
fn connected(_: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
    let mut address: Option<SocketAddr> = None;
    #[cfg(feature = "axum")]
    {
        address = address.or_else(|| extensions.get::<axum::extract::ConnectInfo<SocketAddr>>().map(|info| info.0));
    }
    #[cfg(feature = "tonic")]
    {
        use tonic::transport::server::TcpConnectInfo;
        address = address.or_else(|| extensions.get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr));
    }
    address = address.or_else(|| extensions.get::<SocketAddr>().copied());
    address.map(|address| address.ip())
}
