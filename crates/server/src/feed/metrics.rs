use metrics::{Counter, Gauge, Unit};

use super::edition::Edition;

/// The metrics of the feed. They go to the recorder that is installed when the server starts.
pub(super) struct Metrics {
    rechecks: Counter,
    renders: Counter,
    bytes: Gauge,
    epoch: Gauge,
    pub(super) pollers: Gauge,
    transfers: Counter,
    transferred: Counter,
    pieces: Counter,
    verifiers: Gauge,
    behind: Gauge,
    reports: Counter,
    reports_failed: Counter,
}

impl Metrics {
    pub(super) fn new(prefix: &str) -> Self {
        let name = |name: &str| format!("{prefix}_{name}");
        describe(&name);
        let reports = |outcome: &'static str| metrics::counter!(name("usage_reports_total"), "outcome" => outcome);
        Self {
            rechecks: metrics::counter!(name("feed_rechecks_total")),
            renders: metrics::counter!(name("feed_renders_total")),
            bytes: metrics::gauge!(name("feed_bytes")),
            epoch: metrics::gauge!(name("feed_epoch")),
            pollers: metrics::gauge!(name("feed_pollers")),
            transfers: metrics::counter!(name("feed_transfers_total")),
            transferred: metrics::counter!(name("feed_transferred_bytes_total")),
            pieces: metrics::counter!(name("feed_pieces_total")),
            verifiers: metrics::gauge!(name("verifiers")),
            behind: metrics::gauge!(name("verifiers_behind")),
            reports: reports("written"),
            reports_failed: reports("failed"),
        }
    }

    pub(super) fn looked_for_a_key(&self) {
        self.rechecks.increment(1);
    }

    pub(super) fn rendered(&self, edition: &Edition) {
        self.renders.increment(1);
        self.bytes.set(float(edition.plain().len() as u64));
    }

    pub(super) fn transferred(&self, bytes: usize) {
        self.transfers.increment(1);
        self.transferred.increment(bytes as u64);
    }

    /// A piece of an edition went out, which may be the last one.
    pub(super) fn piece(&self, bytes: usize, last: bool) {
        self.pieces.increment(1);
        self.transferred.increment(bytes as u64);
        self.transfers.increment(u64::from(last));
    }

    pub(super) fn reported(&self, written: bool) {
        let reports = if written { &self.reports } else { &self.reports_failed };
        reports.increment(1);
    }

    pub(super) fn refresh(&self, known: usize, behind: usize, epoch: Option<u64>) {
        self.verifiers.set(float(known as u64));
        self.behind.set(float(behind as u64));
        self.epoch.set(float(epoch.unwrap_or(0)));
    }
}

fn describe(name: &impl Fn(&str) -> String) {
    metrics::describe_counter!(
        name("feed_rechecks_total"),
        "Looks at the store because a request had a key that this server does not know."
    );
    metrics::describe_counter!(name("feed_renders_total"), "Editions of the feed, one per epoch that was published.");
    metrics::describe_gauge!(name("feed_bytes"), Unit::Bytes, "Size of the newest edition, not compressed.");
    metrics::describe_gauge!(name("feed_epoch"), "Epoch of the newest edition.");
    metrics::describe_gauge!(name("feed_pollers"), "Requests for the feed that are waiting or being answered.");
    metrics::describe_counter!(
        name("feed_transfers_total"),
        "Editions sent to pollers, at once or to their last piece."
    );
    metrics::describe_counter!(name("feed_pieces_total"), "Pieces of editions sent to pollers that asked for a range.");
    metrics::describe_counter!(
        name("feed_transferred_bytes_total"),
        Unit::Bytes,
        "Bytes of the editions sent to pollers, compressed where they asked for it."
    );
    metrics::describe_gauge!(name("verifiers"), "Named verifiers that polled this server lately.");
    metrics::describe_gauge!(name("verifiers_behind"), "Those of them that hold an older epoch than the newest.");
    metrics::describe_counter!(name("usage_reports_total"), "Usage reports of verifiers, by what became of them.");
}

/// Epochs are at most 2^53 - 1, and sizes below that.
#[expect(clippy::cast_precision_loss, reason = "the values stay below 2^53")]
fn float(value: u64) -> f64 {
    value as f64
}
