use alloc::vec::Vec;

use super::bucket::Cursor;
use crate::document::{End, Generation};
use crate::key::KeyId;
use crate::secret::Words;
use crate::time::Timestamp;

/// All that a decision needs of one generation, in one cache line.
#[repr(align(64))]
pub(super) struct Record {
    pub(super) digest: Words,
    moments: u128,
    pub(super) key_id: KeyId,
    pub(super) credential: u32,
    /// 24 bits of generation number, then the flags.
    number: u32,
}

const _: () = assert!(size_of::<Record>() == 64);

/// Three moments of 42 bits each, so that a record fits its cache line: counted in seconds from year 0, and the largest
/// number for "never".
const BITS: u32 = 42;
const NEVER: u64 = (1 << BITS) - 1;

/// What each of the three moments is where the document has none.
const UNSET: [(u32, u64); 3] = [(0, 0), (1, NEVER), (2, NEVER)];

const DISABLED: u32 = 1 << 24;
/// The end is a revocation, or an expiry.
const ENDS_REVOKED: u32 = 1 << 25;
const ENDS_EXPIRED: u32 = 1 << 26;
/// It was revoked, and be it after another end.
const REVOKED: u32 = 1 << 27;

impl Record {
    pub(super) fn new(generation: &Generation, credential: u32, disabled: bool) -> Self {
        let end = generation.end();
        let ends = match end {
            Some((_, End::Revoked)) => ENDS_REVOKED,
            Some((_, End::Expired)) => ENDS_EXPIRED,
            _ => 0,
        };
        let flag = |flag, is_set| if is_set { flag } else { 0 };
        let flags = ends | flag(DISABLED, disabled) | flag(REVOKED, generation.revoked_at.is_some());
        let moments = [
            generation.not_before.map_or(0, pack),
            generation.superseded_at.map_or(NEVER, pack),
            end.map_or(NEVER, |(at, _)| pack(at)),
        ];
        Self {
            digest: *generation.digest.words(),
            moments: moments.iter().rev().fold(0, |all, moment| all << BITS | u128::from(*moment)),
            key_id: generation.key_id,
            credential,
            number: generation.generation | flags,
        }
    }

    /// Writes all but the digest and the credential, in as few bytes as the moments need.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        let moments = UNSET.map(|(which, unset)| (self.moment(which), unset));
        let set = moments.iter().rev().fold(0, |set, (moment, unset)| set << 1 | u8::from(moment != unset));
        bytes.push(set);
        bytes.extend_from_slice(&self.number.to_ne_bytes());
        bytes.extend_from_slice(self.key_id.as_str().as_bytes());
        for (moment, _) in moments.iter().filter(|(moment, unset)| moment != unset) {
            bytes.extend_from_slice(&moment.to_ne_bytes());
        }
    }

    /// Reads what [`Self::write`] wrote.
    pub(super) fn read(bytes: &mut Cursor<'_>, digest: Words) -> Option<Self> {
        let [set] = bytes.chunk()?;
        let number = u32::from_ne_bytes(bytes.chunk()?);
        let key_id = KeyId::from_bytes(bytes.chunk()?)?;
        let mut moments = 0;
        for (which, unset) in UNSET {
            let moment = if set >> which & 1 == 1 { u64::from_ne_bytes(bytes.chunk()?) } else { unset };
            moments |= u128::from(moment & NEVER) << (which * BITS);
        }
        Some(Self { digest, moments, key_id, credential: 0, number })
    }

    /// What a probe reads where no record is.
    pub(super) fn filler() -> Self {
        Self { digest: [0; 4], moments: 0, key_id: KeyId::NOBODY, credential: u32::MAX, number: REVOKED | DISABLED }
    }

    pub(super) fn is_filler(&self) -> bool {
        self.credential == u32::MAX
    }

    pub(super) fn generation(&self) -> u32 {
        self.number & Generation::MAX
    }

    pub(super) fn disabled(&self) -> bool {
        self.number & DISABLED != 0
    }

    pub(super) fn revoked(&self) -> bool {
        self.number & REVOKED != 0
    }

    pub(super) fn not_before(&self) -> Option<Timestamp> {
        Some(self.moment(0)).filter(|moment| *moment != 0).and_then(unpack)
    }

    pub(super) fn superseded_at(&self) -> Option<Timestamp> {
        unpack(self.moment(1))
    }

    pub(super) fn end(&self) -> Option<(Timestamp, End)> {
        let end = match (self.number & ENDS_REVOKED != 0, self.number & ENDS_EXPIRED != 0) {
            (true, _) => End::Revoked,
            (_, true) => End::Expired,
            _ => End::Retired,
        };
        unpack(self.moment(2)).map(|at| (at, end))
    }

    #[inline]
    fn moment(&self, which: u32) -> u64 {
        u64::try_from(self.moments >> (which * BITS) & u128::from(NEVER)).unwrap_or(NEVER)
    }
}

fn pack(moment: Timestamp) -> u64 {
    moment.seconds_since(Timestamp::MIN)
}

#[inline]
fn unpack(packed: u64) -> Option<Timestamp> {
    if packed == NEVER {
        return None;
    }
    Timestamp::from_unix_seconds(i64::try_from(packed).ok()?.saturating_add(Timestamp::MIN.unix_seconds()))
}
