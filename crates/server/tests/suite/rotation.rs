//! Rotation by DESIGN: grace, caps, a lost answer, conflicts.

use gracekey_core::Grace;
use serde_json::json;

use crate::support::{Issued, Running, at};

#[tokio::test]
async fn a_lost_answer_is_no_lost_key() {
    let running = Running::new().await;
    let first = running.issue("acme_corp").await;
    running.clock.set(at(10));
    let lost = running.rotate(&first.key).await.is(200).json();
    running.clock.set(at(20));
    let again = running.rotate(&first.key).await.is(200).json();
    assert_eq!(again["replaced_key_ids"], json!([lost["key_id"]]));
    assert_eq!(again["previous_key_retires_at"], lost["previous_key_retires_at"], "the deadline stays");
    running.rotate(lost["new_api_key"].as_str().unwrap()).await.refuses(401, "revoked");
    running.clock.set(at(30));
    running.rotate(&Issued::of_rotation(&again).key).await.is(200);
    running.rotate(&first.key).await.refuses(409, "already_rotated");
    running.end().await;
}

#[tokio::test]
async fn a_successor_that_a_verifier_saw_is_in_use() {
    let running = Running::new().await;
    let first = running.issue("acme_corp").await;
    running.clock.set(at(10));
    let second = Issued::of_rotation(&running.rotate(&first.key).await.is(200).json());
    let used = json!({"key_id": second.key_id, "requests": 1, "last_used": at(11)});
    running.post("/v2/usage", json!({"verifier": "edge-1", "sequence": 1, "keys": [used]})).await.is(200);
    running.clock.set(at(20));
    running.rotate(&first.key).await.refuses(409, "already_rotated");
    running.end().await;
}

/// The second in which this server keeps its own counts in memory ends no key.
#[tokio::test]
async fn a_successor_that_this_server_saw_is_in_use_at_once() {
    let running = Running::with(|config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        config.policy = gracekey_core::Policy::parse(br#"{"scopes":["logs:read"]}"#).unwrap();
    })
    .await;
    let ask = async |path: &str, key: &str| {
        let request = http::Request::get(format!("{}{path}", running.http.base()))
            .header("authorization", format!("Bearer {key}"))
            .header("x-forwarded-for", "192.0.2.1");
        running.http.send(request.body(axum::body::Body::empty())).await.status.as_u16()
    };
    // Granted here, refused for its scope here, and the same where a proxy asks.
    for (client, scope, path, status) in [
        ("reader", "gracekey:read", "/v2/keys", 200),
        ("stranger", "logs:write", "/v2/keys", 403),
        ("caller", "logs:read", "/verify/envoy/", 200),
        ("other", "logs:write", "/verify/envoy/", 403),
    ] {
        running.post("/v2/clients", json!({"client_id": client, "scopes": [scope]})).await.is(201);
        let first = running.issue_more(client, "default").await;
        running.clock.set(at(10));
        let second = Issued::of_rotation(&running.rotate(&first.key).await.is(200).json());
        assert_eq!(ask(path, &second.key).await, status, "{client}");
        running.clock.set(at(20));
        running.rotate(&first.key).await.refuses(409, "already_rotated");
        let lost = format!("/v2/clients/{client}/credentials/default/rotate");
        running.post(&lost, json!({"lost": true})).await.refuses(409, "already_rotated");
        running.rotate(&second.key).await.is(200);
        running.clock.set(at(0));
    }
    running.end().await;
}

#[tokio::test]
async fn a_holder_rotates_only_so_often() {
    let running = Running::new().await;
    let mut key = running.issue("acme_corp").await.key;
    let rotate = async |key: &str| {
        running.http.call("POST", "/v2/auth/rotate-key", Some(key), Some(&json!({"grace": "0s"}))).await
    };
    for second in 1..=5 {
        running.clock.set(at(second * 10));
        key = Issued::of_rotation(&rotate(&key).await.is(200).json()).key;
    }
    running.clock.set(at(60));
    let epoch = running.epoch().await;
    let refused = rotate(&key).await;
    assert_eq!(refused.headers["retry-after"], "3550");
    refused.refuses(429, "too_many_rotations");
    assert_eq!(running.epoch().await, epoch);
    // Other credentials and operators go on.
    let other = running.issue_more("acme_corp", "ci").await;
    rotate(&other.key).await.is(200);
    let order = json!({"grace": "0s"});
    let path = "/v2/clients/acme_corp/credentials/default/rotate";
    key = Issued::of_rotation(&running.post(path, order).await.is(200).json()).key;
    running.clock.set(at(3800));
    rotate(&key).await.is(200);
    running.end().await;
}

#[tokio::test]
async fn an_operator_may_let_holders_rotate_as_they_like() {
    let running = Running::with(|config| {
        config.limits.rotations_per_hour = 0;
        config.limits.rotations_per_day = 0;
    })
    .await;
    let mut key = running.issue("acme_corp").await.key;
    for second in 1..=25 {
        running.clock.set(at(second * 10));
        let reply = running.http.call("POST", "/v2/auth/rotate-key", Some(&key), Some(&json!({"grace": "0s"}))).await;
        key = Issued::of_rotation(&reply.is(200).json()).key;
    }
    running.end().await;
}

#[tokio::test]
async fn a_grace_is_capped_by_the_server() {
    let running = Running::with(|config| config.max_grace = Grace::new(gracekey_core::Seconds::HOUR).unwrap()).await;
    let issued = running.issue("acme_corp").await;
    running.clock.set(at(10));
    let rotated = running.rotate(&issued.key).await.is(200).json();
    assert_eq!(rotated["previous_key_retires_at"], at(3610).to_string());
    running.end().await;
}

#[tokio::test]
async fn without_grace_the_old_key_ends_at_once() {
    let running = Running::new().await;
    let issued = running.issue("acme_corp").await;
    running.clock.set(at(10));
    let path = "/v2/auth/rotate-key";
    let rotated = running.http.call("POST", path, Some(&issued.key), Some(&json!({"grace": "0s"}))).await.is(200);
    assert_eq!(rotated.json()["previous_key_retires_at"], at(10).to_string());
    running.rotate(&issued.key).await.refuses(401, "superseded");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_rotations_at_once_one_happens() {
    let running = Running::new().await;
    let issued = running.issue("acme_corp").await;
    running.clock.set(at(10));
    let (one, other) = tokio::join!(running.rotate(&issued.key), running.rotate(&issued.key));
    let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
    won.is(200);
    assert_eq!(lost.headers["retry-after"], "1");
    lost.refuses(409, "conflict");
    let keys = running.get("/v2/keys?client_id=acme_corp&live=true").await.is(200).json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2);
    running.end().await;
}

#[tokio::test]
async fn an_operator_rotates_and_closes_the_window() {
    let running = Running::new().await;
    let first = running.issue("acme_corp").await;
    let credential = "/v2/clients/acme_corp/credentials/default";
    running.clock.set(at(10));
    let body = json!({"grace": "7d", "prefix": "sk_test"});
    let second = running.post(&format!("{credential}/rotate"), body).await.is(200).json();
    assert!(second["new_api_key"].as_str().unwrap().starts_with("sk_test_"));
    assert_eq!(second["previous_key_id"], first.key_id.as_str());

    // It got lost on its way.
    running.clock.set(at(20));
    let third = running.post(&format!("{credential}/rotate"), json!({"lost": true})).await.is(200).json();
    assert_eq!(third["replaced_key_ids"], json!([second["key_id"]]));
    assert_eq!(third["previous_key_retires_at"], second["previous_key_retires_at"]);

    running.clock.set(at(30));
    let closed = running.post(&format!("{credential}/close-window"), json!({})).await.is(200).json();
    assert_eq!((&closed["changed"], &closed["ended"]), (&json!(true), &json!([first.key_id])));
    running.rotate(&first.key).await.refuses(401, "superseded");
    let again = running.post(&format!("{credential}/close-window"), json!({})).await.is(200).json();
    assert_eq!((&again["changed"], &again["ended"]), (&json!(false), &json!([])));
    let nothing = running.post(&format!("{credential}/rotate"), json!({"lost": true})).await;
    nothing.refuses(409, "nothing_lost");
    running.end().await;
}

#[tokio::test]
async fn an_imported_key_rotates_itself() {
    let running = Running::new().await;
    let csv = "key,client_id\nxyz789_real_key,acme_corp\n";
    running.http.raw("/v2/import", &running.admin, "text/csv", csv).await.is(200);
    running.clock.set(at(10));
    let rotated = running.rotate("xyz789_real_key").await.is(200).json();
    assert!(rotated["new_api_key"].as_str().unwrap().starts_with("sk_live_"));
    running.clock.set(at(20));
    running.rotate(&Issued::of_rotation(&rotated).key).await.is(200);
    running.end().await;
}
