//! The floor under a look-up whose record lies in no cache: one hash, and one read of memory that waits for it.

use std::hint::black_box;

use crate::SetUp;
use crate::world::Random;

/// One cache line, as a record of a ring is one: where the next one lies, and nothing.
#[derive(Clone)]
#[repr(align(64))]
struct Line {
    next: usize,
}

/// As many lines as a ring of 1,000,000 keys has records.
const LINES: usize = 1_142_858;

/// A walk through some of many lines in no order.
pub(crate) struct Chase {
    lines: Vec<Line>,
    at: usize,
}

impl Chase {
    pub(crate) fn new(different: usize) -> SetUp<Self> {
        let mut random = Random(0x5851_F42D_4C95_7F2D);
        let mut order: Vec<usize> = (0..LINES).collect();
        for at in 0..different {
            order.swap(at, at + random.below(LINES - at));
        }
        order.truncate(different);
        let mut lines = vec![Line { next: 0 }; LINES];
        for (from, to) in order.iter().zip(order.iter().cycle().skip(1)) {
            lines.get_mut(*from).ok_or("a line")?.next = *to;
        }
        Ok(Self { lines, at: *order.first().ok_or("a line")? })
    }

    /// Reads the next line, which it does not know before it knows `hash`, though that changes nothing.
    #[inline]
    pub(crate) fn read_behind(&mut self, hash: u8) {
        let nothing = usize::from(hash & black_box(0));
        self.at = self.lines.get(self.at + nothing).map_or(0, |line| line.next);
    }
}
