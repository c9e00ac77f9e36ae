//! Looks while keys change all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

use super::poll::until;
use crate::running::exchange::exchange;
use crate::running::{Running, add_client, issue};

const LOOKS: usize = 30;
/// So many that there is always one on its way.
const CHANGERS: usize = 8;
/// Editions that pass by in a look. One may be in the making already when it comes, and then its own is the next one.
/// Whoever waits for each change that comes meanwhile sees a dozen every now and then.
const FEW: f64 = 4.0;

/// What a verifier asks when somebody shows it a key that it does not know, on a server that is never at rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_waits_for_what_was_there_when_it_came_and_for_no_later_change() {
    let running = Running::start(|_| {}).await;
    add_client(&running.store, "operator", &["gracekey:admin"]).await;
    let (admin, _) = issue(&running.store, "operator", "default").await;
    let mut tag = until(&running, 4).await.header("etag").expect("a tag").to_owned();
    let (to, ended) = (running.server.local_addr(), Arc::new(AtomicBool::new(false)));
    let mut changes = JoinSet::new();
    for task in 0..CHANGERS {
        let (key, ended) = (format!("Bearer {}", admin.reveal()), Arc::clone(&ended));
        changes.spawn(async move {
            let headers = [("authorization", key.as_str()), ("content-type", "application/json")];
            let mut made = 0;
            while !ended.load(Ordering::SeqCst) {
                let client = format!(r#"{{"client_id":"c-{task}-{made}"}}"#);
                let reply = exchange(to, "POST /v2/clients", &headers, client.as_bytes()).await;
                assert_eq!(reply.status, 201, "{}", reply.text());
                made += 1;
            }
            made
        });
    }
    // They are under way.
    until(&running, 10).await;
    let renders = async || running.metric("gracekey_feed_renders_total").await;
    let mut passed = Vec::new();
    for _ in 0..LOOKS {
        let (before, epoch) = (renders().await, running.store.epoch().await.expect("an epoch"));
        let look = [("if-none-match", tag.as_str()), ("cache-control", "no-cache")];
        let reply = running.ask("GET /v2/keyring", &look).await;
        passed.push(renders().await - before);
        assert!(matches!(reply.status, 200 | 304), "{}", reply.text());
        tag = reply.header("etag").expect("a tag").to_owned();
        let told = tag.trim_matches('"').split('-').next().and_then(|told| told.parse::<u64>().ok());
        assert!(told >= Some(epoch), "{tag} is older than {epoch}, which the store held");
    }
    ended.store(true, Ordering::SeqCst);
    let made: usize = changes.join_all().await.into_iter().sum();
    assert!(made > LOOKS, "{made} changes");
    let long = passed.iter().filter(|passed| **passed > FEW).count();
    // A machine may stand still for once.
    assert!(long <= 1, "{made} changes, editions that passed by in each look: {passed:?}");
}
