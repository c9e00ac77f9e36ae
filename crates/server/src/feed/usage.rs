//! How often keys are used: as verifiers report it, and as this server itself sees it.
//!
//! Counting is never in the way of a request: what this server sees is added up in memory, and one task writes it down.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use gracekey_core::{KeyId, Timestamp};
use gracekey_store::{Recorded as Fate, Reporter, Store, StoreError};
use gracekey_tower::Caller;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use utoipa::ToSchema;

use super::{Feed, Shared, poll};
use crate::app::App;
use crate::described::Moment;
use crate::error::{ApiError, ErrorBody};
use crate::input::{Bulk, Parameters};

/// What this server itself counted, and the way to the task that writes.
pub(super) struct Usage {
    counts: Counts,
    orders: mpsc::Sender<Order>,
}

/// Uses of keys since they were last written down, in parts, so that two requests seldom wait for each other.
#[derive(Default)]
struct Counts([Mutex<HashMap<KeyId, Uses>>; Counts::PARTS]);

#[derive(Clone, Copy)]
struct Uses {
    requests: u64,
    last: Timestamp,
}

/// What the writing task is asked for.
pub(super) enum Order {
    Write(Reporter, Vec<gracekey_store::Usage>, oneshot::Sender<Result<Fate, StoreError>>),
    /// What this server counted, now; says whether that is in the store.
    Own(oneshot::Sender<bool>),
    Finish(oneshot::Sender<()>),
}

/// What a verifier counted since its last report.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UsageReport)]
pub(super) struct Report {
    /// The name of the verifier: 1 to 128 visible ASCII characters.
    #[schema(min_length = 1, max_length = 128, pattern = "^[!-~]+$")]
    verifier: String,
    /// Grows with every report of that verifier, also when it starts anew: milliseconds since 1970, or a number that is
    /// smaller. A report whose sequence is no larger than the last one is counted already; one that is more than a minute
    /// ahead of the server's clock is refused, since it would silence all that come after it.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    #[serde(deserialize_with = "crate::input::whole")]
    sequence: u64,
    /// The keys that were used.
    keys: Vec<Used>,
}

/// One key that was used.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UsedKey)]
struct Used {
    /// Which.
    #[schema(value_type = String, min_length = 8, max_length = 8, pattern = "^[0-9A-Za-z]+$")]
    key_id: KeyId,
    /// How many requests were granted on it since the last report.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    #[serde(deserialize_with = "crate::input::whole")]
    requests: u64,
    /// When the last of them was.
    #[schema(value_type = Moment)]
    last_used: Timestamp,
}

/// What became of a report.
#[derive(Serialize, ToSchema)]
#[schema(as = UsageRecorded)]
pub(super) struct Recorded {
    /// How many of its keys are known. None, when the report was counted before.
    known: usize,
    /// This report, or a later one of this verifier, was counted before: its answer got lost, or two verifiers that report
    /// with keys of one client have one name.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    stale: bool,
}

/// Reports that wait to be written. More than that is a store that does not keep up.
const WAITING: usize = 1024;
/// How many seconds the clocks of verifiers may be ahead.
const AHEAD: u64 = 61;
/// How long what this server counted waits to be written down.
const INTERVAL: Duration = Duration::from_secs(1);

/// Counts on which keys a verifier granted requests. A report that is sent again counts once.
#[utoipa::path(post, path = "/v2/usage", tag = "feed", request_body = Report, responses(
    (status = 200, description = "It was written down, now or before.", body = Recorded),
    (status = 400, description = "The report is not in order.", body = ErrorBody),
    (status = 503, description = "The store is out of reach, and nothing was counted: send the same report again.", body = ErrorBody),
))]
pub(super) async fn report(
    State(app): State<App>,
    caller: Option<Caller>,
    _: Parameters<poll::Nothing>,
    Bulk(report): Bulk<Report>,
) -> Result<Json<Recorded>, ApiError> {
    if !poll::is_name(&report.verifier) {
        return Err(ApiError::field("verifier", poll::NAME_RULE));
    }
    let usage = report.keys.iter().map(|used| gracekey_store::Usage {
        key_id: used.key_id,
        requests: used.requests,
        last_used: used.last_used,
    });
    if report.sequence > newest_sequence(app.now()?) {
        return Err(ApiError::field(
            "sequence",
            "more than a minute ahead of this server's clock in milliseconds since 1970; set the verifier's clock right",
        ));
    }
    let reporter = Reporter { name: reporter_name(caller.as_ref(), &report.verifier), sequence: report.sequence };
    let (answer, written) = oneshot::channel();
    let busy = || ApiError::unavailable("too many reports are waiting; send the same report again");
    let order = Order::Write(reporter, usage.collect(), answer);
    app.feed.0.usage.orders.try_send(order).map_err(|_| busy())?;
    Ok(Json(match written.await.map_err(|_| busy())?? {
        Fate::Counted(known) => Recorded { known, stale: false },
        Fate::Stale => Recorded { known: 0, stale: true },
    }))
}

/// Whose reports follow each other: nobody reports in the name of a verifier of another client. Neither client ids nor
/// names of verifiers hold a space.
fn reporter_name(caller: Option<&Caller>, verifier: &str) -> String {
    caller.map_or_else(|| verifier.to_owned(), |caller| format!("{} {verifier}", caller.client_id()))
}

fn newest_sequence(now: Timestamp) -> u64 {
    u64::try_from(now.unix_seconds()).unwrap_or(0).saturating_add(AHEAD).saturating_mul(1000)
}

/// Counts the key of a request that the Layer in front let pass.
pub(crate) async fn count_caller(State(app): State<App>, request: Request, next: Next) -> Response {
    if let Some(caller) = request.extensions().get::<Caller>() {
        app.feed.count(caller);
    }
    next.run(request).await
}

/// Counts the key of a request that the Layer behind refused although the key is good: whoever sent it has it.
pub(crate) async fn count_refused(State(app): State<App>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    app.feed.count_refusal(&response);
    response
}

/// Writes down what is reported and counted, one after the other, so that it takes one connection of the store at most.
pub(super) async fn write(shared: Arc<Shared>, store: Store, mut orders: mpsc::Receiver<Order>) {
    let mut own = Own::new();
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Write(reporter, usage, answer)) => {
                    let written = store.record_report(&usage, Some(&reporter), shared.now()).await;
                    shared.metrics.reported(written.is_ok());
                    // Who asked may have gone.
                    let _gone = answer.send(written);
                }
                Some(Order::Own(done)) => {
                    let _gone = done.send(own.write_all(&shared, &store).await);
                }
                Some(Order::Finish(done)) => {
                    own.write_all(&shared, &store).await;
                    let _gone = done.send(());
                    return;
                }
                None => return,
            },
            _ = ticks.tick() => {
                own.write(&shared, &store).await;
            }
        }
    }
}

/// This server as one of those who report.
struct Own {
    reporter: Reporter,
    /// What could not be written yet, under the sequence that it was tried with.
    pending: Vec<gracekey_store::Usage>,
    failing: bool,
}

impl Own {
    fn new() -> Self {
        // A name of its own for each start, so that its sequence may begin anew. No verifier's begins with a space.
        let name = format!(" gracekey-server-{:016x}", RandomState::new().hash_one(0));
        Self { reporter: Reporter { name, sequence: 0 }, pending: Vec::new(), failing: false }
    }

    /// What was tried before, and then what came since.
    async fn write_all(&mut self, shared: &Shared, store: &Store) -> bool {
        let tried_before = !self.pending.is_empty();
        let written = self.write(shared, store).await;
        if written && tried_before { self.write(shared, store).await } else { written }
    }

    /// Says whether it is in the store.
    async fn write(&mut self, shared: &Shared, store: &Store) -> bool {
        if self.pending.is_empty() {
            self.pending = shared.usage.counts.take();
            self.reporter.sequence += 1;
        }
        if self.pending.is_empty() {
            return true;
        }
        match store.record_usage(&self.pending, Some(&self.reporter), shared.now()).await {
            Ok(_) => {
                self.pending.clear();
                self.failing = false;
            }
            Err(error) => {
                if !self.failing {
                    tracing::warn!(%error, "uses of keys could not be written down; they are kept and tried again");
                }
                self.failing = true;
            }
        }
        !self.failing
    }
}

// === impl Feed ===

impl Feed {
    /// Writes down at once what was counted so far, and what was reported before that.
    ///
    /// # Errors
    /// 503, when the store does not take it.
    pub(crate) async fn write_down(&self) -> Result<(), ApiError> {
        let (done, written) = oneshot::channel();
        let sent = self.0.usage.orders.send(Order::Own(done)).await;
        let written = if sent.is_ok() { written.await.unwrap_or(false) } else { false };
        let failed = "the store does not take which keys were used, and nothing was changed; ask again";
        if written { Ok(()) } else { Err(ApiError::unavailable(failed)) }
    }

    /// Counts a request that was refused although its key is good.
    pub(crate) fn count_refusal<B>(&self, response: &http::Response<B>) {
        if let Some(caller) = response.extensions().get::<Caller>() {
            self.count(caller);
        }
    }
}

// === impl Usage ===

impl Usage {
    pub(super) fn new() -> (Self, mpsc::Receiver<Order>) {
        let (orders, received) = mpsc::channel(WAITING);
        (Self { counts: Counts::default(), orders }, received)
    }

    pub(super) fn count(&self, key_id: KeyId, now: Timestamp) {
        self.counts.add(key_id, now);
    }

    /// Has everything written, and ends the task that writes.
    pub(super) async fn finish(&self) {
        let (done, finished) = oneshot::channel();
        if self.orders.send(Order::Finish(done)).await.is_ok() {
            // The task is gone when there is no answer.
            let _finished = finished.await.is_ok();
        }
    }
}

impl Counts {
    const PARTS: usize = 16;

    fn add(&self, key_id: KeyId, now: Timestamp) {
        let byte = key_id.as_str().bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        let Some(part) = self.0.get(byte % Self::PARTS) else { return };
        let mut part = lock(part);
        let uses = part.entry(key_id).or_insert(Uses { requests: 0, last: now });
        uses.requests += 1;
        uses.last = uses.last.max(now);
    }

    fn take(&self) -> Vec<gracekey_store::Usage> {
        let parts = self.0.iter().flat_map(|part| std::mem::take(&mut *lock(part)));
        let usage =
            parts.map(|(key_id, Uses { requests, last })| gracekey_store::Usage { key_id, requests, last_used: last });
        usage.collect()
    }
}

fn lock(part: &Mutex<HashMap<KeyId, Uses>>) -> MutexGuard<'_, HashMap<KeyId, Uses>> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}
