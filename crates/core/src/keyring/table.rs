use alloc::vec::Vec;

use super::record::Record;
use crate::secret::{self, Words};

/// The digests, found with one probe of constant shape.
///
/// A digest names its bucket with its first word and its place in there with 32 bits of its second. A bucket is one
/// cache line: the tags of at most 15 records, which lie side by side. So a look-up reads one bucket, all its tags, and
/// one record, and compares that record's whole digest, whatever was asked and however many records there are.
pub(super) struct Table {
    buckets: Vec<Bucket>,
    /// Sorted by bucket, and then as many fillers as a probe may overshoot.
    records: Vec<Record>,
}

#[repr(align(64))]
#[derive(Clone, Copy)]
struct Bucket {
    base: u32,
    tags: [u32; Table::SLOTS],
}

/// The buckets, and the indices of the digests in the order of their records.
type Layout = (Vec<Bucket>, Vec<usize>);

/// Why no table could be built.
pub(super) enum TableError {
    /// These two of the input have one digest.
    Duplicate(usize, usize),
    /// The digests are not spread as HMACs are.
    NotUniform,
}

impl Table {
    const SLOTS: usize = 15;
    /// Records per bucket at first. More than 15 of 3 expected happens once in 10^7 buckets, and then the table grows.
    const LOAD: usize = 3;
    const ATTEMPTS: usize = 24;

    /// Builds the table over `digests`, each with the record that `record` makes for its index.
    pub(super) fn new(digests: &[&Words], record: impl Fn(usize) -> Record) -> Result<Self, TableError> {
        let mut count = digests.len() / Self::LOAD + 1;
        for _ in 0..Self::ATTEMPTS {
            if let Some((buckets, order)) = layout(digests, count)? {
                let fillers = (0..Self::SLOTS).map(|_| Record::filler());
                let mut records = Vec::with_capacity(order.len() + Self::SLOTS);
                records.extend(order.into_iter().map(record).chain(fillers));
                return Ok(Self { buckets, records });
            }
            count += count / 4 + 1;
        }
        Err(TableError::NotUniform)
    }

    /// The index of the record with that digest.
    #[inline]
    pub(super) fn find(&self, digest: &Words) -> Option<u32> {
        let [first, second, ..] = digest;
        let bucket = self.buckets.get(bucket_of(*first, self.buckets.len()))?;
        let index = bucket.base.wrapping_add(secret::position(&bucket.tags, tag_of(*second)));
        let record = self.records.get(usize::try_from(index).ok()?)?;
        secret::declassify(secret::same(&record.digest, digest)).then_some(index)
    }

    pub(super) fn record(&self, index: u32) -> Option<&Record> {
        self.records.get(usize::try_from(index).ok()?)
    }

    pub(super) fn len(&self) -> usize {
        self.records.len().saturating_sub(Self::SLOTS)
    }
}

/// Sorts the digests into that many buckets. `None` when a bucket overflows or two of its tags agree: take more buckets.
fn layout(digests: &[&Words], count: usize) -> Result<Option<Layout>, TableError> {
    let mut order: Vec<(usize, u32, usize)> = digests
        .iter()
        .enumerate()
        .map(|(at, [first, second, ..])| (bucket_of(*first, count), tag_of(*second), at))
        .collect();
    order.sort_unstable();
    for pair in order.windows(2) {
        if let [(bucket, tag, at), (next_bucket, next_tag, next)] = pair
            && (bucket, tag) == (next_bucket, next_tag)
        {
            return match (digests.get(*at), digests.get(*next)) {
                (Some(one), Some(other)) if secret::declassify(secret::same(one, other)) => {
                    Err(TableError::Duplicate(*at.min(next), *at.max(next)))
                }
                _ => Ok(None),
            };
        }
    }
    let mut buckets = Vec::with_capacity(count);
    let mut rest = order.as_slice();
    let mut base = 0_u32;
    for bucket in 0..count {
        let here = rest.partition_point(|(of, ..)| *of == bucket);
        let (mine, others) = rest.split_at_checked(here).unwrap_or((rest, &[]));
        if here > Table::SLOTS {
            return Ok(None);
        }
        let mut tags = [0; Table::SLOTS];
        for (tag, (_, wanted, _)) in tags.iter_mut().zip(mine) {
            *tag = *wanted;
        }
        buckets.push(Bucket { base, tags });
        base += u32::try_from(here).map_err(|_| TableError::NotUniform)?;
        rest = others;
    }
    Ok(Some((buckets, order.into_iter().map(|(.., at)| at).collect())))
}

/// Spreads the word over `count` buckets without a division: the high half of their product.
#[inline]
fn bucket_of(word: u64, count: usize) -> usize {
    let spread = (u128::from(word) * (count as u128)) >> 64;
    usize::try_from(spread).unwrap_or(0)
}

#[inline]
fn tag_of(word: u64) -> u32 {
    u32::try_from(word >> 32).unwrap_or(0)
}
