//! Good documents with one to three places altered.

use std::sync::OnceLock;

use jsonschema::Validator;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

/// What may take the place of any value: of every type, and near to what a field takes.
fn values() -> Vec<Value> {
    let texts = [
        "",
        "x",
        "strict",
        "open",
        "problem",
        "allow",
        "7d",
        "7",
        "+7d",
        "99999999d",
        "authorization",
        "Bearer",
        "cookie",
        "x-api-key",
        "X-API-Key",
        "a b",
        "a\"b",
        "a\\b",
        "é",
        "a\n",
        "/",
        "/a",
        "/a/",
        "/a//b",
        "/a/./b",
        "/a/..",
        "/a/...",
        "/.a",
        "/..a/b",
        "/a%2f",
        "/a;b",
        "/a?b",
        "/a\\b",
        "a/b",
        "/a b",
        "GET",
        "get",
        "G-E",
        "acme0001",
        "acme-001",
        ".acme",
        "2026-11-22T02:00:00Z",
        "2026-11-22t02:00:00.00z",
        "2026-11-22T02:00:00+23:59",
        "2026-11-22T02:00:00.5Z",
        "2026-11-22T02:00:00",
        "2026-02-30T02:00:00Z",
        "2026-11-22 02:00:00Z",
        "0000-01-01T00:00:00+00:01",
        "2026-11-22T24:00:00Z",
        "2026-11-22T02:00:60Z",
        "gracekey/1",
        "hmac-sha256:p1:9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f",
        "hmac-sha256::9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f",
        "hmac-sha256:p1:9F9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f",
    ];
    let others = [
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.0),
        json!(1.5),
        json!(16_777_215),
        json!(16_777_216),
        json!(9_007_199_254_740_991_u64),
        json!(9_007_199_254_740_992_u64),
        json!([]),
        json!({}),
        json!([[]]),
        json!([null]),
        json!(["read"]),
        json!(["GET", "GET"]),
        json!({"header": "a"}),
        json!({"query": "a%41"}),
        json!({"cookie": "a", "query": "a"}),
        json!({"scheme": "Bearer"}),
        json!([{"header": "cookie"}]),
        json!([{"path": "/a", "mode": "open"}]),
        json!([{"prefix": "/a", "scopes": []}]),
        json!([{"path": "/a"}]),
        json!([{"path": "/a", "prefix": "/a", "mode": "open"}]),
        json!("x".repeat(33)),
        json!("x".repeat(65)),
        json!("x".repeat(129)),
    ];
    texts.iter().map(|text| json!(text)).chain(others).collect()
}

/// Names of members: each of ours, and one of nobody's.
const NAMES: [&str; 20] = [
    "seal",
    "epoch",
    "disabled",
    "scopes",
    "expires_at",
    "not_before",
    "generation",
    "mode",
    "header",
    "scheme",
    "query",
    "cookie",
    "path",
    "prefix",
    "methods",
    "forward",
    "client_id",
    "max_staleness",
    "notice",
    "nobody",
];

#[derive(Clone, Debug)]
enum Change {
    Replace(Value),
    Remove,
    Add(&'static str, Value),
    Repeat,
}

/// The good text with some of its places changed.
pub(crate) fn json(good: &Value) -> impl Strategy<Value = Value> + use<> {
    let change = prop_oneof![
        4 => select(values()).prop_map(Change::Replace),
        1 => Just(Change::Remove),
        2 => (select(&NAMES[..]), select(values())).prop_map(|(name, value)| Change::Add(name, value)),
        1 => Just(Change::Repeat),
    ];
    let good = good.clone();
    vec((any::<Index>(), change), 0..4).prop_map(move |changes| {
        let mut json = good.clone();
        for (at, change) in changes {
            let mut places = Vec::new();
            collect(&json, String::new(), &mut places);
            apply(&mut json, at.get::<String>(&places), change);
        }
        json
    })
}

/// A JSON pointer (RFC 6901) for every value; no name of ours needs its escapes.
fn collect(json: &Value, at: String, places: &mut Vec<String>) {
    match json {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| collect(value, format!("{at}/{name}"), places));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| collect(value, format!("{at}/{index}"), places));
        }
        _ => {}
    }
    places.push(at);
}

fn apply(json: &mut Value, at: &str, change: Change) {
    match change {
        Change::Replace(value) => *json.pointer_mut(at).expect("a place") = value,
        Change::Add(name, value) => {
            if let Some(Value::Object(members)) = json.pointer_mut(at) {
                members.insert(name.into(), value);
            }
        }
        Change::Remove => {
            let Some((parent, name)) = at.rsplit_once('/') else { return };
            match json.pointer_mut(parent) {
                Some(Value::Object(members)) => drop(members.remove(name)),
                Some(Value::Array(items)) => drop(items.remove(name.parse().expect("an index"))),
                _ => {}
            }
        }
        Change::Repeat => {
            if let Some(Value::Array(items)) = json.pointer_mut(at)
                && let Some(first) = items.first().cloned()
            {
                items.push(first);
            }
        }
    }
}

pub(crate) fn document() -> Value {
    let time = "2026-11-22T02:00:00Z";
    let digest = format!("hmac-sha256:p1:{}", "9f".repeat(32));
    json!({
        "format": "gracekey/1", "epoch": 42, "issued_at": time,
        "clients": [{"client_id": "acme_corp", "scopes": ["logs:write"], "disabled": false}, {"client_id": "globex"}],
        "keys": [
            {"key_id": "acme0001", "client_id": "acme_corp", "credential": "default", "generation": 2, "digest": digest,
             "not_before": null, "expires_at": time, "superseded_at": null, "retires_at": null, "revoked_at": null},
            {"key_id": "globex01", "client_id": "globex", "credential": "ci", "generation": 1, "digest": digest},
        ],
        "seal": digest,
    })
}

pub(crate) fn policy() -> Value {
    json!({
        "mode": "optional",
        "extract_from": [{"header": "authorization", "scheme": "Bearer"}, {"header": "x-api-key"}, {"query": "api_key"},
                         {"cookie": "session"}],
        "sanitize": false,
        "forward": {"client_id": "x-client-id", "key_id": "x-key-id"},
        "scopes": ["read"],
        "routes": [{"prefix": "/admin", "methods": ["POST", "PUT"], "scopes": ["admin"]}, {"path": "/healthz", "mode": "open"}],
        "notice": "7d", "realm": "the api", "error_format": "problem", "max_staleness": "1h", "failure_mode": "deny",
    })
}

/// A schema compiles once, however many cases there are.
pub(crate) fn once(make: impl FnOnce() -> Validator) -> &'static Validator {
    static ONE: OnceLock<Validator> = OnceLock::new();
    ONE.get_or_init(make)
}

/// The other schema.
pub(crate) fn second(make: impl FnOnce() -> Validator) -> &'static Validator {
    static SECOND: OnceLock<Validator> = OnceLock::new();
    SECOND.get_or_init(make)
}
