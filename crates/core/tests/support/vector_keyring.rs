use gracekey_core::{Client, Document, Generation, KeyId, Pepper, PepperId, Peppers, Shape, Timestamp};
use serde::Deserialize;

use super::Bytes;

/// The clients and the plain keys of a case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyringText {
    /// The peppers, the current one first.
    #[serde(default = "one_pepper")]
    peppers: Vec<PepperId>,
    clients: Vec<Client>,
    keys: Vec<KeyText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyText {
    key: Bytes,
    /// Absent for a key that carries its own.
    #[serde(default)]
    key_id: Option<KeyId>,
    /// Absent for the current one.
    #[serde(default)]
    pepper: Option<PepperId>,
    client_id: String,
    credential: String,
    generation: u32,
    #[serde(default)]
    not_before: Option<Timestamp>,
    #[serde(default)]
    expires_at: Option<Timestamp>,
    #[serde(default)]
    superseded_at: Option<Timestamp>,
    #[serde(default)]
    retires_at: Option<Timestamp>,
    #[serde(default)]
    revoked_at: Option<Timestamp>,
}

fn one_pepper() -> Vec<PepperId> {
    "p1".parse().into_iter().collect()
}

/// The secret of a pepper in the vectors: its name, repeated to 32 bytes. It is public, so it guards nothing.
fn secret(id: PepperId) -> Vec<u8> {
    id.as_str().bytes().cycle().take(Pepper::MIN_BYTES).collect()
}

/// A pepper of the vectors, as `GRACEKEY_PEPPER` holds it.
fn pepper_text(id: PepperId) -> String {
    Pepper::text(id, &secret(id)).as_str().into()
}

impl KeyringText {
    /// The peppers, as `GRACEKEY_PEPPER` holds them.
    pub(crate) fn peppers_text(&self) -> String {
        self.peppers.iter().map(|id| pepper_text(*id)).collect::<Vec<_>>().join(",")
    }

    /// The plain keys: what no log and no answer may show. Of a key of ours the secret part alone, since its id is public.
    pub(crate) fn secrets(&self) -> Vec<Vec<u8>> {
        let id = |key: &[u8]| key.windows(8).position(|window| window == b"sk_live_").map_or(0, |at| at + 16);
        self.keys.iter().map(|key| key.key.0.split_at(id(&key.key.0).min(key.key.0.len())).1.to_vec()).collect()
    }

    pub(super) fn peppers(&self) -> Result<Peppers, String> {
        self.peppers_text().parse().map_err(|error| format!("{error}"))
    }

    pub(super) fn document(&self) -> Result<Document, String> {
        let peppers = self.peppers()?;
        let mut document = Document::empty(Timestamp::from_unix_seconds(1_790_000_000).ok_or("no such time")?);
        document.epoch = 1;
        document.clients.clone_from(&self.clients);
        document.keys = self.keys.iter().map(|key| key.generation(&peppers)).collect::<Result<_, _>>()?;
        Ok(document)
    }
}

impl KeyText {
    /// The generation with the digest in the place of the key. Also bytes that can be no key are digested, so that a
    /// case can show that such a one is refused before it is looked up.
    fn generation(&self, peppers: &Peppers) -> Result<Generation, String> {
        let id = self.pepper.unwrap_or(peppers.current().id());
        let pepper = peppers.by_id(id).ok_or_else(|| format!("pepper `{id}` is not among the keyring's"))?;
        let key_id = match (self.key_id, Shape::of(&self.key.0)) {
            (Some(given), _) => given,
            (None, Shape::Gracekey(own)) => own,
            (None, _) => return Err(format!("{:?} has no key id of its own; give it one", self.key)),
        };
        Ok(Generation {
            client_id: self.client_id.parse().map_err(|error| format!("{error}"))?,
            credential: self.credential.parse().map_err(|error| format!("{error}"))?,
            digest: pepper.digest(&self.key.0),
            expires_at: self.expires_at,
            generation: self.generation,
            key_id,
            not_before: self.not_before,
            retires_at: self.retires_at,
            revoked_at: self.revoked_at,
            superseded_at: self.superseded_at,
        })
    }
}
