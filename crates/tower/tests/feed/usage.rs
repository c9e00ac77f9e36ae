//! How often keys are used reaches the server, each use once.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gracekey_tower::{Caller, Following, GracekeyLayer, KeyringFeed, LiveKeyring};
use http::StatusCode;
use serde_json::Value;
use tower::{Layer, ServiceExt, service_fn};

use crate::server::{LONG, Server, fine, until};
use crate::support::{bearer, document, generation, key, policy};

const OFTEN: Duration = Duration::from_millis(20);

async fn reporting(change: impl FnOnce(KeyringFeed) -> KeyringFeed) -> (Server, LiveKeyring, Following) {
    let server = Server::start().await;
    server.publish(document(1, vec![generation("acme", 1), generation("beta", 2)]));
    let live = LiveKeyring::empty();
    let following = change(server.feed().usage_every(OFTEN)).follow(&live).unwrap();
    following.first(LONG).await.unwrap();
    (server, live, following)
}

async fn use_key(live: &LiveKeyring, number: u8, times: usize) {
    let service = GracekeyLayer::new(policy("{}"), live.clone()).layer(service_fn(fine));
    for _ in 0..times {
        assert_eq!(service.clone().oneshot(bearer(&key(number))).await.unwrap().status(), StatusCode::OK);
    }
}

/// What the server counted: each report of one sequence once, and then it must be the very same.
fn counted(server: &Server) -> BTreeMap<String, u64> {
    let mut reports = BTreeMap::new();
    for report in server.shared.reports.lock().unwrap().iter() {
        assert_eq!(report["verifier"], "tester");
        let known = reports.insert(report["sequence"].as_u64().unwrap(), report.clone());
        assert!(known.is_none_or(|known| known == *report), "one sequence, two reports");
    }
    let mut counted = BTreeMap::new();
    for key in reports.values().flat_map(|report| report["keys"].as_array().unwrap()) {
        assert!(key["last_used"].as_str().unwrap().ends_with('Z'), "{key}");
        *counted.entry(key["key_id"].as_str().unwrap().to_owned()).or_default() += key["requests"].as_u64().unwrap();
    }
    counted
}

fn id(number: u8) -> String {
    key(number).key_id().unwrap().to_string()
}

#[tokio::test]
async fn each_granted_request_is_counted_for_its_key() {
    let (server, live, _following) = reporting(|feed| feed).await;
    use_key(&live, 1, 3).await;
    use_key(&live, 2, 2).await;
    let service = GracekeyLayer::new(policy("{}"), live.clone()).layer(service_fn(fine));
    assert_eq!(service.oneshot(bearer(&key(9))).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let all = BTreeMap::from([(id(1), 3), (id(2), 2)]);
    until("all of them", || counted(&server) == all).await;
    use_key(&live, 1, 1).await;
    until("one more", || counted(&server).get(&id(1)) == Some(&4)).await;
    // And nothing is reported where nothing was used.
    let reports = server.shared.reports.lock().unwrap().len();
    tokio::time::sleep(OFTEN * 5).await;
    assert_eq!(server.shared.reports.lock().unwrap().len(), reports);
}

#[tokio::test]
async fn a_key_without_the_scope_is_in_use_all_the_same() {
    let (server, live, _following) = reporting(|feed| feed).await;
    let ask = async |policy_json: &str, number: u8| {
        let service = GracekeyLayer::new(policy(policy_json), live.clone()).layer(service_fn(fine));
        service.oneshot(bearer(&key(number))).await.unwrap()
    };
    let refused = ask(r#"{"scopes":["admin"]}"#, 1).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(refused.extensions().get::<Caller>().unwrap().key_id(), id(1));
    assert_eq!(ask(r#"{"scopes":["admin"],"mode":"shadow"}"#, 2).await.status(), StatusCode::OK);
    // Whoever guesses uses no key.
    let guessed = ask(r#"{"scopes":["admin"]}"#, 9).await;
    assert_eq!(guessed.status(), StatusCode::UNAUTHORIZED);
    assert!(guessed.extensions().get::<Caller>().is_none());
    until("both", || counted(&server) == BTreeMap::from([(id(1), 1), (id(2), 1)])).await;
}

#[tokio::test]
async fn a_first_use_is_reported_within_moments_by_default() {
    let server = Server::start().await;
    server.publish(document(1, vec![generation("acme", 1)]));
    let live = LiveKeyring::empty();
    let following = server.feed().follow(&live).unwrap();
    following.first(LONG).await.unwrap();
    use_key(&live, 1, 1).await;
    // `until` gives up long before the ten seconds that verifiers once took.
    until("a report", || counted(&server) == BTreeMap::from([(id(1), 1)])).await;
}

#[tokio::test]
async fn a_report_whose_answer_is_lost_counts_once() {
    let (server, live, _following) = reporting(|feed| feed.deadline(Duration::from_millis(100))).await;
    server.shared.lose_answers.store(true, Ordering::Relaxed);
    use_key(&live, 1, 5).await;
    until("it is sent again", || server.shared.reports.lock().unwrap().len() >= 3).await;
    use_key(&live, 1, 4).await;
    assert_eq!(counted(&server).get(&id(1)), Some(&5), "what came later waits");
    server.shared.lose_answers.store(false, Ordering::Relaxed);
    until("the rest", || counted(&server).get(&id(1)) == Some(&9)).await;
    let sequences: Vec<Value> =
        server.shared.reports.lock().unwrap().iter().map(|report| report["sequence"].clone()).collect();
    assert!(sequences.windows(2).all(|pair| pair[0].as_u64() <= pair[1].as_u64()), "{sequences:?}");
}

#[tokio::test]
async fn what_was_counted_beside_a_keyring_outlives_it_and_the_absence_of_the_server() {
    let (mut server, live, following) = reporting(|feed| feed).await;
    for epoch in 2..=4 {
        use_key(&live, 1, 10).await;
        server.publish(document(epoch, vec![generation("acme", 1)]));
        until("the next keyring", || live.epoch() == Some(epoch)).await;
    }
    use_key(&live, 1, 10).await;
    server.stop();
    until("its absence", || following.trouble().is_some()).await;
    use_key(&live, 1, 10).await;
    let server = server.restart().await;
    until("all of them", || counted(&server) == BTreeMap::from([(id(1), 50)])).await;
}

#[tokio::test]
async fn a_report_that_is_refused_for_good_is_not_sent_for_ever() {
    let (server, live, _following) = reporting(|feed| feed).await;
    use_key(&live, 2, 1).await;
    server.answer((400, "invalid_request"));
    tokio::time::sleep(OFTEN * 10).await;
    server.answer(None);
    use_key(&live, 1, 1).await;
    until("the next one", || counted(&server).contains_key(&id(1))).await;
}

#[tokio::test]
async fn an_end_reports_what_is_left() {
    let (server, live, following) = reporting(|feed| feed.usage_every(LONG)).await;
    use_key(&live, 1, 7).await;
    following.end().await;
    assert_eq!(counted(&server), BTreeMap::from([(id(1), 7)]));
    // From then on nobody counts, and it can be followed anew.
    use_key(&live, 1, 7).await;
    let again = server.feed().usage_every(OFTEN).follow(&live).unwrap();
    until("a poll", || server.asked() > 2).await;
    use_key(&live, 2, 1).await;
    until("a report", || counted(&server).contains_key(&id(2))).await;
    assert_eq!(counted(&server), BTreeMap::from([(id(1), 7), (id(2), 1)]));
    drop(again);
}

#[tokio::test]
async fn who_does_not_want_it_reports_nothing() {
    let (server, live, following) = reporting(|feed| feed.usage(false)).await;
    use_key(&live, 1, 7).await;
    tokio::time::sleep(OFTEN * 5).await;
    following.end().await;
    assert!(server.shared.reports.lock().unwrap().is_empty());
}
