//! Follows the store: a look at its epoch now and then, and a snapshot when it grew.

use std::sync::Arc;
use std::time::Duration;

use gracekey_core::{Document, Keyring, Peppers};
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
    last_error: Option<String>,
}

impl Follower {
    /// Other servers on the same store make changes, too, and tell nobody.
    const INTERVAL: Duration = Duration::from_millis(200);

    pub(super) fn new(store: Store, peppers: Arc<Peppers>, shared: Arc<Shared>) -> Self {
        Self { store, peppers, shared, taken: None, last_error: None }
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
        let document = self.store.snapshot().await.map_err(FeedError::Store)?;
        let (epoch, keys) = (document.epoch, document.keys.len());
        let peppers = Arc::clone(&self.peppers);
        let built = tokio::task::spawn_blocking(move || split(document, peppers)).await;
        let (keyring, published) = built.map_err(|_| FeedError::Ended)??;
        self.shared.live.replace(keyring).map_err(FeedError::Document)?;
        self.taken = Some(epoch);
        self.shared.own.send_replace(epoch);
        self.shared.proofs.put(published);
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

/// The keyring that the server itself decides with, and what verifiers get: all but the server's own clients.
fn split(mut document: Document, peppers: Arc<Peppers>) -> Result<(Keyring, Document), FeedError> {
    let published = guard::published(&document);
    guard::imply_scopes(&mut document);
    let keyring = Keyring::new(&document, peppers).map_err(FeedError::Document)?;
    Ok((keyring, published))
}
