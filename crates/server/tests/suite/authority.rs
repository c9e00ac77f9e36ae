//! What a key of the server's own clients may do here, and that it opens nothing elsewhere.

use axum::body::Body;
use gracekey_store::AuditFilter;
use http::Request;
use serde_json::{Value, json};

use crate::support::http::Reply;
use crate::support::{Issued, Running};

const OTHER: &str = "a key of some thirty characters or so";

async fn client(running: &Running, client_id: &str, scopes: &[&str]) -> Issued {
    running.post("/v2/clients", json!({"client_id": client_id, "scopes": scopes})).await.is(201);
    running.issue_more(client_id, "default").await
}

fn denied(reply: Reply) {
    let challenge = reply.headers.get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    assert!(challenge.is_some_and(|text| text.contains("gracekey:admin")), "{}", reply.text);
    reply.refuses(403, "insufficient_scope");
}

#[tokio::test]
async fn the_keys_of_own_clients_open_nothing_behind_a_proxy() {
    let running = Running::with(|config| config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let holder = running.issue("acme_corp").await;
    let feed = client(&running, "poller", &["gracekey:feed"]).await;
    let verify = async |key: &str| {
        let request = Request::get(format!("{}/verify", running.http.base()))
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-uri", "/v1/logs")
            .header("x-forwarded-for", "198.51.100.7")
            .header("authorization", format!("Bearer {key}"));
        running.http.send(request.body(Body::empty())).await
    };
    verify(&holder.key).await.is(200);
    for key in [&running.admin, &feed.key] {
        let reply = verify(key).await;
        assert!(!reply.headers.contains_key("x-client-id"), "{:?}", reply.headers);
        reply.refuses(401, "unknown");
    }
    // What ends, ends there too.
    running.post(&format!("/v2/keys/{}/revoke", holder.key_id), json!({})).await.is(200);
    verify(&holder.key).await.refuses(401, "revoked");
    running.end().await;
}

#[tokio::test]
async fn who_may_write_makes_nobody_an_operator() {
    let running = Running::new().await;
    let holder = running.issue("acme_corp").await;
    let writer = client(&running, "writer", &["gracekey:write"]).await;
    let mixed = client(&running, "mixed", &["gracekey:read", "logs:write"]).await;
    let admin_id = running.get("/v2/keys?client_id=gracekey-admin").await.json()["keys"][0]["key_id"].clone();
    let admin_id = admin_id.as_str().unwrap();
    let epoch = running.epoch().await;
    let grants = json!({"scopes": ["logs:write", "gracekey:admin"]});
    let at = json!({"at": "2030-01-01T00:00:00Z"});
    let mut asked: Vec<(&str, String, Option<&Value>)> = vec![
        ("PATCH", "/v2/clients/writer".into(), Some(&grants)),
        ("PATCH", "/v2/clients/acme_corp".into(), Some(&grants)),
    ];
    let (disabled, nothing) = (json!({"disabled": true}), json!({"scopes": []}));
    let new = json!({"client_id": "mine", "scopes": ["gracekey:read"]});
    asked.push(("POST", "/v2/clients".into(), Some(&new)));
    for client_id in ["gracekey-admin", "mixed", "writer"] {
        let of = |rest: &str| format!("/v2/clients/{client_id}{rest}");
        asked.extend([
            ("PATCH", of(""), Some(&disabled)),
            ("PATCH", of(""), Some(&nothing)),
            ("POST", of("/credentials/another/keys"), None),
            ("POST", of("/credentials/default/rotate"), None),
            ("POST", of("/credentials/default/close-window"), None),
            ("POST", of("/credentials/default/revoke"), None),
            ("POST", of("/revoke"), None),
            ("POST", of("/revoke?dry_run=true"), None),
        ]);
    }
    for key_id in [admin_id, &mixed.key_id, &writer.key_id] {
        asked.push(("POST", format!("/v2/keys/{key_id}/revoke"), None));
        asked.push(("POST", format!("/v2/keys/{key_id}/expire"), Some(&at)));
    }
    for (method, path, body) in asked {
        println!("{method} {path} {body:?}");
        denied(running.http.call(method, &path, Some(&writer.key), body).await);
    }
    let import = async |rows: &str| {
        let text = format!("key,client_id,scopes\n{rows}\n");
        running.http.raw("/v2/import", &writer.key, "text/csv", text).await
    };
    for row in ["mine,gracekey:admin", "gracekey-admin,", "mixed,", "fresh,logs:write gracekey:read"] {
        denied(import(&format!("{},acme_corp,\n{},{row}", OTHER.replace(' ', "-"), OTHER.replace(' ', "_"))).await);
    }
    assert_eq!(running.epoch().await, epoch, "something was changed");
    // All else it may do.
    import(&format!("{},newcomer,logs:write", OTHER.replace(' ', "-"))).await.is(200);
    let ends = format!("/v2/keys/{}/revoke", holder.key_id);
    running.http.call("POST", &ends, Some(&writer.key), None).await.is(200);
    let scopes = json!({"scopes": ["logs:read"]});
    running.http.call("PATCH", "/v2/clients/acme_corp", Some(&writer.key), Some(&scopes)).await.is(200);
    running
        .http
        .call("POST", "/v2/clients/nobody/revoke", Some(&writer.key), None)
        .await
        .refuses(404, "unknown_client");
    // Its own key it may rotate, as every holder.
    running.rotate(&writer.key).await.is(200);
    running.end().await;
}

#[tokio::test]
async fn the_last_admin_stays() {
    let running = Running::new().await;
    running.issue("acme_corp").await;
    client(&running, "reader", &["gracekey:read"]).await;
    let key = running.get("/v2/keys?client_id=gracekey-admin").await.json()["keys"][0]["key_id"].clone();
    let ends = [
        ("PATCH", "/v2/clients/gracekey-admin".to_owned(), Some(json!({"disabled": true}))),
        ("PATCH", "/v2/clients/gracekey-admin".to_owned(), Some(json!({"scopes": ["gracekey:read"]}))),
        ("POST", "/v2/clients/gracekey-admin/revoke".to_owned(), None),
        ("POST", "/v2/clients/gracekey-admin/credentials/default/revoke".to_owned(), None),
        ("POST", format!("/v2/keys/{}/revoke", key.as_str().unwrap()), None),
    ];
    for (method, path, body) in &ends {
        let reply = running.http.call(method, path, Some(&running.admin), body.as_ref()).await;
        let why = reply.refuses(409, "last_admin");
        assert!(why.contains("gracekey:admin") && why.contains("--store"), "{why}");
    }
    // Another who is disabled is none.
    let other = client(&running, "other", &["gracekey:admin", "logs:write"]).await;
    running
        .http
        .call("PATCH", "/v2/clients/other", Some(&running.admin), Some(&json!({"disabled": true})))
        .await
        .is(200);
    running.post("/v2/clients/gracekey-admin/revoke", json!({})).await.refuses(409, "last_admin");
    running
        .http
        .call("PATCH", "/v2/clients/other", Some(&running.admin), Some(&json!({"disabled": false})))
        .await
        .is(200);
    running.post("/v2/clients/gracekey-admin/revoke", json!({})).await.is(200);
    let path = "/v2/clients/other/revoke";
    running.http.call("POST", path, Some(&other.key), None).await.refuses(409, "last_admin");
    running.end().await;
}

#[tokio::test]
async fn an_import_writes_down_whom_it_made_and_takes_no_short_key_for_an_operator() {
    let running = Running::new().await;
    let import = async |text: &str| running.http.raw("/v2/import", &running.admin, "text/csv", text.to_owned()).await;
    // The scopes may stand in a later row.
    let text =
        "key,client_id,scopes\nshort-key,ops,\nthis-one-has-24-letters.,ops,gracekey:read\nshort-too,acme_corp,x\n";
    let refused = import(text).await.is(400).json();
    let fates: Vec<_> = refused["lines"].as_array().unwrap().iter().map(|line| line["fate"].clone()).collect();
    assert_eq!(fates, ["refused", "imported", "imported"]);
    assert!(refused["lines"][0]["why"].as_str().unwrap().contains("24"), "{refused}");
    let text = text.replace("short-key,ops,\n", "");
    import(&text).await.is(200);
    let refused = import("key,client_id\nshort-key,ops\n").await.is(400).json();
    assert_eq!(refused["lines"][0]["fate"], "refused");
    let entries = running.store.audit(&AuditFilter::default()).await.unwrap();
    let made: Vec<_> = entries.iter().skip(2).map(|entry| (entry.action.as_str(), entry.detail.as_str())).collect();
    let (add, key) = ("client.add", ("key.import", r#"{"generation":1}"#));
    let ops = (add, r#"{"disabled":false,"scopes":"gracekey:read"}"#);
    assert_eq!(made, [ops, (add, r#"{"disabled":false,"scopes":"x"}"#), key, key]);
    assert_eq!(entries[2].client_id.as_ref().unwrap().as_str(), "ops");
    running.end().await;
}

#[tokio::test]
async fn a_verifier_is_not_called_by_a_key() {
    let running = Running::new().await;
    let holder = running.issue("acme_corp").await;
    for name in [holder.key.clone(), format!("edge:{}", holder.key)] {
        let report = json!({"verifier": name, "sequence": 1, "keys": []});
        let why = running.post("/v2/usage", report).await.refuses(400, "invalid_request");
        assert!(why.starts_with("verifier") && !why.contains(&holder.key), "{why}");
        let poll = Request::get(format!("{}/v2/keyring", running.http.base()))
            .header("authorization", format!("Bearer {}", running.admin))
            .header("x-gracekey-verifier", name);
        let why = running.http.send(poll.body(Body::empty())).await.refuses(400, "invalid_request");
        assert!(why.starts_with("X-Gracekey-Verifier") && !why.contains(&holder.key), "{why}");
    }
    assert!(!running.get("/v2/verifiers").await.text.contains(&holder.key));
    running.end().await;
}

/// The very change that ends a poller's key is no longer given to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poller_whose_key_ends_while_it_waits_gets_nothing() {
    let running = Running::new().await;
    running.issue("acme_corp").await;
    let poller = client(&running, "poller", &["gracekey:feed"]).await;
    let path = format!("{}/v2/keyring", running.http.base());
    let ask = |key: &str, tag: &str| {
        let request = Request::get(&path).header("authorization", format!("Bearer {key}")).header("prefer", "wait=60");
        request.header("if-none-match", tag).body(Body::empty())
    };
    let epoch = running.epoch().await;
    let mut tag = String::new();
    while !tag.starts_with(&format!("\"{epoch}-")) {
        tag = running.get("/v2/keyring").await.headers["etag"].to_str().unwrap().to_owned();
    }
    let waiting = running.http.clone();
    let (ended, good) = (ask(&poller.key, &tag), ask(&running.admin, &tag));
    let ended = tokio::spawn(async move { waiting.send(ended).await });
    let waiting = running.http.clone();
    let good = tokio::spawn(async move { waiting.send(good).await });
    // Whether they wait already makes no difference to what they may be told.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    running.post(&format!("/v2/keys/{}/revoke", poller.key_id), json!({})).await.is(200);
    let reply = ended.await.unwrap();
    assert!(!reply.text.contains("acme_corp") && !reply.headers.contains_key("etag"), "{}", reply.text);
    reply.refuses(401, "revoked");
    assert!(good.await.unwrap().is(200).text.contains("acme_corp"));
    running.end().await;
}
