//! No error, log line, metric, header or `Debug` shows a byte of a key or a pepper.
//!
//! Alone in its binary, since the subscriber and the recorder are those of the whole process.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::convert::Infallible;
use std::fmt::{Debug, Write as _};
use std::fs;
use std::io;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use gracekey_core::{ApiKey, Generation};
use gracekey_tower::{
    Caller, FakeClock, FeedError, GracekeyLayer, KeyringFeed, KeyringFile, LiveKeyring, RequireScopes, Throttle,
    pepper_from_env, pepper_from_file,
};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use metrics_util::debugging::DebuggingRecorder;
use support::{PEPPER, document, generation, keyring, now, peppers, policy, superseded};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt, service_fn};

/// Everything that was said, by whatever way.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Said {
    fn note(&self, what: impl Debug) {
        let mut text = String::new();
        write!(text, "{what:?}\n{what:#?}\n").unwrap();
        io::Write::write_all(&mut self.clone(), text.as_bytes()).unwrap();
    }

    fn error(&self, error: &dyn std::error::Error) {
        self.note(error);
        self.note(error.to_string());
        if let Some(source) = error.source() {
            self.error(source);
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// The part of a key that nobody may see, which is the same character 32 times, and so is easily found.
fn secret(key: &ApiKey) -> String {
    assert!(key.reveal().len() > 50);
    key.reveal().rsplit('_').next().unwrap().get(..16).unwrap().to_owned()
}

fn ended(mut generation: Generation, end: impl FnOnce(&mut Generation)) -> Generation {
    end(&mut generation);
    generation
}

#[tokio::test]
async fn nothing_shows_a_key_or_a_pepper() {
    let said = Said::default();
    let log = said.clone();
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || log.clone()).init();
    let recorder = DebuggingRecorder::new();
    let metrics = recorder.snapshotter();
    recorder.install().unwrap();

    requests(&said).await;
    files(&said);
    feed(&said).await;
    for (key, _, _, value) in metrics.snapshot().into_vec() {
        said.note((key, value));
    }

    let text = said.text();
    // What must be there, so that the search is one over everything.
    for expected in [
        "request denied",
        "request would have been denied",
        "keyring file refused",
        "keyring taken",
        "\"revoked\"",
        "throttled",
        "gracekey_requests_total",
        "the pepper file",
        "the feed gives no keyring",
        "which is no caller's",
        "acme",
    ] {
        assert!(text.contains(expected), "{expected} was never said");
    }
    let pepper = std::str::from_utf8(PEPPER).unwrap();
    for (what, secret) in [
        ("a pepper", pepper.get(..10).unwrap().to_owned()),
        ("a pepper in base64", "UEVQUEVST".to_owned()),
        ("a key", secret(&support::key(1))),
        ("a key", secret(&support::key(2))),
        ("a key", secret(&support::key(9))),
        ("the feed's own key", secret(&support::key(10))),
        ("a malformed key", "MALFORMEDMARK".to_owned()),
    ] {
        let place = text.find(&secret);
        let around = place.map(|at| text.get(at.saturating_sub(200)..at + 50).unwrap_or_default());
        assert_eq!(around, None, "{what} is shown");
    }
}

/// Every verdict, in every mode, with everything that can be shown of it.
async fn requests(said: &Said) {
    let past = || Some(now().saturating_add(-60));
    let keys = vec![
        generation("acme", 1),
        superseded(generation("beta", 2)),
        ended(generation("acme", 3), |generation| generation.expires_at = past()),
        ended(generation("acme", 4), |generation| generation.revoked_at = past()),
        ended(generation("acme", 5), |generation| generation.not_before = Some(now().saturating_add(60))),
        ended(generation("acme", 6), |generation| generation.retires_at = past()),
    ];
    let clock = FakeClock::at(now());
    let keys = LiveKeyring::with_clock(Some(keyring(1, keys)), clock.clone());
    let inner = "logs:read".parse::<RequireScopes>().unwrap().layer(service_fn({
        let said = said.clone();
        move |request: Request<Full<Bytes>>| {
            said.note(request.extensions().get::<Caller>());
            std::future::ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
        }
    }));
    for mode in ["strict", "optional", "shadow"] {
        for scopes in ["[]", r#"["admin"]"#] {
            let json = format!(
                r#"{{"mode":"{mode}","scopes":{scopes},"extract_from":[{{"header":"authorization","scheme":"Bearer"}},{{"header":"x-api-key"}},{{"query":"api_key"}}]}}"#
            );
            let throttle =
                Throttle::new(NonZeroU32::MIN, Duration::from_secs(60)).peer_from(|_, _| Some([192, 0, 2, 1].into()));
            let layer = GracekeyLayer::new(policy(&json), keys.clone()).throttle(throttle);
            let service = layer.layer(inner.clone());
            said.note((&layer, &service, &keys));
            for request in presented() {
                answered(said, service.clone().oneshot(request).await).await;
            }
        }
    }
    clock.lose();
    let service = GracekeyLayer::new(policy("{}"), keys).layer(inner);
    answered(said, service.oneshot(support::bearer(&support::key(1))).await).await;
}

/// Good, ended, unknown, malformed, joined and doubled keys, in each place.
fn presented() -> Vec<Request<Full<Bytes>>> {
    let mut requests: Vec<_> = (1..=9).map(|number| support::bearer(&support::key(number))).collect();
    let (good, other) = (support::key(1), support::key(2));
    let malformed = "sk_live_MALFORMEDMARK_MALFORMEDMARK";
    for authorization in [
        format!("Bearer {malformed}"),
        format!("Bearer {}x", good.reveal()),
        format!("Bearer {}, Bearer {}", good.reveal(), other.reveal()),
        format!("Bearer \u{e9}{}", good.reveal()),
        format!("Basic {}", good.reveal()),
        format!("Bearer {}", malformed.repeat(20)),
    ] {
        let value = http::HeaderValue::from_bytes(authorization.as_bytes()).unwrap();
        requests.push(Request::builder().header("authorization", value).body(Full::default()).unwrap());
    }
    let mut two = support::bearer(&good);
    two.headers_mut().insert("x-api-key", other.reveal().parse().unwrap());
    requests.push(two);
    for target in [format!("/?api_key={}&x=1", good.reveal()), format!("/?api_key={malformed}&x=1")] {
        requests.push(Request::get(target).body(Full::default()).unwrap());
    }
    let mut grpc = support::bearer(&support::key(9));
    grpc.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    requests.push(grpc);
    requests.push(Request::default());
    requests
}

async fn answered<B>(said: &Said, response: Result<Response<B>, Infallible>)
where
    B: http_body::Body<Error: Debug> + Debug,
{
    let response = response.unwrap_or_else(|never| match never {});
    said.note(&response);
    said.note(String::from_utf8_lossy(&response.into_body().collect().await.unwrap().to_bytes()));
}

/// Every way in which a keyring file or a pepper can be wrong.
fn files(said: &Said) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyring.json");
    let keys = LiveKeyring::new(keyring(5, vec![generation("acme", 1)]));
    let file = KeyringFile::new(&path, peppers());
    said.note((&file, &peppers(), keys.current()));
    let good = document(6, vec![generation("acme", 1)]).seal(&peppers()).to_json();
    for text in [
        good.clone(),
        String::new(),
        good.get(..good.len() / 2).unwrap().to_owned(),
        good.replace("acme", "evil"),
        good.replace("\"epoch\":6", "\"epoch\":4"),
        document(4, vec![]).seal(&peppers()).to_json(),
    ] {
        fs::write(&path, text).unwrap();
        said.note(file.watch(&keys).unwrap());
        if let Err(why) = file.load() {
            said.error(&why);
        }
    }

    let pepper = folder.path().join("pepper");
    said.error(&pepper_from_file(&pepper).unwrap_err());
    let marked = "UEVQUEVSTUFSS1BFUFBFUk1BUktQRVBQRVJNQVJLISE=";
    for text in
        ["", marked, &format!("p1:{marked}!"), "p1:UEVQUEVSTUFSSw==", &format!("P 1:{marked}"), &format!("p1:{marked}")]
    {
        fs::write(&pepper, text).unwrap();
        mode(&pepper, 0o600);
        match pepper_from_file(&pepper) {
            Ok(peppers) => said.note(peppers),
            Err(why) => said.error(&why),
        }
    }
    mode(&pepper, 0o644);
    said.error(&pepper_from_file(&pepper).unwrap_err());
    if let Err(why) = pepper_from_env() {
        said.error(&why);
    }
}

/// A server that refuses the feed's own key, and one that is not there.
async fn feed(said: &Said) {
    let refusal = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 18\r\n\r\n{\"code\":\"revoked\"}";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let feed = KeyringFeed::new(&url, peppers()).unwrap().key(support::key(10));
    said.note(&feed);
    let refused = feed.follow(&LiveKeyring::empty()).unwrap();
    let (mut connection, _) = listener.accept().await.unwrap();
    let mut question = Vec::with_capacity(4096);
    connection.read_buf(&mut question).await.unwrap();
    assert!(String::from_utf8_lossy(&question).contains(support::key(10).reveal()), "the key was never sent");
    connection.write_all(refusal.as_bytes()).await.unwrap();
    let why = refused.first(Duration::from_millis(200)).await.unwrap_err();
    assert!(matches!(why, FeedError::FeedKey { .. }), "{why}");
    said.error(&why);
    said.note(&refused);
    refused.end().await;

    drop((connection, listener));
    let gone = feed.follow(&LiveKeyring::empty()).unwrap();
    said.error(&gone.first(Duration::from_millis(200)).await.unwrap_err());
    for url in [format!("http://{}@127.0.0.1", support::key(10).reveal()), support::key(10).reveal().to_owned()] {
        said.error(&KeyringFeed::new(&url, peppers()).unwrap_err());
    }
    said.error(&feed.verifier(support::key(10).reveal()).unwrap_err());
}

fn mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;

    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
