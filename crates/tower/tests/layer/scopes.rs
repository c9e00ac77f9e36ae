use std::convert::Infallible;

use gracekey_tower::{GracekeyLayer, RequireScopes};
use http::{Request, StatusCode};
use tower::{Layer, ServiceExt, service_fn};

use super::service::{echo, live};
use crate::support::{bearer, generation, header, key, policy, text};

async fn status(policy_json: &str, scopes: &str, request: Request<()>) -> (StatusCode, Option<String>, String) {
    let inner = scopes.parse::<RequireScopes>().unwrap().layer(service_fn(echo));
    let service = GracekeyLayer::new(policy(policy_json), live(vec![generation("acme", 1)])).layer(inner);
    let response = service.oneshot(request).await.unwrap();
    let challenge = header(&response, "www-authenticate").map(str::to_owned);
    (response.status(), challenge, text(response).await)
}

#[tokio::test]
async fn a_caller_with_the_scopes_passes() {
    assert_eq!(status("{}", "logs:read", bearer(&key(1))).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_caller_without_one_is_denied_as_the_policy_would() {
    let (status_code, challenge, body) = status("{}", "logs:read logs:write", bearer(&key(1))).await;
    assert_eq!(status_code, StatusCode::FORBIDDEN);
    // The same answer as from the policy's own scopes.
    let by_policy = status(r#"{"scopes":["logs:read","logs:write"]}"#, "logs:read", bearer(&key(1))).await;
    assert_eq!((status_code, challenge, body), by_policy);
}

#[tokio::test]
async fn an_anonymous_caller_is_asked_for_a_key() {
    let (status, challenge, body) = status(r#"{"mode":"optional"}"#, "logs:read", Request::new(())).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(challenge.as_deref(), Some(r#"Bearer realm="api""#));
    assert!(body.contains(r#""code":"missing""#), "{body}");
}

#[tokio::test]
async fn shadow_mode_denies_nothing_here_either() {
    let shadow = r#"{"mode":"shadow"}"#;
    assert_eq!(status(shadow, "admin", bearer(&key(1))).await.0, StatusCode::OK);
    assert_eq!(status(shadow, "admin", bearer(&key(2))).await.0, StatusCode::OK);
    assert_eq!(status(shadow, "admin", Request::new(())).await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_layer_missing_is_a_500_that_says_so() {
    let service = "logs:read".parse::<RequireScopes>().unwrap().layer(service_fn(echo));
    let response = service.oneshot(bearer(&key(1))).await;
    let response = response.unwrap_or_else(|never: Infallible| match never {});
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(text(response).await.contains("no GracekeyLayer stands in front of it"));
}
