//! Renders what was taken from the store, and puts it on the board.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gracekey_core::{Document, Peppers};
use tokio::sync::Notify;

use super::Shared;
use super::edition::Edition;

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

pub(super) async fn run(shared: Arc<Shared>, peppers: Arc<Peppers>) {
    let stopped = shared.stopped();
    tokio::pin!(stopped);
    loop {
        let document = tokio::select! {
            () = &mut stopped => return,
            document = shared.proofs.next() => document,
        };
        let peppers = Arc::clone(&peppers);
        let rendered = tokio::task::spawn_blocking(move || Edition::render(document, &peppers)).await;
        let Ok(edition) = rendered else { return };
        let mut own = shared.own.subscribe();
        tokio::select! {
            biased;
            () = &mut stopped => return,
            // What the server itself does not take, it hands to nobody.
            _ = own.wait_for(|own| *own >= edition.epoch()) => {}
            () = shared.proofs.another() => continue,
        }
        shared.metrics.rendered(&edition);
        tracing::debug!(epoch = edition.epoch(), bytes = edition.plain().len(), "edition published");
        shared.board.send_modify(|board| board.edition = Some(Arc::new(edition)));
        tokio::time::sleep(REST).await;
    }
}
