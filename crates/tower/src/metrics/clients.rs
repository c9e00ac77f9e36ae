//! Metrics of single clients, for those alone that use a superseded key, and of no more than a set number.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;
use gracekey_core::Timestamp;
use metrics::{Counter, Gauge};

pub(super) struct Clients {
    requests_name: String,
    remaining_name: String,
    limit: usize,
    /// Read without a lock, and copied for each client that is new.
    known: ArcSwap<HashMap<Box<str>, Arc<Client>>>,
}

struct Client {
    requests: Counter,
    remaining: Gauge,
    /// Unix seconds of the end of the superseded key that was used; [`Client::NEVER`] when that is not settled.
    ends_at: AtomicI64,
}

impl Clients {
    /// What those are called who come after the limit is reached.
    const OTHER: &str = "other";

    pub(super) fn new(requests_name: String, remaining_name: String, limit: usize) -> Self {
        Self { requests_name, remaining_name, limit, known: ArcSwap::default() }
    }

    /// A client used a superseded key that works until `ends_at`.
    pub(super) fn used(&self, client_id: &str, ends_at: Option<Timestamp>, now: Timestamp) {
        let client = self.client(client_id);
        client.requests.increment(1);
        if let Some(ends_at) = ends_at {
            client.used(ends_at, now);
            client.refresh(now);
        }
    }

    pub(super) fn refresh(&self, now: Timestamp) {
        for client in self.known.load().values() {
            client.refresh(now);
        }
    }

    fn client(&self, client_id: &str) -> Arc<Client> {
        let known = self.known.load();
        if let Some(client) = known.get(client_id) {
            return Arc::clone(client);
        }
        let client_id = if known.len() < self.limit { client_id } else { Self::OTHER };
        if let Some(client) = known.get(client_id) {
            return Arc::clone(client);
        }
        let client = Arc::new(self.register(client_id));
        self.known.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.entry(client_id.into()).or_insert_with(|| Arc::clone(&client));
            known
        });
        client
    }

    fn register(&self, client_id: &str) -> Client {
        let (requests, remaining) = (self.requests_name.clone(), self.remaining_name.clone());
        Client {
            requests: metrics::counter!(requests, "client_id" => client_id.to_owned()),
            remaining: metrics::gauge!(remaining, "client_id" => client_id.to_owned()),
            ends_at: AtomicI64::new(Client::NEVER),
        }
    }
}

impl Client {
    const NEVER: i64 = i64::MAX;

    /// Of several superseded keys of one client the one that ends first counts, until it ended.
    fn used(&self, ends_at: Timestamp, now: Timestamp) {
        let (ends_at, now) = (ends_at.unix_seconds(), now.unix_seconds());
        let earlier = |held| (held <= now || ends_at < held).then_some(ends_at);
        // An end that is not replaced is kept on purpose.
        let _kept = self.ends_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, earlier);
    }

    fn refresh(&self, now: Timestamp) {
        if let Some(ends_at) = Timestamp::from_unix_seconds(self.ends_at.load(Ordering::Relaxed)) {
            self.remaining.set(super::float(ends_at.seconds_since(now)));
        }
    }
}
