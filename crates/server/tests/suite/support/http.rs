use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Talks to one server.
#[derive(Clone)]
pub(crate) struct Http {
    client: Client<HttpConnector, Body>,
    base: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// Nothing here takes that long, unless it hangs.
const HANGS: Duration = Duration::from_secs(60);

impl Http {
    pub(crate) fn new(base: String) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), base }
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) async fn call(&self, method: &str, path: &str, key: Option<&str>, body: Option<&Value>) -> Reply {
        self.send(self.request(method, path, key, body)).await
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Request<Body>, http::Error> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        match body {
            None => request.body(Body::empty()),
            Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
        }
    }

    /// The same with a server that may be gone: `None` when no whole answer came.
    pub(crate) async fn try_call(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Option<Reply> {
        let request = self.request(method, path, key, body).unwrap();
        tokio::time::timeout(HANGS, self.exchange(request)).await.expect("the server hangs")
    }

    /// A body as it stands, of whatever kind.
    pub(crate) async fn raw(&self, path: &str, key: &str, content_type: &str, body: impl Into<Body>) -> Reply {
        let request = Request::post(format!("{}{path}", self.base));
        let request = request.header("authorization", format!("Bearer {key}")).header("content-type", content_type);
        self.send(request.body(body.into())).await
    }

    pub(crate) async fn send(&self, request: Result<Request<Body>, http::Error>) -> Reply {
        let reply = tokio::time::timeout(HANGS, self.exchange(request.unwrap())).await.expect("the server hangs");
        reply.expect("the server is gone")
    }

    async fn exchange(&self, request: Request<Body>) -> Option<Reply> {
        let (parts, body) = self.client.request(request).await.ok()?.into_parts();
        let text = String::from_utf8(body.collect().await.ok()?.to_bytes().to_vec()).unwrap();
        Some(Reply { status: parts.status, headers: parts.headers, text })
    }
}

impl Reply {
    /// Of that status, which the text explains where it is another.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// An error of that status and code, in the form that all errors have. Gives its description.
    #[track_caller]
    pub(crate) fn refuses(self, status: u16, code: &str) -> String {
        let reply = self.is(status);
        let body = reply.json();
        assert_eq!(body["code"], code, "{body}");
        assert!(body["error"].is_string() && body["timestamp"].is_string(), "{body}");
        assert_eq!(reply.headers["cache-control"], "no-store");
        assert_eq!(reply.headers["content-type"], "application/json");
        body["error_description"].as_str().unwrap().to_owned()
    }
}
