//! Follows the store: a look at its epoch now and then, and whenever a request has a key that is not known, and a snapshot
//! when it grew.

use std::sync::Arc;
use std::time::Duration;

use gracekey_core::{Document, DocumentError, Keyring, Peppers};
use gracekey_store::Store;
use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;

use super::{FeedError, Shared};
use crate::guard;

pub(super) struct Follower {
    store: Store,
    peppers: Arc<Peppers>,
    shared: Arc<Shared>,
    /// The epoch that was taken last.
    taken: Option<u64>,
    /// The epoch that made no keyring, which is not tried again.
    refused: Option<(u64, DocumentError)>,
    last_error: Option<String>,
}

impl Follower {
    /// Other servers on the same store make changes, too, and tell nobody.
    const INTERVAL: Duration = Duration::from_millis(200);

    pub(super) fn new(store: Store, peppers: Arc<Peppers>, shared: Arc<Shared>) -> Self {
        Self { store, peppers, shared, taken: None, refused: None, last_error: None }
    }

    /// Looks again and again, until the server ends.
    pub(super) async fn run(self) {
        let shared = Arc::clone(&self.shared);
        let follower = Arc::new(Mutex::new(self));
        // Somebody else may have issued a key since the last look.
        let rechecking = [&shared.live, &shared.published].map(|live| {
            let asked = Arc::clone(&follower);
            live.recheck(Self::INTERVAL, move || Self::look_for_a_key(Arc::clone(&asked)))
        });
        for why in rechecking.iter().filter_map(|rechecking| rechecking.as_ref().err()) {
            tracing::warn!(%why, "keys that others issue are known a moment later");
        }
        let stopped = shared.stopped();
        tokio::pin!(stopped);
        let mut ticks = tokio::time::interval(Self::INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut stopped => return,
                () = shared.told.notified() => {}
                _ = ticks.tick() => {}
            }
            follower.lock().await.look_and_tell().await;
            shared.begun.forget(shared.now());
        }
    }

    async fn look_for_a_key(follower: Arc<Mutex<Self>>) {
        let mut follower = follower.lock().await;
        follower.shared.metrics.looked_for_a_key();
        follower.look_and_tell().await;
    }

    async fn look_and_tell(&mut self) {
        match self.look().await {
            Ok(()) => self.recovered(),
            Err(error) => self.complain(&error),
        }
    }

    /// Takes the store's keyring if it is a newer one. What changes meanwhile is taken together, the next time.
    pub(super) async fn look(&mut self) -> Result<(), FeedError> {
        let epoch = self.store.epoch().await.map_err(FeedError::Store)?;
        self.shared.knows(epoch);
        if let Some(held) = self.taken {
            if epoch < held {
                return Err(FeedError::WentBack { held, found: epoch });
            }
            if epoch == held {
                self.shared.live.confirm();
                self.shared.published.confirm();
                return Ok(());
            }
        }
        if let Some((_, error)) = self.refused.as_ref().filter(|(refused, _)| *refused == epoch) {
            return Err(FeedError::Document(error.clone()));
        }
        let document = self.store.snapshot().await.map_err(FeedError::Store)?;
        let (epoch, keys) = (document.epoch, document.keys.len());
        self.shared.knows(epoch);
        let (shared, peppers) = (Arc::clone(&self.shared), Arc::clone(&self.peppers));
        let built = tokio::task::spawn_blocking(move || {
            let published = guard::published(&document);
            let keyring = Keyring::new(&published, Arc::clone(&peppers))?;
            // It is rendered while the other keyring is built, and shown to nobody before both are held.
            shared.proofs.put(published);
            Ok((keyring, own(document, peppers)?))
        });
        let taken = built.await.map_err(|_| FeedError::Ended)?.and_then(|(published, own)| {
            self.shared.published.replace(published)?;
            self.shared.live.replace(own)
        });
        taken.map_err(|error| {
            self.refused = Some((epoch, error.clone()));
            FeedError::Document(error)
        })?;
        self.taken = Some(epoch);
        self.shared.own.send_replace(epoch);
        tracing::debug!(epoch, keys, "keyring taken from the store");
        Ok(())
    }

    /// Once for each thing that is wrong, not each time that it is seen.
    fn complain(&mut self, error: &FeedError) {
        let why = error.to_string();
        if self.last_error.as_ref() != Some(&why) {
            tracing::error!(held_epoch = self.taken, %why, "no newer keyring; what is held goes on being served");
            self.last_error = Some(why);
        }
    }

    fn recovered(&mut self) {
        if self.last_error.take().is_some() {
            tracing::info!(epoch = self.taken, "the store is followed again");
        }
    }
}

/// The keyring that the server itself decides with.
fn own(mut document: Document, peppers: Arc<Peppers>) -> Result<Keyring, DocumentError> {
    guard::imply_scopes(&mut document);
    Keyring::new(&document, peppers)
}
