mod made;

use arbitrary::Unstructured;
use gracekey_core::{Document, Held, KeyId, Keyring, Policy, Request, SealedDocument, Timestamp, Verdict};

use crate::message;
use crate::ring::{noon, peppers};
use made::Made;

/// Of a text: whatever parses prints a text that parses to the same. Of the same bytes as a recipe for a document: it
/// seals and opens, no altered byte changes what opens, and its keyring finds exactly its keys, or is refused for a
/// reason that a plain look at the document finds too.
pub fn document(data: &[u8]) {
    text(data);
    let mut input = Unstructured::new(data);
    if let Ok(made) = Made::from_bytes(&mut input) {
        sealing(&made.document, input.take_rest());
        keyring(&made);
    }
}

fn text(data: &[u8]) {
    match SealedDocument::parse(data) {
        Ok(parsed) => {
            let printed = parsed.to_json();
            let again = SealedDocument::parse(printed.as_bytes()).expect("what was printed parses");
            assert_eq!(again.to_json(), printed);
            let json: serde_json::Value = serde_json::from_str(&printed).expect("what was printed is JSON");
            assert_eq!(json["format"], Document::FORMAT);
        }
        Err(refusal) => message::check(&refusal),
    }
    if let Err(refusal) = Keyring::open(data, peppers()) {
        message::check(&refusal);
    }
}

fn sealing(document: &Document, rest: &[u8]) {
    let peppers = peppers();
    let sealed = document.clone().seal(&peppers).to_json();
    let opened = SealedDocument::parse(sealed.as_bytes()).expect("a sealed document parses");
    assert_eq!(opened.to_json(), sealed);
    let opened = opened.open(&peppers).expect("its own seal fits");
    assert_eq!(opened.seal(&peppers).to_json(), sealed);

    if let [high, low, change, ..] = rest {
        let mut altered = sealed.clone().into_bytes();
        let at = usize::from(u16::from_be_bytes([*high, *low])) % altered.len();
        altered[at] ^= change;
        // White space, and the letters of a time in either case, may be altered: then it still says the same.
        if let Ok(opened) = SealedDocument::parse(&altered).and_then(|altered| altered.open(&peppers)) {
            assert_eq!(opened.seal(&peppers).to_json(), sealed, "byte {at} altered by {change}, and yet it opens");
        }
    }
}

fn keyring(made: &Made) {
    let Made { document, keys } = made;
    match Keyring::new(document, peppers()) {
        Ok(ring) => {
            assert_eq!(made.flaw(), None, "a keyring was built");
            assert_eq!((ring.len(), ring.epoch()), (document.keys.len(), document.epoch));
            let policy = Policy::parse(br#"{"extract_from":[{"header":"x-api-key"}]}"#).expect("a good policy");
            // A key may be there under each of the two peppers: then it is either of its generations.
            for key in keys {
                for presented in [key.clone(), format!("{key}x")] {
                    let own = keys.iter().zip(&document.keys).filter(|(own, _)| **own == presented);
                    let mut own = own.map(|(_, generation)| generation.key_id).peekable();
                    match find(&policy, &ring, &presented) {
                        Some(found) => assert!(own.any(|id| id == found), "{presented} is not the key of {found}"),
                        None => assert_eq!(own.peek(), None, "{presented} is not found"),
                    }
                }
            }
            for entry in ring.entries() {
                let own = document.keys.iter().find(|own| own.key_id == entry.key_id()).expect("it is of the document");
                assert_eq!((entry.client_id(), entry.credential()), (own.client_id.as_str(), own.credential.as_str()));
                assert_eq!((entry.generation(), entry.end()), (own.generation, own.end()));
                assert_eq!(
                    (entry.not_before(), entry.superseded_at()),
                    (own.not_before.filter(|at| *at != Timestamp::MIN), own.superseded_at)
                );
                let client =
                    document.clients.iter().find(|client| client.client_id == own.client_id).expect("is there");
                assert_eq!((entry.client_disabled(), entry.scopes()), (client.disabled, client.scopes.as_slice()));
            }
        }
        Err(refusal) => {
            message::check(&refusal);
            assert!(made.flaw().is_some(), "refused without a flaw: {refusal}");
        }
    }
}

/// The generation that a key belongs to, whatever became of it.
fn find(policy: &Policy, ring: &Keyring, key: &str) -> Option<KeyId> {
    let headers = [(b"x-api-key".as_slice(), key.as_bytes())];
    let request = Request { method: b"GET", target: b"/", headers: headers.into_iter() };
    match gracekey_core::decide(policy, Some(Held { keyring: ring, confirmed_at: noon() }), &request, Some(noon())) {
        Verdict::Grant(grant) => grant.entry().map(|entry| entry.key_id()),
        Verdict::Denial(denial) => denial.entry().map(|entry| entry.key_id()),
    }
}
