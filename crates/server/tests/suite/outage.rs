//! The store is away: never a 401, and changes are 503.

use serde_json::json;

use crate::support::{Place, Running};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_database_the_server_still_knows_who_calls() {
    let mut running = Running::on(Place::postgres(), |_| {}).await;
    let issued = running.issue("acme_corp").await;
    let Place::Postgres(database) = &mut running.place else { unreachable!() };
    database.stop();
    let reply = running.rotate(&issued.key).await;
    assert!(reply.headers.contains_key("retry-after"), "{reply:?}");
    reply.refuses(503, "unavailable");
    running.get("/v2/clients").await.refuses(503, "unavailable");
    let ready = running.http.call("GET", "/readyz", None, None).await.is(503).json();
    assert_eq!(ready["store"], "unavailable");
    assert!(ready["epoch"].is_u64());
    running.http.call("GET", "/healthz", None, None).await.is(200);
    running.rotate(&crate::support::unknown_key()).await.refuses(401, "unknown");
    let Place::Postgres(database) = &mut running.place else { unreachable!() };
    database.resume();
    let mut status = 0;
    for _ in 0..100 {
        status = running.post("/v2/clients/acme_corp/revoke?dry_run=true", json!({})).await.status.as_u16();
        if status == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(status, 200);
    running.rotate(&issued.key).await.is(200);
    running.end().await;
}
