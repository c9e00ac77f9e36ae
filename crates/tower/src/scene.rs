//! What the requests of one Layer are decided with, in one piece.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use gracekey_core::Policy;

use crate::live::LiveKeyring;
use crate::metrics::Metrics;
use crate::ring::Ring;

/// All that a request holds on to once it was let pass. References are counted in memory that all processors share, so
/// there is one to count rather than three.
pub(crate) struct Scene {
    pub(crate) ring: Option<Arc<Ring>>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) metrics: Arc<Metrics>,
}

/// The scene of one Layer, which changes with its live keyring.
pub(crate) struct LiveScene {
    current: ArcSwap<Scene>,
}

impl LiveScene {
    pub(crate) fn new(policy: &Arc<Policy>, metrics: &Arc<Metrics>, keys: &LiveKeyring) -> Arc<Self> {
        let scene = Scene { ring: None, policy: Arc::clone(policy), metrics: Arc::clone(metrics) };
        let live = Arc::new(Self { current: ArcSwap::from_pointee(scene) });
        keys.follow(&live);
        live
    }

    #[inline]
    pub(crate) fn load(&self) -> Guard<Arc<Scene>> {
        self.current.load()
    }

    /// Only the live keyring calls it, and never twice at a time.
    pub(crate) fn take(&self, ring: Option<Arc<Ring>>) {
        let Scene { policy, metrics, .. } = &**self.current.load();
        self.current.store(Arc::new(Scene { ring, policy: Arc::clone(policy), metrics: Arc::clone(metrics) }));
    }
}
