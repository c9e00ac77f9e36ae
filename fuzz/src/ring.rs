use std::sync::{Arc, LazyLock};

use gracekey_core::{Client, Digest, Document, Generation, Keyring, Pepper, Peppers, Timestamp};

/// The keyring that requests are decided over, and the keys in it. Every state that a key can be in is there.
pub(crate) struct Ring {
    pub(crate) document: Document,
    pub(crate) keyring: Keyring,
    /// The keys, each at the place of its generation in the document.
    pub(crate) keys: Vec<&'static str>,
}

/// Key, client and the seconds around [`noon`] at which it begins, is superseded, retires, expires and is revoked.
struct Row(&'static str, &'static str, [Option<i64>; 5]);

const ROWS: [Row; 9] = [
    Row("sk_live_3fK9aB2c_0123456789ABCDEFGHIJKLMNOPQRSTUV2IVTLU", "acme", [None; 5]),
    Row("plain-01", "acme", [None; 5]),
    Row("rotated2", "acme", [None, Some(-100), Some(100), None, None]),
    Row("expires3", "acme", [Some(-200), None, None, Some(150), None]),
    Row("revoked4", "acme", [None, Some(-100), Some(100), Some(100), Some(100)]),
    Row("to-come5", "acme", [Some(50), Some(60), Some(70), None, None]),
    Row("bare-006", "nobody", [None; 5]),
    Row("halted-7", "halted", [None, None, None, Some(200), None]),
    Row("older-08", "acme", [None, Some(-10), None, None, None]),
];

pub(crate) static RING: LazyLock<Ring> = LazyLock::new(|| {
    let peppers = peppers();
    let mut document = Document::empty(noon());
    document.epoch = 7;
    let client = |name: &str, disabled, scopes: &[&str]| Client {
        client_id: name.parse().expect("a client id"),
        disabled,
        scopes: scopes.iter().map(|scope| scope.parse().expect("a scope")).collect(),
    };
    document.clients = vec![
        client("acme", false, &["read", "write"]),
        client("nobody", false, &[]),
        client("halted", true, &["read"]),
    ];
    let rows = ROWS.iter().enumerate();
    document.keys =
        rows.map(|(at, Row(key, client, moments))| generation(&peppers, at, key, client, *moments)).collect();
    let keyring = Keyring::new(&document, peppers).expect("the fixed keyring");
    Ring { document, keyring, keys: ROWS.iter().map(|row| row.0).collect() }
});

fn generation(peppers: &Peppers, at: usize, key: &str, client: &str, moments: [Option<i64>; 5]) -> Generation {
    // The last key was digested with the pepper before.
    let pepper = peppers.iter().nth(usize::from(at + 1 == ROWS.len())).expect("two peppers");
    let [not_before, superseded_at, retires_at, expires_at, revoked_at] =
        moments.map(|moment| moment.map(|seconds| noon().saturating_add(seconds)));
    Generation {
        client_id: client.parse().expect("a client id"),
        credential: "default".parse().expect("a name"),
        digest: digest(pepper, key.as_bytes()),
        expires_at,
        generation: u32::try_from(at).expect("few rows") + 1,
        key_id: format!("key0000{at}").parse().expect("a key id"),
        not_before,
        retires_at,
        revoked_at,
        superseded_at,
    }
}

pub(crate) fn digest(pepper: &Pepper, key: &[u8]) -> Digest {
    pepper.digest(key)
}

pub(crate) fn peppers() -> Arc<Peppers> {
    let pepper = |id: &str, byte| Pepper::new(id.parse().expect("an id"), &[byte; 32]).expect("a pepper");
    Arc::new(Peppers::rotating(pepper("p2", 2), pepper("p1", 1)).expect("two ids"))
}

/// The moment around which all is set.
pub(crate) fn noon() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().expect("a time")
}
