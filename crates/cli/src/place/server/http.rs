//! One request to a server, and its answer.

use std::error::Error as _;
use std::time::Duration;

use gracekey_core::ApiKey;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

use super::wire::Refusal;
use crate::failure::Failure;
use crate::place::order::{NEXT_SECOND, refused_rows};

/// The way to a server, with the key that opens it.
pub(super) struct Http {
    runtime: Runtime,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: Base,
    key: ApiKey,
}

/// The address of a server, without a slash at its end.
pub(super) struct Base {
    text: String,
    is_https: bool,
}

/// What to send along.
pub(super) struct Body {
    pub(super) kind: &'static str,
    pub(super) content: Zeroizing<Vec<u8>>,
}

const CONNECT: Duration = Duration::from_secs(10);
/// For the whole of an answer. An import of many keys may take long.
const ANSWER: Duration = Duration::from_secs(30);
const LONG_ANSWER: Duration = Duration::from_secs(600);
/// More than any list or keyring that a server hands out in one piece.
const LARGEST: usize = 1 << 30;

// === impl Base ===

impl Base {
    pub(super) fn parse(url: &str, insecure_http: bool) -> Result<Self, Failure> {
        let wrong = || {
            Failure::Usage(
                "the server's address is not understood; write https://<host> or https://<host>:<port>".into(),
            )
        };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(Failure::Usage(
                "a server's address holds no user, password or query; its admin key stands in GRACEKEY_ADMIN_KEY or in the file of --admin-key-file".into(),
            ));
        }
        let is_https = uri.scheme_str() == Some("https");
        let text = uri.to_string().trim_end_matches('/').to_owned();
        if !is_https && !insecure_http && !is_loopback(authority.host()) {
            return Err(Failure::Usage(format!(
                "{text}: keys would go over the network in plain text; use https://, or say --insecure-http if the network is closed to others"
            )));
        }
        Ok(Self { text, is_https })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

// === impl Http ===

impl Http {
    pub(super) fn new(base: Base, key: ApiKey) -> Result<Self, Failure> {
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(Failure::refused)?;
        let config = if base.is_https {
            builder.with_native_roots().map_err(|error| {
                Failure::refused(format!(
                    "this machine has no trusted certificates ({error}); install ca-certificates, or name a file of them in SSL_CERT_FILE"
                ))
            })?
        } else {
            builder.with_root_certificates(rustls::RootCertStore::empty())
        };
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config.with_no_client_auth())
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { runtime: crate::runtime::of_one_thread()?, client, base, key })
    }

    pub(super) fn base(&self) -> &str {
        self.base.as_str()
    }

    /// Asks for something.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.parse(&self.ask(Method::GET, path, None)?)
    }

    /// Asks for something that may not be there.
    pub(super) fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Failure> {
        match self.exchange(Method::GET, path, None)? {
            (StatusCode::NOT_FOUND, text) if serde_json::from_slice::<Refusal>(&text).is_ok() => Ok(None),
            (status, text) => self.parse(&self.good(status, text)?).map(Some),
        }
    }

    /// Asks for something, as it stands there.
    pub(super) fn get_text(&self, path: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
        self.ask(Method::GET, path, None)
    }

    /// Changes something.
    pub(super) fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        json: &serde_json::Value,
    ) -> Result<T, Failure> {
        let content = Zeroizing::new(json.to_string().into_bytes());
        self.send_body(method, path, Body { kind: "application/json", content })
    }

    /// As [`Http::send`], and once more a second later if somebody else was at it in the same one: a change that means
    /// whatever the other one left.
    pub(super) fn send_after_others<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        json: &serde_json::Value,
    ) -> Result<T, Failure> {
        let body = || Body { kind: "application/json", content: Zeroizing::new(json.to_string().into_bytes()) };
        let (status, text) = self.exchange(method.clone(), path, Some(body()))?;
        let refusal = || serde_json::from_slice::<Refusal>(&text).is_ok_and(|refusal| refusal.code == "conflict");
        if status == StatusCode::CONFLICT && refusal() {
            std::thread::sleep(NEXT_SECOND);
            return self.send_body(method.clone(), path, body());
        }
        self.parse(&self.good(status, text)?)
    }

    pub(super) fn send_body<T: DeserializeOwned>(&self, method: Method, path: &str, body: Body) -> Result<T, Failure> {
        self.parse(&self.ask(method, path, Some(body))?)
    }

    fn parse<T: DeserializeOwned>(&self, text: &[u8]) -> Result<T, Failure> {
        serde_json::from_slice(text).map_err(|error| {
            // Where it stands, but nothing of what stands there: it may be a key.
            let (line, column) = (error.line(), error.column());
            Failure::refused(format!(
                "{}: its answer is not understood (line {line}, column {column}); is it a gracekey server of this version?",
                self.base()
            ))
        })
    }

    fn ask(&self, method: Method, path: &str, body: Option<Body>) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let (status, text) = self.exchange(method, path, body)?;
        self.good(status, text)
    }

    fn good(&self, status: StatusCode, text: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if status.is_success() { Ok(text) } else { Err(self.refusal(status, &text)) }
    }

    fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<Body>,
    ) -> Result<(StatusCode, Zeroizing<Vec<u8>>), Failure> {
        let patience =
            if body.as_ref().is_some_and(|body| body.content.len() > 1 << 16) { LONG_ANSWER } else { ANSWER };
        let changes = method != Method::GET;
        let request = self.request(method, path, body)?;
        let answer = self.runtime.block_on(async {
            tokio::time::timeout(patience, async {
                let response = self.client.request(request).await.map_err(|error| self.unreachable(&error, changes))?;
                let status = response.status();
                let body = Limited::new(response.into_body(), LARGEST).collect().await;
                let body = body.map_err(|error| self.cut(error.as_ref(), changes))?;
                Ok((status, Zeroizing::new(body.to_bytes().to_vec())))
            })
            .await
        });
        let late = |_| self.refused(format!("no answer within {} s{}", patience.as_secs(), lost(changes)));
        answer.map_err(late)?
    }

    fn request(&self, method: Method, path: &str, body: Option<Body>) -> Result<Request<Full<Bytes>>, Failure> {
        let bearer = Zeroizing::new(format!("Bearer {}", self.key.reveal()));
        let mut bearer = HeaderValue::from_str(&bearer).map_err(Failure::refused)?;
        bearer.set_sensitive(true);
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base()))
            .header(AUTHORIZATION, bearer)
            .header("user-agent", concat!("gracekey/", env!("CARGO_PKG_VERSION")));
        match body {
            Some(Body { kind, content }) => {
                request.header(CONTENT_TYPE, kind).body(Full::new(Bytes::from_owner(content)))
            }
            None => request.body(Full::default()),
        }
        .map_err(Failure::refused)
    }

    /// What the server says of it, or what this means when it is not a server of ours that speaks.
    fn refusal(&self, status: StatusCode, text: &[u8]) -> Failure {
        let Ok(mut refusal) = serde_json::from_slice::<Refusal>(text) else {
            return self.refused(format!(
                "it answered {status} and not as a gracekey server does; is that its address, and no proxy before it?"
            ));
        };
        let rows = refusal.take_rows();
        if !rows.is_empty() {
            return refused_rows(rows);
        }
        let said = refusal.error_description;
        self.refused(match status {
            StatusCode::UNAUTHORIZED => format!(
                "the admin key is not accepted: {said} GRACEKEY_ADMIN_KEY or the file of --admin-key-file gives another; `gracekey explain` there says more"
            ),
            StatusCode::FORBIDDEN => format!(
                "the admin key may not do this: {said} A client with the scope gracekey:admin may: gracekey client --client <client id> --scope gracekey:admin"
            ),
            StatusCode::SERVICE_UNAVAILABLE => format!("{said} It is no matter of the admin key; try again"),
            // The words of the life of a key are the same as on a file or a store.
            _ if refusal.code.is_empty() => format!("{status}: {said}"),
            _ => return Failure::refused(said),
        })
    }

    fn unreachable(&self, error: &hyper_util::client::legacy::Error, changes: bool) -> Failure {
        if let Some(error) = tls(error) {
            return self.tls(error);
        }
        let why = innermost(error);
        if error.is_connect() {
            return self.refused(format!(
                "it can't be reached ({why}); is `gracekey serve` running there, and is that its address?"
            ));
        }
        let https = if self.base.is_https { "" } else { "; if it serves TLS, write https://" };
        self.refused(format!("the connection was cut ({why}){https}{}", lost(changes)))
    }

    fn tls(&self, error: &rustls::Error) -> Failure {
        self.refused(match error {
            rustls::Error::InvalidCertificate(why) => format!(
                "its certificate is not trusted ({why}); for an authority of your own name its certificate's file in SSL_CERT_FILE, and write the host as the certificate does"
            ),
            rustls::Error::InvalidMessage(_) => {
                format!("there is no TLS ({error}); if it serves plain HTTP on loopback, write http://")
            }
            other => format!("no TLS connection comes about ({other})"),
        })
    }

    fn cut(&self, error: &(dyn std::error::Error + 'static), changes: bool) -> Failure {
        self.refused(format!("its answer was cut ({}){}", innermost(error), lost(changes)))
    }

    fn refused(&self, why: impl std::fmt::Display) -> Failure {
        Failure::refused(format!("{}: {why}", self.base()))
    }
}

/// What to do when nobody knows whether a change happened.
fn lost(changes: bool) -> &'static str {
    match changes {
        true => {
            "; whether it was changed shows `gracekey list`, and a new key that got lost is replaced by `gracekey rotate --lost`"
        }
        false => "; try again",
    }
}

/// What TLS says, if the cause is there. An error of the system may hold it without naming it as its cause.
fn tls<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    held.and_then(|held| tls(held)).or_else(|| error.source().and_then(tls))
}

/// The cause at the bottom, which says most.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        for url in ["http://127.0.0.1:8787", "http://localhost", "http://[::1]:1", "https://keys.example.com/gracekey/"]
        {
            assert!(Base::parse(url, false).is_ok(), "{url}");
        }
        for url in ["http://keys.example.com", "http://10.0.0.1:8787", "http://127.0.0.1.example.com"] {
            assert!(Base::parse(url, false).is_err(), "{url}");
            assert!(Base::parse(url, true).is_ok(), "{url}");
        }
        assert_eq!(
            Base::parse("https://h/gracekey/", false).map(|base| base.text).ok().as_deref(),
            Some("https://h/gracekey")
        );
    }

    #[test]
    fn an_address_holds_no_secret() {
        for url in ["https://admin:hunter2@h", "https://h?key=hunter2", "https://", "http:///x"] {
            let refusal = Base::parse(url, false).map(|base| base.text).unwrap_err();
            assert!(matches!(&refusal, Failure::Usage(why) if !why.contains("hunter2")), "{refusal}");
        }
    }
}
