//! One loaded configuration in one worker: the policy, the keyring as of now, the metrics.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use gracekey_core::{Held, Keyring, Peppers, Policy, Timestamp};

use crate::config::{ConfigError, Settings, Source};
use crate::fetch::{Fetcher, Outcome};
use crate::host::{Host, Level};
use crate::meter::Meter;
use crate::pairs::Pairs;

/// One loaded configuration in one worker.
pub struct Plugin {
    pub(crate) policy: Policy,
    pub(crate) meter: Meter,
    pub(crate) filter_state: bool,
    peppers: Arc<Peppers>,
    ring: RefCell<Option<Ring>>,
    fetcher: Option<RefCell<Fetcher>>,
    /// How often the plugin is called once there is a keyring.
    period: Duration,
}

/// A keyring, and when its source last confirmed it.
struct Ring {
    keyring: Keyring,
    confirmed_at: Timestamp,
}

impl Plugin {
    /// How often metrics go out.
    const TICK: Duration = Duration::from_secs(1);
    /// The tick while there is no keyring yet.
    const HASTE: Duration = Duration::from_millis(50);

    /// Reads a configuration. With an inline keyring requests are answered from the first one on.
    ///
    /// # Errors
    /// [`ConfigError`] names the field and what to do.
    pub fn configure<H: Host>(text: &[u8], host: &H) -> Result<Self, ConfigError> {
        let settings = Settings::read(text, host)?;
        let Settings { policy, peppers, keyring, metrics, filter_state } = settings;
        let meter = Meter::new(&metrics, host);
        let nanos = host.now_nanos().unwrap_or(0);
        let (ring, period) = (RefCell::default(), Self::TICK);
        let mut plugin = Self { policy, meter, filter_state, peppers, ring, fetcher: None, period };
        match keyring {
            Source::Inline(document) => {
                let keyring = Keyring::open(document.as_bytes(), plugin.peppers.clone())
                    .map_err(|error| ConfigError::new("keyring.inline", error))?;
                // The proxy's own configuration is the source, and it confirms by being loaded.
                plugin.hold(keyring, moment(nanos), host);
                host.set_tick(plugin.period);
            }
            Source::Fetch(fetch) => {
                // A keyring is asked for at the first tick after its interval, and a revocation waits for that.
                plugin.period = Self::TICK.min(Duration::from_secs(fetch.interval.0.into()) / 4);
                plugin.fetcher = Some(RefCell::new(Fetcher::new(fetch, nanos)));
                host.set_tick(Self::HASTE);
            }
        }
        Ok(plugin)
    }

    /// Does what time asks for: sends out metrics, asks for a keyring.
    pub fn tick<H: Host>(&self, host: &H) {
        self.meter.flush(host);
        let Some(nanos) = host.now_nanos() else { return };
        let confirmed_at = self.ring.borrow().as_ref().map(|ring| ring.confirmed_at);
        self.meter.tick(confirmed_at, moment(nanos), host);
        if let Some(fetcher) = &self.fetcher {
            fetcher.borrow_mut().tick(nanos, host);
        }
    }

    /// Takes the answer to a [`Host::call`]: headers in the form of [`Pairs`], empty when there is no answer.
    pub fn answered<H: Host>(&self, headers: &[u8], body: &[u8], host: &H) {
        let (Some(fetcher), Some(nanos)) = (&self.fetcher, host.now_nanos()) else { return };
        let mut fetcher = fetcher.borrow_mut();
        let now = moment(nanos);
        let outcome = match fetcher.answer(Pairs::new(headers), body) {
            Outcome::Unchanged => {
                if let Some(ring) = self.ring.borrow_mut().as_mut() {
                    ring.confirmed_at = now;
                }
                Ok(fetcher.etag())
            }
            Outcome::Document(body, etag) => self.take(body, now, host).map(|()| etag),
            Outcome::Failed(why) => Err(why),
        };
        if let Some(why) = fetcher.done(nanos, outcome) {
            let kept = self.ring.borrow().as_ref().map(|ring| ring.keyring.epoch());
            let rest = match kept {
                Some(epoch) => format!("epoch {epoch} stays in use"),
                None => "there is none to use yet".into(),
            };
            host.log(Level::Warn, &format!("the keyring could not be fetched, {rest}: {why}"));
        }
    }

    /// Hands to the proxy what was counted and not yet sent.
    pub fn finish<H: Host>(&self, host: &H) {
        self.meter.flush(host);
    }

    /// Opens a document that was fetched, and lets it take the place of the one that is held.
    fn take<H: Host>(&self, document: &[u8], now: Timestamp, host: &H) -> Result<(), String> {
        let keyring = Keyring::open(document, self.peppers.clone()).map_err(|error| error.to_string())?;
        let held = self.ring.borrow().as_ref().map(|ring| {
            let follows = keyring.check_follows(&ring.keyring);
            (ring.keyring.epoch(), follows)
        });
        match held {
            Some((_, Err(error))) => return Err(error.to_string()),
            Some((epoch, Ok(()))) if epoch == keyring.epoch() => {}
            _ => host.log(Level::Info, &format!("keyring epoch {}, {} keys", keyring.epoch(), keyring.len())),
        }
        if held.is_none() {
            host.set_tick(self.period);
        }
        self.hold(keyring, now, host);
        Ok(())
    }

    fn hold<H: Host>(&self, keyring: Keyring, now: Timestamp, host: &H) {
        self.meter.holds(&keyring, now, host);
        *self.ring.borrow_mut() = Some(Ring { keyring, confirmed_at: now });
    }

    /// Lets a request look at the keyring.
    #[inline]
    pub(crate) fn with_held<T>(&self, look: impl FnOnce(Option<Held<'_>>) -> T) -> T {
        let ring = self.ring.borrow();
        look(ring.as_ref().map(|ring| Held { keyring: &ring.keyring, confirmed_at: ring.confirmed_at }))
    }
}

/// The second of a time in nanoseconds.
pub(crate) fn moment(nanos: u64) -> Timestamp {
    let seconds = i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX);
    Timestamp::from_unix_seconds(seconds).unwrap_or(Timestamp::MAX)
}
