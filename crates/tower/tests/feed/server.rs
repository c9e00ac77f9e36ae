//! A server that feeds, as `gracekey serve` does, and misbehaves as a test asks for.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use gracekey_core::{ApiKey, Document};
use gracekey_tower::{Following, KeyringFeed, LiveKeyring};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::Empty;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::support::{key, peppers};

/// Far longer than anything here takes; a test that gets there has failed.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Runs on threads of its own, so that dropping it cuts every connection, as a crash does.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

pub(crate) struct Shared {
    edition: watch::Sender<Option<Edition>>,
    /// Answered to everything, where it is set.
    pub(crate) instead: Mutex<Option<(u16, &'static str)>>,
    pub(crate) asked: Mutex<Vec<HeaderMap>>,
    pub(crate) reports: Mutex<Vec<serde_json::Value>>,
    /// What waits for news is not told of them, as if the news were on their way.
    pub(crate) slow_news: AtomicBool,
    /// What does not wait is never answered, nor is a report, which is taken all the same.
    pub(crate) lose_answers: AtomicBool,
}

#[derive(Clone)]
pub(crate) struct Edition {
    pub(crate) tag: String,
    pub(crate) encoding: Option<&'static str>,
    pub(crate) body: Bytes,
}

/// The key that the feed is read with.
pub(crate) fn feed_key() -> ApiKey {
    key(61)
}

impl Server {
    /// A server without a keyring, on any port.
    pub(crate) async fn start() -> Self {
        let shared = Shared {
            edition: watch::Sender::default(),
            instead: Mutex::default(),
            asked: Mutex::default(),
            reports: Mutex::default(),
            slow_news: AtomicBool::default(),
            lose_answers: AtomicBool::default(),
        };
        Self::listen(([127, 0, 0, 1], 0).into(), Arc::new(shared)).await
    }

    /// The same server, stopped and started again.
    pub(crate) async fn restart(mut self) -> Self {
        let (address, shared) = (self.address, Arc::clone(&self.shared));
        self.stop();
        Self::listen(address, shared).await
    }

    pub(crate) fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Ends when all connections are closed.
            std::thread::spawn(move || drop(runtime)).join().unwrap();
        }
    }

    async fn listen(address: SocketAddr, shared: Arc<Shared>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let app = Router::new().route("/v2/keyring", get(keyring)).route("/v2/usage", post(usage));
        let app = app.with_state(Arc::clone(&shared));
        let (bound, told) = tokio::sync::oneshot::channel();
        runtime.spawn(async move {
            let listener = TcpListener::bind(address).await.unwrap();
            bound.send(listener.local_addr().unwrap()).unwrap();
            axum::serve(listener, app).await.unwrap();
        });
        let address = told.await.unwrap();
        Self { address, shared, runtime: Some(runtime) }
    }

    pub(crate) fn feed(&self) -> KeyringFeed {
        let feed = KeyringFeed::new(&format!("http://{}", self.address), peppers()).unwrap();
        feed.key(feed_key()).verifier("tester").unwrap().deadline(Duration::from_secs(5))
    }

    /// Follows it, and has its first keyring.
    pub(crate) async fn followed(&self) -> (LiveKeyring, Following) {
        let live = LiveKeyring::empty();
        let following = self.feed().follow(&live).unwrap();
        following.first(LONG).await.unwrap();
        (live, following)
    }

    pub(crate) fn publish(&self, document: Document) {
        let tag = format!("W/\"{}-01234567\"", document.epoch);
        let body = document.seal(&peppers()).to_json().into();
        self.publish_raw(Edition { tag, encoding: None, body });
    }

    pub(crate) fn publish_raw(&self, edition: Edition) {
        self.shared.edition.send_replace(Some(edition));
    }

    /// Everything is answered with this from now on.
    pub(crate) fn answer(&self, instead: impl Into<Option<(u16, &'static str)>>) {
        *self.shared.instead.lock().unwrap() = instead.into();
    }

    /// How often it was asked for the keyring.
    pub(crate) fn asked(&self) -> usize {
        self.shared.asked.lock().unwrap().len()
    }

    /// How often without a wait, but for the first time.
    pub(crate) fn rechecked(&self) -> usize {
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().filter(|headers| headers.contains_key("if-none-match") && !headers.contains_key("prefer")).count()
    }

    /// The last question.
    pub(crate) fn last(&self, header: &str) -> Option<String> {
        let asked = self.shared.asked.lock().unwrap();
        asked.last().unwrap().get(header).map(|value| value.to_str().unwrap().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn keyring(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> impl IntoResponse {
    shared.asked.lock().unwrap().push(headers.clone());
    if let Some(refusal) = shared.refuses(&headers) {
        return refusal.into_response();
    }
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
    let wait = text("prefer").map(|prefer| prefer.strip_prefix("wait=").unwrap().parse().unwrap());
    let held = text("if-none-match").map(str::to_owned);
    if wait.is_none() && held.is_some() && shared.lose_answers.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
    if wait.is_some() && held.is_some() && shared.slow_news.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_secs(wait.unwrap_or(0))).await;
        return (StatusCode::NOT_MODIFIED, [("etag", held.unwrap_or_default())]).into_response();
    }
    let mut edition = shared.edition.subscribe();
    let newer = edition.wait_for(|edition| edition.as_ref().is_some_and(|edition| Some(&edition.tag) != held.as_ref()));
    let wait = if held.is_some() { Duration::from_secs(wait.unwrap_or(0)) } else { Duration::ZERO };
    let newer = tokio::time::timeout(wait, newer).await.map(|newer| newer.unwrap().clone());
    match (newer, held) {
        (Ok(Some(Edition { tag, encoding, body })), _) => {
            let mut answer = ([("etag", tag)], body).into_response();
            if let Some(encoding) = encoding {
                answer.headers_mut().insert("content-encoding", HeaderValue::from_static(encoding));
            }
            answer
        }
        (_, Some(tag)) => (StatusCode::NOT_MODIFIED, [("etag", tag)]).into_response(),
        _ => refusal(503, "unavailable").into_response(),
    }
}

async fn usage(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(report): Json<serde_json::Value>,
) -> impl IntoResponse {
    if let Some(refusal) = shared.refuses(&headers) {
        return refusal.into_response();
    }
    shared.reports.lock().unwrap().push(report);
    if shared.lose_answers.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
    Json(serde_json::json!({"known": 1})).into_response()
}

impl Shared {
    fn refuses(&self, headers: &HeaderMap) -> Option<impl IntoResponse + use<>> {
        let key = format!("Bearer {}", feed_key().reveal());
        if headers.get("authorization").is_none_or(|value| value != key.as_str()) {
            return Some(refusal(401, "unknown"));
        }
        self.instead.lock().unwrap().map(|(status, code)| refusal(status, code))
    }
}

fn refusal(status: u16, code: &'static str) -> impl IntoResponse + use<> {
    let body = Json(serde_json::json!({"error": "refused", "error_description": "as the test asks for", "code": code}));
    (StatusCode::from_u16(status).unwrap(), body)
}

/// Waits until it holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(LONG, waiting).await.is_ok(), "never: {what}");
}

/// The service behind the Layer.
pub(crate) async fn fine(_: Request<()>) -> Result<Response<Empty<Bytes>>, Infallible> {
    Ok(Response::default())
}
