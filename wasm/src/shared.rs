//! A keyring that all workers share: one plugin of the process fetches it and lays it out in the proxy's shared data, in
//! buckets by digest, and every other looks a key up there. A million keys then stand in memory once.

use std::cell::RefCell;
use std::sync::Arc;

use gracekey_core::{Buckets, Keyring, Peppers, Sought, Timestamp};

use crate::host::Host;
use crate::plugin::moment;

/// What stands in front of the buckets: which epoch they are of, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) epoch: u64,
    /// Nanoseconds since 1970.
    confirmed_at: u64,
    buckets: u64,
}

/// The keyring as one worker reads it.
pub(crate) struct Reader {
    name: String,
    head: RefCell<Option<Head>>,
}

impl Head {
    fn read<H: Host>(name: &str, host: &H) -> Option<Self> {
        let bytes = host.shared(&format!("{name}.head"))?;
        let ([epoch, confirmed_at, buckets], []) = bytes.as_chunks::<8>().0.split_first_chunk::<3>()? else {
            return None;
        };
        let [epoch, confirmed_at, buckets] = [epoch, confirmed_at, buckets].map(|bytes| u64::from_ne_bytes(*bytes));
        Some(Self { epoch, confirmed_at, buckets })
    }

    fn write<H: Host>(self, name: &str, host: &H) {
        let Self { epoch, confirmed_at, buckets } = self;
        host.share(&format!("{name}.head"), &[epoch, confirmed_at, buckets].map(u64::to_ne_bytes).concat());
    }
}

/// The name of a bucket. Their number is in it, so that buckets of two sizes are never mixed up.
fn bucket(name: &str, count: u64, at: u64) -> String {
    format!("{name}.{count}.{at}")
}

/// Lays a keyring out. Each bucket changes at once, and carries its epoch; those of a keyring of another size go.
pub(crate) fn publish<H: Host>(name: &str, keyring: &Keyring, now: u64, host: &H) {
    let held = Head::read(name, host);
    let cut = Buckets::new(keyring);
    let buckets = u64::try_from(cut.count()).unwrap_or(0);
    for (at, bytes) in (0..).zip(cut.iter()) {
        host.share(&bucket(name, buckets, at), &bytes);
    }
    Head { epoch: keyring.epoch(), confirmed_at: now, buckets }.write(name, host);
    if let Some(old) = held.filter(|old| old.buckets != buckets) {
        for at in 0..old.buckets {
            // Shared data forgets nothing by itself.
            host.share(&bucket(name, old.buckets, at), &[]);
        }
    }
}

/// Says that what is laid out is still the newest.
pub(crate) fn confirm<H: Host>(name: &str, now: u64, host: &H) {
    if let Some(head) = Head::read(name, host) {
        Head { confirmed_at: now, ..head }.write(name, host);
    }
}

impl Reader {
    pub(crate) fn new(name: String) -> Self {
        Self { name, head: RefCell::default() }
    }

    /// Looks whether there is another keyring.
    pub(crate) fn refresh<H: Host>(&self, host: &H) -> Option<Timestamp> {
        let head = Head::read(&self.name, host);
        *self.head.borrow_mut() = head;
        head.map(|head| moment(head.confirmed_at))
    }

    /// The keyring of the key that is sought, or of none where nothing is sought.
    pub(crate) fn look_up<H: Host>(
        &self,
        sought: Option<&Sought>,
        peppers: &Arc<Peppers>,
        host: &H,
    ) -> Option<(Keyring, Timestamp)> {
        // A bucket of another epoch, or none: then a newer keyring is being laid out, and its head tells more.
        (0..3).find_map(|turn| {
            let held = *self.head.borrow();
            if turn > 0 || held.is_none() {
                self.refresh(host);
            }
            let head = (*self.head.borrow())?;
            let count = usize::try_from(head.buckets).ok()?;
            let buckets = sought.into_iter().flat_map(|sought| sought.buckets(count));
            let buckets: Vec<_> = buckets
                .map_while(|at| host.shared(&bucket(&self.name, head.buckets, u64::try_from(at).ok()?)))
                .collect();
            let keyring = match sought {
                Some(sought) => sought.find(&buckets, head.epoch, peppers)?,
                None => Keyring::empty(head.epoch, peppers),
            };
            Some((keyring, moment(head.confirmed_at)))
        })
    }
}
