//! What every handler has at hand.

use std::ops::Deref;
use std::sync::Arc;

use gracekey_core::{Peppers, Timestamp};
use gracekey_store::Store;
use gracekey_tower::{GracekeyLayer, LiveKeyring};

use crate::config::Config;
use crate::error::ApiError;
use crate::feed::Feed;
use crate::guard;
use crate::telemetry::Rotations;

/// The state of one server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

/// What all clones of an [`App`] share.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) peppers: Arc<Peppers>,
    /// The keyring that this server itself decides with.
    pub(crate) live: LiveKeyring,
    pub(crate) feed: Feed,
    /// The Layer in front of this server's own endpoints.
    pub(crate) layer: GracekeyLayer,
    pub(crate) rotations: Rotations,
    pub(crate) config: Config,
}

impl App {
    pub(crate) fn new(config: Config, live: LiveKeyring, feed: Feed, layer: GracekeyLayer) -> Self {
        let (store, peppers) = (guard::keeping_an_admin(&config.store), Arc::clone(&config.peppers));
        let rotations = Rotations::new(&config.metrics_prefix);
        Self(Arc::new(Shared { store, peppers, live, feed, layer, rotations, config }))
    }

    /// The moment of a request.
    pub(crate) fn now(&self) -> Result<Timestamp, ApiError> {
        self.config.clock.now().ok_or_else(ApiError::no_time)
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
