//! Every vector through the filter on a scripted host, those too that no proxy can carry.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/scripted.rs"]
mod scripted;
#[path = "../../crates/core/tests/support/vector.rs"]
mod vector;

use std::fmt::Debug;
use std::path::Path;

use gracekey_filter::{Flow, Plugin, Stream};
use scripted::Scripted;
use vector::{Expect, Vector};

#[test]
fn every_vector_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/core/tests/vectors");
    let vectors = vector::load(&folder).expect("vectors");
    let wrong: Vec<_> = vectors.iter().filter_map(|vector| run(vector).err().map(|why| (vector, why))).collect();
    for (vector, why) in &wrong {
        eprintln!("{}.json: {}\n{why}\n", vector.name, vector.what);
    }
    assert!(wrong.is_empty(), "{} of {} vectors fail", wrong.len(), vectors.len());
    assert!(vectors.len() >= vector::FEWEST, "only {} vectors", vectors.len());
}

fn run(vector: &Vector) -> Result<(), String> {
    // The host counts from 1970; what was confirmed before counts as confirmed then.
    let host = Scripted::default();
    host.nanos.set(Some(0));
    if vector.confirmed_at().unix_seconds() > 0 {
        host.set_moment(vector.confirmed_at());
    }
    let plugin = Plugin::configure(configuration(vector)?.as_bytes(), &host).map_err(|error| error.to_string())?;
    host.nanos.set(None);
    vector.now.inspect(|now| host.set_moment(*now));
    let headers = vector.request.headers.iter().map(|(name, value)| (name.clone(), value.0.clone()));
    host.receive(&vector.request.method, &vector.request.target.0, headers);
    let mut stream = Stream::default();
    let flow = stream.on_request(&plugin, &host);
    stream.on_response(&host);
    match &vector.expect {
        Expect::Grant(expected) => {
            same("flow", &Flow::Continue, &flow)?;
            same("answer", &None, &host.answer.borrow().as_ref().map(|answer| answer.status))?;
            let mut request = host.request.borrow().clone();
            let pseudo: Vec<_> = request.extract_if(.., |(name, _)| name.starts_with(':')).collect();
            same("upstream target", &expected.upstream.target.0, &pseudo[1].1)?;
            let upstream = expected.upstream.headers.iter().map(|(name, value)| (name.clone(), value.0.clone()));
            same("upstream", &by_name(upstream.collect()), &by_name(request))?;
            let notice: Vec<(String, Vec<u8>)> =
                expected.response_headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
            same("response headers", &notice, &host.response.borrow())?;
            let key = expected.caller.as_ref().map(|caller| &caller.key_id).or(expected.would_deny_key_id.as_ref());
            same("key id", &key, &host.filter_state.borrow().get("gracekey.key_id"))?;
            same("reason", &expected.would_deny.as_ref(), &host.filter_state.borrow().get("gracekey.reason"))
        }
        Expect::Denial(expected) => {
            same("flow", &Flow::Stop, &flow)?;
            let answer = host.answer.borrow();
            let answer = answer.as_ref().ok_or("no answer")?;
            same("status", &expected.status, &answer.status)?;
            same("details", &format!("gracekey_{}", expected.reason), &answer.details)?;
            same("headers", &expected.headers, &answer.headers)?;
            same("body", &expected.body, &answer.body)?;
            same("key id", &expected.key_id.as_ref(), &host.filter_state.borrow().get("gracekey.key_id"))
        }
    }
}

fn configuration(vector: &Vector) -> Result<String, String> {
    let (policy, none) = (vector.policy_json(), r#"{"fetch":{"cluster":"nowhere"}}"#.to_owned());
    let (keyring, peppers) = match vector.sealed()? {
        Some((document, peppers)) => (format!(r#"{{"inline":{document}}}"#), peppers),
        None => (none, "p1:".to_owned() + &"A".repeat(44)),
    };
    Ok(format!(r#"{{"policy":{policy},"pepper":{{"value":"{peppers}"}},"keyring":{keyring}}}"#))
}

/// Sorted by name, the cookies of several fields as the one list that they are.
fn by_name(mut headers: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    for (name, _) in &mut headers {
        name.make_ascii_lowercase();
    }
    let cookies: Vec<_> = headers.extract_if(.., |(name, _)| name == "cookie").map(|(_, value)| value).collect();
    if !cookies.is_empty() {
        headers.push(("cookie".into(), cookies.join(&b"; "[..])));
    }
    headers.sort_by(|(one, _), (other, _)| one.cmp(other));
    headers
}

fn same<T: PartialEq + Debug>(what: &str, expected: &T, found: &T) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("{what}: expected {expected:?}\n{what}:      got {found:?}")) }
}
