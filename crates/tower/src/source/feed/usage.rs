//! How often keys were used, as it is reported to the server.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use gracekey_core::{KeyId, Timestamp};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::FeedError;
use super::back_off::Jitter;
use super::follower::Follower;

/// Counts that were taken from the keyring, on their way to the server.
#[derive(Default)]
pub(super) struct Usage {
    pending: HashMap<KeyId, Used>,
    /// What was sent and may have arrived: it is sent again as it is, so that it counts once.
    sent: Option<Bytes>,
    sequence: u64,
    last_error: Option<String>,
}

#[derive(Clone, Copy)]
struct Used {
    requests: u64,
    last: Timestamp,
}

impl Usage {
    /// Keys in one report.
    const REPORTED: usize = 2000;
    /// Keys that are kept while no report arrives.
    const KEPT: usize = 1 << 18;

    /// Takes what was counted, and sends it. What does not arrive is kept for the next time.
    pub(super) async fn flush(&mut self, follower: &Follower) {
        self.collect(follower).await;
        while self.sent.is_some() || !self.pending.is_empty() {
            if self.sent.is_none() {
                self.sent = Some(self.report(follower));
            }
            let Some(report) = self.sent.clone() else { return };
            match follower.server.report(report).await {
                Ok(()) => {
                    self.sent = None;
                    self.last_error = None;
                }
                Err(why @ FeedError::Status { status: 400 | 413 | 415 | 422, .. }) => {
                    // It would be refused the next time, too.
                    self.sent = None;
                    self.complain(&why, "a report of how often keys were used was refused, and is lost");
                }
                Err(why) => return self.complain(&why, "how often keys were used is not reported yet, and kept"),
            }
        }
    }

    async fn collect(&mut self, follower: &Follower) {
        // Without a time they stay where they are counted.
        let Some(now) = follower.live.clock().now() else { return };
        let live = follower.live.clone();
        // Counters of a large keyring are many, and no request shall wait for them.
        let Ok(uses) = tokio::task::spawn_blocking(move || live.take_uses()).await else { return };
        for (key_id, requests) in uses {
            if self.pending.len() < Self::KEPT || self.pending.contains_key(&key_id) {
                let used = self.pending.entry(key_id).or_insert(Used { requests: 0, last: now });
                *used = Used { requests: used.requests.saturating_add(requests), last: used.last.max(now) };
            }
        }
    }

    /// The next report, as JSON.
    fn report(&mut self, follower: &Follower) -> Bytes {
        let key_ids: Vec<KeyId> = self.pending.keys().take(Self::REPORTED).copied().collect();
        let used = key_ids.iter().filter_map(|key_id| self.pending.remove_entry(key_id));
        let keys: Vec<Value> = used
            .map(|(key_id, used)| json!({"key_id": key_id, "requests": used.requests, "last_used": used.last}))
            .collect();
        // It grows also when this verifier starts anew.
        self.sequence = (self.sequence + 1).max(follower.live.clock().unix_millis());
        json!({"verifier": follower.verifier(), "sequence": self.sequence, "keys": keys}).to_string().into()
    }

    fn complain(&mut self, why: &FeedError, what: &'static str) {
        let why = why.to_string();
        if self.last_error.as_ref() != Some(&why) {
            tracing::warn!(keys = self.pending.len(), %why, "{what}");
            self.last_error = Some(why);
        }
    }
}

/// Reports from time to time.
pub(super) async fn report(follower: std::sync::Arc<Follower>, every: Duration) {
    let mut jitter = Jitter::new();
    loop {
        sleep(jitter.shorten(every)).await;
        follower.usage.lock().await.flush(&follower).await;
    }
}
