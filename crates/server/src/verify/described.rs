//! How the API's document describes forward auth, whose routes are services and no handlers.
#![expect(dead_code, reason = "only their descriptions are used")]

use utoipa::openapi::path::Operation;
use utoipa::{IntoResponses, OpenApi};

use crate::error::ErrorBody;

/// What the document says.
pub(super) fn document() -> utoipa::openapi::OpenApi {
    let mut document = Described::openapi();
    for item in document.paths.paths.values_mut() {
        // Envoy asks with the method of the original request.
        let Some(get) = item.get.clone().filter(|get| get.operation_id.as_deref() == Some("verify_envoy")) else {
            continue;
        };
        let as_get = |method: &str| {
            let mut operation: Operation = get.clone();
            operation.operation_id = Some(format!("verify_envoy_{method}"));
            Some(operation)
        };
        (item.post, item.put, item.patch) = (as_get("post"), as_get("put"), as_get("patch"));
        (item.delete, item.head, item.options) = (as_get("delete"), as_get("head"), as_get("options"));
    }
    document
}

#[derive(OpenApi)]
#[openapi(paths(verify, verify_nginx, verify_envoy))]
struct Described;

/// The request may pass. The headers are for the upstream, as the policy's `forward` names them, and for the caller.
#[derive(IntoResponses)]
#[response(status = 200, headers(
    ("x-client-id" = String, description = "Who called, unless the policy lets the request pass as anonymous."),
    ("x-key-id" = String, description = "On which key."),
    ("authentication-info" = String, description = "For the caller: the key was rotated or ends soon."),
    ("x-api-key-retires" = String, description = "For the caller: when the key ends."),
))]
struct Granted;

/// What else Caddy, Traefik and Envoy get.
#[derive(IntoResponses)]
enum Denial {
    /// `ambiguous`, or what the proxy says of the original request is not clear: `forward_header_missing`,
    /// `forward_header_twice`, `original_method`, `original_target`.
    #[response(status = 400, content_type = "application/json")]
    Unclear(ErrorBody),
    /// There is no key, or it is no good.
    #[response(status = 401, content_type = "application/json")]
    Denied(ErrorBody),
    /// `insufficient_scope`, or `untrusted_proxy`: the peer is none that `--trusted-proxy` names.
    #[response(status = 403, content_type = "application/json")]
    Forbidden(ErrorBody),
    /// Too many wrong keys from the caller's address.
    #[response(status = 429, content_type = "application/json")]
    Throttled(ErrorBody),
    /// There is no keyring to verify against. No key is to blame for it.
    #[response(status = 503, content_type = "application/json")]
    Unavailable(ErrorBody),
}

/// What else nginx gets, which knows 401 and 403 alone.
#[derive(IntoResponses)]
enum NginxDenial {
    /// There is no key, or it is no good.
    #[response(status = 401, content_type = "application/json", headers(
        ("x-gracekey-status" = u16, description = "The status that the caller should get."),
        ("x-gracekey-denial" = String, description = "The body that the caller should get."),
    ))]
    Denied(ErrorBody),
    /// `insufficient_scope`, `untrusted_proxy`, and all that is 400 or 429 elsewhere.
    #[response(status = 403, content_type = "application/json", headers(
        ("x-gracekey-status" = u16, description = "The status that the caller should get."),
        ("x-gracekey-denial" = String, description = "The body that the caller should get."),
    ))]
    Forbidden(ErrorBody),
    /// There is no keyring to verify against, of which nginx makes a 500.
    #[response(status = 503, content_type = "application/json", headers(
        ("x-gracekey-status" = u16, description = "The status that the caller should get."),
        ("x-gracekey-denial" = String, description = "The body that the caller should get."),
    ))]
    Unavailable(ErrorBody),
}

/// Forward auth for Traefik and Caddy: may this request pass? It carries the caller's own headers, and with them the
/// caller's key. For peers that `--trusted-proxy` names. Any method is taken alike.
#[utoipa::path(get, path = "/verify", tag = "forward auth", params(
    ("X-Forwarded-Method" = String, Header, example = "POST", description = "The method of the original request."),
    ("X-Forwarded-Uri" = String, Header, example = "/v1/logs?limit=5", description = "Its path and query, in visible ASCII."),
    ("X-Forwarded-For" = Option<String>, Header, description = "Where it came from: the last address that is no trusted proxy."),
), responses(Granted, Denial))]
fn verify() {}

/// The same for `auth_request` of nginx.
#[utoipa::path(get, path = "/verify/nginx", tag = "forward auth", params(
    ("X-Original-Method" = String, Header, example = "POST", description = "The method of the original request."),
    ("X-Original-URI" = String, Header, example = "/v1/logs?limit=5", description = "Its path and query, in visible ASCII."),
    ("X-Real-IP" = Option<String>, Header, description = "Where it came from."),
), responses(Granted, NginxDenial))]
fn verify_nginx() {}

/// The same for `ext_authz` of Envoy, with `/verify/envoy` as its `path_prefix`: what follows is the path and the query of
/// the original request, whose method this one has.
#[utoipa::path(get, path = "/verify/envoy/{target}", tag = "forward auth", params(
    ("target" = String, Path, example = "v1", description = "The rest of the original path, slashes and all."),
    ("X-Forwarded-For" = Option<String>, Header, description = "Where it came from: the last address that is no trusted proxy."),
), responses(Granted, Denial))]
fn verify_envoy() {}
