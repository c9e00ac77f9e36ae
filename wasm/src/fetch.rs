//! The keyring by fetch: when to ask, what to ask, and what an answer means.

use std::time::Duration;

use gracekey_core::Seconds;

use crate::config::Fetch;
use crate::host::Host;
use crate::pairs::Pairs;

/// Asks a cluster for the keyring, again and again. Times are nanoseconds since 1970.
pub(crate) struct Fetcher {
    fetch: Fetch,
    /// The entity tag (RFC 9110 §8.8.3) of the keyring that is held.
    etag: Option<String>,
    due: u64,
    /// A call is under way, which counts as lost at this moment.
    waiting_until: Option<u64>,
    failures: u32,
    seed: u64,
    reported: Option<String>,
}

/// What came of a call.
pub(crate) enum Outcome<'b> {
    /// The keyring that is held is the newest.
    Unchanged,
    /// Another document, with its entity tag.
    Document(&'b [u8], Option<String>),
    /// Nothing that could be used.
    Failed(String),
}

impl Fetcher {
    const SECOND: u64 = 1_000_000_000;

    /// Each worker starts at a moment of its own within the first fifth of a second, so that they do not all ask at
    /// once for ever after.
    pub(crate) fn new(fetch: Fetch, now: u64) -> Self {
        let mut fetcher =
            Self { fetch, etag: None, due: 0, waiting_until: None, failures: 0, seed: now, reported: None };
        fetcher.due = now.saturating_add(fetcher.spread(Self::SECOND / 5));
        fetcher
    }

    /// Asks, if it is time to.
    pub(crate) fn tick<H: Host>(&mut self, now: u64, host: &H) {
        if self.waiting_until.is_some_and(|until| now < until) || now < self.due {
            return;
        }
        let Fetch { cluster, path, authority, timeout, .. } = &self.fetch;
        let mut headers = vec![
            (":method", "GET"),
            (":path", path.as_str()),
            (":authority", authority.as_deref().unwrap_or(cluster)),
            (":scheme", "http"),
            ("accept", "application/json"),
        ];
        headers.extend(self.etag.as_deref().map(|etag| ("if-none-match", etag)));
        if host.call(cluster, &headers, Duration::from_secs(timeout.0.into())) {
            // A proxy that forgets the call must not end the asking.
            let patience = timeout.0.saturating_mul(2);
            self.waiting_until = Some(now.saturating_add(nanos(Seconds(patience))));
        } else {
            let why = format!("the proxy has no cluster `{cluster}`, or it has no host");
            self.done(now, Err(why));
        }
    }

    /// Reads an answer.
    pub(crate) fn answer<'b>(&mut self, headers: Pairs<'_>, body: &'b [u8]) -> Outcome<'b> {
        match headers.first(":status") {
            Some(b"200") => Outcome::Document(body, headers.first("etag").and_then(text)),
            Some(b"304") if self.etag.is_some() => Outcome::Unchanged,
            Some(status) => Outcome::Failed(format!("status {}", String::from_utf8_lossy(status))),
            None => Outcome::Failed("no answer".into()),
        }
    }

    /// Plans the next call. Returns what there is to report, once for each new reason.
    pub(crate) fn done(&mut self, now: u64, outcome: Result<Option<String>, String>) -> Option<String> {
        self.waiting_until = None;
        let interval = nanos(self.fetch.interval);
        match outcome {
            Ok(etag) => {
                self.etag = etag;
                self.failures = 0;
                self.reported = None;
                // Nine to eleven tenths of the interval.
                let jitter = self.spread(interval / 5);
                self.due = now.saturating_add(interval - interval / 10).saturating_add(jitter);
                None
            }
            Err(why) => {
                self.failures = self.failures.saturating_add(1);
                let pause = Self::SECOND.saturating_mul(1 << self.failures.min(10)).min(interval) / 2;
                self.due = now.saturating_add(pause).saturating_add(self.spread(pause));
                if self.reported.as_ref() == Some(&why) {
                    return None;
                }
                self.reported = Some(why.clone());
                Some(why)
            }
        }
    }

    /// The entity tag to keep when the keyring stays.
    pub(crate) fn etag(&self) -> Option<String> {
        self.etag.clone()
    }

    /// Some number below `range`, another each time (`SplitMix64`). It only spreads load and need not be secret.
    fn spread(&mut self, range: u64) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.seed;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)).checked_rem(range).unwrap_or(0)
    }
}

fn nanos(seconds: Seconds) -> u64 {
    u64::from(seconds.0).saturating_mul(Fetcher::SECOND)
}

/// An entity tag is ASCII, and goes back as it came.
fn text(value: &[u8]) -> Option<String> {
    std::str::from_utf8(value).ok().filter(|text| text.is_ascii()).map(Into::into)
}
