//! The server's own clients: what their scopes open here, and that they open nothing elsewhere.

use serde_json::{Value, json};

use crate::support::{Issued, Running};

async fn client(running: &Running, scope: &str) -> Issued {
    let client_id = format!("own-{}", scope.rsplit(':').next().unwrap());
    running.post("/v2/clients", json!({"client_id": client_id, "scopes": [scope]})).await.is(201);
    running.issue_more(&client_id, "default").await
}

#[tokio::test]
async fn each_scope_opens_its_own_part() {
    let running = Running::new().await;
    running.issue("acme_corp").await;
    let (read, write, feed) = (
        client(&running, "gracekey:read").await,
        client(&running, "gracekey:write").await,
        client(&running, "gracekey:feed").await,
    );
    let new = json!({"client_id": "acme_corp"});
    let report = json!({"verifier": "edge-1", "sequence": 1, "keys": []});
    // Who gets past the Layer, and what is there for them.
    let table: [(&str, &str, Option<&Value>, [u16; 3]); 8] = [
        ("GET", "/v2/clients", None, [200, 403, 403]),
        ("GET", "/v2/audit", None, [200, 403, 403]),
        ("GET", "/v2/verifiers", None, [200, 403, 403]),
        ("POST", "/v2/clients", Some(&new), [403, 409, 403]),
        ("POST", "/v2/clients/acme_corp/revoke?dry_run=true", None, [403, 200, 403]),
        ("GET", "/v2/keyring", None, [403, 403, 200]),
        ("POST", "/v2/usage", Some(&report), [403, 403, 200]),
        ("GET", "/v2/nothing-here", None, [404, 403, 403]),
    ];
    for (method, path, body, expected) in table {
        for (issued, status) in [&read, &write, &feed].into_iter().zip(expected) {
            running.http.call(method, path, Some(&issued.key), body).await.is(status);
        }
        let operator = running.http.call(method, path, Some(&running.admin), body).await.status.as_u16();
        assert_eq!(operator, expected.into_iter().find(|status| *status != 403).unwrap(), "{method} {path}");
        running.http.call(method, path, None, body).await.refuses(401, "missing");
    }
    for issued in [&read, &write, &feed] {
        running.rotate(&issued.key).await.is(200);
    }
    running.end().await;
}

#[tokio::test]
async fn an_open_feed_needs_no_key_and_nothing_else_is_open() {
    let running = Running::with(|config| config.open_feed = true).await;
    running.http.call("GET", "/v2/keyring", None, None).await.is(200);
    let report = json!({"verifier": "edge-1", "sequence": 1, "keys": []});
    running.http.call("POST", "/v2/usage", None, Some(&report)).await.is(200);
    for path in ["/v2/clients", "/v2/verifiers", "/v2/keyring/", "/v2/keyring/x", "/v2/usage/../clients"] {
        assert_eq!(running.http.call("GET", path, None, None).await.status, 401, "{path}");
    }
    running.end().await;
}

#[tokio::test]
async fn an_operators_key_is_not_in_the_feed() {
    let running = Running::new().await;
    running.issue("acme_corp").await;
    let mut document = running.get("/v2/keyring").await.is(200);
    while !document.text.contains("acme_corp") {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        document = running.get("/v2/keyring").await.is(200);
    }
    assert!(!document.text.contains("gracekey-admin"), "{}", document.text);
    running.end().await;
}
