//! Requests to the server, as its users send them.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Asks one server, over connections that stay open.
#[derive(Clone)]
pub(crate) struct Http {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What it said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) notice: bool,
    pub(crate) body: Bytes,
}

/// There was no answer: whether the request was carried out is not known.
#[derive(Debug)]
pub(crate) struct Lost;

impl Http {
    pub(crate) fn new(base: &str) -> Self {
        // A request that may have been carried out is not sent again behind the test's back.
        let client = Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build_http();
        Self { base: base.into(), client }
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> Result<Answer, Lost> {
        self.send(Method::GET, path, key, None).await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Result<Answer, Lost> {
        self.send(Method::POST, path, key, Some(body)).await
    }

    async fn send(&self, method: Method, path: &str, key: &str, body: Option<&Value>) -> Result<Answer, Lost> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if !key.is_empty() {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let request = request.body(Full::new(body)).expect("a request");
        let answer = async {
            let answer = self.client.request(request).await.map_err(|_| Lost)?;
            let status = answer.status().as_u16();
            let notice = answer.headers().contains_key("authentication-info");
            let body = answer.into_body().collect().await.map_err(|_| Lost)?.to_bytes();
            Ok(Answer { status, notice, body })
        };
        tokio::time::timeout(Duration::from_secs(20), answer).await.map_err(|_| Lost)?
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// A text of the body.
    pub(crate) fn text(&self, field: &str) -> String {
        self.json()[field].as_str().unwrap_or_else(|| panic!("no {field} in {self:?}")).into()
    }
}
