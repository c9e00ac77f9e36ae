//! One loaded configuration in one worker: the policy, the keyring as of now, the metrics.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gracekey_core::{DocumentError, Headers, Held, Keyring, Opening, Peppers, Policy, Request, Sought, Timestamp};

use crate::config::{ConfigError, Settings, Source};
use crate::fetch::{Asked, Fetcher, Outcome, Piece};
use crate::host::{Host, Level};
use crate::meter::Meter;
use crate::pairs::Pairs;
use crate::request::After;
use crate::shared;
use crate::usage::Usage;
use crate::waiting::{self, Waiting};

/// One loaded configuration in one worker.
pub struct Plugin {
    pub(crate) policy: Policy,
    pub(crate) meter: Meter,
    pub(crate) filter_state: bool,
    peppers: Arc<Peppers>,
    ring: RefCell<Option<Ring>>,
    fetcher: Option<RefCell<Fetcher>>,
    /// A document that comes in pieces.
    download: RefCell<Option<Download>>,
    /// The name under which the keyring is laid out for all workers.
    share: Option<String>,
    /// The keyring that all workers share, in the place of one of their own.
    shared: Option<shared::Reader>,
    waiting: Waiting,
    pub(crate) usage: Option<Usage>,
    /// How often the plugin is called.
    period: Cell<Duration>,
}

/// A keyring, and when its source last confirmed it.
struct Ring {
    keyring: Keyring,
    confirmed_at: Timestamp,
}

/// A document of which some pieces were read.
struct Download {
    opening: Opening,
    etag: Option<String>,
}

/// How far a document has come.
enum Progress {
    /// The next piece begins here, of the document with this entity tag.
    More(usize, Option<String>),
    /// It was taken, and has this entity tag.
    Whole(Option<String>),
}

impl Plugin {
    /// How often metrics go out.
    const TICK: Duration = Duration::from_secs(1);
    /// How much of a document is read at once.
    const BIT: usize = 1 << 16;

    /// Reads a configuration. With an inline keyring requests are answered from the first one on.
    ///
    /// # Errors
    /// [`ConfigError`] names the field and what to do.
    pub fn configure<H: Host>(text: &[u8], host: &H) -> Result<Self, ConfigError> {
        let settings = Settings::read(text, host)?;
        let Settings { policy, peppers, keyring, metrics, filter_state } = settings;
        let meter = Meter::new(&metrics, host);
        let nanos = host.now_nanos().unwrap_or(0);
        let mut plugin = Self {
            policy,
            meter,
            filter_state,
            peppers,
            ring: RefCell::default(),
            fetcher: None,
            download: RefCell::default(),
            share: None,
            shared: None,
            waiting: Waiting::default(),
            usage: None,
            period: Cell::default(),
        };
        match keyring {
            Source::Inline(document) => {
                let keyring = Keyring::open(document.as_bytes(), plugin.peppers.clone())
                    .map_err(|error| ConfigError::new("keyring.inline", error))?;
                // The proxy's own configuration is the source, and it confirms by being loaded.
                plugin.hold(keyring, moment(nanos), host);
            }
            Source::Fetch(fetch) => {
                plugin.share.clone_from(&fetch.share);
                plugin.shared = fetch.share.clone().map(shared::Reader::new);
                let fetcher = Fetcher::new(fetch, nanos);
                plugin.usage = fetcher.usage();
                plugin.fetcher = Some(RefCell::new(fetcher));
            }
            Source::Shared(name) => plugin.shared = Some(shared::Reader::new(name)),
        }
        plugin.plan(nanos, host);
        Ok(plugin)
    }

    /// Does what time asks for: sends out metrics, asks for a keyring.
    pub fn tick<H: Host>(&self, host: &H) {
        self.meter.flush(host);
        let Some(nanos) = host.now_nanos() else { return };
        let mut confirmed_at = self.ring.borrow().as_ref().map(|ring| ring.confirmed_at);
        if let Some(shared) = &self.shared {
            confirmed_at = shared.refresh(host);
        }
        self.meter.tick(confirmed_at, moment(nanos), host);
        if let Some(usage) = &self.usage {
            usage.tick(nanos, host);
        }
        if let Some(fetcher) = &self.fetcher {
            fetcher.borrow_mut().tick(nanos, host);
            self.go_on(fetcher, nanos, false, host);
        }
        self.plan(nanos, host);
    }

    /// Takes the answer to a [`Host::call`], under the number that it had: headers in the form of [`Pairs`], empty when
    /// there is no answer, and how long its body is.
    pub fn answered<H: Host>(&self, token: u32, headers: &[u8], body: usize, host: &H) {
        if self.usage.as_ref().is_some_and(|usage| usage.answered(token, Pairs::new(headers))) {
            return;
        }
        let (Some(fetcher), Some(nanos)) = (&self.fetcher, host.now_nanos()) else { return };
        let Some(asked) = fetcher.borrow().asked(token) else { return };
        let epoch = self.epoch();
        let now = moment(nanos);
        let answer = fetcher.borrow().answer(Pairs::new(headers));
        let outcome = match answer {
            Outcome::Unchanged => {
                if let Some(ring) = self.ring.borrow_mut().as_mut() {
                    ring.confirmed_at = now;
                }
                if let Some(name) = &self.share {
                    shared::confirm(name, nanos, host);
                }
                Ok(fetcher.borrow().etag())
            }
            Outcome::Document(etag) => self
                .open(body, host)
                .map_err(|error| error.to_string())
                .and_then(|ring| self.take(ring, nanos, host))
                .map(|()| etag),
            Outcome::Piece(piece) => match self.add(piece, body, nanos, host) {
                Ok(Progress::More(next, etag)) => {
                    fetcher.borrow_mut().next_piece(next, etag, nanos, host);
                    return self.plan(nanos, host);
                }
                Ok(Progress::Whole(etag)) => Ok(etag),
                Err(why) => Err(why),
            },
            Outcome::Failed(why) => Err(why),
        };
        if asked == Asked::OutOfTurn {
            // What is wrong with it shows again in turn, and is told then.
            fetcher.borrow_mut().refreshed(nanos, outcome.ok());
        } else {
            let read_at = host.now_nanos().unwrap_or(nanos);
            self.download.take();
            let why = fetcher.borrow_mut().done(read_at, read_at.saturating_sub(nanos), outcome);
            if let Some(why) = why {
                self.report(&why, host);
            }
        }
        self.go_on(fetcher, nanos, epoch != self.epoch(), host);
        self.plan(nanos, host);
    }

    fn epoch(&self) -> Option<u64> {
        self.ring.borrow().as_ref().map(|ring| ring.keyring.epoch())
    }

    fn report<H: Host>(&self, why: &str, host: &H) {
        let rest = match self.epoch() {
            Some(epoch) => format!("epoch {epoch} stays in use"),
            None => "there is none to use yet".into(),
        };
        host.log(Level::Warn, &format!("the keyring could not be fetched, {rest}: {why}"));
    }

    /// Lets a request wait whose key nobody knows, until the source was asked once more. `None` if it is not there to be
    /// asked, or too many wait.
    pub(crate) fn wait<H: Host>(&self, stream: u32, host: &H) -> Option<Rc<RefCell<After>>> {
        let (fetcher, nanos) = (self.fetcher.as_ref()?, host.now_nanos()?);
        let answer = fetcher.borrow_mut().want_refresh(nanos)?;
        let after = self.waiting.add(stream, answer)?;
        // A call belongs to whoever makes it, and this request may be gone before the answer: so not here, but at once.
        self.plan(nanos, host);
        Some(after)
    }

    /// Decides for good over the requests that have waited long enough, and, where there is `news`, once more over the
    /// others: those whose keys are still unknown wait on.
    fn go_on<H: Host>(&self, fetcher: &RefCell<Fetcher>, now: u64, news: bool, host: &H) {
        let is_over = |request: &waiting::Request| fetcher.borrow().is_over(request.answer, now);
        for request in self.waiting.take(|request| news || is_over(request)) {
            if let Some(after) = request.after.upgrade()
                && host.enter(request.stream)
                && !after.borrow_mut().decide_again(self, is_over(&request), host)
            {
                self.waiting.put_back(request);
            }
        }
    }

    /// Asks to be called when there is something to do, and at least as often as metrics go out.
    fn plan<H: Host>(&self, now: u64, host: &H) {
        let fetcher = self.fetcher.as_ref().map(|fetcher| fetcher.borrow().wakes_at());
        let wake = fetcher.into_iter().chain(self.waiting.wakes_at()).min();
        let left = wake.map_or(Self::TICK, |wake| Duration::from_nanos(wake.saturating_sub(now)));
        // Never sooner than the proxy counts.
        let period = Duration::from_millis(u64::try_from(left.as_millis()).unwrap_or(u64::MAX).saturating_add(1));
        let period = period.min(Self::TICK);
        if self.period.replace(period) != period {
            host.set_tick(period);
        }
    }

    /// Hands to the proxy what was counted and not yet sent.
    pub fn finish<H: Host>(&self, host: &H) {
        self.meter.flush(host);
    }

    /// Lets a keyring that was fetched take the place of the one that is held.
    fn take<H: Host>(&self, keyring: Keyring, nanos: u64, host: &H) -> Result<(), String> {
        let now = moment(nanos);
        let held = self.ring.borrow().as_ref().map(|ring| {
            let follows = keyring.check_follows(&ring.keyring);
            (ring.keyring.epoch(), follows)
        });
        match held {
            Some((_, Err(error))) => return Err(error.to_string()),
            Some((epoch, Ok(()))) if epoch == keyring.epoch() => {}
            _ => host.log(Level::Info, &format!("keyring epoch {}, {} keys", keyring.epoch(), keyring.len())),
        }
        match &self.share {
            Some(name) => {
                shared::publish(name, &keyring, nanos, host);
                self.meter.holds(&keyring, now, host);
                *self.ring.borrow_mut() = Some(Ring { keyring: keyring.without_keys(), confirmed_at: now });
            }
            None => self.hold(keyring, now, host),
        }
        Ok(())
    }

    /// Reads a piece of that length.
    fn add<H: Host>(&self, piece: Piece, len: usize, nanos: u64, host: &H) -> Result<Progress, String> {
        let Piece { etag, start, total } = piece;
        let mut download = match self.download.take().filter(|_| start > 0) {
            None => Download { opening: Opening::new(self.peppers.clone(), total), etag },
            Some(download) if download.etag == etag => download,
            Some(_) => return Err("it changed while it was fetched".into()),
        };
        let end = start.saturating_add(len);
        if len == 0 || end > total {
            return Err("a piece of another length than its content-range says".into());
        }
        self.read(len, &mut download.opening, host).map_err(|error| error.to_string())?;
        let Download { opening, etag } = download;
        if end < total {
            *self.download.borrow_mut() = Some(Download { opening, etag: etag.clone() });
            return Ok(Progress::More(end, etag));
        }
        let keyring = opening.finish().map_err(|error| error.to_string())?;
        self.take(keyring, nanos, host)?;
        Ok(Progress::Whole(etag))
    }

    fn open<H: Host>(&self, len: usize, host: &H) -> Result<Keyring, DocumentError> {
        let mut opening = Opening::new(self.peppers.clone(), len);
        self.read(len, &mut opening, host)?;
        opening.finish()
    }

    /// Reads an answer out of the proxy's memory bit by bit: that of a worker never shrinks again.
    fn read<H: Host>(&self, len: usize, opening: &mut Opening, host: &H) -> Result<(), DocumentError> {
        (0..len)
            .step_by(Self::BIT)
            .try_for_each(|start| opening.push(&host.answer_body(start, Self::BIT.min(len - start))))
    }

    fn hold<H: Host>(&self, keyring: Keyring, now: Timestamp, host: &H) {
        self.meter.holds(&keyring, now, host);
        *self.ring.borrow_mut() = Some(Ring { keyring, confirmed_at: now });
    }

    /// Lets a request look at the keyring.
    #[inline]
    pub(crate) fn with_held<'r, H: Host, T>(
        &self,
        request: &Request<'r, impl Headers<'r>>,
        host: &H,
        look: impl FnOnce(Option<Held<'_>>) -> T,
    ) -> T {
        if let Some(shared) = &self.shared {
            let sought = Sought::new(&self.policy, &self.peppers, request);
            let found = shared.look_up(sought.as_ref(), &self.peppers, host);
            return look(found.as_ref().map(|(keyring, confirmed_at)| Held { keyring, confirmed_at: *confirmed_at }));
        }
        let ring = self.ring.borrow();
        look(ring.as_ref().map(|ring| Held { keyring: &ring.keyring, confirmed_at: ring.confirmed_at }))
    }
}

/// The second of a time in nanoseconds.
pub(crate) fn moment(nanos: u64) -> Timestamp {
    let seconds = i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX);
    Timestamp::from_unix_seconds(seconds).unwrap_or(Timestamp::MAX)
}
