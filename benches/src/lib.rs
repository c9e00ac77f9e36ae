//! What the benches measure: each case once, for criterion and for the table of ratios alike.

mod chase;
mod clock;
mod decisions;
mod layer;
mod others;
mod world;

pub use clock::{on_processor, timed};
pub use world::{World, document, now, peppers};

use std::error::Error;

/// Whatever a bench can stumble over while it is set up.
pub type SetUp<T> = Result<T, Box<dyn Error>>;

/// One thing that is measured.
pub struct Case {
    /// What it is, like `decide, hit`.
    pub name: &'static str,
    /// Under which circumstances, like `1,000 keys, one key`.
    pub circumstances: String,
    set_up: Box<dyn FnOnce() -> SetUp<Run>>,
}

/// Does it so many times.
pub type Run = Box<dyn FnMut(u64)>;

impl Case {
    /// The name of the case that all others are told as a multiple of.
    pub const BASE: &str = "bare HMAC-SHA256";

    /// `set_up` makes what is done once, and only for a case that runs: a ring of a million keys takes its time.
    fn new<F: FnMut() + 'static>(
        name: &'static str,
        circumstances: impl Into<String>,
        set_up: impl FnOnce() -> SetUp<F> + 'static,
    ) -> Self {
        let run = || set_up().map(|mut once| -> Run { Box::new(move |times| (0..times).for_each(|_| once())) });
        Self { name, circumstances: circumstances.into(), set_up: Box::new(run) }
    }

    /// Whether the start of its row in the table, like `decide, hit | 1 key, one key`, holds this text.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        format!("{} | {}", self.name, self.circumstances).contains(text)
    }

    /// Makes it ready to run.
    ///
    /// # Errors
    /// When a key, a ring or a policy can't be made, which would be a defect of the benches.
    pub fn set_up(self) -> SetUp<Run> {
        (self.set_up)()
    }
}

/// All cases, the base first.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = decisions::cases();
    cases.extend(layer::cases());
    cases.extend(others::cases());
    cases
}

/// A number with a comma after every third digit.
#[must_use]
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
