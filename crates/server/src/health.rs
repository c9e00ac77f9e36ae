//! What is open to everybody: whether the server lives, whether it is ready, its metrics.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

/// Whether this server can do its work.
#[derive(Serialize, ToSchema)]
struct Readiness {
    /// `ok`, or `unavailable` while the store can't be reached. Keys are still verified then.
    #[schema(example = "ok")]
    store: &'static str,
    /// The epoch of the keyring that this server decides with and feeds.
    #[schema(minimum = 0)]
    epoch: Option<u64>,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(healthz)).routes(routes!(readyz))
}

/// `/metrics` is text for Prometheus and no part of the API's document.
pub(crate) fn metrics() -> Router<App> {
    Router::new().route("/metrics", get(scrape))
}

/// The process lives.
#[utoipa::path(get, path = "/healthz", tag = "operations", security(()), responses((status = 200, description = "It lives.", body = String, content_type = "text/plain")))]
async fn healthz() -> &'static str {
    "ok"
}

/// The store can be reached, and there is a keyring.
#[utoipa::path(get, path = "/readyz", tag = "operations", security(()), responses(
    (status = 200, description = "It is ready.", body = Readiness),
    (status = 503, description = "The store can't be reached, or there is no keyring yet.", body = Readiness),
))]
async fn readyz(State(app): State<App>) -> Response {
    let stored = app.store.epoch().await;
    let epoch = app.live.epoch();
    let ready = stored.is_ok() && epoch.is_some();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let store = if stored.is_ok() { "ok" } else { "unavailable" };
    (status, [(CACHE_CONTROL, "no-store")], Json(Readiness { store, epoch })).into_response()
}

async fn scrape(State(app): State<App>) -> Response {
    match &app.config.telemetry {
        None => crate::router::no_such_route(),
        Some(telemetry) => {
            app.layer.refresh_metrics();
            app.feed.refresh_metrics();
            ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], telemetry.render()).into_response()
        }
    }
}
