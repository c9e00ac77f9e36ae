//! What the original request was, as each proxy says it.

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, StatusCode, Uri};

use crate::error::ApiError;

/// Who asks, and so where the method and the target of the original request stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proxy {
    /// Traefik and Caddy: `X-Forwarded-Method`, `X-Forwarded-Uri`, `X-Forwarded-For`.
    Forwarding,
    /// nginx: `X-Original-Method`, `X-Original-URI`, `X-Real-IP`.
    Nginx,
    /// Envoy: the method and the path of its own request, behind a prefix.
    Envoy,
}

/// What may be wrong with how a proxy asks.
pub(super) const CODES: [&str; 4] = [MISSING, TWICE, METHOD, TARGET];
const MISSING: &str = "forward_header_missing";
const TWICE: &str = "forward_header_twice";
const METHOD: &str = "original_method";
const TARGET: &str = "original_target";

const ENVOY_PREFIX: &str = "/verify/envoy";
const FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

impl Proxy {
    /// Where the address of the original client stands.
    pub(super) fn client_header(self) -> HeaderName {
        match self {
            Self::Nginx => REAL_IP,
            Self::Forwarding | Self::Envoy => FORWARDED_FOR,
        }
    }

    /// The original method and target. What is not clear is refused, since the proxy may go on to read it in another way.
    pub(super) fn origin(self, parts: &Parts) -> Result<(Method, Uri), ApiError> {
        match self {
            Self::Forwarding => from_headers(&parts.headers, &FORWARDED_METHOD, &FORWARDED_URI),
            Self::Nginx => from_headers(&parts.headers, &ORIGINAL_METHOD, &ORIGINAL_URI),
            Self::Envoy => {
                let own = parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
                let original = own.strip_prefix(ENVOY_PREFIX).unwrap_or_default();
                Ok((parts.method.clone(), target(original.as_bytes())?))
            }
        }
    }
}

fn from_headers(headers: &HeaderMap, method: &HeaderName, uri: &HeaderName) -> Result<(Method, Uri), ApiError> {
    let method = Method::from_bytes(only(headers, method)?).map_err(|_| {
        refused(METHOD, format!("{method}: no method of HTTP; the proxy passes on the one of the original request"))
    })?;
    Ok((method, target(only(headers, uri)?)?))
}

/// The one value of a header that the proxy has to set itself. A second copy is a caller's.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h [u8], ApiError> {
    let mut copies = headers.get_all(name).into_iter();
    let Some(first) = copies.next() else {
        tracing::warn!(header = %name, "forward auth asked without a header that the proxy has to set");
        return Err(refused(MISSING, format!("{name}: missing; the proxy has to set it for each request")));
    };
    if copies.next().is_some() {
        tracing::warn!(header = %name, "forward auth asked with two copies of a header: the proxy has to set it, not to add it");
        return Err(refused(TWICE, format!("{name}: there twice; the proxy has to set it, not to add it")));
    }
    Ok(first.as_bytes())
}

/// A target in origin form (RFC 9112 §3.2.1) and in visible ASCII. How its path may be read is for the policy to judge.
fn target(text: &[u8]) -> Result<Uri, ApiError> {
    let why = match text {
        [b'/', ..] if text.contains(&b'#') => "has a fragment, which no request has",
        [b'/', ..] if !text.iter().all(u8::is_ascii_graphic) => {
            "has bytes other than visible ASCII; percent-encode them"
        }
        [b'/', ..] => match PathAndQuery::try_from(text) {
            Ok(target) => return Ok(Uri::from(target)),
            Err(_) => "is no path and query; percent-encode what has no place in one",
        },
        _ => {
            "does not begin with /; the proxy passes on the path and the query of the original request, and nothing before them"
        }
    };
    Err(refused(TARGET, format!("the target of the original request {why}")))
}

fn refused(code: &'static str, why: String) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "invalid_request", code, why)
}
