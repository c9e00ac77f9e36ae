use alloc::vec;
use alloc::vec::Vec;

use subtle::Choice;

use super::record::Record;
use crate::secret::{self, Words};

/// The digests, found with one probe of constant shape: a perfect hash table.
///
/// The first word of a digest names its bucket of about four. Each bucket has a pilot, a number found when the table is
/// built, which sends all digests of the bucket to places of their own (hash and displace). So a look-up reads one
/// pilot and one record, and compares that record's whole digest, whatever was asked and however many records there
/// are. The digests are HMACs, so their own words serve as hashes, and nobody without the pepper can choose them.
pub(super) struct Table {
    pilots: Vec<u16>,
    records: Vec<Record>,
    /// Indices of the records that hold no filler, in the order of the input.
    len: usize,
}

/// Why no table could be built.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TableError {
    /// These two of the input have one digest.
    Duplicate(usize, usize),
    /// The digests are not spread as HMACs are.
    NotUniform,
}

impl Table {
    /// Digests per bucket. More make the pilots smaller and the building longer.
    const LOAD: usize = 4;
    const ATTEMPTS: usize = 8;

    /// Builds the table over `digests`, each with the record that `record` makes for its index.
    pub(super) fn new(digests: &[&Words], record: impl Fn(usize) -> Record) -> Result<Self, TableError> {
        let buckets = Buckets::new(digests)?;
        buckets.iter().try_for_each(check_distinct)?;
        // One place in eight stays free at first: with fewer free places the last pilots take long to find.
        let mut places = digests.len() + digests.len() / 7 + 1;
        for _ in 0..Self::ATTEMPTS {
            if let Some((pilots, taken)) = displace(&buckets, digests.len(), places) {
                let mut records = Vec::with_capacity(places);
                records.resize_with(places, Record::filler);
                for (at, place) in taken.into_iter().enumerate() {
                    if let Some(slot) = records.get_mut(index(place)) {
                        *slot = record(at);
                    }
                }
                return Ok(Self { pilots, records, len: digests.len() });
            }
            places += places / 8 + 1;
        }
        Err(TableError::NotUniform)
    }

    /// The index of the record with that digest.
    #[inline]
    pub(super) fn find(&self, digest: &Words) -> Option<u32> {
        let (place, same) = self.probe(digest)?;
        secret::declassify(same).then(|| u32::try_from(place).ok()).flatten()
    }

    /// The one place where that digest could stand, and whether it does, which is still a secret.
    #[inline]
    pub(super) fn probe(&self, digest: &Words) -> Option<(usize, Choice)> {
        let pilot = *self.pilots.get(secret::landing(spread(digest[0], self.pilots.len())))?;
        let place = secret::landing(place_of(digest, pilot, self.records.len()));
        let record = self.records.get(place)?;
        Some((place, secret::same(&record.digest, digest)))
    }

    #[inline]
    pub(super) fn record(&self, index: u32) -> Option<&Record> {
        self.records.get(usize::try_from(index).ok()?)
    }

    #[cfg(gracekey_memcheck)]
    pub(super) fn stored(&self) -> impl Iterator<Item = (*const u8, usize)> {
        let digests = self.records.iter().map(|record| (record.digest.as_ptr().cast(), size_of::<Words>()));
        digests.chain(self.pilots.iter().map(|pilot| ((&raw const *pilot).cast(), size_of::<u16>())))
    }

    /// The indices of all records that are no fillers.
    pub(super) fn indices(&self) -> impl Iterator<Item = u32> {
        (0_u32..).zip(&self.records).filter(|(_, record)| !record.is_filler()).map(|(index, _)| index)
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

/// The digests, sorted by bucket: copies, so that those of one bucket lie side by side.
struct Buckets {
    members: Vec<Member>,
    /// Where each bucket begins in `members`, and one more at the end.
    starts: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Member {
    digest: Words,
    /// Its index in the input.
    index: u32,
}

impl Buckets {
    fn new(digests: &[&Words]) -> Result<Self, TableError> {
        let count = digests.len() / Table::LOAD + 1;
        let mut starts = vec![0_u32; count + 2];
        for digest in digests {
            if let Some(size) = starts.get_mut(spread(digest[0], count) + 2) {
                *size += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        // Each start moves on to its end while the bucket is filled, and so becomes the start of the next.
        let mut members = vec![Member { digest: [0; 4], index: 0 }; digests.len()];
        for (at, digest) in digests.iter().enumerate() {
            let own = u32::try_from(at).map_err(|_| TableError::NotUniform)?;
            if let Some(next) = starts.get_mut(spread(digest[0], count) + 1) {
                if let Some(member) = members.get_mut(index(*next)) {
                    *member = Member { digest: **digest, index: own };
                }
                *next += 1;
            }
        }
        starts.pop();
        Ok(Self { members, starts })
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn bucket(&self, bucket: usize) -> &[Member] {
        let start = |bucket: usize| self.starts.get(bucket).map(|start| index(*start));
        start(bucket).zip(start(bucket + 1)).and_then(|(from, to)| self.members.get(from..to)).unwrap_or_default()
    }

    fn iter(&self) -> impl Iterator<Item = &[Member]> {
        (0..self.len()).map(|bucket| self.bucket(bucket))
    }
}

/// Two equal digests share a bucket, so only its few members are compared.
fn check_distinct(bucket: &[Member]) -> Result<(), TableError> {
    for (at, member) in bucket.iter().enumerate() {
        for earlier in bucket.iter().take(at) {
            if secret::declassify(secret::same(&earlier.digest, &member.digest)) {
                return Err(TableError::Duplicate(index(earlier.index), index(member.index)));
            }
        }
    }
    Ok(())
}

/// Finds a pilot for each bucket, the fullest first, and with them the place of each digest of the input. `None` when
/// one bucket has no pilot: take more places.
fn displace(buckets: &Buckets, digests: usize, places: usize) -> Option<(Vec<u16>, Vec<u32>)> {
    let mut pilots = vec![0_u16; buckets.len()];
    let mut taken = vec![0_u32; digests];
    let mut is_free = vec![true; places];
    let mut by_size: Vec<usize> = (0..buckets.len()).collect();
    by_size.sort_by_key(|bucket| core::cmp::Reverse(buckets.bucket(*bucket).len()));
    let mut wanted = Vec::new();
    for bucket in by_size {
        let members = buckets.bucket(bucket);
        let pilot = (0..=u16::MAX).find(|pilot| {
            wanted.clear();
            members.iter().all(|member| {
                let place = place_of(&member.digest, *pilot, places);
                let fits = is_free.get(place).is_some_and(|free| *free) && !wanted.contains(&place);
                wanted.push(place);
                fits
            })
        })?;
        *pilots.get_mut(bucket)? = pilot;
        for (place, member) in wanted.iter().zip(members) {
            *is_free.get_mut(*place)? = false;
            *taken.get_mut(index(member.index))? = u32::try_from(*place).ok()?;
        }
    }
    Some((pilots, taken))
}

/// A `u32` as an index: there is no smaller machine.
fn index(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// Where a digest stands under a pilot of its bucket.
#[inline]
fn place_of(digest: &Words, pilot: u16, places: usize) -> usize {
    let [_, second, third, _] = digest;
    spread(second.wrapping_add(u64::from(pilot).wrapping_mul(*third)), places)
}

/// Spreads a word over `count` without a division: the high half of their product.
#[inline]
fn spread(word: u64, count: usize) -> usize {
    let product = u128::from(word) * (count as u128);
    usize::try_from(product >> 64).unwrap_or(0)
}
