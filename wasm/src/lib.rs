//! Gracekey as a proxy-wasm filter for Envoy and Istio: the same engine as the tower `Layer`, and the same verdicts
//! byte for byte.
//!
//! ```text
//!   Envoy ── glue.rs ──> Plugin ── on_request ──> gracekey_core::decide ──> edits │ answer
//!            (wasm32)      │  ^
//!                          └──┘ on_tick, on_answer: the keyring by fetch, the metrics
//! ```
//!
//! All but the glue is generic over [`Host`], and so runs and is tested natively. The filter translates: whatever is
//! decided about a request is decided in `gracekey-core`.

mod config;
mod fetch;
mod host;
mod meter;
mod pairs;
mod plugin;
mod refresh;
mod request;
mod shared;
mod usage;
mod waiting;

#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "the ABI is `extern` functions with pointers; each call says why it is sound")]
mod glue;

pub use config::ConfigError;
pub use host::{Answer, Host, Level, MetricId, MetricKind};
pub use pairs::{Pairs, serialize};
pub use plugin::Plugin;
pub use request::{Flow, Stream};
