//! What is said to the server, within bounds of time and size.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, IF_NONE_MATCH, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::address::Address;
use super::{FeedError, KeyringFeed};

/// The server of a feed.
pub(super) struct Server {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    address: Address,
    authorization: Option<HeaderValue>,
    verifier: HeaderValue,
    deadline: Duration,
}

const PREFER: HeaderName = HeaderName::from_static("prefer");
const VERIFIER: HeaderName = HeaderName::from_static("x-gracekey-verifier");
/// The bodies of refusals are short, and only their `code` is read.
const REFUSAL_BYTES: u64 = 16 * 1024;
/// The server takes no longer waits.
const LONGEST_WAIT: u64 = 60;

impl Server {
    pub(super) fn new(feed: &KeyringFeed) -> Result<Self, FeedError> {
        Ok(Self {
            http: client(feed)?,
            address: feed.address.clone(),
            // An API key is visible ASCII, which every header can carry.
            authorization: feed.key.as_ref().and_then(|key| bearer(key.reveal()).ok()),
            verifier: feed.verifier.header().clone(),
            deadline: feed.deadline,
        })
    }

    pub(super) fn shown(&self) -> &str {
        self.address.shown()
    }

    /// Asks for the keyring, if it is another one than that with the tag `held`: at once, or as soon as it is there and
    /// no later than `wait` (RFC 7240 §4.3). The answer has status 200 or 304.
    pub(super) async fn keyring(
        &self,
        held: Option<&HeaderValue>,
        wait: Option<Duration>,
    ) -> Result<Response<impl Body<Data = Bytes, Error: Error + 'static> + Unpin + use<>>, FeedError> {
        let mut request = self.request(Method::GET, &self.address.keyring, Bytes::new());
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        if let Some(held) = held {
            headers.insert(IF_NONE_MATCH, held.clone());
        }
        let wait = wait.filter(|_| held.is_some()).map(|wait| wait.as_secs().min(LONGEST_WAIT));
        match wait.map(|seconds| HeaderValue::try_from(format!("wait={seconds}"))) {
            Some(Ok(prefer)) => drop(headers.insert(PREFER, prefer)),
            // Requests wait for it: the server should look into its store (RFC 9111 §5.2.1.4).
            _ => drop(headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"))),
        }
        let answer = self.send(request, Duration::from_secs(wait.unwrap_or(0))).await?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::NOT_MODIFIED if held.is_some() => Ok(answer),
            _ => Err(self.refusal(answer).await),
        }
    }

    /// Hands in how often keys were used, as JSON.
    pub(super) async fn report(&self, usage: Bytes) -> Result<(), FeedError> {
        let mut request = self.request(Method::POST, &self.address.usage, usage);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answer = self.send(request, Duration::ZERO).await?;
        if !answer.status().is_success() {
            return Err(self.refusal(answer).await);
        }
        // Read to its end, so that the connection can be used again.
        self.collect(answer.into_body(), REFUSAL_BYTES).await.map(drop)
    }

    /// The whole body, if it has no more than `most` bytes.
    pub(super) async fn collect<B>(&self, body: B, most: u64) -> Result<Bytes, FeedError>
    where
        B: Body<Data = Bytes, Error: Error + 'static> + Unpin,
    {
        let whole = timeout(self.deadline, whole(body, most)).await.map_err(|_| self.late(self.deadline))?;
        whole.map_err(|why| match why {
            Unread::TooLarge => self.answer(format!(
                "has more than {most} bytes, which is more than is taken; raise `KeyringFeed::max_bytes`"
            )),
            Unread::Broken(why) => FeedError::Unreachable { server: self.shown().into(), why },
        })
    }

    /// What is wrong with an answer.
    pub(super) fn answer(&self, why: String) -> FeedError {
        FeedError::Answer { server: self.shown().into(), why }
    }

    fn request(&self, method: Method, uri: &Uri, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri.clone();
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("gracekey/", env!("CARGO_PKG_VERSION"))));
        headers.insert(VERIFIER, self.verifier.clone());
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        request
    }

    async fn send(
        &self,
        request: Request<Full<Bytes>>,
        wait: Duration,
    ) -> Result<Response<impl Body<Data = Bytes, Error: Error + 'static> + Unpin + use<>>, FeedError> {
        let patience = wait.saturating_add(self.deadline);
        let answer = timeout(patience, self.http.request(request)).await.map_err(|_| self.late(patience))?;
        answer.map_err(|why| FeedError::Unreachable { server: self.shown().into(), why: chain(&why) })
    }

    async fn refusal<B>(&self, answer: Response<B>) -> FeedError
    where
        B: Body<Data = Bytes, Error: Error + 'static> + Unpin,
    {
        let (server, status) = (self.shown().into(), answer.status().as_u16());
        let body = self.collect(answer.into_body(), REFUSAL_BYTES).await;
        let code = body.ok().and_then(|body| code(&body));
        if matches!(status, 401 | 403) {
            FeedError::FeedKey { server, status, code }
        } else {
            FeedError::Status { server, status, code }
        }
    }

    fn late(&self, after: Duration) -> FeedError {
        FeedError::Late { server: self.shown().into(), after }
    }
}

/// The certificates of a PEM text.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, FeedError> {
    let trust = |why: String| FeedError::Trust { why };
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|why| trust(format!("the given text is no PEM: {why}")))?;
    if certificates.is_empty() { Err(trust("the given text holds no certificate".into())) } else { Ok(certificates) }
}

fn client(feed: &KeyringFeed) -> Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>, FeedError> {
    let tls = tls(feed).map_err(|why| FeedError::Trust { why })?;
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(feed.deadline.min(Duration::from_secs(5))));
    connector.set_keepalive(Some(Duration::from_secs(30)));
    let https = HttpsConnectorBuilder::new().with_tls_config(tls);
    let https = if feed.address.is_tls() { https.https_only() } else { https.https_or_http() };
    let mut client = Client::builder(TokioExecutor::new());
    client.timer(TokioTimer::new()).pool_timer(TokioTimer::new());
    // A connection whose other end is gone without a word must not be asked again and again.
    client.http2_keep_alive_interval(Duration::from_secs(10)).http2_keep_alive_timeout(Duration::from_secs(10));
    client.http2_keep_alive_while_idle(true).pool_max_idle_per_host(2);
    Ok(client.build(https.enable_all_versions().wrap_connector(connector)))
}

/// With `http` no certificate is looked at, and so none is needed.
fn tls(feed: &KeyringFeed) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.map_err(|why| why.to_string())?;
    if feed.address.is_tls() && feed.trusted.is_empty() {
        return Ok(tls.with_native_roots().map_err(|why| why.to_string())?.with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    for certificate in &feed.trusted {
        roots.add(certificate.clone()).map_err(|why| why.to_string())?;
    }
    Ok(tls.with_root_certificates(roots).with_no_client_auth())
}

enum Unread {
    TooLarge,
    Broken(String),
}

async fn whole<B: Body<Data = Bytes, Error: Error + 'static> + Unpin>(mut body: B, most: u64) -> Result<Bytes, Unread> {
    if body.size_hint().lower() > most {
        return Err(Unread::TooLarge);
    }
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|why| Unread::Broken(chain(&why)))?.into_data() else { continue };
        if u64::try_from(whole.len() + data.len()).unwrap_or(u64::MAX) > most {
            return Err(Unread::TooLarge);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.into())
}

/// `authorization: Bearer <key>`, wiped when the last request that carries it is gone, and shown by no `Debug`.
fn bearer(key: &str) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    // Written in one piece, so that no copy of a growing buffer is left behind.
    let mut text = Zeroizing::new(String::with_capacity("Bearer ".len() + key.len()));
    text.push_str("Bearer ");
    text.push_str(key);
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(Secret(text)))?;
    value.set_sensitive(true);
    Ok(value)
}

struct Secret(Zeroizing<String>);

impl AsRef<[u8]> for Secret {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The `code` of a refusal, if it is a word.
fn code(body: &[u8]) -> Option<String> {
    let refusal: serde_json::Value = serde_json::from_slice(body).ok()?;
    let code = refusal.get("code")?.as_str()?;
    let is_word = (1..=40).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_word.then(|| code.into())
}

/// An error with what caused it. The outermost only says that it is one.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut cause = error.source().or(Some(error));
    while let Some(error) = cause {
        let between = if text.is_empty() { "" } else { ": " };
        // Writing to a text never fails.
        let _written = write!(text, "{between}{error}");
        cause = error.source();
    }
    text
}
