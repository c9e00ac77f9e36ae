//! The Layer.

use std::sync::Arc;

use gracekey_core::Policy;
use tower_layer::Layer;

use crate::clock::Clock;
use crate::gate::Gate;
use crate::live::LiveKeyring;
use crate::metrics::Metrics;
use crate::service::Gracekey;

/// Lets only requests with a good API key pass, as a policy says.
///
/// All services that it wraps, and all its clones, share one keyring, one set of metrics and one throttle.
#[derive(Clone)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct GracekeyLayer {
    gate: Arc<Gate>,
}

impl GracekeyLayer {
    /// A Layer that decides by this policy with these keys. It takes its clock from the keyring.
    pub fn new(policy: Policy, keys: LiveKeyring) -> Self {
        Self { gate: Arc::new(Gate::new(policy, keys)) }
    }

    /// Answers a peer with too many failed attempts with 429, as `throttle` says. Off by default.
    #[cfg(feature = "throttle")]
    pub fn throttle(self, throttle: crate::Throttle) -> Self {
        self.with(|gate| gate.throttle = Some(Arc::new(throttle)))
    }

    /// The first word of the metrics' names, `gracekey` by default: letters, digits and `_`.
    pub fn metrics_prefix(self, prefix: impl Into<String>) -> Self {
        let clients = self.gate.metrics.clients_limit();
        self.with(|gate| gate.counted_by(Metrics::new(prefix.into(), clients)))
    }

    /// How many clients have metrics of their own, 1,000 by default. Those beyond share the client id `other`.
    pub fn metrics_clients(self, limit: usize) -> Self {
        let prefix = self.gate.metrics.prefix().to_owned();
        self.with(|gate| gate.counted_by(Metrics::new(prefix, limit)))
    }

    /// Decides by another clock than that of the keyring.
    pub fn clock(self, clock: impl Into<Clock>) -> Self {
        self.with(|gate| gate.clock = clock.into())
    }

    /// Brings the gauges, which move with the time, up to date: call it before a scrape is answered. Without it they are
    /// as of the last request.
    pub fn refresh_metrics(&self) {
        let Gate { keys, clock, metrics, .. } = &*self.gate;
        metrics.refresh(clock.now(), keys);
    }

    fn with(self, change: impl FnOnce(&mut Gate)) -> Self {
        let mut gate = Arc::unwrap_or_clone(self.gate);
        change(&mut gate);
        Self { gate: Arc::new(gate) }
    }
}

impl<S> Layer<S> for GracekeyLayer {
    type Service = Gracekey<S>;

    fn layer(&self, inner: S) -> Gracekey<S> {
        Gracekey::new(inner, Arc::clone(&self.gate))
    }
}

impl std::fmt::Debug for GracekeyLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GracekeyLayer")
            .field("policy", &self.gate.policy)
            .field("keys", &self.gate.keys)
            .finish_non_exhaustive()
    }
}
