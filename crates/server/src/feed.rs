//! The feed: what verifiers poll, and what they report.
//!
//! One task follows the store ([`follow`]) and keeps the server's own keyring. Another renders one [`Edition`] per epoch,
//! however many poll. A poller waits for no timer but its own and costs nothing while nothing changes.

mod again;
mod begun;
mod edition;
mod error;
mod follow;
mod metrics;
mod poll;
mod publish;
mod usage;
mod verifiers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gracekey_core::Timestamp;
use gracekey_tower::{Caller, Clock, LiveKeyring};
use tokio::sync::{Notify, watch};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::config::Config;
pub(crate) use again::decide_again;
use begun::Begun;
use edition::Edition;
pub(crate) use error::FeedError;
use follow::Follower;
use metrics::Metrics;
use publish::Proofs;
use usage::Usage;
pub(crate) use usage::{count_caller, count_refused};
use verifiers::Verifiers;

/// Keeps the server's own keyring as new as the store, and renders it for verifiers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Feed(Arc<Shared>);

struct Shared {
    /// What the server itself decides with.
    live: LiveKeyring,
    /// What verifiers get, and forward auth decides with: without the server's own clients.
    published: LiveKeyring,
    clock: Clock,
    board: watch::Sender<Board>,
    /// The epoch that the server itself decides with.
    own: watch::Sender<u64>,
    /// The newest epoch that this server knows to exist, here or in the store alone.
    known: AtomicU64,
    /// Somebody knows of a change.
    told: Notify,
    proofs: Proofs,
    begun: Begun,
    verifiers: Verifiers,
    usage: Usage,
    metrics: Metrics,
}

/// What all pollers look at.
#[derive(Default)]
struct Board {
    /// The newest edition; none before the first was rendered.
    edition: Option<Arc<Edition>>,
    /// The server ends: nobody waits any longer.
    stopping: bool,
}

impl Board {
    /// The epoch of the newest edition.
    fn epoch(&self) -> Option<u64> {
        self.edition.as_deref().map(Edition::epoch)
    }
}

impl Feed {
    /// For so long the store may be silent before the feed no longer says that what a verifier holds is the newest.
    const SILENCE: u64 = 5;
    /// How long a change waits for the server's own keyring.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// Loads the first keyring and renders its edition, and follows the store from then on.
    ///
    /// # Errors
    /// [`FeedError`], when the store gives no keyring to begin with.
    pub(crate) async fn start(config: &Config, live: LiveKeyring) -> Result<Self, FeedError> {
        let (usage, reports) = Usage::new();
        let shared = Arc::new(Shared {
            live,
            published: LiveKeyring::with_clock(None, config.clock.clone()),
            clock: config.clock.clone(),
            board: watch::Sender::default(),
            own: watch::Sender::default(),
            known: AtomicU64::default(),
            told: Notify::new(),
            proofs: Proofs::default(),
            begun: Begun::default(),
            verifiers: Verifiers::default(),
            usage,
            metrics: Metrics::new(&config.metrics_prefix),
        });
        let mut follower = Follower::new(config.store.clone(), Arc::clone(&config.peppers), Arc::clone(&shared));
        follower.look().await?;
        publish::first(&shared, &config.peppers).await?;
        tokio::spawn(follower.run());
        tokio::spawn(publish::run(Arc::clone(&shared), Arc::clone(&config.peppers)));
        tokio::spawn(usage::write(Arc::clone(&shared), config.store.clone(), reports));
        Ok(Self(shared))
    }

    /// The keyring that verifiers get.
    pub(crate) fn published(&self) -> &LiveKeyring {
        &self.0.published
    }

    /// A change made this epoch. Returns when the server's own keyring shows it, or after a second.
    pub(crate) async fn changed(&self, epoch: u64) {
        self.0.knows(epoch);
        self.0.told.notify_one();
        let mut own = self.0.own.subscribe();
        let shown = tokio::time::timeout(Self::PATIENCE, own.wait_for(|own| *own >= epoch));
        // Late is no error: whoever looks sees it a moment later. And nobody follows any more while the server ends.
        tokio::select! {
            _ = shown => {}
            () = self.0.stopped() => {}
        }
    }

    /// Ends what waits, so that the server can end.
    pub(crate) fn stop(&self) {
        self.0.board.send_modify(|board| board.stopping = true);
    }

    /// Writes down what was counted. Call it when no request is left; it takes as long as the store lets it.
    pub(crate) async fn finish(&self) {
        self.stop();
        self.0.usage.finish().await;
    }

    /// Counts a request that was granted on a key.
    pub(crate) fn count(&self, caller: &Caller) {
        if let (Ok(key_id), Some(now)) = (caller.key_id().parse(), self.0.clock.now()) {
            self.0.usage.count(key_id, now);
        }
    }

    /// Brings the gauges up to date: call it before a scrape is answered.
    pub(crate) fn refresh_metrics(&self) {
        let epoch = self.0.epoch();
        let (known, behind) = self.0.verifiers.known_and_behind(epoch, self.0.clock.now());
        self.0.metrics.refresh(known, behind, epoch);
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("epoch", &self.0.epoch()).finish_non_exhaustive()
    }
}

impl Shared {
    fn edition(&self) -> Option<Arc<Edition>> {
        self.board.borrow().edition.clone()
    }

    /// The epoch of the newest edition.
    fn epoch(&self) -> Option<u64> {
        self.board.borrow().epoch()
    }

    /// There is this epoch: nobody is told any more that an older one is the newest.
    fn knows(&self, epoch: u64) {
        self.known.fetch_max(epoch, Ordering::AcqRel);
    }

    /// The newest epoch that this server knows of.
    fn known(&self) -> u64 {
        self.known.load(Ordering::Acquire)
    }

    /// Seconds since the store last said that this is the newest, if those are too many to vouch for it.
    fn silent_for(&self) -> Option<u64> {
        let now = self.clock.now()?;
        let silence = now.seconds_since(self.live.confirmed_at());
        (silence > Feed::SILENCE).then_some(silence)
    }

    fn now(&self) -> Timestamp {
        self.clock.now().unwrap_or(Timestamp::MIN)
    }

    /// Returns when the server ends.
    async fn stopped(&self) {
        // The sender is ours, so that it can't be gone.
        let _stopping = self.board.subscribe().wait_for(|board| board.stopping).await.is_ok();
    }
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(poll::keyring))
        .routes(routes!(verifiers::verifiers))
        .routes(routes!(usage::report))
}
