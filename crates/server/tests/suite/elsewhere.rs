//! A key that was issued elsewhere a moment ago, by another server of the same store or on the command line.

use std::time::Duration;

use axum::body::Body;
use gracekey_core::{ApiKey, Client, Prefix};
use gracekey_server::{Config, Server};
use gracekey_store::{Issue, Store};
use http::Request;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::http::Http;
use crate::support::{Issued, Place, Running, at, peppers};

/// Another server on the store of the first.
async fn another(running: &Running) -> (Server, Http) {
    let mut config = Config::new(Store::connect(&running.place.address()).await.unwrap(), peppers());
    config.listen.set_port(0);
    config.clock = running.clock.clone().into();
    asked_by_proxies(&mut config);
    let server = Server::start(config).await.unwrap();
    let http = Http::new(format!("http://{}", server.local_addr()));
    (server, http)
}

fn asked_by_proxies(config: &mut Config) {
    config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
}

/// What a proxy is told of a request with this key, which came from there.
async fn verify(http: &Http, key: &str, from: &str) -> u16 {
    let request = Request::get(format!("{}/verify", http.base()))
        .header("x-forwarded-method", "GET")
        .header("x-forwarded-uri", "/v1/logs")
        .header("x-forwarded-for", from)
        .header("x-api-key", key);
    http.send(request.body(Body::empty())).await.status.as_u16()
}

/// Issues in the store itself, as the command line does.
async fn issue_in(store: &Store, number: usize) -> ApiKey {
    let by = "command-line".parse().unwrap();
    let client_id: gracekey_core::ClientId = format!("of-the-store-{number}").parse().unwrap();
    let client = Client { client_id: client_id.clone(), disabled: false, scopes: Vec::new() };
    store.add_client(&client.into(), &by, at(0)).await.unwrap();
    let (key, minted) = gracekey_store::mint(&Prefix::default(), peppers().current()).unwrap();
    let issue = Issue { client_id, credential: "default".parse().unwrap(), key: minted, expires_at: None };
    store.issue(&issue, &by, at(0)).await.unwrap();
    key
}

fn never_issued(number: u32) -> String {
    let mut seed = [3; 96];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    seed[48..52].copy_from_slice(&number.to_be_bytes());
    ApiKey::mint(&Prefix::default(), &seed).unwrap().reveal().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_server_issues_is_good_at_the_other_at_once() {
    let running = Running::on(Place::postgres(), asked_by_proxies).await;
    let (other, http) = another(&running).await;
    for number in 0..50 {
        let key = running.issue(&format!("client-{number}")).await.key;
        let rotated = http.call("POST", "/v2/auth/rotate-key", Some(&key), None).await.is(200).json();
        // And the other way round.
        let key = Issued::of_rotation(&rotated).key;
        assert_eq!(verify(&running.http, &key, "192.0.2.7").await, 200, "key {number}");
        let another = running.issue_more(&format!("client-{number}"), "another").await.key;
        assert_eq!(verify(&http, &another, "192.0.2.7").await, 200, "other key {number}");
    }
    other.shutdown(Duration::from_secs(5));
    other.wait().await.unwrap();
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_command_line_issues_is_good_at_once() {
    for place in [Place::sqlite(), Place::postgres()] {
        let running = Running::on(place, asked_by_proxies).await;
        let store = Store::connect(&running.place.address()).await.unwrap();
        for number in 0..20 {
            let key = issue_in(&store, 2 * number).await;
            running.rotate(key.reveal()).await.is(200);
            let key = issue_in(&store, 2 * number + 1).await;
            assert_eq!(verify(&running.http, key.reveal(), "192.0.2.7").await, 200, "key {number}");
        }
        store.close().await;
        running.end().await;
    }
}

/// Each from an address of its own, so that none is throttled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_unknown_keys_does_not_reach_the_store() {
    let telemetry = gracekey_server::Telemetry::install().unwrap();
    let running = Running::on(Place::postgres(), |config| {
        asked_by_proxies(config);
        config.telemetry = Some(telemetry);
    })
    .await;
    let good = running.issue("acme_corp").await.key;
    let begun = tokio::time::Instant::now();
    for wave in 0..20_u8 {
        let mut flood = JoinSet::new();
        for number in 0..20_u8 {
            let http = running.http.clone();
            let key = never_issued(u32::from(wave) * 20 + u32::from(number));
            flood.spawn(async move { verify(&http, &key, &format!("10.0.{wave}.{number}")).await });
        }
        assert_eq!(verify(&running.http, &good, "10.1.0.1").await, 200);
        while let Some(status) = flood.join_next().await {
            assert_eq!(status.unwrap(), 401);
        }
    }
    // Eight, and one for each 200 ms, so that this holds however slow the machine is.
    let most = begun.elapsed().as_secs_f64() / 0.2 + 10.0;
    let looks = rechecks(&running).await;
    assert!((8.0..=most).contains(&looks), "{looks} looks, and not {most}");
    // What is new after the flood is granted as ever: at the latest when the server may look once more.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let store = Store::connect(&running.place.address()).await.unwrap();
    let key = issue_in(&store, 0).await;
    assert_eq!(verify(&running.http, key.reveal(), "10.2.0.1").await, 200);
    store.close().await;
    running.end().await;
}

async fn rechecks(running: &Running) -> f64 {
    let text = running.http.call("GET", "/metrics", None, None).await.is(200).text;
    let value = text.lines().find_map(|line| line.strip_prefix("gracekey_feed_rechecks_total ")?.parse().ok());
    value.unwrap_or(0.0)
}

/// The wait for a store that is gone has its bound, and known keys go on working meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_keeps_nobody_waiting() {
    let mut running = Running::on(Place::postgres(), asked_by_proxies).await;
    let good = running.issue("acme_corp").await.key;
    let Place::Postgres(database) = &mut running.place else { unreachable!() };
    database.stop();
    let mut unknown = JoinSet::new();
    for number in 0..50 {
        let (http, key) = (running.http.clone(), never_issued(number));
        unknown.spawn(async move { verify(&http, &key, "192.0.2.7").await });
    }
    for _ in 0..50 {
        assert_eq!(verify(&running.http, &good, "192.0.2.8").await, 200);
    }
    let all = async {
        while let Some(status) = unknown.join_next().await {
            assert_eq!(status.unwrap(), 401);
        }
    };
    // Far more than the second that one waits, and less than any client does.
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("answers");
    running.get("/v2/nothing-here").await.is(404);
    running.end().await;
}

/// Before anybody can ask, there is something to give.
#[tokio::test]
async fn the_first_poll_of_a_new_server_gets_the_feed() {
    for _ in 0..5 {
        let running = Running::with(|config| config.open_feed = true).await;
        let polled = running.http.call("GET", "/v2/keyring", None, None).await.is(200).json();
        let ready = running.http.call("GET", "/readyz", None, None).await.is(200).json();
        assert_eq!((&polled["epoch"], &ready["store"]), (&ready["epoch"], &json!("ok")));
        running.end().await;
    }
}

/// A verifier that holds the last keyring polls right after a change was answered: it is never told that it holds the newest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_poll_after_a_change_confirms_what_was_before_it() {
    let running = Running::on(Place::postgres(), |config| config.open_feed = true).await;
    // So many that rendering takes longer than the way to a poll.
    let mut csv = String::from("key,client_id\n");
    for number in 0..3_000 {
        csv.push_str(&format!("a-foreign-key-{number},client-{number}\n"));
    }
    let poll = async |tag: &str| {
        let request = Request::get(format!("{}/v2/keyring", running.http.base())).header("if-none-match", tag);
        running.http.send(request.body(Body::empty())).await
    };
    running.http.raw("/v2/import", &running.admin, "text/csv", csv).await.is(200);
    let mut held = poll("").await.is(200);
    for number in 0..20 {
        let made = running.post("/v2/clients", json!({"client_id": format!("new-{number}")})).await.is(201).json();
        let reply = poll(held.headers["etag"].to_str().unwrap()).await;
        assert_eq!(reply.status, 200, "{number}: {}", reply.text);
        assert!(reply.json()["epoch"].as_u64() >= made["epoch"].as_u64(), "{number}");
        held = reply;
        // Nothing newer: now it may be confirmed.
        poll(held.headers["etag"].to_str().unwrap()).await.is(304);
    }
    running.end().await;
}
