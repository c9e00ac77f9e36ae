//! A large keyring at an Envoy, which fetches it in pieces while keys change all the time.

use std::time::Duration;

use serde_json::json;

use crate::http::Http;
use crate::server::Server;
use crate::verifier::Verifier;

/// So many scopes of a hundred characters make a large keyring of few clients.
const SCOPES: usize = 400;
const CLIENTS: usize = 16;
/// There is more of it than that many pieces, which takes longer than until the next change.
const PIECES: u64 = 600;
const PIECE: &str = r#", "pieces": true, "piece_bytes": 1024"#;
/// Ten changes in a second.
const EVERY: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyring_in_pieces_gets_through_while_it_changes() {
    let server = Server::start("life-pieces").await;
    let admin = server.admin_key().await;
    let feed = server.run(&["issue", "--client", "edge", "--scope", "gracekey:feed"]);
    let http = Http::new(&server.url());
    for client in 0..CLIENTS {
        let scopes: Vec<_> = (0..SCOPES).map(|scope| format!("scope:{scope:0>100}")).collect();
        add(&http, &admin, &json!({"client_id": format!("large-{client}"), "scopes": scopes})).await;
    }
    let mut changes = tokio::spawn({
        let (http, admin) = (http.clone(), admin.clone());
        async move {
            for number in 0.. {
                add(&http, &admin, &json!({"client_id": format!("change-{number}")})).await;
                tokio::time::sleep(EVERY).await;
            }
        }
    });
    let envoy = Verifier::envoy_fetching(PIECE, 0, &server, &feed).await;
    // It begins with the first, and finds out about the others.
    for client in 0..3 {
        let path = format!("/v2/clients/large-{client}/credentials/default/keys");
        let key = http.post(&path, &admin, &json!({})).await.expect("an answer").text("api_key");
        let granted = envoy.grants(&key);
        tokio::select! {
            () = granted => {}
            ended = &mut changes => panic!("the changes end: {ended:?}"),
        }
    }
    changes.abort();
    let metrics = http.get("/metrics", "").await.expect("an answer");
    let metrics = String::from_utf8_lossy(&metrics.body);
    let pieces = metrics.lines().find_map(|line| line.strip_prefix("gracekey_feed_pieces_total ")?.parse::<u64>().ok());
    assert!(pieces > Some(3 * PIECES), "{pieces:?} pieces");
}

async fn add(http: &Http, admin: &str, client: &serde_json::Value) {
    let made = http.post("/v2/clients", admin, client).await.expect("an answer");
    assert_eq!(made.status, 201, "{made:?}");
}
