//! A keyring that is cut into buckets decides as the whole one does.

#[path = "support/front_end.rs"]
mod front_end;
#[path = "support/vector.rs"]
mod vector;

use std::path::Path;
use std::sync::Arc;

use gracekey_core::{ApiKeys, Buckets, Held, Keyring, Peppers, Sought, Verdict, decide};

/// All that can be told from a verdict.
fn shown(verdict: &Verdict<'_>) -> String {
    match verdict {
        Verdict::Grant(grant) => {
            let (entry, notice) =
                (grant.entry(), grant.notice().iter().flat_map(|notice| notice.headers()).collect::<Vec<_>>());
            let entry = entry
                .map(|entry| format!("{entry:?} {:?} {:?} {}", entry.scopes(), entry.end(), entry.client_disabled()));
            format!("{entry:?} {:?} {notice:?} {}", grant.would_deny(), grant.is_superseded())
        }
        Verdict::Denial(denial) => format!("{:?} {:?}", denial.entry(), denial.response()),
    }
}

#[test]
fn every_vector_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let vectors = vector::load(&folder).expect("vectors");
    let (mut looked, mut found) = (0, 0);
    for vector in &vectors {
        let (policy, keyring) = (vector.policy().expect("a policy"), vector.keyring().expect("a keyring"));
        let (request, confirmed_at) = (front_end::request(&vector.request), vector.confirmed_at());
        let Some(keyring) = keyring else { continue };
        let cut = Buckets::new(&keyring);
        let buckets: Vec<_> = cut.iter().collect();
        let held = Held { keyring: &keyring, confirmed_at };
        let expected = shown(&decide(&policy, Some(held), &request, vector.now));
        let Some(sought) = Sought::new(&policy, keyring.peppers(), &request) else {
            // Nothing is looked up: any keyring will do.
            continue;
        };
        let own: Vec<_> = sought.buckets(cut.count()).map(|at| buckets[at].clone()).collect();
        assert!(sought.find(&own, keyring.epoch() + 1, keyring.peppers()).is_none(), "another epoch");
        let one = sought.find(&own, keyring.epoch(), keyring.peppers()).expect("buckets of that epoch");
        assert!(one.len() <= 1);
        looked += 1;
        found += one.len();
        let held = Held { keyring: &one, confirmed_at };
        assert_eq!(shown(&decide(&policy, Some(held), &request, vector.now)), expected, "{}", vector.name);
    }
    assert!(looked >= 100 && found >= 50, "{looked} looked up, {found} found");
}

#[test]
fn every_key_is_in_its_bucket_and_all_are_of_one_length() {
    let peppers: Arc<Peppers> = Arc::new("p1:cDFwMXAxcDFwMXAxcDFwMXAxcDFwMXAxcDFwMXAxcDE=".parse().expect("a pepper"));
    let issued: Vec<String> = (0..3000).map(|at| format!("issued-elsewhere-{at:04}")).collect();
    let one = ApiKeys::parse(r#"{"one-key-1":"one"}"#).expect("a key");
    let mut document = one.document(peppers.current(), "2026-11-22T12:00:00Z".parse().expect("a moment"));
    let (client, generation) = (document.clients.remove(0), document.keys.remove(0));
    for (at, key) in issued.iter().enumerate() {
        let (mut client, mut generation) = (client.clone(), generation.clone());
        client.client_id = format!("client-{at}").parse().expect("a client id");
        generation.client_id = client.client_id.clone();
        generation.key_id = format!("{at:08}").parse().expect("a key id");
        generation.digest = peppers.current().digest(key.as_bytes());
        document.clients.push(client);
        document.keys.push(generation);
    }
    let keyring = Keyring::new(&document, Arc::clone(&peppers)).expect("a keyring");
    let cut = Buckets::new(&keyring);
    let buckets: Vec<_> = cut.iter().collect();
    assert!(cut.count() > 20 && buckets.len() == cut.count());
    assert!(buckets.iter().all(|bucket| bucket.len() == buckets[0].len()));
    let policy = gracekey_core::Policy::default();
    for (at, key) in issued.iter().enumerate().chain([(3000, &"nobody-knows-this-key".to_owned())]) {
        let headers = [(b"x-api-key".as_slice(), key.as_bytes())];
        let request = gracekey_core::Request { method: b"GET", target: b"/", headers: headers.into_iter() };
        let sought = Sought::new(&policy, &peppers, &request).expect("a key");
        let own: Vec<_> = sought.buckets(cut.count()).map(|at| buckets[at].clone()).collect();
        let one = sought.find(&own, keyring.epoch(), &peppers).expect("a bucket");
        let name = one.entries().next().map(|entry| entry.client_id().to_owned());
        assert_eq!(name, (at < 3000).then(|| format!("client-{at}")));
    }
    // What is cut or altered is no reason to panic.
    let sought_in = |bytes: Vec<u8>| {
        let headers = [(b"x-api-key".as_slice(), issued[0].as_bytes())];
        let request = gracekey_core::Request { method: b"GET", target: b"/", headers: headers.into_iter() };
        let sought = Sought::new(&policy, &peppers, &request).expect("a key");
        drop(sought.find(&[bytes], keyring.epoch(), &peppers));
    };
    for end in 0..200 {
        sought_in(buckets[0][..end].to_vec());
    }
}
