//! Verifiers that follow a running server: a key is issued, used, rotated and revoked, and they hear of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that goes wrong panics, also where it is not the test function itself"
)]

#[allow(dead_code, unused_imports, unused_macros, reason = "the server's own tests ask more of it")]
#[path = "suite/support/mod.rs"]
mod support;

use std::convert::Infallible;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use gracekey_core::{ApiKey, Policy};
use gracekey_server::{Config, Server, Tls};
use gracekey_tower::{FeedError, Following, GracekeyLayer, KeyringFeed, LiveKeyring};
use http::{Request, Response};
use serde_json::json;
use support::folder::Folder;
use support::{Issued, Running, peppers};
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt, service_fn};

/// Far longer than anything here takes; a test that gets there has failed.
const LONG: Duration = Duration::from_secs(30);

/// A service elsewhere.
struct Verifier {
    live: LiveKeyring,
    layer: GracekeyLayer,
    following: Following,
}

impl Verifier {
    async fn of(running: &Running, name: &str, change: impl FnOnce(KeyringFeed) -> KeyringFeed) -> Self {
        let feed = KeyringFeed::new(running.http.base(), peppers()).unwrap().verifier(name).unwrap();
        let feed = change(feed.usage_every(Duration::from_millis(50)));
        let live = LiveKeyring::with_clock(None, running.clock.clone());
        let following = feed.follow(&live).unwrap();
        following.first(LONG).await.unwrap();
        let layer = GracekeyLayer::new(Policy::default(), live.clone());
        Self { live, layer, following }
    }

    async fn ask(&self, key: &str) -> u16 {
        let service = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
        let request = Request::get("/").header("x-api-key", key).body(Body::empty()).unwrap();
        self.layer.layer(service).oneshot(request).await.unwrap().status().as_u16()
    }
}

async fn feed_key(running: &Running) -> ApiKey {
    running.post("/v2/clients", json!({"client_id": "edge", "scopes": ["gracekey:feed"]})).await.is(201);
    ApiKey::parse(&running.issue_more("edge", "default").await.key).unwrap()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let seen = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, seen).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_good_from_its_first_request_to_its_revocation() {
    let running = Running::new().await;
    let key = feed_key(&running).await;
    let verifier = Verifier::of(&running, "one", |feed| feed.key(key)).await;
    for number in 0..20 {
        let Issued { key, key_id } = running.issue(&format!("client-{number}")).await;
        assert_eq!(verifier.ask(&key).await, 200, "the first request with key {number}");
        // Both work within the window, also on their first request.
        let rotated = Issued::of_rotation(&running.rotate(&key).await.is(200).json());
        assert_eq!((verifier.ask(&rotated.key).await, verifier.ask(&key).await), (200, 200));
        running.post(&format!("/v2/keys/{key_id}/revoke"), json!({})).await.is(200);
        until("the revocation", async || verifier.ask(&key).await == 401).await;
        assert_eq!(verifier.ask(&rotated.key).await, 200);
    }
    // The operator's key opens nothing at the edge.
    assert_eq!(verifier.ask(&running.admin).await, 401);
    running.end().await;
}

/// Each client rotates its own key while it asks, uses the new key at once, and at both verifiers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_rotate_themselves_under_load_are_never_refused() {
    const CLIENTS: usize = 40;
    let running = Running::new().await;
    let feed = feed_key(&running).await.reveal().to_owned();
    let mut keys = Vec::new();
    for number in 0..CLIENTS {
        keys.push(running.issue(&format!("client-{number}")).await.key);
    }
    let parse = || ApiKey::parse(&feed).unwrap();
    let verifiers = Arc::new([
        Verifier::of(&running, "one", |it| it.key(parse())).await,
        Verifier::of(&running, "two", |it| it.key(parse())).await,
    ]);
    let mut clients = JoinSet::new();
    for (number, mut key) in keys.into_iter().enumerate() {
        let (http, verifiers) = (running.http.clone(), Arc::clone(&verifiers));
        clients.spawn(async move {
            for turn in 0..CLIENTS {
                for verifier in &*verifiers {
                    assert_eq!(verifier.ask(&key).await, 200, "client {number} in turn {turn}");
                }
                if turn == number {
                    let rotated = http.call("POST", "/v2/auth/rotate-key", Some(&key), None).await.is(200).json();
                    key = Issued::of_rotation(&rotated).key;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.expect("no refusal");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_knows_its_verifiers_and_what_they_saw() {
    let running = Running::new().await;
    let key = feed_key(&running).await;
    let Issued { key: used, key_id } = running.issue("acme").await;
    let verifier = Verifier::of(&running, "edge-7", |feed| feed.key(key)).await;
    for _ in 0..7 {
        assert_eq!(verifier.ask(&used).await, 200);
    }
    let path = format!("/v2/keys/{key_id}");
    until("seven uses", async || running.get(&path).await.json()["requests"] == 7).await;
    assert!(running.get(&path).await.json()["last_used"].is_string());
    let epoch = verifier.live.epoch().unwrap();
    until("no lag", async || {
        let listing = running.get("/v2/verifiers").await.json();
        let row = listing["verifiers"].as_array().unwrap().iter().find(|row| row["name"] == "edge-7").cloned();
        row.is_some_and(|row| row["epoch"] == epoch && row["lag"] == 0)
    })
    .await;
    // What is left is reported at the end.
    assert_eq!(verifier.ask(&used).await, 200);
    verifier.following.end().await;
    assert_eq!(running.get(&path).await.json()["requests"], 8);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_server_is_nobodys_401() {
    let running = Running::new().await;
    let feed = feed_key(&running).await;
    let Issued { key, .. } = running.issue("acme").await;
    let verifier = Verifier::of(&running, "one", |it| it.key(feed)).await;
    let Running { server, store, clock, place, admin, http } = running;
    let address = server.local_addr();
    server.shutdown(Duration::from_secs(5));
    server.wait().await.unwrap();
    until("its absence", async || {
        assert_eq!(verifier.ask(&key).await, 200);
        matches!(verifier.following.trouble(), Some(FeedError::Unreachable { .. }))
    })
    .await;
    let mut config = Config::new(store.clone(), peppers());
    (config.listen, config.clock) = (address, clock.clone().into());
    let server = Server::start(config).await.unwrap();
    let running = Running { server, store, clock, place, admin, http };
    // Asked out of turn, since the key is not known.
    let Issued { key, .. } = running.issue("beta").await;
    until("the new key", async || verifier.ask(&key).await == 200).await;
    until("no trouble", async || verifier.following.trouble().is_none()).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_without_the_scope_is_no_feed_key_and_an_open_feed_needs_none() {
    let running = Running::new().await;
    let Issued { key, .. } = running.issue("acme").await;
    let feed = KeyringFeed::new(running.http.base(), peppers()).unwrap();
    for (feed, status) in [(feed.clone(), 401), (feed.key(ApiKey::parse(&key).unwrap()), 403)] {
        let following = feed.follow(&LiveKeyring::empty()).unwrap();
        until("a refusal", async || following.trouble().is_some()).await;
        let why = following.trouble().unwrap();
        assert!(matches!(&why, FeedError::FeedKey { status: told, .. } if *told == status), "{why}");
    }
    running.end().await;
    let running = Running::with(|config| config.open_feed = true).await;
    let Issued { key, .. } = running.issue("acme").await;
    let verifier = Verifier::of(&running, "one", |feed| feed).await;
    assert_eq!(verifier.ask(&key).await, 200);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_only_the_trusted_server_is_followed() {
    let folder = Folder::new("verifier-tls");
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout".as_ref(), key.as_os_str(), "-out".as_ref(), certificate.as_os_str()])
        .output()
        .expect("openssl is missing; install Debian's package `openssl`");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let tls = Tls { certificate: certificate.clone(), key };
    let running = Running::with(|config| (config.tls, config.open_feed) = (Some(tls), true)).await;
    let port = running.server.local_addr().port();
    let trusted = fs::read(&certificate).unwrap();
    let feed = |host: &str| KeyringFeed::new(&format!("https://{host}:{port}"), peppers()).unwrap();
    let following = feed("localhost").trust(&trusted).unwrap().follow(&LiveKeyring::empty()).unwrap();
    following.first(LONG).await.unwrap();
    for (feed, said) in [
        (feed("127.0.0.1").trust(&trusted).unwrap(), "not valid for name"),
        (KeyringFeed::new(&format!("http://localhost:{port}"), peppers()).unwrap(), ""),
    ] {
        let following = feed.follow(&LiveKeyring::empty()).unwrap();
        until("a refusal", async || following.trouble().is_some()).await;
        let why = following.trouble().unwrap();
        assert!(matches!(why, FeedError::Unreachable { .. } | FeedError::Status { .. }), "{why}");
        assert!(why.to_string().contains(said), "{why}");
    }
    assert!(matches!(feed("localhost").trust(b"no PEM"), Err(FeedError::Trust { .. })));
    running.end().await;
}
