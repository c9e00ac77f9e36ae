use std::collections::HashSet;

use arbitrary::{Result, Unstructured};
use gracekey_core::{Client, Document, Generation, Pepper, Timestamp};

use crate::ring::{noon, peppers};

/// A document made of a fuzzer's bytes, and the keys that its digests were made of.
pub(super) struct Made {
    pub(super) document: Document,
    pub(super) keys: Vec<String>,
}

impl Made {
    /// Few names and key ids, so that two are often the same.
    pub(super) fn from_bytes(input: &mut Unstructured<'_>) -> Result<Self> {
        let mut document = Document::empty(moment(input)?.unwrap_or_else(noon));
        document.epoch = input.arbitrary::<u64>()? & Document::MAX_EPOCH;
        for _ in 0..input.arbitrary::<u8>()? % 4 {
            let [name, scopes] = input.arbitrary::<[u8; 2]>()?;
            let all = ["read", "write", "admin"].iter().enumerate();
            document.clients.push(Client {
                client_id: format!("client-{}", name % 16).parse().expect("a client id"),
                disabled: scopes & 8 != 0,
                scopes: all.filter(|(at, _)| scopes >> at & 1 == 1).map(|(_, s)| s.parse().expect("a scope")).collect(),
            });
        }
        let mut keys = Vec::new();
        for _ in 0..input.arbitrary::<u8>()? % 24 {
            let [key, client, id] = input.arbitrary::<[u8; 3]>()?;
            let Some(client) = document.clients.get(usize::from(client & 3) % document.clients.len().max(1)) else {
                break;
            };
            let mut client_id = client.client_id.clone();
            if key == 255 {
                client_id = "client-of-nobody".parse().expect("a client id");
            }
            keys.push(format!("key-number-{key}"));
            document.keys.push(Generation {
                client_id,
                credential: ["default", "ci"][usize::from(id & 1)].parse().expect("a name"),
                digest: pepper(id)?.digest(format!("key-number-{key}").as_bytes()),
                expires_at: moment(input)?,
                // Seldom one that another key has.
                generation: u32::from(if id < 248 { id } else { id & 1 }) + 1,
                key_id: format!("key00{id:03}").parse().expect("a key id"),
                not_before: moment(input)?,
                retires_at: moment(input)?,
                revoked_at: moment(input)?,
                superseded_at: moment(input)?,
            });
        }
        Ok(Self { document, keys })
    }

    /// What a keyring must be refused for: names that are not of one, keys and peppers that are not there.
    pub(super) fn flaw(&self) -> Option<&'static str> {
        let Self { document, .. } = self;
        let mut clients = HashSet::new();
        if !document.clients.iter().all(|client| clients.insert(&client.client_id)) {
            return Some("two clients of one name");
        }
        let (mut ids, mut digests, mut numbers) = (HashSet::new(), HashSet::new(), HashSet::new());
        for key in &document.keys {
            if !ids.insert(key.key_id) || !digests.insert(key.digest.to_string()) {
                return Some("two keys of one id or digest");
            }
            if !numbers.insert((&key.client_id, &key.credential, key.generation)) {
                return Some("two generations of one number");
            }
            if !clients.contains(&key.client_id) || peppers().by_id(key.digest.pepper()).is_none() {
                return Some("a client or a pepper that is not there");
            }
        }
        None
    }
}

/// One of the two at hand, or, seldom, one that is not.
fn pepper(id: u8) -> Result<Pepper> {
    let (name, byte) = match id {
        250 => ("p9", 9),
        id if id & 2 == 0 => ("p2", 2),
        _ => ("p1", 1),
    };
    Ok(Pepper::new(name.parse().expect("an id"), &[byte; 32]).expect("a pepper"))
}

/// Often none, often near the moment of the decision, and any moment of the years 0 to 9999.
fn moment(input: &mut Unstructured<'_>) -> Result<Option<Timestamp>> {
    Ok(match input.arbitrary::<u8>()? {
        0..100 => None,
        near @ 100..240 => Some(noon().saturating_add(i64::from(near) - 170)),
        240 => Some(Timestamp::MIN),
        241 => Some(Timestamp::MAX),
        _ => Timestamp::from_unix_seconds(i64::from(input.arbitrary::<i32>()?) * 60),
    })
}
