use std::collections::HashSet;

use gracekey_core::{Held, Place, Policy, PolicyConfig, Verdict};

use crate::message;
use crate::ring::{RING, noon};
use crate::sent::Sent;

/// An accepted policy prints a text that is accepted as the same policy, keeps what an operator was promised, and
/// decides over requests without a panic.
pub fn policy(data: &[u8]) {
    let policy = match Policy::parse(data) {
        Ok(policy) => policy,
        Err(refusal) => return message::check(&refusal),
    };
    let printed = serde_json::to_vec(policy.config()).expect("a policy prints");
    let again = Policy::parse(&printed).expect("what was printed is accepted");
    assert_eq!(again.config(), policy.config());
    assert_eq!(again.fields(), policy.fields());
    promises(policy.config());
    for sent in requests(policy.config()) {
        let held = Held { keyring: &RING.keyring, confirmed_at: noon() };
        for (held, now) in [(Some(held), Some(noon())), (None, None)] {
            match gracekey_core::decide(&policy, held, &sent.request(), now) {
                Verdict::Grant(grant) => drop(sent.carried_out(&grant)),
                Verdict::Denial(denial) => assert!(!denial.response().headers.is_empty()),
            }
        }
    }
}

fn promises(config: &PolicyConfig) {
    assert!((1..=32).contains(&config.extract_from.len()));
    let mut places = HashSet::new();
    let mut headers = HashSet::from(["cookie"]);
    for place in &config.extract_from {
        assert!(places.insert(place.to_string()), "{place} twice");
        if let Place::Header { name, .. } = place {
            assert_ne!(name.as_str(), "cookie");
            headers.insert(name.as_str());
        }
    }
    if !config.extract_from.iter().any(|place| matches!(place, Place::Cookie(_))) {
        headers.remove("cookie");
    }
    if let Some(forward) = &config.forward {
        assert!(headers.insert(forward.client_id.as_str()) && headers.insert(forward.key_id.as_str()));
    }
    assert!(config.realm.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\'));
    for (at, route) in config.routes.iter().enumerate() {
        let path = [&route.path, &route.prefix].into_iter().flatten().collect::<Vec<_>>();
        let [path] = path.as_slice() else { panic!("a route with {} paths", path.len()) };
        assert!(path.starts_with('/') && !path.contains("//") && !path.contains(['?', '#', '%', ';', '\\', ' ']));
        assert!(!path.split('/').any(|segment| segment == "." || segment == ".."));
        assert!(route.methods.as_ref().is_none_or(|methods| !methods.is_empty()));
        assert!(route.mode.is_some() || route.scopes.is_some());
        let twins = config.routes[..at]
            .iter()
            .filter(|other| other.path == route.path && other.prefix == route.prefix && other.methods == route.methods);
        assert_eq!(twins.count(), 0);
    }
}

/// Requests that have something in every place of the policy, on each of its routes.
fn requests(config: &PolicyConfig) -> Vec<Sent> {
    let key = RING.keys[0];
    let mut query = String::from("?");
    let mut headers = String::from("content-type: application/grpc\n");
    for place in config.extract_from.iter().take(2) {
        match place {
            Place::Header { name, scheme: Some(scheme) } => headers += &format!("{name}: {scheme} {key}\n"),
            Place::Header { name, scheme: None } => headers += &format!("{name}: {key}\n"),
            Place::Query(name) => query += &format!("{name}={key}&"),
            Place::Cookie(name) => headers += &format!("cookie: {name}={key}\n"),
        }
    }
    let paths = config.routes.iter().filter_map(|route| route.path.as_deref().or(route.prefix.as_deref()));
    let paths = ["/", "/a/../b%2f", ""].into_iter().chain(paths.take(8));
    paths.map(|path| Sent::read(format!("POST {path}{query}\n{headers}").as_bytes())).collect()
}
