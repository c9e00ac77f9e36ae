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

    /// How many places that many records want. One in eight stays free at first: with fewer free places the last pilots
    /// take long to find.
    pub(super) fn places(len: usize) -> usize {
        len + len / 7 + 1
    }

    /// Builds the table of these records, where they are: a large keyring must not stand in memory twice.
    pub(super) fn new(mut records: Vec<Record>) -> Result<Self, TableError> {
        let len = records.len();
        let buckets = Buckets::new(&records)?;
        buckets.iter().try_for_each(|bucket| check_distinct(bucket, &records))?;
        let mut places = Self::places(len);
        for _ in 0..Self::ATTEMPTS {
            if let Some((pilots, taken)) = displace(&buckets, &records, places) {
                drop(buckets);
                // Room that a document was thought to need goes back, too.
                records.reserve_exact(places - len);
                records.resize_with(places, Record::filler);
                records.shrink_to_fit();
                put(&mut records, taken);
                return Ok(Self { pilots, records, len });
            }
            places += places / 8 + 1;
        }
        Err(TableError::NotUniform)
    }

    /// The table of one record, which is the one place for every digest.
    pub(super) fn of_one(record: Record) -> Self {
        let len = usize::from(!record.is_filler());
        Self { pilots: vec![0], records: vec![record], len }
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

/// The records by bucket, each by its index.
struct Buckets {
    members: Vec<u32>,
    /// Where each bucket begins in `members`, and one more at the end.
    starts: Vec<u32>,
}

impl Buckets {
    fn new(records: &[Record]) -> Result<Self, TableError> {
        let count = records.len() / Table::LOAD + 1;
        let mut starts = vec![0_u32; count + 2];
        for record in records {
            if let Some(size) = starts.get_mut(spread(record.digest[0], count) + 2) {
                *size += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        // Each start moves on to its end while the bucket is filled, and so becomes the start of the next.
        let mut members = vec![0; records.len()];
        for (at, record) in records.iter().enumerate() {
            let own = u32::try_from(at).map_err(|_| TableError::NotUniform)?;
            if let Some(next) = starts.get_mut(spread(record.digest[0], count) + 1) {
                if let Some(member) = members.get_mut(index(*next)) {
                    *member = own;
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

    fn bucket(&self, bucket: usize) -> &[u32] {
        let start = |bucket: usize| self.starts.get(bucket).map(|start| index(*start));
        start(bucket).zip(start(bucket + 1)).and_then(|(from, to)| self.members.get(from..to)).unwrap_or_default()
    }

    fn iter(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.len()).map(|bucket| self.bucket(bucket))
    }
}

/// Two equal digests share a bucket, so only its few members are compared.
fn check_distinct(bucket: &[u32], records: &[Record]) -> Result<(), TableError> {
    for (at, member) in bucket.iter().enumerate() {
        for earlier in bucket.iter().take(at) {
            let (Some(first), Some(second)) = (records.get(index(*earlier)), records.get(index(*member))) else {
                continue;
            };
            if secret::declassify(secret::same(&first.digest, &second.digest)) {
                return Err(TableError::Duplicate(index(*earlier), index(*member)));
            }
        }
    }
    Ok(())
}

/// Finds a pilot for each bucket, the fullest first, and with them the place of each record. `None` when one bucket has
/// no pilot: take more places.
fn displace(buckets: &Buckets, records: &[Record], places: usize) -> Option<(Vec<u16>, Vec<u32>)> {
    let mut pilots = vec![0_u16; buckets.len()];
    let mut taken = vec![NOWHERE; places];
    let mut is_free = vec![true; places];
    let mut by_size: Vec<u32> = (0..u32::try_from(buckets.len()).ok()?).collect();
    by_size.sort_unstable_by_key(|bucket| (core::cmp::Reverse(buckets.bucket(index(*bucket)).len()), *bucket));
    let (mut wanted, mut digests) = (Vec::new(), Vec::new());
    for bucket in by_size {
        let members = buckets.bucket(index(bucket));
        digests.clear();
        digests.extend(members.iter().filter_map(|member| records.get(index(*member))).map(|record| record.digest));
        let pilot = (0..=u16::MAX).find(|pilot| {
            wanted.clear();
            digests.iter().all(|digest| {
                let place = place_of(digest, *pilot, places);
                let fits = is_free.get(place).is_some_and(|free| *free) && !wanted.contains(&place);
                wanted.push(place);
                fits
            })
        })?;
        *pilots.get_mut(index(bucket))? = pilot;
        for (place, member) in wanted.iter().zip(members) {
            *is_free.get_mut(*place)? = false;
            *taken.get_mut(index(*member))? = u32::try_from(*place).ok()?;
        }
    }
    Some((pilots, taken))
}

/// The place of a filler: any that is left.
const NOWHERE: u32 = u32::MAX;

/// Puts each record where `places` says, by changing two at a time.
fn put(records: &mut [Record], mut places: Vec<u32>) {
    for at in 0..places.len() {
        while let Some(place) = places.get(at).copied().filter(|place| *place != NOWHERE && index(*place) != at) {
            places.swap(at, index(place));
            records.swap(at, index(place));
        }
    }
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
pub(super) fn spread(word: u64, count: usize) -> usize {
    let product = u128::from(word) * (count as u128);
    usize::try_from(product >> 64).unwrap_or(0)
}
