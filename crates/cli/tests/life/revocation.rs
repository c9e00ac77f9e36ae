//! How long a revoked key goes on being granted, at one server, with verifiers of both kinds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use crate::http::Http;
use crate::server::Server;
use crate::size::size;
use crate::verifier::Verifier;

/// How often each verifier is asked whether it still grants the key.
const EVERY: Duration = Duration::from_millis(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_is_refused_everywhere() {
    let server = Server::start("life-revocation").await;
    let admin = server.admin_key().await;
    let feed = server.run(&["issue", "--client", "edge", "--scope", "gracekey:feed"]);
    let mut verifiers = Vec::new();
    for number in 0..size("GRACEKEY_LAYERS", 3) {
        verifiers.push(Verifier::layer(number as usize, &server, &feed).await);
    }
    for number in 0..size("GRACEKEY_ENVOYS", 1) {
        verifiers.push(Verifier::envoy(number as usize, &server, &feed).await);
    }
    let verifiers = Arc::new(verifiers);
    let http = Http::new(&server.url());
    let mut times = Vec::new();
    for round in 0..size("GRACEKEY_REVOCATIONS", 3) {
        let client = format!("client-{round}");
        let made = http.post("/v2/clients", &admin, &json!({"client_id": client})).await.expect("an answer");
        assert_eq!(made.status, 201, "{made:?}");
        let path = format!("/v2/clients/{client}/credentials/default/keys");
        let key = http.post(&path, &admin, &json!({})).await.expect("an answer").text("api_key");
        for verifier in verifiers.iter() {
            verifier.grants(&key).await;
        }
        // From when it was asked for: the server's own part counts as well.
        let asked = Instant::now();
        let mut refusals = JoinSet::new();
        for at in 0..verifiers.len() {
            let (verifiers, key) = (Arc::clone(&verifiers), key.clone());
            refusals.spawn(async move { refused(&verifiers[at], &key, asked).await });
        }
        let revoked = http.post(&format!("/v2/clients/{client}/revoke"), &admin, &json!({})).await.expect("an answer");
        assert_eq!(revoked.status, 200, "{revoked:?}");
        times.extend(refusals.join_all().await);
    }
    times.sort();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)];
    println!(
        "revoked to refused, {} verifiers, {} times: p50 {:?}, p90 {:?}, p99 {:?}, most {:?}",
        verifiers.len(),
        times.len(),
        at(50),
        at(90),
        at(99),
        at(100)
    );
}

/// Asks until the key is refused, and says how long that took.
async fn refused(verifier: &Verifier, key: &str, since: Instant) -> Duration {
    let http = Http::new(&verifier.url);
    loop {
        let answer = http.get("/", key).await.expect("an answer");
        let elapsed = since.elapsed();
        match answer.status {
            200 => assert!(elapsed < Duration::from_secs(30), "{} still grants it", verifier.name),
            401 => {
                assert_eq!(answer.text("code"), "revoked", "{}: {answer:?}", verifier.name);
                return elapsed;
            }
            _ => panic!("{}: {answer:?}", verifier.name),
        }
        tokio::time::sleep(EVERY).await;
    }
}
