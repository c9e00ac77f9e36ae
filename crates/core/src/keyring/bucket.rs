//! A keyring cut into buckets of bytes, for verifiers that share one: each looks up a key in the one bucket where it could
//! stand, and needs no keyring of its own.
//!
//! ```text
//! epoch u64 │ slots u32 │ slots × digest │ entries one behind the other │ filling
//! ```
//!
//! Buckets are of one length, and each digest of a bucket is compared, so a look-up does the same work whatever it
//! finds. Numbers are in the order of the machine: buckets never leave it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use subtle::{Choice, ConditionallySelectable};

use super::record::Record;
use super::table::{Table, spread};
use super::{ClientRow, CredentialRow, Entry, Keyring, Span};
use crate::extract::extract;
use crate::key::{ApiKey, is_key_bytes};
use crate::names::Scope;
use crate::pepper::Peppers;
use crate::policy::Policy;
use crate::request::{Headers, Request};
use crate::secret::{self, Words};
use crate::time::Timestamp;

/// A keyring cut into buckets, one after the other.
pub struct Buckets<'k> {
    keyring: &'k Keyring,
    /// The indices of the entries, by bucket.
    members: Vec<u32>,
    starts: Vec<u32>,
    slots: usize,
    len: usize,
}

/// What a request presents, as it is looked up: one digest for each pepper.
///
/// It has no `Debug`, and says nothing but where to look.
pub struct Sought {
    digests: Vec<Words>,
}

const HEAD: usize = 12;

impl<'k> Buckets<'k> {
    /// Digests in a bucket, on average. More make a look-up longer, and fewer the filling larger.
    const LOAD: usize = 96;

    /// Cuts the keyring.
    #[must_use]
    pub fn new(keyring: &'k Keyring) -> Self {
        let count = Self::rounded(keyring.len() / Self::LOAD + 1);
        let of = |entry: &Entry<'_>| entry.words().map_or(0, |digest| spread(digest[0], count));
        let mut starts = vec![0_u32; count + 1];
        for entry in keyring.entries() {
            if let Some(size) = starts.get_mut(of(&entry) + 1) {
                *size += 1;
            }
        }
        let slots = starts.iter().copied().max().unwrap_or(0);
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut members: Vec<u32> = keyring.entries().map(Entry::index).collect();
        members.sort_unstable_by_key(|index| of(&Entry::new(keyring, *index)));
        let mut buckets = Self { keyring, members, starts, slots: usize::try_from(slots).unwrap_or(0), len: 0 };
        buckets.len = (0..count).map(|at| buckets.write(at).len()).max().unwrap_or(0);
        buckets
    }

    /// A few keys more or less must not change the number of buckets, in which all of them would move.
    fn rounded(count: usize) -> usize {
        let step = (count.next_power_of_two() / 16).max(1);
        count.div_ceil(step) * step
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// Their bytes, in order.
    pub fn iter(&self) -> impl Iterator<Item = Vec<u8>> {
        (0..self.count()).map(|at| {
            let mut bytes = self.write(at);
            bytes.resize(self.len, 0);
            bytes
        })
    }

    /// The bytes of a bucket without filling.
    fn write(&self, bucket: usize) -> Vec<u8> {
        let start = |at: usize| self.starts.get(at).and_then(|start| usize::try_from(*start).ok()).unwrap_or(0);
        let members = self.members.get(start(bucket)..start(bucket + 1)).unwrap_or_default();
        let entries = || members.iter().map(|index| Entry::new(self.keyring, *index));
        let mut bytes = Vec::with_capacity(self.len.max(HEAD + self.slots * 32));
        bytes.extend_from_slice(&self.keyring.epoch.to_ne_bytes());
        bytes.extend_from_slice(&u32::try_from(self.slots).unwrap_or(0).to_ne_bytes());
        for digest in entries().filter_map(|entry| entry.words()) {
            bytes.extend_from_slice(&secret::bytes(digest));
        }
        bytes.resize(HEAD + self.slots * 32, 0);
        for entry in entries() {
            entry.write(&mut bytes);
        }
        bytes
    }
}

impl Sought {
    /// What `decide` would look up for this request; `None` where it would not look.
    pub fn new<'r, H: Headers<'r>>(policy: &Policy, peppers: &Peppers, request: &Request<'r, H>) -> Option<Self> {
        let presented = extract(policy, request);
        let key = presented.credential.as_ref()?;
        if presented.ambiguous || !ApiKey::LENGTHS.contains(&key.len()) || !is_key_bytes(key) {
            return None;
        }
        Some(Self { digests: peppers.iter().map(|pepper| pepper.digest_words(key)).collect() })
    }

    /// In which of so many buckets to look, one for each pepper.
    pub fn buckets(&self, count: usize) -> impl Iterator<Item = usize> {
        self.digests.iter().map(move |digest| secret::landing(spread(digest[0], count)))
    }

    /// The keyring of the one key that was found in these buckets, in the order of [`Self::buckets`]: or of none. `None`
    /// if there is one of before that epoch. While a newer keyring is laid out, some of its buckets are there already.
    #[must_use]
    pub fn find(&self, buckets: &[Vec<u8>], epoch: u64, peppers: &Arc<Peppers>) -> Option<Keyring> {
        if buckets.len() != self.digests.len() || buckets.iter().any(|bucket| Bucket::read(bucket, epoch).is_none()) {
            return None;
        }
        let mut found = None;
        for (digest, bucket) in self.digests.iter().zip(buckets) {
            let bucket = Bucket::read(bucket, epoch)?;
            // Asked whether or not the key was found already, as in a whole keyring.
            found = found.or(bucket.find(digest).map(|at| (bucket, at, digest)));
        }
        let mut one = Keyring::empty(epoch, peppers);
        if let Some((bucket, at, digest)) = found {
            one.take(&mut bucket.entry(at)?, *digest)?;
        }
        Some(one)
    }
}

/// A bucket, as it is read.
#[derive(Clone, Copy)]
struct Bucket<'b> {
    digests: &'b [[u8; 32]],
    entries: &'b [u8],
}

impl<'b> Bucket<'b> {
    fn read(bytes: &'b [u8], epoch: u64) -> Option<Self> {
        let (own, rest) = bytes.split_first_chunk::<8>()?;
        let (slots, rest) = rest.split_first_chunk::<4>()?;
        let slots = usize::try_from(u32::from_ne_bytes(*slots)).ok()?;
        let (digests, entries) = rest.split_at_checked(slots.checked_mul(32)?)?;
        (u64::from_ne_bytes(*own) >= epoch).then_some(Self { digests: digests.as_chunks().0, entries })
    }

    /// Where that digest stands. All of them are looked at.
    fn find(&self, digest: &Words) -> Option<usize> {
        let (mut found, mut at) = (Choice::from(0), 0_u32);
        for (slot, own) in (0_u32..).zip(self.digests) {
            let same = secret::same(&secret::words(own), digest);
            at.conditional_assign(&slot, same);
            found |= same;
        }
        secret::declassify(found).then(|| usize::try_from(at).ok()).flatten()
    }

    /// The bytes from the entry at that place on.
    fn entry(&self, at: usize) -> Option<Cursor<'b>> {
        let mut cursor = Cursor(self.entries);
        for _ in 0..at {
            let len = cursor.number()?;
            cursor.bytes(len)?;
        }
        cursor.number()?;
        Some(cursor)
    }
}

impl Entry<'_> {
    fn write(self, bytes: &mut Vec<u8>) {
        let mut entry = Vec::with_capacity(64);
        self.write_record(&mut entry);
        for name in [self.client_id(), self.credential()] {
            text(&mut entry, name);
        }
        let scopes = self.scopes();
        entry.extend_from_slice(&u16::try_from(scopes.len()).unwrap_or(u16::MAX).to_ne_bytes());
        for scope in scopes.iter().take(usize::from(u16::MAX)) {
            text(&mut entry, scope.as_str());
        }
        bytes.extend_from_slice(&u16::try_from(entry.len()).unwrap_or(u16::MAX).to_ne_bytes());
        bytes.extend_from_slice(&entry);
    }
}

/// A name has at most 128 bytes.
fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(u8::try_from(text.len()).unwrap_or(0));
    bytes.extend_from_slice(text.as_bytes());
}

impl Keyring {
    /// A keyring without keys.
    #[must_use]
    pub fn empty(epoch: u64, peppers: &Arc<Peppers>) -> Self {
        Self {
            peppers: Arc::clone(peppers),
            table: Table::of_one(Record::filler()),
            clients: Vec::new(),
            credentials: Vec::new(),
            names: Box::default(),
            scopes: Vec::new(),
            epoch,
            issued_at: Timestamp::MIN,
            content: [0; 4],
        }
    }

    /// The same epoch and content without the keys, once these are laid out elsewhere: what the next keyring must follow.
    #[must_use]
    pub fn without_keys(self) -> Self {
        let Self { ref peppers, epoch, issued_at, content, .. } = self;
        Self { issued_at, content, ..Self::empty(epoch, peppers) }
    }

    /// Becomes the keyring of that one entry.
    fn take(&mut self, entry: &mut Cursor<'_>, digest: Words) -> Option<()> {
        let record = Record::read(entry, digest)?;
        let disabled = record.disabled();
        let mut names = String::new();
        let mut name = || {
            let text = entry.text()?;
            let span = Span { start: u32::try_from(names.len()).ok()?, len: u8::try_from(text.len()).ok()? };
            names.push_str(text);
            Some(span)
        };
        let (client, credential) = (name()?, name()?);
        let mut scopes: Vec<Scope> = Vec::new();
        for _ in 0..entry.number()? {
            scopes.push(entry.text()?.parse().ok()?);
        }
        self.table = Table::of_one(record);
        self.clients = vec![ClientRow { name: client, scopes: 0, disabled }];
        self.credentials = vec![CredentialRow { client: 0, name: credential }];
        self.names = names.into_boxed_str();
        self.scopes = vec![scopes.into_boxed_slice()];
        Some(())
    }
}

/// Bytes that are read from front to back.
pub(super) struct Cursor<'b>(&'b [u8]);

impl<'b> Cursor<'b> {
    pub(super) fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*chunk)
    }

    fn bytes(&mut self, len: usize) -> Option<&'b [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn number(&mut self) -> Option<usize> {
        self.chunk().map(u16::from_ne_bytes).map(usize::from)
    }

    fn text(&mut self) -> Option<&'b str> {
        let [len] = self.chunk()?;
        core::str::from_utf8(self.bytes(len.into())?).ok()
    }
}
