//! The engine's openings for this harness. A build without `--cfg gracekey_memcheck` has none: it can be linted and its
//! parts tested, but it refuses to run.

#[cfg(not(gracekey_memcheck))]
pub(crate) use closed::{Declared, on_declared, probe, stored};
#[cfg(gracekey_memcheck)]
pub(crate) use gracekey_core::memcheck::{Declared, on_declared, probe, stored};

/// Whether the engine was built for this harness.
pub(crate) const OPEN: bool = cfg!(gracekey_memcheck);

#[cfg(not(gracekey_memcheck))]
mod closed {
    use gracekey_core::Keyring;

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Declared {
        Landing,
        Match,
    }

    pub(crate) fn on_declared(_: Option<fn(Declared, &mut [u8])>) {}

    pub(crate) fn stored(_: &Keyring) -> impl Iterator<Item = (*const u8, usize)> {
        [Declared::Landing, Declared::Match].iter().map(|_| (core::ptr::null(), 0))
    }

    pub(crate) fn probe(_: &Keyring, _: &[u8]) -> u8 {
        0
    }
}
