//! Follows the store: a look at its epoch now and then, and a snapshot when it grew.

use std::sync::Arc;
use std::time::Duration;

use gracekey_core::{Document, DocumentError, Keyring, Peppers};
use gracekey_store::Store;
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

    pub(super) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
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
            match self.look().await {
                Ok(()) => self.recovered(),
                Err(error) => self.complain(&error),
            }
        }
    }

    /// Takes the store's keyring if it is a newer one. What changes meanwhile is taken together, the next time.
    pub(super) async fn look(&mut self) -> Result<(), FeedError> {
        let epoch = self.store.epoch().await.map_err(FeedError::Store)?;
        if let Some(held) = self.taken {
            if epoch < held {
                return Err(FeedError::WentBack { held, found: epoch });
            }
            if epoch == held {
                self.shared.live.confirm();
                return Ok(());
            }
        }
        if let Some((_, error)) = self.refused.as_ref().filter(|(refused, _)| *refused == epoch) {
            return Err(FeedError::Document(error.clone()));
        }
        let document = self.store.snapshot().await.map_err(FeedError::Store)?;
        let (epoch, keys) = (document.epoch, document.keys.len());
        let (shared, peppers) = (Arc::clone(&self.shared), Arc::clone(&self.peppers));
        let built = tokio::task::spawn_blocking(move || {
            // It is rendered while the keyring is built, and shown to nobody before that is held.
            shared.proofs.put(guard::published(&document));
            own(document, peppers)
        });
        let taken = built.await.map_err(|_| FeedError::Ended)?.and_then(|keyring| self.shared.live.replace(keyring));
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
