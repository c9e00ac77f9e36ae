use std::collections::BTreeMap;

use gracekey_tower::{FakeClock, GracekeyLayer, LiveKeyring, RequireScopes};
use http::Request;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tower::{Layer, ServiceExt, service_fn};

use super::service::echo;
use crate::support::{bearer, generation, key, keyring, now, policy, superseded};

fn layer(policy_json: &str) -> (GracekeyLayer, FakeClock) {
    let clock = FakeClock::at(now());
    let keys = vec![generation("acme", 1), superseded(generation("beta", 2)), superseded(generation("gamma", 3))];
    let keys = LiveKeyring::with_clock(Some(keyring(42, keys)), clock.clone());
    (GracekeyLayer::new(policy(policy_json), keys), clock)
}

async fn call(layer: &GracekeyLayer, request: Request<()>) {
    layer.layer(service_fn(echo)).oneshot(request).await.unwrap();
}

fn values(metrics: &Snapshotter) -> BTreeMap<String, f64> {
    let named = metrics.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
        let labels: String = key.key().labels().map(|label| format!(" {}={}", label.key(), label.value())).collect();
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(_) => f64::NAN,
        };
        (format!("{}{labels}", key.key().name()), value)
    });
    named.filter(|(_, value)| *value != 0.0).collect()
}

fn expected(values: &[(&str, f64)]) -> BTreeMap<String, f64> {
    values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

#[tokio::test]
async fn the_names_are_those_of_the_design_with_the_prefix_of_the_operator() {
    let recorder = DebuggingRecorder::new();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let (layer, _clock) = layer("{}");
    let layer = layer.metrics_prefix("app");
    call(&layer, bearer(&key(1))).await;
    call(&layer, bearer(&key(2))).await;
    call(&layer, bearer(&key(9))).await;
    call(&layer, Request::new(())).await;
    let names = [
        ("app_auth_failures_total reason=missing", 1.0),
        ("app_auth_failures_total reason=unknown", 1.0),
        ("app_auth_success_total generation=current", 1.0),
        ("app_auth_success_total generation=previous", 1.0),
        ("app_keyring_epoch", 42.0),
        ("app_previous_key_requests_total client_id=beta", 1.0),
        ("app_requests_total", 4.0),
        ("app_rotation_window_remaining_seconds client_id=beta", 3600.0),
    ];
    assert_eq!(values(&recorder.snapshotter()), expected(&names));
}

#[tokio::test]
async fn gauges_move_with_the_time() {
    let recorder = DebuggingRecorder::new();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let (layer, clock) = layer("{}");
    call(&layer, bearer(&key(2))).await;
    let gauges = |values: BTreeMap<String, f64>| {
        let of = |name: &str| values.get(&format!("gracekey_{name}")).copied().unwrap_or(0.0);
        (of("keyring_age_seconds"), of("rotation_window_remaining_seconds client_id=beta"))
    };
    clock.advance(600);
    // Another caller's request moves them too, and so does a scrape.
    call(&layer, bearer(&key(1))).await;
    assert_eq!(gauges(values(&recorder.snapshotter())), (600.0, 3000.0));
    clock.advance(600);
    layer.refresh_metrics();
    assert_eq!(gauges(values(&recorder.snapshotter())), (1200.0, 2400.0));
    clock.advance(9999);
    layer.refresh_metrics();
    assert_eq!(gauges(values(&recorder.snapshotter())), (11199.0, 0.0));
}

#[tokio::test]
async fn what_a_route_refuses_counts_once_and_as_refused() {
    let recorder = DebuggingRecorder::new();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let (layer, _clock) = layer("{}");
    let inner = "admin".parse::<RequireScopes>().unwrap().layer(service_fn(echo));
    layer.layer(inner).oneshot(bearer::<()>(&key(1))).await.unwrap();
    let names = [
        ("gracekey_auth_failures_total reason=insufficient_scope", 1.0),
        ("gracekey_keyring_epoch", 42.0),
        ("gracekey_requests_total", 1.0),
    ];
    assert_eq!(values(&recorder.snapshotter()), expected(&names));
}

#[tokio::test]
async fn a_request_whose_caller_went_away_counts() {
    let recorder = DebuggingRecorder::new();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let (layer, _clock) = layer("{}");
    let never = service_fn(|_: Request<()>| {
        std::future::pending::<Result<http::Response<http_body_util::Empty<bytes::Bytes>>, std::convert::Infallible>>()
    });
    let mut waiting = Box::pin(layer.layer(never).oneshot(bearer(&key(1))));
    tokio::select! {
        biased;
        _ = &mut waiting => panic!("it never answers"),
        () = tokio::task::yield_now() => {}
    }
    drop(waiting);
    assert_eq!(values(&recorder.snapshotter()).get("gracekey_auth_success_total generation=current"), Some(&1.0));
}

#[tokio::test]
async fn clients_beyond_the_limit_share_one_name() {
    let recorder = DebuggingRecorder::new();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let (layer, _clock) = layer("{}");
    let layer = layer.metrics_clients(1);
    for number in [2, 3, 3, 2] {
        call(&layer, bearer(&key(number))).await;
    }
    let values = values(&recorder.snapshotter());
    assert_eq!(values.get("gracekey_previous_key_requests_total client_id=beta"), Some(&2.0));
    assert_eq!(values.get("gracekey_previous_key_requests_total client_id=other"), Some(&2.0));
    assert!(!values.keys().any(|name| name.contains("gamma")), "{values:?}");
}

#[tokio::test]
async fn shadow_mode_counts_what_would_have_been() {
    let recorder = DebuggingRecorder::new();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let (layer, _clock) = layer(r#"{"mode":"shadow"}"#);
    call(&layer, bearer(&key(9))).await;
    let values = values(&recorder.snapshotter());
    assert_eq!(values.get("gracekey_shadow_denials_total reason=unknown"), Some(&1.0));
    assert_eq!(values.get("gracekey_requests_total"), Some(&1.0));
    assert!(!values.keys().any(|name| name.contains("failures")), "{values:?}");
}
