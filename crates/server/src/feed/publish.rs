//! Renders what was taken from the store, and puts it on the board.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gracekey_core::{Document, Peppers};
use tokio::sync::Notify;

use super::edition::Edition;
use super::{FeedError, Shared};

/// The document that waits to be rendered. One that comes before the last was taken replaces it: a burst of changes is
/// one edition.
#[derive(Default)]
pub(super) struct Proofs {
    newest: Mutex<Option<Document>>,
    put: Notify,
}

/// Between two editions: each costs every poller a transfer.
const REST: Duration = Duration::from_millis(50);

impl Proofs {
    pub(super) fn put(&self, document: Document) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(document);
        self.put.notify_one();
    }

    /// Returns when there is one.
    async fn another(&self) {
        while self.newest.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            self.put.notified().await;
        }
    }

    async fn next(&self) -> Document {
        loop {
            let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner).take();
            match newest {
                Some(document) => return document,
                None => self.put.notified().await,
            }
        }
    }
}

/// Renders the first edition. Call it when a document was taken, and before anybody may poll.
pub(super) async fn first(shared: &Shared, peppers: &Arc<Peppers>) -> Result<(), FeedError> {
    let document = shared.proofs.next().await;
    let edition = render(document, peppers).await.ok_or(FeedError::Ended)?;
    shared.publish(edition);
    Ok(())
}

/// Renders those that follow.
pub(super) async fn run(shared: Arc<Shared>, peppers: Arc<Peppers>) {
    let stopped = shared.stopped();
    tokio::pin!(stopped);
    loop {
        let document = tokio::select! {
            () = &mut stopped => return,
            document = shared.proofs.next() => document,
        };
        let Some(edition) = render(document, &peppers).await else { return };
        let mut own = shared.own.subscribe();
        tokio::select! {
            biased;
            () = &mut stopped => return,
            // What the server itself does not take, it hands to nobody.
            _ = own.wait_for(|own| *own >= edition.epoch()) => {}
            () = shared.proofs.another() => continue,
        }
        shared.publish(edition);
        tokio::time::sleep(REST).await;
    }
}

/// `None` when the process ends.
async fn render(document: Document, peppers: &Arc<Peppers>) -> Option<Edition> {
    let peppers = Arc::clone(peppers);
    tokio::task::spawn_blocking(move || Edition::render(document, &peppers)).await.ok()
}

impl Shared {
    fn publish(&self, edition: Edition) {
        self.metrics.rendered(&edition);
        tracing::debug!(epoch = edition.epoch(), bytes = edition.plain().len(), "edition published");
        self.board.send_modify(|board| board.edition = Some(Arc::new(edition)));
    }
}
