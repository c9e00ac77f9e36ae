//! Who would get 401, asked before anything is ended.

use serde_json::json;

use crate::support::{Issued, Running, at};

#[tokio::test]
async fn a_dry_run_names_who_would_get_401_and_changes_nothing() {
    let running = Running::new().await;
    let first = running.issue("acme_corp").await;
    let ci = running.issue_more("acme_corp", "ci").await;
    running.clock.set(at(10));
    let second = Issued::of_rotation(&running.rotate(&first.key).await.is(200).json());
    running.clock.set(at(100));
    let keys = json!([
        {"key_id": first.key_id, "requests": 17, "last_used": at(90)},
        {"key_id": second.key_id, "requests": 4, "last_used": at(95)},
    ]);
    running.post("/v2/usage", json!({"verifier": "edge-1", "sequence": 1, "keys": keys})).await.is(200);
    let epoch = running.epoch().await;

    let ask = async |path: &str| running.post(&format!("{path}?dry_run=true"), json!({})).await.is(200).json();
    let window = ask("/v2/clients/acme_corp/credentials/default/close-window").await;
    assert_eq!(window["dry_run"], true);
    let would_end = window["would_end"].as_array().unwrap();
    assert_eq!(would_end.len(), 1, "{window}");
    assert_eq!(would_end[0]["key_id"], first.key_id.as_str());
    assert_eq!(would_end[0]["last_used"], at(90).to_string());
    // The holder's own rotation is a use, too.
    assert_eq!(would_end[0]["requests_last_day"].as_u64().unwrap() / 10, 1, "{window}");
    assert_eq!(window["would_get_401"], json!(["acme_corp"]));

    let unused = ask(&format!("/v2/keys/{}/revoke", ci.key_id)).await;
    assert_eq!(unused["would_end"][0]["requests_last_day"], 0);
    assert_eq!(unused["would_get_401"], json!([]), "nobody used it");
    let client = ask("/v2/clients/acme_corp/revoke").await;
    assert_eq!(client["would_end"].as_array().unwrap().len(), 3);
    let credential = ask("/v2/clients/acme_corp/credentials/default/revoke").await;
    assert_eq!(credential["would_end"].as_array().unwrap().len(), 2);

    assert_eq!(running.epoch().await, epoch);
    running.clock.set(at(100 + 2 * 86_400));
    let later = ask("/v2/clients/acme_corp/credentials/default/revoke").await;
    assert_eq!(later["would_end"].as_array().unwrap().len(), 1, "the window closed by itself");
    assert_eq!(later["would_get_401"], json!([]), "nobody used it in the last day");
    running.end().await;
}

#[tokio::test]
async fn a_dry_run_on_what_is_not_there_is_404() {
    let running = Running::new().await;
    running.issue("acme_corp").await;
    for (path, code) in [
        ("/v2/keys/00000000/revoke", "unknown_key"),
        ("/v2/clients/nobody/revoke", "unknown_client"),
        ("/v2/clients/acme_corp/credentials/nothing/revoke", "unknown_credential"),
        ("/v2/clients/acme_corp/credentials/nothing/close-window", "unknown_credential"),
    ] {
        for query in ["", "?dry_run=true", "?dry_run=false"] {
            running.post(&format!("{path}{query}"), json!({})).await.refuses(404, code);
        }
    }
    running.end().await;
}
