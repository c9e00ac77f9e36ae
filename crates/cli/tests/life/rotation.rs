//! Many clients under steady load through the Layer and through Envoy, each of which rotates its own key once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gracekey_core::Timestamp;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::http::Http;
use crate::random::Random;
use crate::server::Server;
use crate::size::size;
use crate::verifier::Verifier;

/// How long the old key works after a rotation here.
const GRACE: u64 = 5;
/// So many seconds before its end nobody begins a request with it: it might arrive late.
const MARGIN: i64 = 2;
/// How often each client calls.
const PERIOD: Duration = Duration::from_millis(1_000);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_rotates_itself_and_none_is_refused() {
    let (clients, seconds) = (size("GRACEKEY_CLIENTS", 12), u64::from(size("GRACEKEY_SECONDS", 4)));
    let server = Server::start("life-rotation").await;
    let admin = server.admin_key().await;
    let feed = server.run(&["issue", "--client", "edge", "--scope", "gracekey:feed"]);
    let verifiers = [Verifier::layer(0, &server, &feed).await, Verifier::envoy(0, &server, &feed).await];
    let http = Http::new(&server.url());
    let mut keys = Vec::new();
    for number in 0..clients {
        let client = format!("client-{number}");
        let made = http.post("/v2/clients", &admin, &json!({"client_id": client})).await.expect("an answer");
        assert_eq!(made.status, 201, "{made:?}");
        let path = format!("/v2/clients/{client}/credentials/default/keys");
        keys.push(http.post(&path, &admin, &json!({})).await.expect("an answer").text("api_key"));
    }
    for verifier in verifiers.iter() {
        verifier.grants(keys.last().expect("a key")).await;
    }
    let tally = Arc::new(Tally::default());
    let edges = verifiers.each_ref().map(|verifier| (verifier.name.clone(), Http::new(&verifier.url)));
    let mut running = JoinSet::new();
    for (number, key) in keys.into_iter().enumerate() {
        let client = Client {
            random: Random::new(number as u64),
            key,
            old: None,
            server: http.clone(),
            edges: edges.clone(),
            tally: Arc::clone(&tally),
        };
        running.spawn(client.live(Duration::from_secs(seconds)));
    }
    running.join_all().await;
    let [granted, told, rotated, refused, late] =
        [&tally.granted, &tally.told, &tally.rotated, &tally.refused, &tally.late].map(|n| n.load(Ordering::SeqCst));
    println!(
        "{clients} clients, {seconds} s: {granted} requests granted, {told} of them told of an old key, {rotated} rotations; \
         {refused} old keys refused after their deadline, {late} granted within the second after it"
    );
    assert_eq!(rotated, u64::from(clients));
    // Each old key was tried on both after its time.
    assert_eq!(refused, 2 * u64::from(clients));
    assert!(told > 0);
}

#[derive(Default)]
struct Tally {
    granted: AtomicU64,
    told: AtomicU64,
    rotated: AtomicU64,
    refused: AtomicU64,
    late: AtomicU64,
}

/// A verifier, by its name.
type Edge = (String, Http);

struct Client {
    random: Random,
    key: String,
    old: Option<(String, Timestamp)>,
    server: Http,
    edges: [Edge; 2],
    tally: Arc<Tally>,
}

impl Client {
    async fn live(mut self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).expect("a short time");
        let end = Instant::now() + time;
        let rotation = Instant::now() + Duration::from_millis(self.random.below(millis));
        let period = u64::try_from(PERIOD.as_millis()).expect("a short time");
        tokio::time::sleep(Duration::from_millis(self.random.below(period))).await;
        while Instant::now() < end {
            if self.old.is_none() && Instant::now() >= rotation {
                self.rotate().await;
            }
            let edge = self.edges[usize::from(self.random.below(2) > 0)].clone();
            self.granted(&edge, &self.key).await;
            // For a while after the rotation the old key is still in use somewhere.
            if let Some((old, deadline)) = &self.old
                && now().saturating_add(MARGIN) < *deadline
            {
                self.granted(&edge, old).await;
            }
            tokio::time::sleep(PERIOD).await;
        }
        if self.old.is_none() {
            self.rotate().await;
        }
        self.ends().await;
    }

    async fn rotate(&mut self) {
        let answer = self.server.post("/v2/auth/rotate-key", &self.key, &json!({"grace": format!("{GRACE}s")})).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
        let deadline = answer.text("previous_key_retires_at").parse().expect("a time");
        let old = std::mem::replace(&mut self.key, answer.text("new_api_key"));
        self.old = Some((old, deadline));
        self.tally.rotated.fetch_add(1, Ordering::SeqCst);
        // The very next request uses the new key, before any verifier may have heard of it.
        for edge in &self.edges {
            self.granted(edge, &self.key).await;
        }
    }

    async fn granted(&self, (name, edge): &Edge, key: &str) {
        let answer = edge.get("/", key).await.expect("an answer");
        assert_eq!(answer.status, 200, "a good key was refused by {name}: {answer:?}");
        self.tally.granted.fetch_add(1, Ordering::SeqCst);
        self.tally.told.fetch_add(u64::from(answer.notice), Ordering::SeqCst);
    }

    /// The old key works until its deadline, and not a second longer.
    async fn ends(&self) {
        let Some((old, deadline)) = &self.old else { return };
        while now() < *deadline {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for (_, edge) in &self.edges {
            let answer = edge.get("/", old).await.expect("an answer");
            self.tally.late.fetch_add(u64::from(answer.status == 200), Ordering::SeqCst);
        }
        while now() <= *deadline {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for (_, edge) in &self.edges {
            let answer = edge.get("/", old).await.expect("an answer");
            assert_eq!((answer.status, answer.text("code").as_str()), (401, "superseded"), "{answer:?}");
            self.tally.refused.fetch_add(1, Ordering::SeqCst);
        }
        for edge in &self.edges {
            self.granted(edge, &self.key).await;
        }
    }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    Timestamp::from_unix_seconds(i64::try_from(since.as_secs()).expect("a time")).expect("a time")
}
