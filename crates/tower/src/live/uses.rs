//! How often keys are used, from one keyring to the next.

use std::collections::HashMap;
use std::sync::Arc;

use gracekey_core::KeyId;

use super::LiveKeyring;

impl LiveKeyring {
    /// Counts from now on how often keys are used, or no longer.
    pub(crate) fn count_uses(&self, counting: bool) {
        let mut turn = self.replacing();
        turn.counting = counting;
        if let Some(keyring) = self.current() {
            self.put(&mut turn, keyring);
        }
        if !counting {
            turn.replaced.clear();
        }
    }

    /// How often each key was used since this was asked last, by requests that hold whatever ring.
    pub(crate) fn take_uses(&self) -> HashMap<KeyId, u64> {
        let mut uses: HashMap<KeyId, u64> = HashMap::new();
        let mut used = |key_id, times| *uses.entry(key_id).or_default() += times;
        if let Some(ring) = self.snapshot().as_deref() {
            ring.take_uses(&mut used);
        }
        self.replacing().replaced.retain_mut(|ring| {
            // Who holds it alone knows that nobody counts on it any more.
            let is_last = Arc::get_mut(ring).is_some();
            ring.take_uses(&mut used);
            !is_last
        });
        uses
    }
}
