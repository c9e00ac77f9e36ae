use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{Client, Document, DocumentError, Generation};
use crate::digest::Digest;
use crate::pepper::{Pepper, Peppers, SealState};
use crate::secret;
use crate::time::Timestamp;
use crate::wire;

/// A keyring document as it was read: well formed, but not trusted before its seal was checked.
#[derive(Clone, Debug)]
pub struct SealedDocument {
    document: Document,
    seal: Option<Digest>,
}

/// The members of a document at its top level.
#[derive(Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
struct Wire {
    #[serde(rename = "format")]
    _format: Format,
    #[serde(deserialize_with = "epoch")]
    epoch: u64,
    issued_at: Timestamp,
    clients: Vec<Client>,
    keys: Vec<Generation>,
    #[serde(default)]
    seal: Option<Digest>,
}

struct Format;

impl wire::Derived for Wire {
    fn derived<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for Wire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        wire::object(deserializer)
    }
}

impl SealedDocument {
    /// Reads the JSON text of a document.
    ///
    /// # Errors
    /// [`DocumentError`] names the field and where it stands, and says what to do.
    pub fn parse(text: &[u8]) -> Result<Self, DocumentError> {
        let wire: Wire = wire::read(text).map_err(|refusal| match other_format(text) {
            Some(found) => DocumentError::Format { found },
            None => DocumentError::from_refusal(refusal, text),
        })?;
        let Wire { epoch, issued_at, clients, keys, seal, .. } = wire;
        Ok(Self { document: Document { epoch, issued_at, clients, keys }, seal })
    }

    /// Checks the seal, and only then gives the document out.
    ///
    /// # Errors
    /// [`DocumentError::NoSeal`], [`DocumentError::SealPepper`] or [`DocumentError::BadSeal`].
    pub fn open(self, peppers: &Peppers) -> Result<Document, DocumentError> {
        self.open_with_seal(peppers).map(|(document, _)| document)
    }

    pub(crate) fn open_with_seal(self, peppers: &Peppers) -> Result<(Document, Digest), DocumentError> {
        let seal = self.seal.ok_or(DocumentError::NoSeal)?;
        let pepper = peppers
            .by_id(seal.pepper())
            .ok_or_else(|| DocumentError::SealPepper { named: seal.pepper().to_string(), held: peppers.names() })?;
        let computed = self.document.seal_digest(pepper);
        if secret::declassify(secret::same(computed.words(), seal.words())) {
            Ok((self.document, seal))
        } else {
            Err(DocumentError::BadSeal)
        }
    }

    /// The document as JSON text, one client and one key to a line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let Document { epoch, issued_at, clients, keys } = &self.document;
        let mut text = String::with_capacity(256 + clients.len() * 96 + keys.len() * 400);
        let format = Document::FORMAT;
        text.push_str(&alloc::format!(
            "{{\"format\":\"{format}\",\"epoch\":{epoch},\"issued_at\":\"{issued_at}\",\n \"clients\":["
        ));
        lines(&mut text, clients);
        text.push_str("],\n \"keys\":[");
        lines(&mut text, keys);
        text.push_str("],\n \"seal\":");
        text.push_str(&self.seal.map_or_else(|| "null".into(), |seal| alloc::format!("\"{seal}\"")));
        text.push_str("}\n");
        text
    }
}

impl Document {
    /// Seals the document with the pepper that new digests are made with.
    #[must_use]
    pub fn seal(self, peppers: &Peppers) -> SealedDocument {
        let seal = Some(self.seal_digest(peppers.current()));
        SealedDocument { document: self, seal }
    }

    /// The HMAC-SHA256 under the seal subkey over the document without its `seal`, in the canonical form of RFC 8785,
    /// where a member that is absent counts with its default.
    pub(crate) fn seal_digest(&self, pepper: &Pepper) -> Digest {
        let mut state = pepper.seal_state();
        state.update(b"{\"clients\":[");
        items(&mut state, &self.clients);
        state.update(middle(self.epoch, self.issued_at).as_bytes());
        items(&mut state, &self.keys);
        state.update(b"]}");
        state.finish()
    }
}

/// What stands between the clients and the keys in the canonical form.
pub(super) fn middle(epoch: u64, issued_at: Timestamp) -> String {
    let format = Document::FORMAT;
    alloc::format!("],\"epoch\":{epoch},\"format\":\"{format}\",\"issued_at\":\"{issued_at}\",\"keys\":[")
}

fn items<T: serde::Serialize>(state: &mut SealState, items: &[T]) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            state.update(b",");
        }
        state.update(&json(item));
    }
}

fn lines<T: serde::Serialize>(text: &mut String, items: &[T]) {
    for (at, item) in items.iter().enumerate() {
        text.push_str(if at == 0 { "\n  " } else { ",\n  " });
        text.push_str(core::str::from_utf8(&json(item)).unwrap_or_default());
    }
}

/// Clients and generations hold strings, numbers and booleans under fixed names: they always serialize.
fn json<T: serde::Serialize>(item: &T) -> Vec<u8> {
    serde_json::to_vec(item).unwrap_or_default()
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == Document::FORMAT { Ok(Self) } else { Err(D::Error::custom("another format")) }
    }
}

fn epoch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    wire::number(deserializer, 0..=Document::MAX_EPOCH)
}

/// The `format` of a JSON object, if it has one that is not ours: asked before any other refusal is told.
fn other_format(text: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Peek {
        format: String,
    }
    let peek: Peek = serde_json::from_slice(text).ok()?;
    (peek.format != Document::FORMAT).then(|| wire::shown(&peek.format))
}
