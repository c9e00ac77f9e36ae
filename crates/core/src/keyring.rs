//! The keyring: the immutable set of clients and generations that one verifier holds at one moment.

mod bucket;
mod build;
mod entry;
mod opening;
mod record;
mod table;

pub use bucket::{Buckets, Sought};
pub use entry::Entry;
pub use opening::Opening;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::document::{Document, DocumentError, SealedDocument};
use crate::names::Scope;
use crate::pepper::Peppers;
use crate::secret::{self, Words};
use crate::time::Timestamp;
use table::Table;

/// An immutable set of clients and generations with a look-up of constant work.
///
/// Whatever is presented, a look-up costs one HMAC per pepper, one probe of constant shape and one full comparison of
/// 32 bytes, whether the key is there or not, with 1 key or 1,000,000. About 110 bytes a key.
pub struct Keyring {
    peppers: Arc<Peppers>,
    table: Table,
    clients: Vec<ClientRow>,
    credentials: Vec<CredentialRow>,
    names: Box<str>,
    scopes: Vec<Box<[Scope]>>,
    epoch: u64,
    issued_at: Timestamp,
    /// The seal of the content: two rings of one epoch must agree in it.
    content: Words,
}

/// A client, 16 bytes.
struct ClientRow {
    name: Span,
    scopes: u32,
    disabled: bool,
}

/// A credential of a client, 12 bytes.
struct CredentialRow {
    client: u32,
    name: Span,
}

/// A piece of `names`.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    len: u8,
}

impl Keyring {
    /// Builds the keyring of a document.
    ///
    /// # Errors
    /// [`DocumentError`] for two equal digests, key ids or client ids, a key of an unknown client, a digest of an
    /// unknown pepper. The path names the later of two.
    pub fn new(document: &Document, peppers: Arc<Peppers>) -> Result<Self, DocumentError> {
        let content = *document.seal_digest(peppers.current()).words();
        build::keyring(document, peppers, content)
    }

    /// Reads a sealed document, checks its seal and builds its keyring: what every verifier does with what it is given.
    ///
    /// The text is read once, and nothing of it is held twice: while a keyring of many keys is built it takes little more
    /// memory than it takes then.
    ///
    /// # Errors
    /// [`DocumentError`], for whatever is wrong with the text, the seal or the keys.
    pub fn open(text: &[u8], peppers: Arc<Peppers>) -> Result<Self, DocumentError> {
        let why = match build::read(text, &peppers) {
            Ok((building, header)) => return building.finish(&header),
            Err(why) => why,
        };
        if cfg!(target_family = "wasm") {
            // Every reader of every type doubles what a proxy loads.
            return Err(why);
        }
        // What is wrong is told with the path to it; and the members may stand in another order.
        let (document, seal) = SealedDocument::parse(text)?.open_with_seal(&peppers)?;
        build::keyring(&document, peppers, *seal.words())
    }

    /// Whether this keyring may take the place of another: its epoch must be larger, or the same with the same content.
    ///
    /// # Errors
    /// [`DocumentError::OlderEpoch`] and [`DocumentError::SameEpoch`].
    pub fn check_follows(&self, held: &Self) -> Result<(), DocumentError> {
        if self.epoch < held.epoch {
            return Err(DocumentError::OlderEpoch { held: held.epoch, offered: self.epoch });
        }
        if self.epoch == held.epoch && !secret::declassify(secret::same(&self.content, &held.content)) {
            return Err(DocumentError::SameEpoch { epoch: self.epoch });
        }
        Ok(())
    }

    /// The generation whose key these bytes are. Nothing else is said of it: it may have ended long ago.
    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> Option<Entry<'_>> {
        let mut found = None;
        for pepper in self.peppers.iter() {
            let digest = pepper.digest_words(key);
            // Asked whether or not the key was found already. A key under both peppers is the current one's.
            found = found.or(self.table.find(&digest));
        }
        found.map(|index| Entry::new(self, index))
    }

    /// The version of this keyring.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// When this epoch was made.
    #[must_use]
    pub fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    /// How many generations it holds, with those that have ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The generations, in no order that means anything.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.table.indices().map(|index| Entry::new(self, index))
    }

    /// The entry of that index, as [`Entry::index`] gave it for this very keyring.
    #[must_use]
    pub fn entry(&self, index: u32) -> Option<Entry<'_>> {
        self.table.record(index).is_some_and(|record| !record.is_filler()).then(|| Entry::new(self, index))
    }

    /// The peppers that it was built with.
    #[must_use]
    pub fn peppers(&self) -> &Arc<Peppers> {
        &self.peppers
    }

    #[cfg(gracekey_memcheck)]
    pub(crate) fn stored(&self) -> impl Iterator<Item = (*const u8, usize)> {
        self.table.stored()
    }

    #[cfg(gracekey_memcheck)]
    pub(crate) fn probe(&self, key: &[u8]) -> subtle::Choice {
        let probes = self.peppers.iter().filter_map(|pepper| self.table.probe(&pepper.digest_words(key)));
        probes.fold(subtle::Choice::from(0), |found, (_, same)| found | same)
    }

    fn text(&self, span: Span) -> &str {
        let start = usize::try_from(span.start).unwrap_or(usize::MAX);
        self.names.get(start..start.saturating_add(span.len.into())).unwrap_or_default()
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("epoch", &self.epoch).field("keys", &self.len()).finish_non_exhaustive()
    }
}
