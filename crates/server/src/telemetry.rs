//! Counters, and what `/metrics` shows of them.

use std::fmt;
use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// The recorder of this process, whose metrics `/metrics` shows. There is one for all servers of a process.
#[derive(Clone)]
pub struct Telemetry(PrometheusHandle);

/// Some other recorder was installed in this process.
#[derive(Clone, Debug)]
pub struct TelemetryError(String);

/// Counts rotations by how they ended.
#[derive(Clone, Debug)]
pub(crate) struct Rotations {
    name: String,
}

impl Telemetry {
    /// Installs the recorder, once: later calls give the same one.
    ///
    /// # Errors
    /// [`TelemetryError`] when the process has another recorder; then hand that one in with [`Telemetry::from`].
    pub fn install() -> Result<Self, TelemetryError> {
        static INSTALLED: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();
        let install = || PrometheusBuilder::new().install_recorder().map_err(|error| error.to_string());
        INSTALLED.get_or_init(install).clone().map(Self).map_err(TelemetryError)
    }

    /// The metrics in the text format of Prometheus.
    pub(crate) fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

impl From<PrometheusHandle> for Telemetry {
    fn from(handle: PrometheusHandle) -> Self {
        Self(handle)
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Telemetry")
    }
}

impl fmt::Display for TelemetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no metrics: {}; hand in the recorder that this process has already", self.0)
    }
}

impl std::error::Error for TelemetryError {}

impl Rotations {
    /// What a rotation that happened is counted as. The others are counted as the `code` of their error.
    pub(crate) const ROTATED: &str = "rotated";

    pub(crate) fn new(prefix: &str) -> Self {
        let name = format!("{prefix}_rotations_total");
        metrics::describe_counter!(name.clone(), "Rotations asked for, by how they ended.");
        // There from the beginning, so that the first one shows as an increase.
        metrics::counter!(name.clone(), "outcome" => Self::ROTATED).absolute(0);
        Self { name }
    }

    pub(crate) fn count(&self, outcome: &'static str) {
        metrics::counter!(self.name.clone(), "outcome" => outcome).increment(1);
    }
}
