//! What the server knows of the use of a key at an Envoy.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::http::Http;
use crate::server::Server;
use crate::verifier::Verifier;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_knows_who_uses_which_key_at_an_envoy() {
    let server = Server::start("life-usage").await;
    let admin = server.admin_key().await;
    let feed = server.run(&["issue", "--client", "edge", "--scope", "gracekey:feed"]);
    let http = Http::new(&server.url());
    let mut keys = Vec::new();
    for client in ["acme", "globex"] {
        let made = http.post("/v2/clients", &admin, &json!({"client_id": client})).await.expect("an answer");
        assert_eq!(made.status, 201, "{made:?}");
        let path = format!("/v2/clients/{client}/credentials/default/keys");
        let issued = http.post(&path, &admin, &json!({})).await.expect("an answer");
        keys.push((issued.text("api_key"), format!("/v2/keys/{}", issued.text("key_id"))));
    }
    let envoy = Verifier::envoy_fetching(r#", "usage": true"#, 0, &server, &feed).await;
    let [(used, used_path), (_, unused_path)] = &keys[..] else { panic!("two keys") };
    // Grants once, and then six times more. What is denied does not count.
    envoy.grants(used).await;
    let edge = Http::new(&envoy.url);
    for _ in 0..6 {
        assert_eq!(edge.get("/", used).await.expect("an answer").status, 200);
    }
    assert_eq!(edge.get("/", &format!("{used}x")).await.expect("an answer").status, 401);
    let since = Instant::now();
    let row = loop {
        let row = http.get(used_path, &admin).await.expect("an answer").json();
        if row["requests"] == 7 {
            break row;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "never seven requests: {row}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(row["last_used"].is_string(), "{row}");
    let row = http.get(unused_path, &admin).await.expect("an answer").json();
    assert_eq!((row["requests"].as_u64(), row["last_used"].is_null()), (Some(0), true), "{row}");
    // On the command line, too.
    let listing = server.run(&["list", "--json"]);
    assert!(listing.contains("last_used"), "{listing}");
}
