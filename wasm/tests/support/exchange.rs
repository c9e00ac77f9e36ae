//! What comes back, and how it is compared with what a vector expects.

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::vector::{DenialText, GrantText, RequestText};

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

type Fields = Vec<(String, Vec<u8>)>;

/// What a proxy must or may add to an answer.
const PROXY_ANSWER: [&str; 6] =
    ["date", "server", "content-length", "transfer-encoding", "connection", "x-envoy-upstream-service-time"];

/// What a proxy must or may add to a request.
const PROXY_REQUEST: [&str; 5] = ["host", "x-forwarded-proto", "x-request-id", "transfer-encoding", "content-length"];

/// Cuts a head of HTTP/1 into its first line and its fields.
pub(crate) fn lines(head: &[u8]) -> (String, Fields) {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.next().unwrap_or_default();
    let fields = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        Some((name, value.get(1..)?.trim_ascii().to_vec()))
    });
    (String::from_utf8_lossy(first).into_owned(), fields.collect())
}

/// Compares an answer with the one that a denial expects: status, headers and body byte for byte.
pub(crate) fn denial(reply: &Reply, expected: &DenialText, request: &RequestText) -> Result<(), String> {
    same("status", &expected.status, &reply.status)?;
    let headers = expected.headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes()));
    same("headers", &by_name(headers.collect()), &by_name(without(&reply.headers, &PROXY_ANSWER)))?;
    // RFC 9110 §9.3.2: the answer to HEAD has no content.
    let body = if request.method == "HEAD" { "" } else { &expected.body };
    same("body", &body, &&*String::from_utf8_lossy(&reply.body))
}

/// Compares what reached the upstream, and what came back, with what a grant expects.
pub(crate) fn grant(reply: &Reply, expected: &GrantText, request: &RequestText) -> Result<(), String> {
    same("status", &200, &reply.status)?;
    let notice = expected.response_headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes()));
    same("response headers", &by_name(notice.collect()), &by_name(without(&reply.headers, &PROXY_ANSWER)))?;
    if request.method == "HEAD" {
        return Ok(());
    }
    let (first, headers) = lines(&reply.body);
    let target = String::from_utf8_lossy(&expected.upstream.target.0);
    same("upstream", &format!("{} {target} HTTP/1.1", request.method), &first)?;
    let named = |name: &str| expected.upstream.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    let added: Vec<_> = PROXY_REQUEST.into_iter().filter(|name| !named(name)).collect();
    let expected = expected.upstream.headers.iter().map(|(name, value)| {
        // White space around a value is no part of it (RFC 9110 §5.5).
        (name.to_ascii_lowercase(), value.0.trim_ascii().to_vec())
    });
    same("upstream headers", &by_name(expected.collect()), &by_name(without(&headers, &added)))
}

fn without(headers: &[(String, Vec<u8>)], names: &[&str]) -> Fields {
    headers.iter().filter(|(name, _)| !names.contains(&name.as_str())).cloned().collect()
}

/// Sorted by name; several fields of one name as the one list that they stand for (RFC 9110 §5.3), and what is too long
/// to read cut short, with its length.
fn by_name(headers: Fields) -> Vec<String> {
    let mut lists: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (name, value) in headers {
        let between: &[u8] = if name == "cookie" { b"; " } else { b"," };
        match lists.get_mut(&name) {
            Some(list) => list.extend(between.iter().chain(&value)),
            None => drop(lists.insert(name, value)),
        }
    }
    let value = |value: &[u8]| match value.get(..2000) {
        Some(start) => format!("{}… ({} bytes)", start.escape_ascii(), value.len()),
        None => value.escape_ascii().to_string(),
    };
    lists.iter().map(|(name, own)| format!("{name}: {}", value(own))).collect()
}

pub(crate) fn same<T: PartialEq + Debug>(what: &str, expected: &T, found: &T) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("{what}: expected {expected:?}\n{what}:      got {found:?}")) }
}
