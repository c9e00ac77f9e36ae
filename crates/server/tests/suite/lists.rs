//! Pages.

use serde_json::{Value, json};

use crate::support::Running;

#[tokio::test]
async fn pages_show_everything_once() {
    let running = Running::new().await;
    let ids: Vec<_> = (0..7).map(|number| format!("client-{number}")).collect();
    for id in &ids {
        running.issue(id).await;
    }
    let clients = all(&running, "/v2/clients?limit=3", "clients", "client_id").await;
    assert_eq!(clients, [&ids[..], &["gracekey-admin".to_owned()]].concat());
    let keys = all(&running, "/v2/keys?limit=2", "keys", "client_id").await;
    assert_eq!(keys, clients);
    let log = all(&running, "/v2/audit?limit=4", "entries", "seq").await;
    assert_eq!(log.len(), 16, "a client and a key for each");
    running.end().await;
}

/// Follows `next` to its end.
async fn all(running: &Running, path: &str, list: &str, name: &str) -> Vec<String> {
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = running.get(&format!("{path}{after}")).await.is(200).json();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        seen.extend(page[list].as_array().unwrap().iter().map(|row| text(&row[name])));
        match &page["next"] {
            Value::Null => return seen,
            next => after = format!("&after={}", text(next)),
        }
    }
}

#[tokio::test]
async fn lists_are_narrowed() {
    let running = Running::new().await;
    let first = running.issue("acme_corp").await;
    running.issue_more("acme_corp", "ci").await;
    running.issue("globex").await;
    running.post(&format!("/v2/keys/{}/revoke", first.key_id), json!({})).await.is(200);
    let count = async |query: &str| {
        running.get(&format!("/v2/keys?{query}")).await.is(200).json()["keys"].as_array().unwrap().len()
    };
    assert_eq!(count("client_id=acme_corp").await, 2);
    assert_eq!(count("client_id=acme_corp&live=true").await, 1);
    assert_eq!(count("credential=ci").await, 1);
    assert_eq!(count("client_id=nobody").await, 0);
    running.end().await;
}

/// A client id may hold what has a meaning in paths.
#[tokio::test]
async fn a_client_id_with_a_slash_is_one_client() {
    let running = Running::new().await;
    running.post("/v2/clients", json!({"client_id": "acme/eu:1@x"})).await.is(201);
    let shown = running.get("/v2/clients/acme%2Feu%3A1%40x").await.is(200).json();
    assert_eq!(shown["client_id"], "acme/eu:1@x");
    let issued = running.post("/v2/clients/acme%2Feu:1@x/credentials/default/keys", json!({})).await.is(201).json();
    assert_eq!(issued["client_id"], "acme/eu:1@x");
    running.end().await;
}

#[tokio::test]
async fn a_client_is_disabled_and_rescoped_in_one_step() {
    let running = Running::new().await;
    let issued = running.issue("acme_corp").await;
    let epoch = running.epoch().await;
    let patch = async |body: Value| {
        running.http.call("PATCH", "/v2/clients/acme_corp", Some(&running.admin), Some(&body)).await
    };
    let changed = patch(json!({"disabled": true, "scopes": ["logs:read"]})).await.is(200).json();
    assert_eq!((&changed["disabled"], &changed["scopes"]), (&json!(true), &json!(["logs:read"])));
    assert_eq!((&changed["epoch"], &changed["changed"]), (&json!(epoch + 1), &json!(true)));
    running.rotate(&issued.key).await.refuses(401, "client_disabled");
    let same = patch(json!({"disabled": true})).await.is(200).json();
    assert_eq!(same["changed"], false);
    patch(json!({"disabled": false})).await.is(200);
    running.rotate(&issued.key).await.is(200);
    running.end().await;
}

#[tokio::test]
async fn an_expiry_only_comes_nearer() {
    let running = Running::new().await;
    running.post("/v2/clients", json!({"client_id": "acme_corp"})).await.is(201);
    let path = "/v2/clients/acme_corp/credentials/default/keys";
    let issued = running
        .post(path, json!({"expires_in": "90d", "expires_at": crate::support::at(91 * 86_400)}))
        .await
        .is(201)
        .json();
    assert_eq!(issued["expires_at"], crate::support::at(90 * 86_400).to_string());
    let expire = format!("/v2/keys/{}/expire", issued["key_id"].as_str().unwrap());
    let sooner = running.post(&expire, json!({"at": crate::support::at(60)})).await.is(200).json();
    assert_eq!((&sooner["expires_at"], &sooner["changed"]), (&json!(crate::support::at(60)), &json!(true)));
    running.post(&expire, json!({"at": crate::support::at(61)})).await.refuses(409, "never_later");
    running.post(&expire, json!({"at": crate::support::at(0)})).await.refuses(409, "expiry_passed");
    running.clock.set(crate::support::at(60));
    running.rotate(issued["api_key"].as_str().unwrap()).await.refuses(401, "expired");
    running.end().await;
}
