use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use gracekey_core::Policy;
use gracekey_tower::{Caller, GracekeyLayer, KeyringFile, LiveKeyring, Watch};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;

use super::stage::Stage;
use crate::failure::Failure;

/// The service of the demo: axum behind the Layer, on a keyring file that it watches.
pub(super) struct Server {
    address: SocketAddr,
    live: LiveKeyring,
    _watch: Watch,
}

impl Server {
    /// The route that needs a key.
    pub(super) const ROUTE: &str = "/v1/logs";
    /// Where the counts are read.
    pub(super) const METRICS: &str = "/metrics";

    pub(super) async fn start(listen: SocketAddr, stage: &Stage) -> Result<Self, Failure> {
        let metrics = PrometheusBuilder::new()
            .install_recorder()
            .map_err(|error| Failure::refused(format!("no metrics: {error}")))?;
        let live = LiveKeyring::empty();
        let file = KeyringFile::new(stage.keyring().path(), Arc::clone(stage.keyring().peppers()));
        let watch = file.poll_every(Duration::from_secs(1)).watch(&live).map_err(Failure::refused)?;

        let layer = GracekeyLayer::new(Policy::default(), live.clone());
        let scraped = layer.clone();
        let scrape = async move || {
            scraped.refresh_metrics();
            metrics.render()
        };
        let app = Router::new().route(Self::ROUTE, get(logs)).layer(layer).route(Self::METRICS, get(scrape));
        let cannot = |error| Failure::refused(format!("the demo can't listen on {listen}: {error}"));
        let listener = TcpListener::bind(listen).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        tokio::spawn(async { axum::serve(listener, app).await });
        Ok(Self { address, live, _watch: watch })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the server has taken the keyring of that epoch from the file.
    pub(super) async fn holds(&self, epoch: u64) -> Result<(), Failure> {
        for _ in 0..1000 {
            if self.live.epoch().is_some_and(|held| held >= epoch) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(Failure::refused(format!("the server did not take epoch {epoch} of the keyring within 5 s")))
    }
}

/// What the key protects.
async fn logs(caller: Caller) -> String {
    format!("hello {}, this is key {}, generation {}\n", caller.client_id(), caller.key_id(), caller.generation())
}
