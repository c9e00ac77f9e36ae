//! Calls out of turn, for the sake of keys that nobody knows yet: when to make one, and who waits for which.

use crate::fetch::Call;

/// The calls out of turn. Times are nanoseconds since 1970.
///
/// All who ask before a call is made share its answer. Who comes later waits for the next one, since an answer may be
/// older than the key. Only calls that brought nothing count against the rate, so that keys that are really new never
/// wait for it, be they many.
#[derive(Default)]
pub(crate) struct Refresh {
    wanted: bool,
    call: Option<Call>,
    /// How many calls were made.
    made: u64,
    /// The keyring changed since the last one was answered, by whichever way.
    news: bool,
    /// Each call for nothing moves this on by [`Self::REST`], from now at the earliest.
    paid_until: u64,
}

/// What a request waits for.
#[derive(Clone, Copy)]
pub(crate) struct Answer {
    /// The number of the call.
    call: u64,
    /// Or this moment, whichever comes first.
    pub(crate) until: u64,
}

impl Refresh {
    const SECOND: u64 = 1_000_000_000;
    /// A call for nothing is made once in that time,
    const REST: u64 = Self::SECOND;
    /// and so many in a row after a quiet while.
    const IN_A_ROW: u64 = 8;
    /// The longest wait: for a rest to be over, and for an answer.
    const PATIENCE: u64 = 2 * Self::SECOND;

    /// Asks for a call.
    pub(crate) fn want(&mut self, now: u64) -> Answer {
        self.wanted = true;
        Answer { call: self.made + 1, until: now.saturating_add(Self::PATIENCE) }
    }

    /// Whether a call is to be made now.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.wanted && self.call.is_none() && now >= self.rested_at()
    }

    /// The call was made, or could not be.
    pub(crate) fn made(&mut self, now: u64, call: Option<Call>) {
        self.wanted = false;
        // What came before the first one is no news.
        self.news &= self.made > 0;
        self.made += 1;
        let failed = call.is_none();
        self.call = call;
        if failed {
            self.pay(now);
        }
    }

    /// The call that is under way.
    pub(crate) fn call(&self) -> Option<&Call> {
        self.call.as_ref()
    }

    /// The keyring changed, through whichever call.
    pub(crate) fn news(&mut self) {
        self.news = true;
    }

    /// The call was answered, or counts as lost.
    pub(crate) fn answered(&mut self, now: u64) {
        if self.call.take().is_some() && !std::mem::take(&mut self.news) {
            self.pay(now);
        }
    }

    /// Whether a request has waited long enough.
    pub(crate) fn is_over(&self, answer: Answer, now: u64) -> bool {
        let done = self.made - u64::from(self.call.is_some());
        answer.call <= done || answer.until <= now
    }

    /// When something is to be done.
    pub(crate) fn wakes_at(&self) -> Option<u64> {
        match &self.call {
            Some(call) => Some(call.until),
            None => self.wanted.then(|| self.rested_at()),
        }
    }

    fn rested_at(&self) -> u64 {
        self.paid_until.saturating_sub((Self::IN_A_ROW - 1) * Self::REST)
    }

    fn pay(&mut self, now: u64) {
        self.paid_until = self.paid_until.max(now).saturating_add(Self::REST);
    }
}
