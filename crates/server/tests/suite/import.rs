//! Keys from elsewhere.

use serde_json::json;

use crate::support::Running;

#[tokio::test]
async fn an_import_is_all_or_nothing_with_a_line_per_row() {
    let running = Running::new().await;
    let good =
        "key,client_id,credential,scopes\nsome-foreign-key-1,acme_corp,ci,logs:write\nsome-foreign-key-2,acme_corp,,\n";
    let bad = format!("{good}some-foreign-key-2,globex,,\nbad key,globex,,\n");
    let epoch = running.epoch().await;
    let refused = running.http.raw("/v2/import", &running.admin, "text/csv", bad).await.is(400);
    let body = refused.json();
    assert_eq!((&body["error"], &body["code"]), (&json!("invalid_request"), &json!("rows_refused")));
    let fates: Vec<_> = body["lines"].as_array().unwrap().iter().map(|line| line["fate"].as_str().unwrap()).collect();
    assert_eq!(fates, ["imported", "imported", "refused", "refused"]);
    assert!(body["lines"][2]["why"].as_str().unwrap().contains("same key as row 3"), "{body}");
    assert!(!refused.text.contains("some-foreign-key"), "{}", refused.text);
    assert_eq!(running.epoch().await, epoch);

    let taken = running.http.raw("/v2/import", &running.admin, "text/csv; charset=utf-8", good).await.is(200).json();
    assert_eq!((&taken["imported"], &taken["already_there"], &taken["changed"]), (&json!(2), &json!(0), &json!(true)));
    assert_eq!(taken["lines"][0]["credential"], "ci");
    assert_eq!(taken["lines"][1]["credential"], "default");
    let again = running.http.raw("/v2/import", &running.admin, "text/csv", good).await.is(200).json();
    assert_eq!((&again["imported"], &again["already_there"], &again["changed"]), (&json!(0), &json!(2), &json!(false)));
    running.end().await;
}

#[tokio::test]
async fn api_keys_as_in_the_environment_are_taken() {
    let running = Running::new().await;
    let taken = running.post("/v2/import", json!({"some-foreign-key-9": "globex"})).await.is(200).json();
    assert_eq!(taken["lines"][0]["client_id"], "globex");
    running.rotate("some-foreign-key-9").await.is(200);
    let text =
        running.http.raw("/v2/import", &running.admin, "application/json", "{'some-foreign-key-8':'globex'}").await;
    let why = text.refuses(400, "invalid_request");
    assert!(why.contains("single quotes") && !why.contains("some-foreign"), "{why}");
    running.http.raw("/v2/import", &running.admin, "text/plain", "x").await.refuses(415, "unsupported_media_type");
    running.end().await;
}
