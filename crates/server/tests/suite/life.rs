//! The life of a key from its issue to its end, as its holder and its operator see it.

use serde_json::json;

use crate::support::{Issued, Place, Running, at, on_both};

on_both! {
    issued_rotated_retired_and_revoked
    several_servers_share_a_store
    an_audit_tells_who_did_what
}

async fn issued_rotated_retired_and_revoked(place: Place) {
    let running = Running::on(place, |_| {}).await;
    let first = running.issue("acme_corp").await;
    running.clock.set(at(100));
    let reply = running.http.call("POST", "/v2/auth/rotate-key", Some(&first.key), Some(&json!({"grace": "1h"}))).await;
    let rotated = reply.is(200).json();
    assert_eq!(rotated["client_id"], "acme_corp");
    assert_eq!(rotated["credential"], "default");
    assert_eq!(rotated["generation"], 2);
    assert_eq!(rotated["previous_key_id"], first.key_id.as_str());
    assert_eq!(rotated["previous_key_retires_at"], at(3700).to_string());
    assert_eq!(rotated["epoch"], running.epoch().await);
    let second = Issued::of_rotation(&rotated);

    let state = async |issued: &Issued| {
        let shown = running.get(&format!("/v2/keys/{}", issued.key_id)).await.is(200).json();
        (shown["state"].as_str().unwrap().to_owned(), shown["window_left_seconds"].clone())
    };
    assert_eq!(state(&first).await, ("superseded".into(), json!(3600)));
    assert_eq!(state(&second).await, ("current".into(), json!(null)));

    // The answer of a caller who still has the old key tells so.
    let reply = running.http.call("POST", "/v2/auth/rotate-key", Some(&second.key), None).await;
    let third = Issued::of_rotation(&reply.is(200).json());
    let late = running.rotate(&first.key).await;
    assert_eq!(late.headers["x-api-key-retires"], at(3700).to_string());
    assert!(late.refuses(409, "already_rotated").contains("is in use"));

    running.clock.set(at(3700));
    let retired = running.rotate(&first.key).await;
    assert!(retired.headers["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    assert!(retired.refuses(401, "superseded").contains("was rotated and stopped working at 2025-11-22T03:01:40Z"));

    let path = format!("/v2/keys/{}/revoke", third.key_id);
    let ended = running.post(&path, json!({})).await.is(200).json();
    assert_eq!((&ended["changed"], &ended["ended"]), (&json!(true), &json!([third.key_id])));
    running.rotate(&third.key).await.refuses(401, "revoked");
    let again = running.post(&path, json!({})).await.is(200).json();
    assert_eq!((&again["changed"], &again["ended"]), (&json!(false), &json!([])));
    running.end().await;
}

/// What one server changes, another one shows within a second.
async fn several_servers_share_a_store(place: Place) {
    let running = Running::on(place, |_| {}).await;
    let mut config = gracekey_server::Config::new(running.store.clone(), crate::support::peppers());
    config.listen.set_port(0);
    config.clock = running.clock.clone().into();
    let other = gracekey_server::Server::start(config).await.unwrap();
    let http = crate::support::http::Http::new(format!("http://{}", other.local_addr()));
    let issued = running.issue("acme_corp").await;
    let mut status = 0;
    for _ in 0..200 {
        let reply = http.call("GET", "/v2/clients", Some(&issued.key), None).await;
        status = reply.status.as_u16();
        if status == 403 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(status, 403, "known, but no operator's");

    // Both rotate the same key at the same instant: one new generation, and one clear conflict.
    let path = "/v2/auth/rotate-key";
    let (one, two) = tokio::join!(running.rotate(&issued.key), http.call("POST", path, Some(&issued.key), None));
    let (won, lost) = if one.status == 200 { (one, two) } else { (two, one) };
    won.is(200);
    lost.refuses(409, "conflict");
    let keys = running.get("/v2/keys?client_id=acme_corp&live=true").await.is(200).json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2);
    other.shutdown(std::time::Duration::from_secs(5));
    other.wait().await.unwrap();
    running.end().await;
}

async fn an_audit_tells_who_did_what(place: Place) {
    let running = Running::on(place, |_| {}).await;
    let first = running.issue("acme_corp").await;
    running.clock.set(at(10));
    running.rotate(&first.key).await.is(200);
    let log = running.get("/v2/audit?client_id=acme_corp").await.is(200).json();
    let entries = log["entries"].as_array().unwrap();
    let told: Vec<_> =
        entries.iter().map(|line| (line["action"].as_str().unwrap(), line["actor"].as_str().unwrap())).collect();
    let admin = format!("admin:{}", running.admin.split('_').nth(2).unwrap().get(..8).unwrap());
    let holder = format!("holder:{}", first.key_id);
    assert_eq!(told, [("client.add", &*admin), ("key.issue", &admin), ("key.rotate", &holder)]);
    assert_eq!(entries[2]["at"], at(10).to_string());
    let of_key = running.get(&format!("/v2/audit?key_id={}", first.key_id)).await.is(200).json();
    assert_eq!(of_key["entries"][0]["action"], "key.issue");
    running.end().await;
}
