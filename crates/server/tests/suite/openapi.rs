//! The API's own document, held against the server that serves it.

use crate::support::Running;

#[tokio::test]
async fn the_document_names_every_endpoint() {
    let running = Running::new().await;
    let document = running.http.call("GET", "/openapi.json", None, None).await.is(200).json();
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    for path in [
        "/healthz",
        "/readyz",
        "/v2/auth/rotate-key",
        "/v2/audit",
        "/v2/clients",
        "/v2/clients/{client_id}",
        "/v2/clients/{client_id}/credentials/{credential}/close-window",
        "/v2/clients/{client_id}/credentials/{credential}/keys",
        "/v2/clients/{client_id}/credentials/{credential}/revoke",
        "/v2/clients/{client_id}/credentials/{credential}/rotate",
        "/v2/clients/{client_id}/revoke",
        "/v2/import",
        "/v2/keyring",
        "/v2/keys",
        "/v2/keys/{key_id}",
        "/v2/keys/{key_id}/expire",
        "/v2/keys/{key_id}/revoke",
        "/v2/usage",
        "/v2/verifiers",
    ] {
        assert!(paths.contains(&path), "{path} is missing in {paths:?}");
    }
    running.end().await;
}
