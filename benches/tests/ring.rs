//! What a ring takes in memory, without a clock.

use std::sync::Arc;

use gracekey_benches::{document, peppers};
use gracekey_core::{Entry, Keyring, Verdict};

/// All that a ring holds, in bytes a key.
const LIMIT: u64 = 160;

#[test]
fn a_ring_takes_at_most_160_bytes_a_key() {
    const KEYS: u32 = 20_000;
    let peppers = Arc::new(peppers().expect("a pepper"));
    let document = document(KEYS as usize, &peppers).expect("a document").0;
    let mut ring = None;
    let held = allocation_counter::measure(|| ring = Keyring::new(&document, Arc::clone(&peppers)).ok());
    assert_eq!(ring.map(|ring| ring.len()), Some(KEYS as usize));
    let bytes = u64::try_from(held.bytes_current).expect("a ring takes memory");
    assert!(bytes > 64 * u64::from(KEYS), "{bytes} bytes for {KEYS} keys: not all was counted");
    assert!(bytes <= LIMIT * u64::from(KEYS), "{bytes} bytes for {KEYS} keys");
}

/// A verdict is passed on by value for every request.
#[test]
fn a_verdict_stays_small() {
    assert!(size_of::<Verdict<'_>>() <= 96, "{} bytes", size_of::<Verdict<'_>>());
    assert_eq!(size_of::<Entry<'_>>(), 16);
}
