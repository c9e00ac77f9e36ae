//! A key that stands where it does not belong shows in no answer, no log and no metric.

use std::io::Write;
use std::sync::{Arc, Mutex};

use gracekey_core::ApiKey;
use gracekey_server::Telemetry;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::Running;

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_key_in_the_wrong_place_is_repeated_nowhere() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let telemetry = Telemetry::install().unwrap();
    let running = Running::with(|config| config.telemetry = Some(telemetry)).await;
    let issued = running.issue("acme_corp").await;

    // One of ours, one of ours that was mistyped, and two of other systems.
    let marked = ApiKey::mint(&gracekey_core::Prefix::default(), &[11; 96]).unwrap().reveal().to_owned();
    let mistyped = format!("{}0", &marked[..marked.len() - 1]);
    let keys = [&*marked, &*mistyped, "AKIA-MARKED-9f8e7d6c5b4a", "marked0secret0of0another0system"];
    let mut said = String::new();
    for key in keys {
        let escaped = key.replace('-', "%2D");
        for path in [
            format!("/v2/clients/{escaped}"),
            format!("/v2/keys/{key}"),
            format!("/v2/keys?after={key}"),
            format!("/v2/keys?client_id={key}%20x"),
            format!("/v2/clients?{key}=1"),
            format!("/v2/clients?limit={key}"),
            format!("/v2/audit?key_id={key}"),
            format!("/v2/{key}"),
            format!("/{key}"),
        ] {
            said += &answer(running.get(&path).await);
        }
        for (path, body) in [
            ("/v2/clients", json!({"client_id": format!("{key} ")})),
            ("/v2/clients", json!({"client_id": "x", "name": key, "disabled": key})),
            ("/v2/clients", json!({"client_id": "x", key: key})),
            ("/v2/clients", json!({"client_id": "x", "scopes": key})),
            ("/v2/clients", json!({"client_id": "x", "scopes": [format!("\"{key}")]})),
            ("/v2/clients", json!(key)),
            ("/v2/clients", json!([key])),
            ("/v2/auth/rotate-key", json!({"grace": key})),
            ("/v2/auth/rotate-key", json!({key: "1h"})),
            ("/v2/clients/acme_corp/credentials/ci/keys", json!({"prefix": format!("{key}!")})),
            ("/v2/clients/acme_corp/credentials/ci/keys", json!({"expires_at": key})),
            ("/v2/keys/00000000/expire", json!({"at": key})),
            ("/v2/import", json!({key: "two words"})),
            ("/v2/import", json!({key: ["x"]})),
            ("/v2/usage", json!({"verifier": key, "sequence": key, "keys": []})),
            ("/v2/usage", json!({"verifier": "edge", "sequence": 1, "keys": [{"key_id": key}]})),
        ] {
            said += &answer(running.post(path, body).await);
        }
        let csv = format!("key,client_id\n{key},acme_corp\n{key},two words\n");
        said += &answer(running.http.raw("/v2/import", &running.admin, "text/csv", csv).await);
        said += &answer(running.http.raw("/v2/import", &running.admin, "text/csv", format!("{key}\n")).await);
        said += &answer(running.http.raw("/v2/clients", &running.admin, "application/json", format!("{{{key}")).await);
        said += &answer(running.http.raw("/v2/clients", &running.admin, key, "{}").await);
        said += &answer(running.rotate(key).await);
        said += &answer(running.http.call("GET", "/v2/clients", Some(&format!("{key},{key}")), None).await);
    }
    assert!(said.len() > 10_000, "the errors are there to be looked at");
    let metrics = running.http.call("GET", "/metrics", None, None).await.is(200).text;
    let admin = running.admin.clone();
    running.end().await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("request denied"), "the log is there to be looked at");
    for (place, text) in [("an answer", &said), ("the log", &log), ("a metric", &metrics)] {
        for key in keys {
            // Not even most of it.
            let part = &key[4..key.len() - 4];
            assert!(!text.contains(part), "{place} shows {part}: {}", around(text, part));
        }
        for key in [&admin, &issued.key] {
            assert!(!text.contains(&key[17..]), "{place} shows a key: {}", around(text, &key[17..]));
        }
    }
}

/// All that a caller sees, of an error.
fn answer(reply: crate::support::http::Reply) -> String {
    assert!(reply.status.is_client_error(), "{reply:?}");
    format!("{:?}\n{}\n", reply.headers, reply.text)
}

fn around<'t>(text: &'t str, part: &str) -> &'t str {
    let at = text.find(part).unwrap();
    let (from, to) = (text.floor_char_boundary(at.saturating_sub(200)), text.ceil_char_boundary(at + 200));
    &text[from..to]
}
