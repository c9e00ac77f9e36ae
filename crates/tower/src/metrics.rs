//! Counters and gauges through the `metrics` facade.
//!
//! They are registered at the first request, with whatever recorder is installed by then, and not again.

mod clients;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use gracekey_core::{Entry, Grant, Held, Keyring, Reason, Timestamp};
use metrics::{Counter, Gauge, Unit};

use crate::live::LiveKeyring;
use crate::scene::Scene;
use clients::Clients;

/// The metrics of one Layer.
pub(crate) struct Metrics {
    prefix: String,
    clients_limit: usize,
    registered: OnceLock<Registered>,
}

struct Registered {
    requests: Counter,
    current: Counter,
    previous: Counter,
    failures: Vec<(Reason, Counter)>,
    shadowed: Vec<(Reason, Counter)>,
    epoch: Gauge,
    age: Gauge,
    clients: Clients,
    /// The second in which the gauges were last set, so that they are set once in it.
    refreshed_at: AtomicI64,
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Current,
    Previous,
    Anonymous,
    WouldDeny(Reason),
    Denied(Reason),
}

/// Counts one request when it is dropped, with the outcome that it then has.
pub(crate) struct Tally {
    scene: Arc<Scene>,
    outcome: Outcome,
}

// === impl Metrics ===

impl Metrics {
    pub(crate) fn new(prefix: String, clients_limit: usize) -> Self {
        Self { prefix, clients_limit, registered: OnceLock::new() }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn clients_limit(&self) -> usize {
        self.clients_limit
    }

    /// Sets the gauges of the keyring, once a second.
    #[inline]
    pub(crate) fn keyring(&self, now: Option<Timestamp>, held: Option<Held<'_>>) {
        let registered = self.registered();
        let second = now.map_or(i64::MIN, Timestamp::unix_seconds);
        if registered.refreshed_at.load(Ordering::Relaxed) != second {
            registered.refreshed_at.store(second, Ordering::Relaxed);
            registered.refresh(now, held);
        }
    }

    pub(crate) fn refresh(&self, now: Option<Timestamp>, keys: &LiveKeyring) {
        let keyring = keys.snapshot();
        let held = keyring.as_deref().map(|keyring| Held { keyring, confirmed_at: keys.confirmed_at() });
        self.registered().refresh(now, held);
    }

    /// A superseded key was used: who still has it, and how long it will work.
    #[cold]
    pub(crate) fn previous_key(&self, entry: Option<Entry<'_>>, now: Option<Timestamp>) {
        if let Some((entry, now)) = entry.zip(now) {
            self.registered().clients.used(entry.client_id(), entry.end().map(|(at, _)| at), now);
        }
    }

    #[inline]
    pub(crate) fn count(&self, outcome: Outcome) {
        let registered = self.registered();
        registered.requests.increment(1);
        match outcome {
            Outcome::Current => registered.current.increment(1),
            Outcome::Previous => registered.previous.increment(1),
            Outcome::Anonymous => {}
            Outcome::WouldDeny(reason) => increment(&registered.shadowed, reason),
            Outcome::Denied(reason) => increment(&registered.failures, reason),
        }
    }

    #[inline]
    fn registered(&self) -> &Registered {
        self.registered.get_or_init(|| Registered::new(&self.prefix, self.clients_limit))
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new("gracekey".into(), 1000)
    }
}

#[cold]
fn increment(counters: &[(Reason, Counter)], reason: Reason) {
    if let Some((_, counter)) = counters.iter().find(|(own, _)| *own == reason) {
        counter.increment(1);
    }
}

// === impl Registered ===

impl Registered {
    fn new(prefix: &str, clients_limit: usize) -> Self {
        let name = |name: &str| format!("{prefix}_{name}");
        describe(&name);
        let success =
            |generation: &'static str| metrics::counter!(name("auth_success_total"), "generation" => generation);
        let by_reason = |of: &str| {
            let counter = |reason: Reason| metrics::counter!(name(of), "reason" => reason.as_str());
            Reason::all().map(|reason| (reason, counter(reason))).collect()
        };
        Self {
            requests: metrics::counter!(name("requests_total")),
            current: success("current"),
            previous: success("previous"),
            failures: by_reason("auth_failures_total"),
            shadowed: by_reason("shadow_denials_total"),
            epoch: metrics::gauge!(name("keyring_epoch")),
            age: metrics::gauge!(name("keyring_age_seconds")),
            clients: Clients::new(
                name("previous_key_requests_total"),
                name("rotation_window_remaining_seconds"),
                clients_limit,
            ),
            refreshed_at: AtomicI64::new(i64::MIN),
        }
    }

    #[cold]
    fn refresh(&self, now: Option<Timestamp>, held: Option<Held<'_>>) {
        let Some(now) = now else { return };
        self.clients.refresh(now);
        if let Some(Held { keyring, confirmed_at }) = held {
            self.epoch.set(float(Keyring::epoch(keyring)));
            self.age.set(float(now.seconds_since(confirmed_at)));
        }
    }
}

fn describe(name: &impl Fn(&str) -> String) {
    metrics::describe_counter!(name("requests_total"), "Requests, each once, with whatever outcome.");
    metrics::describe_counter!(
        name("auth_success_total"),
        "Requests let pass with a good key, by whether it is the current generation or a superseded one."
    );
    metrics::describe_counter!(name("auth_failures_total"), "Requests denied, by reason.");
    metrics::describe_counter!(
        name("shadow_denials_total"),
        "Requests let pass that would have been denied, had the mode not let them pass, by reason."
    );
    metrics::describe_counter!(
        name("previous_key_requests_total"),
        "Requests with a superseded key, by client: who has not taken the new key yet."
    );
    metrics::describe_gauge!(
        name("rotation_window_remaining_seconds"),
        Unit::Seconds,
        "How long the superseded key that a client still uses will work."
    );
    metrics::describe_gauge!(name("keyring_epoch"), "The version of the keyring that requests are decided with.");
    metrics::describe_gauge!(
        name("keyring_age_seconds"),
        Unit::Seconds,
        "Seconds since the source last confirmed that this keyring is the newest."
    );
}

/// Epochs are at most 2^53 - 1 and spans below that, so that every one of them is exact.
#[expect(clippy::cast_precision_loss, reason = "the values stay below 2^53")]
fn float(value: u64) -> f64 {
    value as f64
}

// === impl Outcome ===

impl Outcome {
    /// The outcome of a request that is let pass, if nothing behind the Layer refuses it.
    #[inline]
    pub(crate) fn of(grant: &Grant<'_>) -> Self {
        match (grant.would_deny(), grant.entry()) {
            (Some(reason), _) => Self::WouldDeny(reason),
            (None, None) => Self::Anonymous,
            (None, Some(_)) if grant.is_superseded() => Self::Previous,
            (None, Some(_)) => Self::Current,
        }
    }
}

// === impl Tally ===

impl Tally {
    #[inline]
    pub(crate) fn new(scene: &Arc<Scene>, outcome: Outcome) -> Self {
        Self { scene: Arc::clone(scene), outcome }
    }

    /// Some part behind the Layer denied the request after all.
    pub(crate) fn refused(&mut self, reason: Reason) {
        self.outcome = Outcome::Denied(reason);
    }
}

impl Drop for Tally {
    #[inline]
    fn drop(&mut self) {
        self.scene.metrics.count(self.outcome);
    }
}
