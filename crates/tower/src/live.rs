//! A keyring that is replaced while requests are decided with it.

#[cfg(feature = "feed")]
mod uses;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::{ArcSwapOption, Guard};
use gracekey_core::{DocumentError, Keyring, Timestamp};

use crate::clock::Clock;
use crate::recheck::Recheck;
use crate::ring::Ring;
use crate::scene::LiveScene;

/// The keyring that requests are decided with, which its source replaces under load.
///
/// Cheap to clone; all clones hold the same keyring. A request reads a snapshot without a lock and keeps it until its
/// verdict, whatever happens meanwhile.
#[derive(Clone)]
pub struct LiveKeyring {
    shared: Arc<Shared>,
}

struct Shared {
    ring: ArcSwapOption<Ring>,
    /// Unix seconds, [`Timestamp::MIN`] when it was never confirmed or the clock could not be read.
    confirmed_at: AtomicI64,
    /// Those who replace take turns; those who read never wait.
    replacing: Mutex<Replacing>,
    recheck: Recheck,
    clock: Clock,
}

#[derive(Default)]
struct Replacing {
    /// Somebody wants to know how often keys are used.
    counting: bool,
    /// Rings that were replaced, and whose counts were not handed out since.
    replaced: Vec<Arc<Ring>>,
    /// The Layers that decide with this keyring.
    followers: Vec<Weak<LiveScene>>,
}

/// The ring at one moment.
pub(crate) type Snapshot = Guard<Option<Arc<Ring>>>;

impl LiveKeyring {
    /// Holds no keyring yet: every request with a key is answered with `unavailable`.
    #[must_use]
    pub fn empty() -> Self {
        Self::with_clock(None, Clock::system())
    }

    /// Holds a keyring, confirmed at this moment.
    #[must_use]
    pub fn new(keyring: Keyring) -> Self {
        Self::with_clock(Some(keyring), Clock::system())
    }

    /// The same with another clock, which the Layer over it takes too.
    #[must_use]
    pub fn with_clock(keyring: Option<Keyring>, clock: impl Into<Clock>) -> Self {
        let shared = Shared {
            ring: ArcSwapOption::new(keyring.map(|keyring| Arc::new(Ring::new(Arc::new(keyring))))),
            confirmed_at: AtomicI64::new(Timestamp::MIN.unix_seconds()),
            replacing: Mutex::default(),
            recheck: Recheck::default(),
            clock: clock.into(),
        };
        let live = Self { shared: Arc::new(shared) };
        live.confirm();
        live
    }

    /// Puts a newer keyring in the place of the held one, and confirms it.
    ///
    /// # Errors
    /// [`DocumentError::OlderEpoch`] and [`DocumentError::SameEpoch`]; the held keyring stays.
    pub fn replace(&self, keyring: Keyring) -> Result<(), DocumentError> {
        let mut turn = self.replacing();
        if let Some(held) = self.snapshot().as_deref() {
            keyring.check_follows(held)?;
        }
        self.put(&mut turn, Arc::new(keyring));
        self.confirm();
        Ok(())
    }

    /// The source says that the held keyring is still the newest: it counts for another `max_staleness`.
    pub fn confirm(&self) {
        let now = self.shared.clock.now().unwrap_or(Timestamp::MIN);
        self.shared.confirmed_at.store(now.unix_seconds(), Ordering::Release);
    }

    /// The epoch of the held keyring.
    #[must_use]
    pub fn epoch(&self) -> Option<u64> {
        self.snapshot().as_deref().map(|ring| ring.epoch())
    }

    /// The held keyring.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Keyring>> {
        self.snapshot().as_deref().map(|ring| Arc::clone(ring.keyring()))
    }

    /// When its source last confirmed it; year 0 when that is not known.
    #[must_use]
    #[inline]
    pub fn confirmed_at(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.shared.confirmed_at.load(Ordering::Acquire)).unwrap_or(Timestamp::MIN)
    }

    #[inline]
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.shared.ring.load()
    }

    fn put(&self, turn: &mut Replacing, keyring: Arc<Keyring>) {
        let ring = if turn.counting { Ring::counting(keyring) } else { Ring::new(keyring) };
        let ring = Some(Arc::new(ring));
        // First those who decide with it, so that whoever sees its epoch is decided with it.
        turn.followers.retain(|follower| {
            let follower = follower.upgrade();
            follower.inspect(|follower| follower.take(ring.clone())).is_some()
        });
        let replaced = self.shared.ring.swap(ring);
        turn.replaced.extend(replaced.filter(|ring| turn.counting && ring.is_counting()));
    }

    /// A Layer has this keyring from now on, and each that follows.
    pub(crate) fn follow(&self, follower: &Arc<LiveScene>) {
        let mut turn = self.replacing();
        follower.take(self.shared.ring.load_full());
        turn.followers.push(Arc::downgrade(follower));
    }

    fn replacing(&self) -> MutexGuard<'_, Replacing> {
        self.shared.replacing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn rechecks(&self) -> &Recheck {
        &self.shared.recheck
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }
}

impl std::fmt::Debug for LiveKeyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveKeyring")
            .field("keyring", &self.current())
            .field("confirmed_at", &self.confirmed_at())
            .finish_non_exhaustive()
    }
}
