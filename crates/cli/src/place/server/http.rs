//! One request to a server, and its answer.

mod base;
mod trouble;

pub(super) use base::Base;

use std::time::Duration;

use gracekey_core::ApiKey;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

use super::target::Target;
use super::wire::Refusal;
use crate::failure::Failure;
use crate::place::order::NEXT_SECOND;
use trouble::lost;

/// The way to a server, with the key that opens it.
pub(super) struct Http {
    runtime: Runtime,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: Base,
    key: ApiKey,
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
    pub(super) fn get<T: DeserializeOwned>(&self, target: &Target) -> Result<T, Failure> {
        self.parse(&self.ask(Method::GET, target, None)?)
    }

    /// Asks for something that may not be there.
    pub(super) fn find<T: DeserializeOwned>(&self, target: &Target) -> Result<Option<T>, Failure> {
        match self.exchange(Method::GET, target, None)? {
            (StatusCode::NOT_FOUND, text) if serde_json::from_slice::<Refusal>(&text).is_ok() => Ok(None),
            (status, text) => self.parse(&self.good(target, status, text)?).map(Some),
        }
    }

    /// Asks for something, as it stands there.
    pub(super) fn get_text(&self, target: &Target) -> Result<Zeroizing<Vec<u8>>, Failure> {
        self.ask(Method::GET, target, None)
    }

    /// Changes something.
    pub(super) fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &Target,
        json: &serde_json::Value,
    ) -> Result<T, Failure> {
        let content = Zeroizing::new(json.to_string().into_bytes());
        self.send_body(method, target, Body { kind: "application/json", content })
    }

    /// As [`Http::send`], and once more a second later if somebody else was at it in the same one: a change that means
    /// whatever the other one left.
    pub(super) fn send_after_others<T: DeserializeOwned>(
        &self,
        method: &Method,
        target: &Target,
        json: &serde_json::Value,
    ) -> Result<T, Failure> {
        let body = || Body { kind: "application/json", content: Zeroizing::new(json.to_string().into_bytes()) };
        let (status, text) = self.exchange(method.clone(), target, Some(body()))?;
        let refusal = || serde_json::from_slice::<Refusal>(&text).is_ok_and(|refusal| refusal.code == "conflict");
        if status == StatusCode::CONFLICT && refusal() {
            std::thread::sleep(NEXT_SECOND);
            return self.send_body(method.clone(), target, body());
        }
        self.parse(&self.good(target, status, text)?)
    }

    pub(super) fn send_body<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &Target,
        body: Body,
    ) -> Result<T, Failure> {
        self.parse(&self.ask(method, target, Some(body))?)
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

    fn ask(&self, method: Method, target: &Target, body: Option<Body>) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let (status, text) = self.exchange(method, target, body)?;
        self.good(target, status, text)
    }

    fn good(
        &self,
        target: &Target,
        status: StatusCode,
        text: Zeroizing<Vec<u8>>,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if status.is_success() { Ok(text) } else { Err(self.refusal(target, status, &text)) }
    }

    fn exchange(
        &self,
        method: Method,
        target: &Target,
        body: Option<Body>,
    ) -> Result<(StatusCode, Zeroizing<Vec<u8>>), Failure> {
        let patience =
            if body.as_ref().is_some_and(|body| body.content.len() > 1 << 16) { LONG_ANSWER } else { ANSWER };
        let (changes, most) = (method != Method::GET, target.most);
        let request = self.request(method, target, body)?;
        let answer = self.runtime.block_on(async {
            tokio::time::timeout(patience, async {
                let response = self.client.request(request).await.map_err(|error| self.unreachable(&error, changes))?;
                let status = response.status();
                let body = Limited::new(response.into_body(), most).collect().await;
                let body = body.map_err(|error| self.cut(error.as_ref(), most, changes))?;
                Ok((status, Zeroizing::new(body.to_bytes().to_vec())))
            })
            .await
        });
        let late = |_| self.refused(format!("no answer within {} s{}", patience.as_secs(), lost(changes)));
        answer.map_err(late)?
    }

    fn request(&self, method: Method, target: &Target, body: Option<Body>) -> Result<Request<Full<Bytes>>, Failure> {
        let bearer = Zeroizing::new(format!("Bearer {}", self.key.reveal()));
        let mut bearer = HeaderValue::from_str(&bearer).map_err(Failure::refused)?;
        bearer.set_sensitive(true);
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{}", self.base(), target.path))
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
}
