//! A keyring that is replaced while requests are decided with it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwapOption, Guard};
use gracekey_core::{DocumentError, Keyring, Timestamp};

use crate::clock::Clock;
use crate::recheck::Recheck;

/// The keyring that requests are decided with, which its source replaces under load.
///
/// Cheap to clone; all clones hold the same keyring. A request reads a snapshot without a lock and keeps it until its
/// verdict, whatever happens meanwhile.
#[derive(Clone)]
pub struct LiveKeyring {
    shared: Arc<Shared>,
}

struct Shared {
    keyring: ArcSwapOption<Keyring>,
    /// Unix seconds, [`Timestamp::MIN`] when it was never confirmed or the clock could not be read.
    confirmed_at: AtomicI64,
    /// Those who replace take turns; those who read never wait.
    replacing: Mutex<()>,
    recheck: Recheck,
    clock: Clock,
}

/// What one request sees.
pub(crate) type Snapshot = Guard<Option<Arc<Keyring>>>;

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
            keyring: ArcSwapOption::new(keyring.map(Arc::new)),
            confirmed_at: AtomicI64::new(Timestamp::MIN.unix_seconds()),
            replacing: Mutex::new(()),
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
        let _turn = self.shared.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = self.shared.keyring.load().as_deref() {
            keyring.check_follows(held)?;
        }
        self.shared.keyring.store(Some(Arc::new(keyring)));
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
        self.snapshot().as_deref().map(Keyring::epoch)
    }

    /// The held keyring.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Keyring>> {
        self.shared.keyring.load_full()
    }

    /// When its source last confirmed it; year 0 when that is not known.
    #[must_use]
    #[inline]
    pub fn confirmed_at(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.shared.confirmed_at.load(Ordering::Acquire)).unwrap_or(Timestamp::MIN)
    }

    #[inline]
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.shared.keyring.load()
    }

    pub(crate) fn recheck(&self) -> &Recheck {
        &self.shared.recheck
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }
}

impl std::fmt::Debug for LiveKeyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveKeyring")
            .field("keyring", &self.snapshot().as_deref())
            .field("confirmed_at", &self.confirmed_at())
            .finish_non_exhaustive()
    }
}
