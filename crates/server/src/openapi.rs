//! The API's own document: what the handlers say of themselves, and what stands in front of all of them.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, Ref, RefOr, Response,
    ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use crate::error::ErrorBody;

/// The name of the security scheme.
const KEY: &str = "api_key";

/// What all of it shares.
pub(crate) fn base() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Gracekey")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("API keys that rotate without an outage: their holders' and their operators' endpoints."));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    let bearer = bearer.description(Some("The API key. `X-API-Key` is read, too."));
    let components = ComponentsBuilder::new()
        .security_scheme(KEY, SecurityScheme::Http(bearer.build()))
        .schema(ErrorBody::name(), ErrorBody::schema());
    let needed = SecurityRequirement::new(KEY, Vec::<String>::new());
    OpenApiBuilder::new().info(info.build()).components(Some(components.build())).security(Some([needed])).build()
}

/// The document as JSON.
pub(crate) fn document(mut guarded: OpenApi, open: OpenApi) -> String {
    for (path, item) in &mut guarded.paths.paths {
        let named = path.contains('{');
        for operation in operations(item) {
            complete(operation, named);
        }
        for operation in [&mut item.post, &mut item.patch].into_iter().flatten() {
            complete_body(operation);
        }
    }
    guarded.merge(open);
    // It is made of texts and numbers alone.
    guarded.to_json().unwrap_or_default()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.patch].into_iter().flatten()
}

/// What the Layer in front answers, and what any handler may.
fn complete(operation: &mut Operation, named: bool) {
    refusal(operation, "400", "The request is not in order, or carries two different keys.");
    refusal(operation, "401", "There is no key, or it is no good; the description says what its holder may know.");
    refusal(
        operation,
        "403",
        "The key's client lacks a scope. Whatever touches a client with a scope of `gracekey:`, or grants one, needs `gracekey:admin`.",
    );
    refusal(operation, "429", "Too many wrong keys from this address; `Retry-After` says when to come back.");
    refusal(operation, "503", "The store or the keyring is out of reach. Ask again after `Retry-After`.");
    if named {
        refusal(operation, "404", "What the path names is not there.");
    }
}

/// What reading a body answers.
fn complete_body(operation: &mut Operation) {
    refusal(operation, "408", "The body did not come in time.");
    refusal(operation, "413", "The body is too large.");
    if operation.request_body.is_some() {
        refusal(operation, "415", "The body is of another media type.");
    }
}

fn refusal(operation: &mut Operation, status: &str, description: &str) {
    operation.responses.responses.entry(status.into()).or_insert_with(|| RefOr::T(error(description)));
}

fn error(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ErrorBody::name()))).build();
    ResponseBuilder::new().description(description).content("application/json", content).build()
}
