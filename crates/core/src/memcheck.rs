//! What the constant-time harness in `benches/constant-time` needs, and nothing else.
//!
//! Compiled only with `RUSTFLAGS="--cfg gracekey_memcheck"`, which no product build sets and no feature turns on.

extern crate std;

use std::cell::Cell;

use crate::keyring::Keyring;

/// Every place in which a value that depends on a secret is declared public on purpose. There are no others; the table
/// in the harness's README has the argument for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    /// Where the probe of a look-up lands.
    Landing,
    /// Whether two digests are the same, all 32 bytes of them.
    Match,
}

/// Is told the place, and the bytes in native order of the value that becomes public there.
pub type Hook = fn(Declared, &mut [u8]);

std::thread_local! {
    static HOOK: Cell<Option<Hook>> = const { Cell::new(None) };
}

/// Has every declaration of this thread pass through `hook` from now on, or through none.
pub fn on_declared(hook: Option<Hook>) {
    HOOK.set(hook);
}

/// Passes on the bytes of a value that becomes public here, through the hook, which can so mark them as such.
#[inline]
pub(crate) fn public<const N: usize>(place: Declared, mut bytes: [u8; N]) -> [u8; N] {
    if let Some(hook) = HOOK.get() {
        hook(place, &mut bytes);
    }
    bytes
}

/// Where the stored digests of a keyring lie, and the pilots that were made from them: addresses and sizes in bytes.
/// The digests come first, in the order of the places at which probes land.
pub fn stored(keyring: &Keyring) -> impl Iterator<Item = (*const u8, usize)> {
    keyring.stored()
}

/// A look-up up to the moment at which its match would be declared: 1 for a key of the ring and 0 for any other. From
/// there on a decision may go separate ways for the two.
#[inline(never)]
#[must_use]
pub fn probe(keyring: &Keyring, key: &[u8]) -> u8 {
    keyring.probe(key).unwrap_u8()
}
