//! Runs every vector through `decide`, with a small reference front end that carries out the verdict.

#[path = "support/front_end.rs"]
mod front_end;
#[path = "support/vector.rs"]
mod vector;

use std::fmt::Debug;
use std::path::Path;

use gracekey_core::{Held, Reason, Verdict, decide};
use vector::{Caller, Expect, Vector};

#[test]
fn every_vector_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let vectors = vector::load(&folder).expect("vectors");
    let wrong: Vec<_> = vectors.iter().filter_map(|vector| run(vector).err().map(|why| (vector, why))).collect();
    for (vector, why) in &wrong {
        eprintln!("{}.json: {}\n{why}\n", vector.name, vector.what);
    }
    assert!(wrong.is_empty(), "{} of {} vectors fail", wrong.len(), vectors.len());
    assert!(vectors.len() >= vector::FEWEST, "only {} vectors, at least {} belong here", vectors.len(), vector::FEWEST);
}

/// Every reason that `decide` can have stands in some vector, and denials are more than half of them.
#[test]
fn the_vectors_cover_every_reason() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let vectors = vector::load(&folder).expect("vectors");
    let reasons: Vec<_> = vectors
        .iter()
        .filter_map(|vector| match &vector.expect {
            Expect::Denial(denial) => Some(denial.reason.as_str()),
            Expect::Grant(_) => None,
        })
        .collect();
    for reason in Reason::all().filter(|reason| *reason != Reason::Throttled) {
        assert!(reasons.contains(&reason.as_str()), "no vector is denied with {reason}");
    }
    assert!(reasons.len() * 2 > vectors.len(), "{} denials in {} vectors", reasons.len(), vectors.len());
}

fn run(vector: &Vector) -> Result<(), String> {
    let policy = vector.policy()?;
    let keyring = vector.keyring()?;
    let held = keyring.as_ref().map(|keyring| Held { keyring, confirmed_at: vector.confirmed_at() });
    let verdict = decide(&policy, held, &front_end::request(&vector.request), vector.now);
    match (&vector.expect, &verdict) {
        (Expect::Grant(expected), Verdict::Grant(grant)) => {
            let caller = grant.entry().map(|entry| Caller {
                client_id: entry.client_id().into(),
                credential: entry.credential().into(),
                generation: entry.generation(),
                key_id: entry.key_id().to_string(),
                superseded: grant.is_superseded(),
            });
            same("caller", &expected.caller, &caller)?;
            same("would_deny", &expected.would_deny, &grant.would_deny().map(|reason| reason.to_string()))?;
            let entry = grant.would_deny_entry();
            same("would_deny_key_id", &expected.would_deny_key_id, &entry.map(|entry| entry.key_id().to_string()))?;
            let (target, headers) = front_end::upstream(&vector.request, grant);
            same("upstream target", &expected.upstream.target, &target)?;
            same("upstream", &front_end::by_name(&expected.upstream.headers), &front_end::by_name(&headers))?;
            let notice: Vec<_> = grant.notice().iter().flat_map(|notice| notice.headers()).collect();
            same("response_headers", &expected.response_headers, &owned(&notice))
        }
        (Expect::Denial(expected), Verdict::Denial(denial)) => {
            let response = denial.response();
            same("reason", &expected.reason, &denial.reason().to_string())?;
            same("key_id", &expected.key_id, &denial.entry().map(|entry| entry.key_id().to_string()))?;
            same("status", &expected.status, &response.status)?;
            same("headers", &expected.headers, &owned(&response.headers))?;
            same("body", &expected.body, &response.body)
        }
        _ => Err(format!("expected {:?}\n     got {verdict:?}", vector.expect)),
    }
}

fn owned(headers: &[(&str, String)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).into(), value.clone())).collect()
}

fn same<T: PartialEq + Debug>(what: &str, expected: &T, found: &T) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("{what}: expected {expected:?}\n{what}:      got {found:?}")) }
}
