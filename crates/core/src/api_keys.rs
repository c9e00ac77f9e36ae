//! `API_KEYS={"key":"client_id"}`: plain keys from the environment, for development only.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use zeroize::Zeroizing;

use crate::document::{Client, Document, Generation};
use crate::key::{ApiKey, KeyError, KeyId, Shape};
use crate::names::ClientId;
use crate::pepper::Pepper;
use crate::secret;
use crate::time::Timestamp;

/// Plain keys and the clients that they stand for, as `API_KEYS` holds them: `{"sk_live_…":"acme_corp"}`.
///
/// For development, and to bring keys from elsewhere. A key of ours in the place of the client is refused; a foreign key
/// there can't be told from a client id, so look twice: the key comes first.
pub struct ApiKeys {
    pairs: Vec<(ApiKey, ClientId)>,
}

impl ApiKeys {
    /// Reads the JSON object.
    ///
    /// # Errors
    /// [`ApiKeysError`] names the usual slip and repeats no key.
    pub fn parse(text: &str) -> Result<Self, ApiKeysError> {
        let slip = |what| Err(ApiKeysError { what });
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return slip("is empty; write {\"<key>\":\"<client id>\"}".into());
        }
        let pairs: Pairs = match serde_json::from_str(trimmed) {
            Ok(pairs) => pairs,
            Err(error) => return slip(syntax_slip(trimmed, &error)),
        };
        if pairs.0.is_empty() {
            return slip("holds no key; write {\"<key>\":\"<client id>\"}".into());
        }
        let mut parsed: Vec<(ApiKey, ClientId)> = Vec::with_capacity(pairs.0.len());
        let (mut seen, hasher) = (HashTable::with_capacity(pairs.0.len()), DefaultHashBuilder::default());
        for (at, (key, client)) in pairs.0.iter().enumerate() {
            let place = at + 1;
            let key = ApiKey::parse(key).map_err(|error| {
                let hint = if matches!(error, KeyError::Length { bytes } if bytes < 8) { SWAPPED } else { "" };
                ApiKeysError { what: format!("entry {place}: {error}{hint}") }
            })?;
            let client = client.parse().map_err(|error| {
                let hint = if matches!(Shape::of(client.as_bytes()), Shape::Gracekey(_)) { SWAPPED } else { "" };
                ApiKeysError { what: format!("entry {place}: {error}{hint}") }
            })?;
            let hash = hasher.hash_one(key.as_bytes());
            let known = |(_, at): &(u64, usize)| parsed.get(*at).map_or(&[][..], |(known, _)| known.as_bytes());
            if let Some((_, earlier)) = seen.find(hash, |known_at| secret::same_text(known(known_at), key.as_bytes())) {
                let earlier = earlier + 1;
                return slip(format!(
                    "entry {place} has the same key as entry {earlier}; one key stands for one client"
                ));
            }
            seen.insert_unique(hash, (hash, at), |(hash, _)| *hash);
            parsed.push((key, client));
        }
        Ok(Self { pairs: parsed })
    }

    /// The keys and their clients, in the order in which they stand there.
    pub fn iter(&self) -> impl Iterator<Item = (&ApiKey, &ClientId)> {
        self.pairs.iter().map(|(key, client)| (key, client))
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Never: an empty object is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// A document of these keys, digested. Each key of a client is a credential of its own: `default`, `default-2` …
    /// A key without a key id gets one from its digest.
    #[must_use]
    pub fn document(&self, pepper: &Pepper, now: Timestamp) -> Document {
        let mut document = Document::empty(now);
        let mut counts: HashMap<&ClientId, usize> = HashMap::with_capacity(self.len());
        for (key, client_id) in self.iter() {
            let count = counts.entry(client_id).or_default();
            *count += 1;
            if *count == 1 {
                document.clients.push(Client { client_id: client_id.clone(), disabled: false, scopes: Vec::new() });
            }
            let name = if *count == 1 { "default".into() } else { format!("default-{count}") };
            let Ok(credential) = name.parse() else { continue };
            let digest = pepper.digest(key.as_bytes());
            document.keys.push(Generation {
                client_id: client_id.clone(),
                credential,
                digest,
                expires_at: None,
                generation: 1,
                key_id: key.key_id().unwrap_or_else(|| id_from(&digest.to_bytes())),
                not_before: None,
                retires_at: None,
                revoked_at: None,
                superseded_at: None,
            });
        }
        document
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(|(_, client)| client)).finish()
    }
}

const SWAPPED: &str = "; is the client id where the key belongs? The key comes first";

/// Eight characters that the digest, which is public, already fixes.
fn id_from(digest: &[u8; 32]) -> KeyId {
    KeyId::mint(digest).unwrap_or(KeyId::NOBODY)
}

fn syntax_slip(text: &str, error: &serde_json::Error) -> String {
    let place = format!("line {}, column {}", error.line(), error.column());
    let bytes = text.as_bytes();
    let before = |at: usize| bytes.get(..at).and_then(|head| head.trim_ascii_end().last().copied());
    if text.contains('\'') && !text.contains('"') {
        return "has single quotes, and JSON wants double ones; put the single ones around the whole: '{\"<key>\":\"<client id>\"}'".into();
    }
    if text.starts_with("'{") {
        return "begins with a single quote that no shell took away; leave out the quotes around the braces".into();
    }
    if text.starts_with("API_KEYS=") {
        return "begins with its own name; leave out the API_KEYS= before the brace".into();
    }
    if text.contains(['“', '”', '„']) && !text.contains('"') {
        return "has typographic quotes, and JSON wants straight ones: {\"<key>\":\"<client id>\"}".into();
    }
    if bytes.first() != Some(&b'{') {
        return format!("is no JSON object ({place}); write {{\"<key>\":\"<client id>\"}}");
    }
    if bytes.last() == Some(&b'}') && before(bytes.len() - 1) == Some(b',') {
        return format!("has a comma before the closing brace ({place}); take it out");
    }
    if error.is_eof() {
        return format!("ends too early ({place}); was it cut, or a quote lost to the shell?");
    }
    if error.is_data() {
        return format!("wants a client id in double quotes behind each key ({place})");
    }
    format!("is not JSON ({place}); write {{\"<key>\":\"<client id>\"}}")
}

/// The pairs as they stand, with a key that is there twice seen twice.
struct Pairs(Vec<(Zeroizing<String>, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of keys and client ids")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some((key, client)) = map.next_entry::<String, String>()? {
                    pairs.push((Zeroizing::new(key), client));
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// What is wrong with `API_KEYS`. It repeats no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeysError {
    what: String,
}

impl fmt::Display for ApiKeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "API_KEYS {}", self.what)
    }
}

impl core::error::Error for ApiKeysError {}
