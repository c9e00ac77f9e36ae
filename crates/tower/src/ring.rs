//! A keyring with counters beside it: how often each of its keys was used.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(feature = "feed")]
use gracekey_core::KeyId;
use gracekey_core::Keyring;

/// What a live keyring holds at one moment.
pub(crate) struct Ring {
    keyring: Arc<Keyring>,
    /// By the index of the entry, and empty when nobody asks.
    uses: Box<[AtomicU32]>,
}

impl Ring {
    pub(crate) fn new(keyring: Arc<Keyring>) -> Self {
        Self { keyring, uses: Box::default() }
    }

    /// The same, which counts: 4 bytes a key.
    pub(crate) fn counting(keyring: Arc<Keyring>) -> Self {
        let last = keyring.entries().map(|entry| entry.index()).max();
        let len = last.and_then(|last| usize::try_from(last).ok()).map_or(0, |last| last + 1);
        Self { keyring, uses: std::iter::repeat_with(AtomicU32::default).take(len).collect() }
    }

    #[inline]
    pub(crate) fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// A request was granted on the entry with that index.
    #[inline]
    pub(crate) fn used(&self, index: u32) {
        if let Some(uses) = usize::try_from(index).ok().and_then(|index| self.uses.get(index)) {
            uses.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_counting(&self) -> bool {
        !self.uses.is_empty()
    }

    /// Hands out what was counted since the last time.
    #[cfg(feature = "feed")]
    pub(crate) fn take_uses(&self, mut used: impl FnMut(KeyId, u64)) {
        for (index, uses) in (0..).zip(&self.uses) {
            // Most keys were not used, and what is only read stays in the caches of those who count.
            if uses.load(Ordering::Relaxed) != 0
                && let Some(entry) = self.keyring.entry(index)
            {
                used(entry.key_id(), uses.swap(0, Ordering::Relaxed).into());
            }
        }
    }
}

impl Deref for Ring {
    type Target = Keyring;

    #[inline]
    fn deref(&self) -> &Keyring {
        &self.keyring
    }
}
