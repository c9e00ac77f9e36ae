//! How often keys are used, reported to the server whose feed the keyring comes from: so it knows who still uses an old
//! key.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::time::Duration;

use gracekey_core::{Entry, Timestamp};

use crate::host::Host;
use crate::pairs::Pairs;
use crate::plugin::moment;

/// Uses of keys since the last report, and the report that was not taken yet. A request never waits for any of it.
pub(crate) struct Usage {
    cluster: String,
    headers: Vec<(&'static str, String)>,
    verifier: String,
    /// By key id.
    used: RefCell<Vec<Used>>,
    report: RefCell<Option<String>>,
    call: Cell<Option<u32>>,
    sequence: Cell<u64>,
    due: Cell<u64>,
}

struct Used {
    key_id: [u8; 8],
    requests: u64,
    last: Timestamp,
}

impl Usage {
    /// Between two reports, at least, and for as long one may take.
    const INTERVAL: Duration = Duration::from_secs(10);
    /// Keys in a report. What is used beyond that is not counted, so that the memory is bounded.
    const MAX: usize = 4096;

    pub(crate) fn new(cluster: &str, headers: Vec<(&'static str, String)>, verifier: &str) -> Self {
        Self {
            cluster: cluster.into(),
            headers,
            verifier: serde_json::to_string(verifier).unwrap_or_default(),
            used: RefCell::default(),
            report: RefCell::default(),
            call: Cell::default(),
            sequence: Cell::default(),
            due: Cell::default(),
        }
    }

    /// Counts a request that was granted.
    pub(crate) fn count(&self, entry: Entry<'_>, now: Timestamp) {
        let Ok(key_id) = <[u8; 8]>::try_from(entry.key_id_str().as_bytes()) else { return };
        let mut used = self.used.borrow_mut();
        match used.binary_search_by_key(&key_id, |used| used.key_id) {
            Ok(at) => {
                if let Some(used) = used.get_mut(at) {
                    used.requests += 1;
                    used.last = now;
                }
            }
            Err(at) if used.len() < Self::MAX => used.insert(at, Used { key_id, requests: 1, last: now }),
            Err(_) => {}
        }
    }

    /// Reports, if it is time to: first what was not taken the last time.
    pub(crate) fn tick<H: Host>(&self, now: u64, host: &H) {
        if now < self.due.get() {
            return;
        }
        let mut report = self.report.borrow_mut();
        if report.is_none() {
            *report = self.write(now);
        }
        // The first use after a quiet while is known at once.
        let Some(report) = &*report else { return };
        let interval = u64::try_from(Self::INTERVAL.as_nanos()).unwrap_or(u64::MAX);
        self.due.set(now.saturating_add(interval));
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.call.set(host.call(&self.cluster, &headers, report.as_bytes(), Self::INTERVAL));
    }

    /// Takes the answer to a report. `false` if it is that to another call.
    pub(crate) fn answered(&self, token: u32, headers: Pairs<'_>) -> bool {
        if self.call.get() != Some(token) {
            return false;
        }
        self.call.set(None);
        // What the server did not understand it will not understand the next time.
        if matches!(headers.first(":status"), Some(b"200" | b"400" | b"413")) {
            self.report.take();
        }
        true
    }

    fn write(&self, now: u64) -> Option<String> {
        let used = self.used.take();
        let first = used.first()?;
        self.sequence.set((self.sequence.get() + 1).max(now / 1_000_000));
        let mut text = format!("{{\"verifier\":{},\"sequence\":{},\"keys\":[", self.verifier, self.sequence.get());
        for one in &used {
            let Used { key_id, requests, last } = one;
            let comma = if key_id == &first.key_id { "" } else { "," };
            let key_id = std::str::from_utf8(key_id).unwrap_or_default();
            let entry = format_args!("{{\"key_id\":\"{key_id}\",\"requests\":{requests},\"last_used\":\"{last}\"}}");
            write!(text, "{comma}{entry}").ok()?;
        }
        text.push_str("]}");
        Some(text)
    }
}

impl crate::plugin::Plugin {
    /// Counts a request that was granted, where that is reported.
    #[inline]
    pub(crate) fn used(&self, entry: Option<Entry<'_>>, nanos: Option<u64>) {
        if let (Some(usage), Some(entry), Some(nanos)) = (&self.usage, entry, nanos) {
            usage.count(entry, moment(nanos));
        }
    }
}
