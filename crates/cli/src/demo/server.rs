use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use gracekey_core::Policy;
use gracekey_tower::{Caller, Following, GracekeyLayer, KeyringFeed, LiveKeyring};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;

use super::stage::Stage;
use crate::failure::Failure;

/// The service of the demo: axum behind the Layer, which follows the feed of the server of keys.
pub(super) struct Server {
    address: SocketAddr,
    live: LiveKeyring,
    _following: Following,
}

impl Server {
    /// The route that needs a key.
    pub(super) const ROUTE: &str = "/v1/logs";
    /// Where the counts are read.
    pub(super) const METRICS: &str = "/metrics";

    pub(super) async fn start(listen: SocketAddr, stage: &Stage) -> Result<Self, Failure> {
        let cannot = |error| Failure::refused(format!("the demo can't listen on {listen}: {error}"));
        let listener = TcpListener::bind(listen).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let metrics = PrometheusBuilder::new()
            .install_recorder()
            .map_err(|error| Failure::refused(format!("no metrics: {error}")))?;
        let live = LiveKeyring::empty();
        let feed = KeyringFeed::new(&stage.url(), Arc::clone(stage.peppers())).map_err(Failure::refused)?;
        let following = feed.key(stage.feed_key().await?).follow(&live).map_err(Failure::refused)?;
        following.first(Self::PATIENCE).await.map_err(Failure::refused)?;

        let layer = GracekeyLayer::new(Policy::default(), live.clone());
        let scraped = layer.clone();
        let scrape = async move || {
            scraped.refresh_metrics();
            metrics.render()
        };
        let app = Router::new().route(Self::ROUTE, get(logs)).layer(layer).route(Self::METRICS, get(scrape));
        tokio::spawn(async { axum::serve(listener, app).await });
        Ok(Self { address, live, _following: following })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the service has taken the keyring of that epoch from the feed.
    pub(super) async fn holds(&self, epoch: u64) -> Result<(), Failure> {
        let taken = async {
            while self.live.epoch().is_none_or(|held| held < epoch) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let late = |_| Failure::refused(format!("the service did not take epoch {epoch} of the keyring in time"));
        tokio::time::timeout(Self::PATIENCE, taken).await.map_err(late)
    }

    const PATIENCE: Duration = Duration::from_secs(10);
}

/// What the key protects.
async fn logs(caller: Caller) -> String {
    format!("hello {}, this is key {}, generation {}\n", caller.client_id(), caller.key_id(), caller.generation())
}
