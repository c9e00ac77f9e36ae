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
        let buckets = digests.len() / Self::LOAD + 1;
        let sorted = sorted(digests, buckets)?;
        (0..buckets).try_for_each(|bucket| check_distinct(digests, sorted.bucket(bucket)))?;
        // One place in eight stays free at first: with fewer free places the last pilots take long to find.
        let mut places = digests.len() + digests.len() / 7 + 1;
        for _ in 0..Self::ATTEMPTS {
            if let Some((pilots, order)) = displace(digests, &sorted, buckets, places) {
                let made = order.into_iter().map(|at| at.map_or_else(Record::filler, &record));
                let mut records = Vec::with_capacity(places);
                records.extend(made);
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

/// The indices of the digests, sorted by bucket.
struct Sorted {
    order: Vec<u32>,
    /// Where each bucket begins in `order`, and one more at the end.
    starts: Vec<u32>,
}

impl Sorted {
    fn bucket(&self, bucket: usize) -> &[u32] {
        let at = |bucket: usize| self.starts.get(bucket).and_then(|start| usize::try_from(*start).ok());
        at(bucket).zip(at(bucket + 1)).and_then(|(start, end)| self.order.get(start..end)).unwrap_or_default()
    }
}

fn sorted(digests: &[&Words], buckets: usize) -> Result<Sorted, TableError> {
    let number = |at: usize| u32::try_from(at).map_err(|_| TableError::NotUniform);
    let mut starts = vec![0_u32; buckets + 2];
    for digest in digests {
        if let Some(count) = starts.get_mut(spread(digest[0], buckets) + 2) {
            *count += 1;
        }
    }
    let mut sum = 0;
    for start in &mut starts {
        sum += *start;
        *start = sum;
    }
    // Each start moves on to its end while the bucket is filled, and so becomes the start of the next.
    let mut order = vec![0; digests.len()];
    for (at, digest) in digests.iter().enumerate() {
        if let Some(next) = starts.get_mut(spread(digest[0], buckets) + 1) {
            if let Some(slot) = order.get_mut(usize::try_from(*next).unwrap_or(usize::MAX)) {
                *slot = number(at)?;
            }
            *next += 1;
        }
    }
    Ok(Sorted { order, starts })
}

/// Two equal digests share a bucket, so only its few members are compared.
fn check_distinct(digests: &[&Words], members: &[u32]) -> Result<(), TableError> {
    let index = |member: u32| usize::try_from(member).unwrap_or(usize::MAX);
    for (at, member) in members.iter().enumerate() {
        for earlier in members.iter().take(at) {
            if let (Some(one), Some(other)) = (digests.get(index(*earlier)), digests.get(index(*member)))
                && secret::declassify(secret::same(one, other))
            {
                return Err(TableError::Duplicate(index(*earlier), index(*member)));
            }
        }
    }
    Ok(())
}

/// For each place the index of the digest that stands there.
type Placed = Vec<Option<usize>>;

/// Finds a pilot for each bucket, the fullest first. `None` when one bucket has none: take more places.
fn displace(digests: &[&Words], sorted: &Sorted, buckets: usize, places: usize) -> Option<(Vec<u16>, Placed)> {
    let mut pilots = vec![0_u16; buckets];
    let mut taken: Placed = vec![None; places];
    let mut by_size: Vec<usize> = (0..buckets).collect();
    by_size.sort_by_key(|bucket| core::cmp::Reverse(sorted.bucket(*bucket).len()));
    let mut wanted = Vec::new();
    for bucket in by_size {
        let members = sorted.bucket(bucket);
        if members.is_empty() {
            break;
        }
        let pilot = (0..=u16::MAX).find(|pilot| {
            wanted.clear();
            members.iter().all(|member| {
                let Some(digest) = usize::try_from(*member).ok().and_then(|at| digests.get(at)) else { return false };
                let place = place_of(digest, *pilot, places);
                let free = taken.get(place).is_some_and(Option::is_none) && !wanted.contains(&place);
                wanted.push(place);
                free
            })
        })?;
        *pilots.get_mut(bucket)? = pilot;
        for (place, member) in wanted.iter().zip(members) {
            *taken.get_mut(*place)? = usize::try_from(*member).ok();
        }
    }
    Some((pilots, taken))
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
