use arbitrary::Unstructured;
use gracekey_core::{Held, Place, Policy, PolicyConfig, Reason, Verdict};

use crate::reference::{Presented, presented};
use crate::ring::{RING, noon};
use crate::sent::Sent;

/// Sixteen bits choose the places, the rest is a request: a plain and slow reader must find the same credential, or the
/// same ambiguity, and find nothing any more in what goes on to the upstream.
pub fn extraction(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(choice) = input.arbitrary::<u16>() else { return };
    let mut config = PolicyConfig::default();
    config.extract_from =
        places().into_iter().enumerate().filter(|(at, _)| choice >> at & 1 == 1).map(|(_, p)| p).collect();
    let Ok(policy) = Policy::new(config) else {
        assert_eq!(choice & 0x0fff, 0, "only an empty list is refused");
        return;
    };
    let sent = Sent::read(input.take_rest());
    let found = presented(policy.config(), &sent);

    let held = Held { keyring: &RING.keyring, confirmed_at: noon() };
    match gracekey_core::decide(&policy, Some(held), &sent.request(), Some(noon())) {
        Verdict::Grant(grant) => {
            let entry = grant.entry().expect("a strict grant has an entry");
            let at = usize::try_from(entry.generation()).expect("small") - 1;
            assert_eq!(found, Presented::Key(RING.keys[at].into()));
            let passed = sent.carried_out(&grant);
            assert_eq!(presented(policy.config(), &passed), Presented::Nothing, "a credential goes on in {passed:?}");
        }
        Verdict::Denial(denial) => match (denial.reason(), found) {
            (Reason::Missing, Presented::Nothing)
            | (Reason::Ambiguous, Presented::Ambiguous)
            | (Reason::Malformed, Presented::Malformed) => {}
            (Reason::Missing | Reason::Ambiguous, found) => panic!("{} and not {found:?}", denial.reason()),
            (_, Presented::Key(key)) => {
                let known = RING.keys.iter().any(|known| known.as_bytes() == key);
                assert_eq!(denial.entry().is_some(), known, "{} for {key:?}", denial.reason());
            }
            (reason, found) => panic!("{reason} and not {found:?}"),
        },
    }
}

/// All kinds of places, some of them in one header.
fn places() -> [Place; 12] {
    let header = |name: &str, scheme: &str| Place::Header {
        name: name.parse().expect("a header name"),
        scheme: (!scheme.is_empty()).then(|| scheme.parse().expect("a scheme")),
    };
    let parameter = |name: &str| name.parse().expect("a parameter");
    [
        Place::bearer(),
        Place::x_api_key(),
        header("authorization", "ApiKey"),
        header("authorization", ""),
        header("x", ""),
        header("x", "T"),
        Place::Query(parameter("api_key")),
        Place::Query(parameter("k")),
        Place::Query(parameter("a%41")),
        Place::Cookie(parameter("api_key")),
        Place::Cookie(parameter("s")),
        header("x-api-key", "Bearer"),
    ]
}
