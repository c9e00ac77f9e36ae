//! What is not in order gets a clear error, changes nothing and leaks nothing.

use serde_json::{Value, json};

use crate::support::{Issued, Running, at, unknown_key};

/// Path, body, and what the answer names.
fn wrong_bodies() -> Vec<(&'static str, Value, &'static str)> {
    let (rotate, issue) = ("/v2/auth/rotate-key", "/v2/clients/acme_corp/credentials/ci/keys");
    let (operator, clients) = ("/v2/clients/acme_corp/credentials/default/rotate", "/v2/clients");
    vec![
        (rotate, json!({"grace": 3600}), "grace: must be a string"),
        (rotate, json!({"grace": "soon"}), "grace: not a span of time"),
        (rotate, json!({"grace": "31d"}), "grace: a grace is at most 30d"),
        (rotate, json!({"grace": "-1s"}), "grace: not a span of time"),
        (rotate, json!({"graec": "1h"}), "unknown field `graec`"),
        (rotate, json!({"lost": true}), "unknown field `lost`"),
        (rotate, json!(["1h"]), "must be a JSON object"),
        (rotate, json!("1h"), "must be an object"),
        (operator, json!({"lost": "yes"}), "lost: must be a boolean"),
        (operator, json!({"prefix": "SK"}), "prefix: a prefix is lower-case"),
        (issue, json!({"expires_at": "tomorrow"}), "expires_at: not a time of RFC 3339"),
        (issue, json!({"expires_at": 1_763_776_800}), "expires_at: must be a string"),
        (issue, json!({"expires_in": 90}), "expires_in: must be a string"),
        (clients, json!({}), "missing field `client_id`"),
        (clients, json!({"client_id": "two words"}), "client_id: a client id is"),
        (clients, json!({"client_id": null}), "client_id: must be a string"),
        (clients, json!({"client_id": "x", "scopes": "logs:write"}), "scopes: must be an array"),
        (clients, json!({"client_id": "x", "scopes": ["a b"]}), "scopes[0]: a scope is"),
        (clients, json!({"client_id": "x", "disabled": 1}), "disabled: must be a boolean"),
        (clients, json!({"client_id": "x", "admin": true}), "unknown field `admin`"),
    ]
}

#[tokio::test]
async fn wrong_bodies_are_refused_by_name() {
    let running = Running::new().await;
    running.issue("acme_corp").await;
    let epoch = running.epoch().await;
    for (path, body, named) in wrong_bodies() {
        let why = running.post(path, body.clone()).await.refuses(400, "invalid_request");
        assert!(why.contains(named), "{path} {body}: {why}");
    }
    for (text, named) in
        [("", "not JSON"), ("{", "not JSON"), ("{\"client_id\":\"x\"} {}", "not JSON"), ("\u{feff}{}", "not JSON")]
    {
        let reply = running.http.raw("/v2/clients", &running.admin, "application/json", text).await;
        let why = reply.refuses(400, "invalid_request");
        assert!(why.contains(named), "{text:?}: {why}");
    }
    let twice = r#"{"client_id":"x","client_id":"y"}"#;
    let why = running.http.raw("/v2/clients", &running.admin, "application/json", twice).await;
    assert!(why.refuses(400, "invalid_request").contains("duplicate field `client_id`"));
    let form =
        running.http.raw("/v2/clients", &running.admin, "application/x-www-form-urlencoded", "client_id=x").await;
    form.refuses(415, "unsupported_media_type");
    let unasked = running.post("/v2/clients/acme_corp/revoke", json!({"dry_run": true})).await;
    assert!(unasked.refuses(400, "invalid_request").contains("takes no body"));
    assert_eq!(running.epoch().await, epoch);
    running.end().await;
}

#[tokio::test]
async fn wrong_queries_and_paths_are_refused_by_name() {
    let running = Running::new().await;
    for (path, named) in [
        ("/v2/clients?limit=0", "limit: is 1 to 1000"),
        ("/v2/clients?limit=1001", "limit: is 1 to 1000"),
        ("/v2/clients?limit=many", "limit: "),
        ("/v2/clients?limits=3", "unknown field `limits`"),
        ("/v2/clients?limit=1&limit=2", "duplicate field `limit`"),
        ("/v2/clients?after=two%20words", "after: a client id is"),
        ("/v2/keys?after=nonsense", "after: not a place in the list"),
        ("/v2/keys?live=perhaps", "live: "),
        ("/v2/keys?client_id=", "client_id: a client id is"),
        ("/v2/keys/short", "key_id: "),
        ("/v2/audit?after=-1", "after: "),
        ("/v2/audit?after=9007199254740992", "after: is at most"),
        ("/v2/clients/two%20words", "client_id: a client id is"),
        ("/v2/clients/%ff", "no UTF-8"),
    ] {
        let why = running.get(path).await.refuses(400, "invalid_request");
        assert!(why.contains(named), "{path}: {why}");
    }
    running.end().await;
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_is_not_done_405() {
    let running = Running::new().await;
    running.issue("acme_corp").await;
    for (path, code) in [
        ("/v2/clients/nobody", "unknown_client"),
        ("/v2/keys/00000000", "unknown_key"),
        ("/v2/nothing", "no_such_route"),
        ("/", "no_such_route"),
        ("/v1/clients", "no_such_route"),
    ] {
        running.get(path).await.refuses(404, code);
    }
    running.post("/v2/clients/nobody/credentials/default/keys", json!({})).await.refuses(404, "unknown_client");
    running.post("/v2/clients/acme_corp/credentials/ci/rotate", json!({})).await.refuses(404, "unknown_credential");
    running.post("/v2/keys/00000000/expire", json!({"at": at(60)})).await.refuses(404, "unknown_key");
    let reply = running.http.call("DELETE", "/v2/clients", Some(&running.admin), None).await;
    assert_eq!(reply.headers["allow"], "GET,HEAD,POST");
    reply.refuses(405, "method_not_allowed");
    running.http.call("POST", "/healthz", None, None).await.refuses(405, "method_not_allowed");
    running.end().await;
}

#[tokio::test]
async fn what_is_there_already_is_a_conflict() {
    let running = Running::new().await;
    let issued = running.issue("acme_corp").await;
    running.post("/v2/clients", json!({"client_id": "acme_corp"})).await.refuses(409, "exists");
    let live = running.post("/v2/clients/acme_corp/credentials/default/keys", json!({})).await;
    assert!(live.refuses(409, "is_live").contains(&issued.key_id));
    let passed = running.post("/v2/clients/acme_corp/credentials/ci/keys", json!({"expires_at": at(0)})).await;
    assert!(passed.refuses(409, "expiry_passed").contains("is not after"));
    running.post("/v2/clients/acme_corp/revoke", json!({})).await.is(200);
    running.post("/v2/clients/acme_corp/credentials/default/rotate", json!({})).await.refuses(409, "nothing_live");
    running.end().await;
}

/// Superseded, revoked, expired, disabled, mistyped, unknown: none of them rotates, each says what it may say.
#[tokio::test]
async fn keys_that_are_no_good_rotate_nothing() {
    let running = Running::new().await;
    let first = running.issue("acme_corp").await;
    let revoked = running.issue_more("acme_corp", "revoked").await;
    let expiring = running.issue_more("acme_corp", "expiring").await;
    running.post(&format!("/v2/keys/{}/revoke", revoked.key_id), json!({})).await.is(200);
    running.post(&format!("/v2/keys/{}/expire", expiring.key_id), json!({"at": at(50)})).await.is(200);
    running.clock.set(at(10));
    let second = Issued::of_rotation(&running.rotate(&first.key).await.is(200).json());
    running.clock.set(at(100_000));
    let epoch = running.epoch().await;
    running.rotate(&first.key).await.refuses(401, "superseded");
    running.rotate(&revoked.key).await.refuses(401, "revoked");
    running.rotate(&expiring.key).await.refuses(401, "expired");
    let unknown = running.rotate(&unknown_key()).await;
    let mistyped = running.rotate(&format!("{}x", &second.key[..second.key.len() - 1])).await;
    assert_eq!(unknown.status, mistyped.status);
    let generic = unknown.refuses(401, "unknown");
    assert_eq!(mistyped.refuses(401, "unknown"), generic, "a guesser learns nothing");
    running.http.call("POST", "/v2/auth/rotate-key", None, None).await.refuses(401, "missing");
    let two = http::Request::post(format!("{}/v2/auth/rotate-key", running.http.base()))
        .header("authorization", format!("Bearer {}", second.key))
        .header("x-api-key", &first.key)
        .body(axum::body::Body::empty());
    running.http.send(two).await.refuses(400, "ambiguous");
    assert_eq!(running.epoch().await, epoch);
    running.rotate(&second.key).await.is(200);
    running.end().await;
}

/// A holder's key opens nothing but its own rotation, in whatever way the path is written.
#[tokio::test]
async fn a_holder_is_no_operator() {
    let running = Running::new().await;
    let (own, other) = (running.issue("acme_corp").await, running.issue("globex").await);
    let epoch = running.epoch().await;
    for (method, path) in [
        ("GET", "/v2/clients".to_owned()),
        ("GET", "/v2/keys".to_owned()),
        ("HEAD", "/v2/keys".to_owned()),
        ("GET", "/v2/audit".to_owned()),
        ("GET", "/v2/keyring".to_owned()),
        ("POST", format!("/v2/keys/{}/revoke", other.key_id)),
        ("POST", format!("/v2/keys/{}/revoke", own.key_id)),
        ("POST", "/v2/clients/globex/credentials/default/rotate".to_owned()),
        ("POST", "/v2/import".to_owned()),
        ("GET", "/v2/%61udit".to_owned()),
        ("GET", "//v2/audit".to_owned()),
        ("GET", "/v2/auth/rotate-key/../../audit".to_owned()),
        ("POST", "/v2/auth/rotate-key/..%2f..%2fimport".to_owned()),
        ("GET", "/healthz/../v2/audit".to_owned()),
        ("GET", "/anything".to_owned()),
    ] {
        let reply = running.http.call(method, &path, Some(&own.key), None).await;
        assert_eq!(reply.status, 403, "{method} {path}");
        assert!(reply.headers["www-authenticate"].to_str().unwrap().contains("insufficient_scope"));
        let reply = running.http.call(method, &path, None, None).await;
        assert_eq!(reply.status, 401, "{method} {path}");
    }
    assert_eq!(running.epoch().await, epoch);
    running.end().await;
}
