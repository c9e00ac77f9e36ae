use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Keyring;
use super::build::Building;
use crate::document::{DocumentError, Reader, Taker};
use crate::pepper::Peppers;

/// A keyring that is built while its sealed document comes in, piece by piece: then the text never stands in memory as a
/// whole.
///
/// Nothing of it counts before [`Opening::finish`] has checked the seal. The members of the document must stand as
/// `gracekey` writes them, `keys` behind all others but `seal`.
pub struct Opening {
    peppers: Arc<Peppers>,
    reader: Reader,
    building: Building,
    /// The beginning of an item whose rest is still to come.
    pending: Vec<u8>,
    /// Bytes in all, as far as is known, and those that were read.
    total: usize,
    read: usize,
    room: Room,
}

/// Whether there is room for all keys that will come.
enum Room {
    /// None came yet.
    Unknown,
    /// Bytes and keys that were read when nothing but keys was to come.
    Measured {
        read: usize,
        seen: usize,
    },
    Made,
}

impl Opening {
    /// More than any item has: a client with all the scopes that one can think of.
    const MAX_ITEM: usize = 1 << 20;
    /// So many keys tell how long one is.
    const SAMPLE: usize = 64;

    /// Begins. `total` is how many bytes will come, or 0 where nobody knows.
    #[must_use]
    pub fn new(peppers: Arc<Peppers>, total: usize) -> Self {
        let (reader, building) = (Reader::new(&peppers), Building::new(Arc::clone(&peppers)));
        Self { peppers, reader, building, pending: Vec::new(), total, read: 0, room: Room::Unknown }
    }

    /// Reads the next piece.
    ///
    /// # Errors
    /// [`DocumentError`], for whatever is wrong with the text so far.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), DocumentError> {
        if self.pending.is_empty() {
            let read = self.take(piece)?;
            self.pending.extend_from_slice(piece.get(read..).unwrap_or_default());
        } else {
            let mut text = core::mem::take(&mut self.pending);
            text.extend_from_slice(piece);
            let read = self.take(&text)?;
            self.pending.extend_from_slice(text.get(read..).unwrap_or_default());
        }
        if self.pending.len() > Self::MAX_ITEM {
            return Err(DocumentError::field("".into(), "one client or key is longer than 1 MiB"));
        }
        Ok(())
    }

    /// Checks that all has come, and the seal, and builds the keyring.
    ///
    /// # Errors
    /// [`DocumentError`], for whatever is wrong with the text, the seal or the keys.
    pub fn finish(mut self) -> Result<Keyring, DocumentError> {
        let rest = core::mem::take(&mut self.pending);
        self.reader.read(&rest, true, &mut self.building)?;
        let header = self.reader.finish(&self.peppers)?;
        self.building.finish(&header)
    }

    fn take(&mut self, text: &[u8]) -> Result<usize, DocumentError> {
        let read = self.reader.read(text, false, &mut self.building)?;
        self.read += read;
        let seen = self.building.keys_seen;
        match self.room {
            // The piece may have begun with clients.
            Room::Unknown if seen > 0 => self.room = Room::Measured { read: self.read, seen },
            Room::Measured { read: begun, seen: first } if seen >= first + Self::SAMPLE => {
                // A vector that grows by doubling takes three times the room that it needs in the end.
                let (left, each) = (self.total.saturating_sub(self.read), (self.read - begun) / (seen - first));
                let keys = left.checked_div(each).unwrap_or(0);
                self.building.expect(keys + keys / 64);
                self.room = Room::Made;
            }
            _ => {}
        }
        Ok(read)
    }
}
