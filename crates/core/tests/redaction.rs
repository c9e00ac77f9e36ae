//! No error, no `Debug` and no answer shows a key or a pepper: each is driven with marked ones.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/front_end.rs"]
mod front_end;
#[path = "support/marks.rs"]
mod marks;
#[path = "support/vector.rs"]
mod vector;

use std::fmt::{Debug, Display};
use std::path::Path;
use std::sync::Arc;

use base64ct::{Base64, Encoding};
use gracekey_core::{
    ApiKey, ApiKeys, ClientId, Digest, FieldName, Held, KeyId, Keyring, Method, ParameterName, Pepper, PepperId,
    Peppers, Policy, Prefix, Request, Scheme, Scope, SealedDocument, Seconds, Timestamp, Verdict, decide,
};
use marks::Marks;

/// A pepper of 38 bytes, none of which may be seen.
const PEPPER: &[u8] = b"Marked4PepperThatNobodyMayEverRead9876";
/// A foreign key and one of ours, with a secret part that none may see.
const FOREIGN: &str = "Marked7ForeignKeyThatNobodyMayRead123";
const ENTROPY: [u8; ApiKey::ENTROPY] =
    *b"Our4own5key6Marked4KeySecretThatNobody6MayRead_Our4own5key6Marked4KeySecretThatNobody6MayRead_12";

struct Seen {
    marks: Marks,
    count: usize,
}

impl Seen {
    fn text(&mut self, what: &str, text: &str) {
        self.count += 1;
        if let Some(found) = self.marks.found_in(text) {
            panic!("{what} shows {found}: {text}");
        }
    }

    fn debug(&mut self, what: &str, value: &impl Debug) {
        self.text(what, &format!("{value:?}"));
        self.text(what, &format!("{value:#?}"));
    }

    fn error<T, E: Display + Debug>(&mut self, what: &str, outcome: Result<T, E>) {
        let Err(error) = outcome else { panic!("{what} was no error") };
        self.text(what, &error.to_string());
        self.debug(what, &error);
    }
}

fn key() -> ApiKey {
    ApiKey::mint(&Prefix::default(), &ENTROPY).expect("a key")
}

fn peppers() -> Arc<Peppers> {
    let pepper = |id: &str| Pepper::new(id.parse().expect("an id"), PEPPER).expect("a pepper");
    Arc::new(Peppers::rotating(pepper("p2"), pepper("p1")).expect("two ids"))
}

fn seen() -> Seen {
    let key = key();
    let secret = key.reveal().get(17..49).expect("the secret part").to_owned();
    Seen { marks: Marks::of(&[PEPPER, FOREIGN.as_bytes(), secret.as_bytes()]), count: 0 }
}

#[test]
fn marks_are_found_where_they_are() {
    let seen = seen();
    let (key, shown) = (key(), |text: &str| seen.marks.found_in(text).is_some());
    assert!(shown(key.reveal()));
    assert!(shown(&format!("…{}…", FOREIGN.get(9..20).expect("a part"))));
    assert!(shown(&Base64::encode_string(PEPPER)));
    assert!(shown(&format!("{:?}", key.as_bytes())));
    assert!(shown(&format!("{PEPPER:02x?}")));
    assert!(shown(&PEPPER.iter().map(|byte| format!("{byte:02X}")).collect::<String>()));
    assert!(!shown("an honest text of some length, with p1:u3V… and 3fK9aB2c in it"));
}

#[test]
fn keys_and_peppers() {
    let (mut seen, key, peppers) = (seen(), key(), peppers());
    seen.debug("ApiKey", &key);
    seen.debug("ApiKey, foreign", &ApiKey::parse(FOREIGN).expect("a key"));
    seen.debug("Shape", &key.shape());
    seen.debug("Pepper", peppers.current());
    seen.debug("Peppers", &peppers);
    let digest = peppers.current().digest(key.as_bytes());
    seen.debug("Digest", &digest);
    seen.text("Digest", &digest.to_string());

    let text = Pepper::text("p1".parse().expect("an id"), PEPPER);
    let secret = Base64::encode_string(PEPPER);
    let short = Base64::encode_string(&PEPPER[..31]);
    for (what, slip) in [
        ("no id", secret.clone()),
        ("no base64", format!("p1:{}", String::from_utf8_lossy(PEPPER))),
        ("too short", format!("p1:{short}")),
        ("the secret as id", format!("{secret}:{secret}")),
        ("one id twice", format!("{},{}", *text, *text)),
        ("three", format!("{},{},{}", *text, *text, *text)),
        ("quotes", format!("\"{}\"", *text)),
    ] {
        seen.error(what, slip.parse::<Peppers>());
    }
    seen.error("too short", Pepper::new("p1".parse().expect("an id"), &PEPPER[..31]));
    assert!(seen.count > 30, "{}", seen.count);
}

/// A key pasted where a name, a time or a digest belongs.
#[test]
fn names_and_values() {
    let mut seen = seen();
    let key = key();
    for secret in [key.reveal(), FOREIGN] {
        let padded = format!("{secret} {secret}");
        seen.error("a key with a space", ApiKey::parse(&padded));
        seen.error("a long key", ApiKey::parse(&secret.repeat(20)));
        seen.error("KeyId", secret.parse::<KeyId>());
        seen.error("Prefix", padded.parse::<Prefix>());
        seen.error("PepperId", secret.parse::<PepperId>());
        seen.error("Digest", secret.parse::<Digest>());
        seen.error("Digest", format!("hmac-sha256:{secret}").parse::<Digest>());
        seen.error("Digest", format!("hmac-sha256:p1:{secret}").parse::<Digest>());
        seen.error("Digest", format!("hmac-sha256:{secret}:00").parse::<Digest>());
        seen.error("Timestamp", secret.parse::<Timestamp>());
        seen.error("Seconds", secret.parse::<Seconds>());
        seen.error("ClientId", padded.parse::<ClientId>());
        seen.error("Scope", padded.parse::<Scope>());
        seen.error("FieldName", padded.parse::<FieldName>());
        seen.error("ParameterName", padded.parse::<ParameterName>());
        seen.error("Scheme", padded.parse::<Scheme>());
        seen.error("Method", padded.parse::<Method>());
    }
}

/// A key or a pepper pasted into a document or a policy, wherever a text or a name can stand.
#[test]
fn documents_and_policies() {
    let (mut seen, key, peppers) = (seen(), key(), peppers());
    let document = include_str!("refusals/held.json");
    let policy = r#"{"mode":"strict","extract_from":[{"header":"authorization","scheme":"Bearer"}],"sanitize":true,
        "forward":{"client_id":"x-client-id","key_id":"x-key-id"},"scopes":["a"],"notice":"7d","realm":"api",
        "routes":[{"prefix":"/a","methods":["GET"],"mode":"open","scopes":[]}],"max_staleness":"1h"}"#;
    assert!(Policy::parse(policy.as_bytes()).is_ok());
    let pepper = Base64::encode_string(PEPPER);
    for secret in [key.reveal(), FOREIGN, &pepper] {
        for (kind, text) in [("document", document), ("policy", policy)] {
            for (at, slip) in slips(text, secret).into_iter().enumerate() {
                let what = format!("{kind}, slip {at}");
                let refused = match kind {
                    "document" => Keyring::open(slip.as_bytes(), Arc::clone(&peppers)).map(drop).map_err(shown),
                    _ => Policy::parse(slip.as_bytes()).map(drop).map_err(shown),
                };
                // Where any text may stand, like a realm, the slip is no error.
                if let Err((told, debugged)) = refused {
                    seen.text(&what, &told);
                    seen.text(&what, &debugged);
                }
            }
        }
    }
    assert!(seen.count > 200, "{}", seen.count);
}

fn shown(error: impl Display + Debug) -> (String, String) {
    (error.to_string(), format!("{error:?}"))
}

/// The text with the secret in the place of each quoted text and of each other value, and cut or spoilt behind it.
fn slips(text: &str, secret: &str) -> Vec<String> {
    let quoted = format!("\"{secret}\"");
    let mut slips = vec![secret.into(), quoted.clone(), format!("{{{quoted}:{quoted}}}"), format!("{{{quoted}")];
    let mut quotes = text.match_indices('"').map(|(at, _)| at);
    while let Some((start, end)) = quotes.next().zip(quotes.next()) {
        let (before, after) = (&text[..start], &text[end + 1..]);
        slips.push(format!("{before}{quoted}{after}"));
        slips.push(format!("{before}{secret}{after}"));
        slips.push(format!("{before}{quoted}"));
    }
    for value in ["null", "true", "false", "[]", "[", "1", "2"] {
        slips.extend(
            text.match_indices(value).map(|(at, _)| [&text[..at], &quoted, &text[at + value.len()..]].concat()),
        );
    }
    slips
}

#[test]
fn api_keys() {
    let (mut seen, key) = (seen(), key());
    for secret in [key.reveal(), FOREIGN] {
        let quoted = format!("\"{secret}\"");
        for slip in [
            format!("{{{quoted}:\"acme\""),
            format!("{{{quoted}:\"acme\",}}"),
            format!("{{'{secret}':'acme'}}"),
            format!("{{{quoted}:5}}"),
            format!("{{{quoted}:{quoted}, {quoted}:\"b\"}}"),
            format!("{{\"acme\":{quoted}}}"),
            format!("{{{quoted}:\"not a client\"}}"),
            format!("{secret}=acme"),
            format!("[{quoted}]"),
            quoted.clone(),
            secret.into(),
        ] {
            seen.error(&slip, ApiKeys::parse(&slip));
        }
        let good = ApiKeys::parse(&format!("{{{quoted}:\"acme\"}}")).expect("one key");
        seen.debug("ApiKeys", &good);
        let document = good.document(peppers().current(), Timestamp::MIN);
        seen.debug("Document", &document);
        let sealed = document.seal(&peppers());
        seen.debug("SealedDocument", &sealed);
        seen.text("SealedDocument", &sealed.to_json());
        seen.debug("SealedDocument", &SealedDocument::parse(sealed.to_json().as_bytes()).expect("a document"));
        let keyring = Keyring::open(sealed.to_json().as_bytes(), peppers()).expect("a keyring");
        seen.debug("Keyring", &keyring);
        seen.debug("Entry", &keyring.entries().collect::<Vec<_>>());
    }
}

/// Every request of the vectors: the keys in its keyring and in its headers are the marks.
#[test]
fn verdicts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut count = 0;
    for vector in vector::load(&folder).expect("vectors") {
        let secrets = vector.keyring.as_ref().map(vector::KeyringText::secrets).unwrap_or_default();
        let mut seen = Seen { marks: Marks::of(&secrets), count: 0 };
        let (policy, keyring) = (vector.policy().expect("a policy"), vector.keyring().expect("a keyring"));
        let held = keyring.as_ref().map(|keyring| Held { keyring, confirmed_at: vector.confirmed_at() });
        let request: Request<'_, _> = front_end::request(&vector.request);
        seen.debug(&vector.name, &request);
        seen.debug(&vector.name, &held);
        let verdict = decide(&policy, held, &request, vector.now);
        seen.debug(&vector.name, &verdict);
        match verdict {
            Verdict::Grant(grant) => {
                seen.debug(&vector.name, &grant.edits().collect::<Vec<_>>());
                seen.debug(&vector.name, &grant.notice());
                seen.debug(&vector.name, &grant.would_deny_entry());
            }
            Verdict::Denial(denial) => {
                seen.text(&vector.name, &denial.description());
                let response = denial.response();
                seen.debug(&vector.name, &response);
                seen.text(&vector.name, &response.body);
            }
        }
        count += seen.count;
    }
    assert!(count > 8 * vector::FEWEST, "{count}");
}
