/// How many rows one answer holds: 1 to 1000, 100 by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(u16);

impl Limit {
    /// The most rows of one answer.
    pub const MAX: u16 = 1000;

    /// That many, or `None` for 0 and for more than [`Limit::MAX`].
    #[must_use]
    pub fn new(rows: u16) -> Option<Self> {
        (1..=Self::MAX).contains(&rows).then_some(Self(rows))
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(self) -> u16 {
        self.0
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}
