//! The API's own document.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};

/// What all of it shares.
pub(crate) fn base() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Gracekey")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("API keys that rotate without an outage: their holders' and their operators' endpoints."));
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let components = ComponentsBuilder::new().security_scheme("api_key", bearer);
    OpenApiBuilder::new().info(info.build()).components(Some(components.build())).build()
}

/// The document as JSON.
pub(crate) fn document(mut guarded: OpenApi, open: OpenApi) -> String {
    guarded.merge(open);
    guarded.to_json().unwrap_or_default()
}
