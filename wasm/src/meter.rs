//! Counting. Metrics are defined once, and counted inside the VM: one call per metric and tick, none per request.

use std::cell::{Cell, RefCell};

use gracekey_core::{Entry, Grant, Keyring, Reason, Timestamp};

use crate::config::Metrics;
use crate::host::{Host, MetricId, MetricKind};

/// The metrics of one plugin. The ABI knows no labels: they stand in the name, `name.label=value`, and Envoy's
/// `stats_tags` takes them out again.
pub(crate) struct Meter {
    prefix: String,
    max_clients: usize,
    requests: Counter,
    current: Counter,
    previous: Counter,
    failures: Vec<(Reason, Counter)>,
    epoch: Option<MetricId>,
    age: Option<MetricId>,
    previous_by_client: RefCell<Vec<(Box<str>, Counter)>>,
    windows: RefCell<Vec<Window>>,
}

#[derive(Default)]
struct Counter {
    id: Option<MetricId>,
    pending: Cell<u64>,
}

/// The rotation window of a client that closes next.
struct Window {
    client: Box<str>,
    gauge: Option<MetricId>,
    closes_at: Option<Timestamp>,
}

impl Meter {
    /// Stands for every client beyond the bound. No client id begins so.
    const OTHERS: &str = "_other";

    pub(crate) fn new<H: Host>(metrics: &Metrics, host: &H) -> Self {
        let prefix = metrics.prefix.clone();
        let counter = |name: &str| Counter::new(host, &format!("{prefix}_{name}"));
        let gauge = |name: &str| host.define_metric(MetricKind::Gauge, &format!("{prefix}_{name}"));
        Self {
            requests: counter("requests_total"),
            current: counter("auth_success_total.generation=current"),
            previous: counter("auth_success_total.generation=previous"),
            failures: Reason::all()
                .map(|reason| (reason, counter(&format!("auth_failures_total.reason={reason}"))))
                .collect(),
            epoch: gauge("keyring_epoch"),
            age: gauge("keyring_age_seconds"),
            previous_by_client: RefCell::default(),
            windows: RefCell::default(),
            max_clients: metrics.max_clients,
            prefix,
        }
    }

    #[inline]
    pub(crate) fn granted<H: Host>(&self, grant: &Grant<'_>, host: &H) {
        self.requests.add();
        if let Some(reason) = grant.would_deny() {
            self.failed(reason);
        } else if let Some(entry) = grant.entry() {
            if grant.is_superseded() {
                self.previous.add();
                self.previous_key(entry, host);
            } else {
                self.current.add();
            }
        }
    }

    pub(crate) fn denied(&self, reason: Reason) {
        self.requests.add();
        self.failed(reason);
    }

    fn failed(&self, reason: Reason) {
        if let Some((_, counter)) = self.failures.iter().find(|(own, _)| *own == reason) {
            counter.add();
        }
    }

    fn previous_key<H: Host>(&self, entry: Entry<'_>, host: &H) {
        let mut clients = self.previous_by_client.borrow_mut();
        let bounded = if clients.len() < self.max_clients { entry.client_id() } else { Self::OTHERS };
        let known = clients.iter().position(|(name, _)| **name == *entry.client_id());
        let known = known.or_else(|| clients.iter().position(|(name, _)| **name == *bounded));
        if let Some((_, counter)) = known.and_then(|at| clients.get(at)) {
            counter.add();
            return;
        }
        let prefix = &self.prefix;
        let counter = Counter::new(host, &format!("{prefix}_previous_key_requests_total.client_id={bounded}"));
        counter.add();
        clients.push((bounded.into(), counter));
    }

    /// Learns from a new keyring whose rotation windows are open.
    pub(crate) fn holds<H: Host>(&self, keyring: &Keyring, now: Timestamp, host: &H) {
        let mut windows = self.windows.borrow_mut();
        for window in windows.iter_mut() {
            window.closes_at = None;
        }
        for entry in keyring.entries().filter(|entry| entry.is_superseded(now)) {
            let Some((closes_at, _)) = entry.end().filter(|(at, _)| *at > now) else { continue };
            let client = entry.client_id();
            if let Some(window) = windows.iter_mut().find(|window| *window.client == *client) {
                window.closes_at = Some(window.closes_at.map_or(closes_at, |known| known.min(closes_at)));
            } else if windows.len() < self.max_clients {
                let name = format!("{}_rotation_window_remaining_seconds.client_id={client}", self.prefix);
                let gauge = host.define_metric(MetricKind::Gauge, &name);
                windows.push(Window { client: client.into(), gauge, closes_at: Some(closes_at) });
            }
        }
        if let Some(gauge) = self.epoch {
            host.set(gauge, keyring.epoch());
        }
    }

    /// Hands to the proxy what was counted since the last time.
    pub(crate) fn flush<H: Host>(&self, host: &H) {
        let clients = self.previous_by_client.borrow();
        let totals = [&self.requests, &self.current, &self.previous].into_iter();
        let failures = self.failures.iter().map(|(_, counter)| counter);
        for counter in totals.chain(failures).chain(clients.iter().map(|(_, counter)| counter)) {
            counter.flush(host);
        }
    }

    /// Sets the gauges that change by themselves.
    pub(crate) fn tick<H: Host>(&self, confirmed_at: Option<Timestamp>, now: Timestamp, host: &H) {
        if let (Some(gauge), Some(confirmed_at)) = (self.age, confirmed_at) {
            host.set(gauge, now.seconds_since(confirmed_at));
        }
        for window in self.windows.borrow().iter() {
            if let Some(gauge) = window.gauge {
                host.set(gauge, window.closes_at.map_or(0, |at| at.seconds_since(now)));
            }
        }
    }
}

impl Counter {
    fn new<H: Host>(host: &H, name: &str) -> Self {
        Self { id: host.define_metric(MetricKind::Counter, name), pending: Cell::new(0) }
    }

    #[inline]
    fn add(&self) {
        self.pending.set(self.pending.get().saturating_add(1));
    }

    fn flush<H: Host>(&self, host: &H) {
        let pending = self.pending.take();
        if let Some(id) = self.id
            && pending > 0
        {
            host.add(id, pending);
        }
    }
}
