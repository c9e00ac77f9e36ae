//! A second look at the source, before a key that the held keyring does not know is refused.
//!
//! A key that was issued a moment ago may be used before its keyring is here. So a request with an unknown key asks the
//! source for news and waits. All that ask before the source begins to look share its answer; who comes later waits for
//! the next one, since an answer may be older than the key. A source that was asked too often for nothing rests for a
//! while, and unknown keys are refused at once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

#[cfg(feature = "recheck")]
mod rechecking;

use crate::live::LiveKeyring;

#[cfg(feature = "feed")]
pub(crate) use rechecking::PATIENCE;
#[cfg(feature = "recheck")]
pub use rechecking::{RecheckError, Rechecking};

/// Where requests and the source of a [`LiveKeyring`] meet. It has no clock: the source says when it rests.
#[derive(Default)]
pub(crate) struct Recheck {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// There is a source, and it can be asked.
    open: bool,
    /// It is to look once more.
    asked: bool,
    /// How often it began to look, and how often it was done with that.
    begun: u64,
    done: u64,
    /// How many keyrings it is taking right now, of its own accord or not, and how often it was done with all of them.
    taking: u32,
    taken: u64,
    /// Who the source is.
    seat: Option<u64>,
    /// How many there were.
    #[cfg(feature = "recheck")]
    seats: u64,
    source: Option<Waker>,
    /// How many requests wait, and those of them that are to be woken.
    waits: usize,
    wakers: HashMap<u64, Waker>,
    next_id: u64,
}

/// Until the source has answered.
pub(crate) struct Wait {
    live: LiveKeyring,
    id: u64,
    until: Until,
}

#[derive(Clone, Copy)]
enum Until {
    Done(u64),
    Taken(u64),
}

/// The place of a source. Only one at a time has it.
#[cfg(feature = "recheck")]
pub(crate) struct Seat {
    live: LiveKeyring,
    number: u64,
}

/// While it lives, requests with unknown keys may wait for the keyring that is being taken.
#[cfg(feature = "feed")]
pub(crate) struct Taking<'r>(&'r Recheck);

impl Recheck {
    /// More requests than these are not kept waiting: those beyond are answered at once.
    const MOST: usize = 1024;

    /// Asks the source for news, if it can be asked.
    pub(crate) fn ask(live: &LiveKeyring) -> Option<Wait> {
        let mut state = live.rechecks().state();
        if state.waits >= Self::MOST {
            return None;
        }
        let (until, source) = if state.open {
            state.asked = true;
            (Until::Done(state.begun.wrapping_add(1)), state.source.take())
        } else if state.seat.is_some() && state.taking > 0 {
            (Until::Taken(state.taken.wrapping_add(1)), None)
        } else {
            return None;
        };
        state.waits += 1;
        state.next_id = state.next_id.wrapping_add(1);
        let id = state.next_id;
        drop(state);
        if let Some(source) = source {
            source.wake();
        }
        Some(Wait { live: live.clone(), id, until })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the source does.
#[cfg(feature = "recheck")]
impl Seat {
    /// From now on there is a source, and it can be asked. `None` when there was one already.
    pub(crate) fn take(live: &LiveKeyring) -> Option<Self> {
        let mut state = live.rechecks().state();
        if state.seat.is_some() {
            return None;
        }
        state.seats = state.seats.wrapping_add(1);
        (state.seat, state.open) = (Some(state.seats), true);
        Some(Self { live: live.clone(), number: state.seats })
    }

    /// The source is gone, and nobody waits for it any more.
    pub(crate) fn leave(&self) {
        self.change(|state| {
            state.close();
            (state.seat, state.source) = (None, None);
            state.taken = state.taken.wrapping_add(1);
        });
    }

    /// Until somebody asks, and it begins to look.
    pub(crate) fn poll_asked(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.live.rechecks().state();
        if state.seat != Some(self.number) {
            return Poll::Pending;
        }
        state.open = true;
        if std::mem::take(&mut state.asked) {
            state.begun = state.begun.wrapping_add(1);
            return Poll::Ready(());
        }
        state.source = Some(cx.waker().clone());
        Poll::Pending
    }

    /// It has looked. Who asked meanwhile waits for the next time.
    pub(crate) fn answered(&self) {
        self.change(|state| state.done = state.begun);
    }

    /// It can't be asked until it waits for that, and who asked has waited long enough.
    pub(crate) fn rest(&self) {
        self.change(State::close);
    }

    /// Who has left changes nothing for the next one.
    fn change(&self, change: impl FnOnce(&mut State)) {
        self.live.rechecks().change(|state| {
            if state.seat == Some(self.number) {
                change(state);
            }
        });
    }
}

impl Recheck {
    /// The source has a newer keyring, and takes it.
    #[cfg(feature = "feed")]
    pub(crate) fn taking(&self) -> Taking<'_> {
        self.state().taking += 1;
        Taking(self)
    }

    /// Changes the state, and has all who wait look at it.
    #[cfg(feature = "recheck")]
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let woken = std::mem::take(&mut state.wakers);
        drop(state);
        woken.into_values().for_each(Waker::wake);
    }
}

#[cfg(feature = "recheck")]
impl State {
    fn close(&mut self) {
        (self.open, self.asked) = (false, false);
        // Also those who wait for the next time.
        self.begun = self.begun.wrapping_add(1);
        self.done = self.begun;
    }
}

#[cfg(feature = "feed")]
impl Drop for Taking<'_> {
    fn drop(&mut self) {
        self.0.change(|state| {
            state.taking = state.taking.saturating_sub(1);
            state.taken = state.taken.wrapping_add(u64::from(state.taking == 0));
        });
    }
}

impl Wait {
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.live.rechecks().state();
        let is_over = match self.until {
            Until::Done(count) => state.done >= count,
            Until::Taken(count) => state.taken >= count,
        };
        if is_over {
            return Poll::Ready(());
        }
        state.wakers.insert(self.id, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut state = self.live.rechecks().state();
        state.wakers.remove(&self.id);
        state.waits = state.waits.saturating_sub(1);
    }
}

#[cfg(all(test, feature = "feed", feature = "recheck"))]
mod tests;
