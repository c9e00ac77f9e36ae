//! What is counted, under which names, and that it costs a request no call.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/ring.rs"]
mod ring;
#[path = "support/scripted.rs"]
mod scripted;

use gracekey_core::Document;
use gracekey_filter::{Plugin, Stream};
use ring::{ACME, BETA, document, inline, moment};
use scripted::Scripted;

fn running(more: &str, edit: impl FnOnce(&mut Document)) -> (Scripted, Plugin) {
    let host = Scripted::at(moment("2026-11-22T12:00:00Z"));
    let plugin = Plugin::configure(inline(&document(7, edit), more).as_bytes(), &host).expect("configured");
    (host, plugin)
}

fn request(host: &Scripted, plugin: &Plugin, key: Option<&str>) {
    host.receive("GET", b"/", key.map(|key| ("x-api-key".to_owned(), key.into())));
    let _ = Stream::default().on_request(plugin, host);
}

fn superseded(document: &mut Document) {
    for (key, retires) in document.keys.iter_mut().zip(["2026-11-22T12:10:00Z", "2026-11-22T12:20:00Z"]) {
        key.superseded_at = Some(moment("2026-11-22T11:00:00Z"));
        key.retires_at = Some(moment(retires));
    }
}

#[test]
fn each_request_counts_once_with_its_outcome() {
    let (host, plugin) = running("", |_| {});
    let defined = host.defined.get();
    for key in [Some(ACME), Some(ACME), None, Some("nobody-knows-it"), Some("x")] {
        request(&host, &plugin, key);
    }
    assert_eq!(host.metric("gracekey_requests_total"), Some(0), "counted inside until the tick");
    plugin.tick(&host);
    for (name, count) in [
        ("gracekey_requests_total", 5),
        ("gracekey_auth_success_total.generation=current", 2),
        ("gracekey_auth_success_total.generation=previous", 0),
        ("gracekey_auth_failures_total.reason=missing", 1),
        ("gracekey_auth_failures_total.reason=unknown", 1),
        ("gracekey_auth_failures_total.reason=malformed", 1),
        ("gracekey_auth_failures_total.reason=superseded", 0),
        ("gracekey_keyring_epoch", 7),
        ("gracekey_keyring_age_seconds", 0),
    ] {
        assert_eq!(host.metric(name), Some(count), "{name}");
    }
    assert_eq!(host.defined.get(), defined, "metrics are defined once");
    plugin.tick(&host);
    assert_eq!(host.metric("gracekey_requests_total"), Some(5), "and sent once");
}

#[test]
fn what_shadow_lets_pass_counts_as_the_failure_that_it_was() {
    let (host, plugin) = running(r#","policy":{"mode":"shadow"},"metrics":{"prefix":"app"}"#, |_| {});
    request(&host, &plugin, None);
    plugin.finish(&host);
    assert_eq!(host.metric("app_requests_total"), Some(1));
    assert_eq!(host.metric("app_auth_failures_total.reason=missing"), Some(1));
    assert_eq!(host.last_line(), "Info: would deny: reason=missing");
}

#[test]
fn old_keys_and_their_windows_are_told_by_client() {
    let (host, plugin) = running("", superseded);
    for key in [ACME, ACME, BETA] {
        request(&host, &plugin, Some(key));
    }
    plugin.tick(&host);
    let previous = |client: &str| host.metric(&format!("gracekey_previous_key_requests_total.client_id={client}"));
    let window = |client: &str| host.metric(&format!("gracekey_rotation_window_remaining_seconds.client_id={client}"));
    assert_eq!((previous("acme"), previous("beta")), (Some(2), Some(1)));
    assert_eq!((window("acme"), window("beta")), (Some(600), Some(1200)));
    assert_eq!(host.metric("gracekey_auth_success_total.generation=previous"), Some(3));
    host.pass(601_000_000_000);
    plugin.tick(&host);
    assert_eq!((window("acme"), window("beta")), (Some(0), Some(599)));
}

#[test]
fn the_number_of_clients_with_a_label_is_bounded() {
    let (host, plugin) = running(r#","metrics":{"max_clients":1}"#, superseded);
    for key in [ACME, BETA, ACME, BETA, BETA] {
        request(&host, &plugin, Some(key));
    }
    plugin.tick(&host);
    let previous = |client: &str| host.metric(&format!("gracekey_previous_key_requests_total.client_id={client}"));
    assert_eq!((previous("acme"), previous("beta"), previous("_other")), (Some(2), None, Some(3)));
    let windows = host.metrics.borrow().iter().filter(|(name, _)| name.contains("window_remaining")).count();
    assert_eq!(windows, 1);
}

#[test]
fn filter_state_can_be_switched_off() {
    let (host, plugin) = running("", |_| {});
    request(&host, &plugin, Some(ACME));
    assert_eq!(host.filter_state.borrow()["gracekey.client_id"], "acme");
    assert_eq!(host.filter_state.borrow()["gracekey.generation"], "1");
    let (host, plugin) = running(r#","filter_state":false"#, |_| {});
    request(&host, &plugin, Some(ACME));
    assert!(host.filter_state.borrow().is_empty());
}
