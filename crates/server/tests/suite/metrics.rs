//! What is open: whether it lives, whether it is ready, what it counted.

use gracekey_server::Telemetry;
use serde_json::json;

use crate::support::{Running, at};

#[tokio::test]
async fn rotations_are_counted_by_how_they_ended() {
    let telemetry = Telemetry::install().unwrap();
    let running = Running::with(|config| {
        config.telemetry = Some(telemetry);
        config.metrics_prefix = "counted".into();
    })
    .await;
    let issued = running.issue("acme_corp").await;
    running.clock.set(at(10));
    running.rotate(&issued.key).await.is(200);
    running.rotate(&issued.key).await.refuses(409, "conflict");
    let text = running.http.call("GET", "/metrics", None, None).await.is(200).text;
    for line in [
        r#"counted_rotations_total{outcome="rotated"} 1"#,
        r#"counted_rotations_total{outcome="conflict"} 1"#,
        r#"counted_previous_key_requests_total{client_id="acme_corp"} 1"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(text.contains(&format!("counted_keyring_epoch {}", running.epoch().await)), "{text}");
    assert!(!text.contains(&issued.key));
    running.end().await;
}

#[tokio::test]
async fn health_and_readiness_need_no_key() {
    let running = Running::new().await;
    assert_eq!(running.http.call("GET", "/healthz", None, None).await.is(200).text, "ok");
    let ready = running.http.call("GET", "/readyz", None, None).await.is(200).json();
    assert_eq!(ready, json!({"store": "ok", "epoch": running.epoch().await}));
    running.http.call("GET", "/metrics", None, None).await.refuses(404, "no_such_route");
    running.end().await;
}
