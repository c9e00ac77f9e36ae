//! What a store needs now and then: keys that ended long ago are dropped, and so are old counts.

use std::time::Duration;

use gracekey_core::{Document, Timestamp};
use gracekey_store::{Actor, StoreError};
use tokio::time::MissedTickBehavior;

use crate::app::App;

/// Several servers of one store may do this at once: what one has dropped, the others do not find.
const INTERVAL: Duration = Duration::from_hours(1);
/// How the audit log names who does it.
const ACTOR: &str = "upkeep";

/// Once at the start, and then every hour.
pub(crate) async fn run(app: App) {
    let Ok(by) = ACTOR.parse::<Actor>() else { return };
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(now) = app.config.clock.now() else { continue };
        if let Err(error) = tidy(&app, &by, now).await {
            tracing::warn!(%error, "what ended long ago could not be dropped; it is tried again in an hour");
        }
    }
}

async fn tidy(app: &App, by: &Actor, now: Timestamp) -> Result<(), StoreError> {
    let done = app.store.prune(Document::TOMBSTONES, by, now).await?;
    if done.changed {
        tracing::info!(keys = done.value, epoch = done.epoch, "keys that ended long ago were dropped");
        app.feed.changed(done.epoch).await;
    }
    Ok(())
}
