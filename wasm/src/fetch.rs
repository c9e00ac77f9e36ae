//! The keyring by fetch: when to ask, what to ask, and what an answer means.

use std::time::Duration;

use crate::config::Fetch;
use crate::host::Host;
use crate::pairs::Pairs;
use crate::refresh::{Answer, Refresh};
use crate::usage::Usage;

/// Asks a cluster for the keyring, again and again. Times are nanoseconds since 1970.
pub(crate) struct Fetcher {
    fetch: Fetch,
    /// The entity tag (RFC 9110 §8.8.3) of the keyring that is held.
    etag: Option<String>,
    /// When to ask again.
    due: u64,
    poll: Option<Call>,
    refresh: Refresh,
    /// Where the next piece of a document begins.
    next: usize,
    /// The entity tag of that document.
    begun: Option<String>,
    failures: u32,
    seed: u64,
    reported: Option<String>,
}

/// A call under way.
pub(crate) struct Call {
    token: u32,
    asked_at: u64,
    /// A call out of turn brought another keyring meanwhile.
    overtaken: bool,
    /// It counts as lost at this moment: a proxy that forgets a call must not end the asking.
    pub(crate) until: u64,
}

/// What came of a call.
pub(crate) enum Outcome {
    /// The keyring that is held is the newest.
    Unchanged,
    /// Another document, with its entity tag.
    Document(Option<String>),
    /// A piece of it.
    Piece(Piece),
    /// Nothing that could be used.
    Failed(String),
}

/// A piece of a document.
pub(crate) struct Piece {
    pub(crate) etag: Option<String>,
    pub(crate) start: usize,
    /// Bytes of the whole document.
    pub(crate) total: usize,
}

/// Which call was answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    InTurn,
    OutOfTurn,
}

impl Fetcher {
    const SECOND: u64 = 1_000_000_000;
    /// For the answer to a call out of turn, at most.
    const REFRESH: u64 = Self::SECOND;
    /// Between an answer and the next call where the server waits, at least.
    const PAUSE: u64 = Self::SECOND / 20;

    /// Each worker starts at a moment of its own within the first fifth of a second, so that they do not all ask at
    /// once for ever after.
    pub(crate) fn new(fetch: Fetch, now: u64) -> Self {
        let refresh = Refresh::default();
        let mut fetcher = Self {
            fetch,
            etag: None,
            due: 0,
            poll: None,
            refresh,
            next: 0,
            begun: None,
            failures: 0,
            seed: now,
            reported: None,
        };
        fetcher.due = now.saturating_add(fetcher.spread(Self::SECOND / 5));
        // Each worker holds a keyring of its own, and may lag by itself.
        let own = fetcher.spread(1 << 32);
        if let Some(name) = &mut fetcher.fetch.verifier {
            name.push_str(&format!("-{own:08x}"));
        }
        fetcher
    }

    /// What reports on the use of keys, to the same server, if it is wanted.
    pub(crate) fn usage(&self) -> Option<Usage> {
        let Fetch { cluster, authority, verifier, authorization, usage, .. } = &self.fetch;
        let verifier = verifier.as_deref().filter(|_| *usage)?;
        let mut headers = vec![
            (":method", "POST".to_owned()),
            (":path", "/v2/usage".to_owned()),
            (":authority", authority.as_deref().unwrap_or(cluster).to_owned()),
            (":scheme", "http".to_owned()),
            ("content-type", "application/json".to_owned()),
        ];
        headers.extend(authorization.as_ref().map(|text| ("authorization", text.to_string())));
        Some(Usage::new(cluster, headers, verifier))
    }

    /// Asks, if it is time to.
    pub(crate) fn tick<H: Host>(&mut self, now: u64, host: &H) {
        if self.refresh.call().is_some_and(|call| call.until <= now) {
            self.refresh.answered(now);
        }
        if self.refresh.is_due(now) {
            let timeout = Self::REFRESH.min(nanos(self.fetch.timeout.0));
            let call = self.call(now, 0, timeout, timeout, host);
            self.refresh.made(now, call);
        }
        if self.poll.as_ref().is_some_and(|call| now < call.until) || now < self.due {
            return;
        }
        // Without a keyring there is nothing to wait for the change of.
        let wait = if self.etag.is_some() && self.next == 0 { self.fetch.wait.0 } else { 0 };
        let timeout = nanos(self.fetch.timeout.0).saturating_add(nanos(wait));
        self.poll = self.call(now, wait, timeout, timeout.saturating_mul(2), host);
        if self.poll.is_none() {
            let why = format!("the proxy has no cluster `{}`, or it has no host", self.fetch.cluster);
            self.done(now, 0, Err(why));
        }
    }

    fn call<H: Host>(&self, now: u64, wait: u32, timeout: u64, patience: u64, host: &H) -> Option<Call> {
        let Fetch { cluster, path, authority, verifier, authorization, .. } = &self.fetch;
        let prefer = format!("wait={wait}");
        let range = format!("bytes={}-{}", self.next, self.next.saturating_add(self.fetch.piece_bytes) - 1);
        let mut headers = vec![
            (":method", "GET"),
            (":path", path.as_str()),
            (":authority", authority.as_deref().unwrap_or(cluster)),
            (":scheme", "http"),
            ("accept", "application/json"),
        ];
        let more = [
            ("authorization", authorization.as_ref().map(|text| text.as_str())),
            ("if-none-match", self.etag.as_deref().filter(|_| self.next == 0)),
            ("prefer", Some(prefer.as_str()).filter(|_| wait > 0)),
            // Another may take its place meanwhile. A weak tag says nothing of bytes (RFC 9110 §13.1.1).
            ("if-match", self.begun.as_deref().filter(|tag| !tag.starts_with("W/"))),
            ("range", Some(range.as_str()).filter(|_| self.in_pieces())),
            ("x-gracekey-verifier", verifier.as_deref()),
        ];
        headers.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let token = host.call(cluster, &headers, &[], Duration::from_nanos(timeout))?;
        Some(Call { token, asked_at: now, overtaken: false, until: now.saturating_add(patience) })
    }

    /// Which call of ours has this number, if one has.
    pub(crate) fn asked(&self, token: u32) -> Option<Asked> {
        if self.poll.as_ref().is_some_and(|call| call.token == token) {
            return Some(Asked::InTurn);
        }
        self.refresh.call().is_some_and(|call| call.token == token).then_some(Asked::OutOfTurn)
    }

    /// Reads an answer.
    pub(crate) fn answer(&self, headers: Pairs<'_>) -> Outcome {
        match headers.first(":status") {
            Some(b"200") => match headers.first("etag").and_then(text) {
                // What a call out of turn brought already is not read once more.
                Some(etag) if self.etag.as_ref() == Some(&etag) => Outcome::Unchanged,
                etag => Outcome::Document(etag),
            },
            Some(b"304") if self.etag.is_some() => Outcome::Unchanged,
            Some(b"206") if self.in_pieces() => match headers.first("content-range").and_then(content_range) {
                Some((start, total)) if start == self.next => {
                    Outcome::Piece(Piece { etag: headers.first("etag").and_then(text), start, total })
                }
                _ => Outcome::Failed("status 206 without the content-range that was asked for".into()),
            },
            Some(b"412") if self.next > 0 => Outcome::Failed("it changed while it was fetched".into()),
            Some(status) => Outcome::Failed(format!("status {}", String::from_utf8_lossy(status))),
            None => Outcome::Failed("no answer".into()),
        }
    }

    /// Plans the next call, after one in turn whose answer took `took` to read. Returns what there is to report, once
    /// for each new reason.
    pub(crate) fn done(&mut self, now: u64, took: u64, outcome: Result<Option<String>, String>) -> Option<String> {
        (self.next, self.begun) = (0, None);
        let (asked_at, overtaken) = self.poll.take().map_or((now, false), |call| (call.asked_at, call.overtaken));
        let interval = nanos(self.fetch.interval.0);
        match outcome {
            Ok(etag) => {
                let changed = self.etag != etag || overtaken;
                if self.etag != etag {
                    self.refresh.news();
                }
                self.etag = etag;
                self.failures = 0;
                self.reported = None;
                let wait = nanos(self.fetch.wait.0);
                let waited = now.saturating_sub(asked_at) >= wait / 2;
                self.due = if wait > 0 && self.etag.is_some() && (changed || waited) {
                    // A large keyring that changes all the time must not take all of a worker's time.
                    now.saturating_add(Self::PAUSE.max(took.saturating_mul(4)))
                } else {
                    // Also where a server was asked to wait and does not know how to. Nine to eleven tenths of the
                    // interval.
                    now.saturating_add(interval - interval / 10).saturating_add(self.spread(interval / 5))
                };
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

    /// Asks for the next piece of a document, at once.
    pub(crate) fn next_piece<H: Host>(&mut self, next: usize, etag: Option<String>, now: u64, host: &H) {
        self.poll = None;
        (self.next, self.begun) = (next, etag);
        self.due = now;
        self.tick(now, host);
    }

    fn in_pieces(&self) -> bool {
        self.fetch.pieces || self.fetch.share.is_some()
    }

    /// Asks out of turn, and says what to wait for.
    pub(crate) fn want_refresh(&mut self, now: u64) -> Option<Answer> {
        // What takes seconds nobody can wait for.
        (!self.in_pieces()).then(|| self.refresh.want(now))
    }

    /// Whether a request has waited long enough.
    pub(crate) fn is_over(&self, answer: Answer, now: u64) -> bool {
        self.refresh.is_over(answer, now)
    }

    /// Ends a call out of turn; `etag` is the one of the document that it brought.
    pub(crate) fn refreshed(&mut self, now: u64, etag: Option<Option<String>>) {
        if let Some(etag) = etag {
            if self.etag != etag {
                self.refresh.news();
            }
            self.etag = etag;
            if let Some(poll) = &mut self.poll {
                poll.overtaken = true;
            }
        }
        self.refresh.answered(now);
    }

    /// The moment at which [`Self::tick`] has something to do.
    pub(crate) fn wakes_at(&self) -> u64 {
        let poll = self.poll.as_ref().map_or(self.due, |call| call.until);
        self.refresh.wakes_at().map_or(poll, |moment| poll.min(moment))
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

fn nanos(seconds: u32) -> u64 {
    u64::from(seconds).saturating_mul(Fetcher::SECOND)
}

/// Where a piece begins, and how long the whole is: `bytes 0-99/1000` (RFC 9110 §14.4).
fn content_range(value: &[u8]) -> Option<(usize, usize)> {
    let (range, total) = std::str::from_utf8(value).ok()?.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, total.parse().ok()?))
}

/// An entity tag is ASCII, and goes back as it came.
fn text(value: &[u8]) -> Option<String> {
    std::str::from_utf8(value).ok().filter(|text| text.is_ascii()).map(Into::into)
}
