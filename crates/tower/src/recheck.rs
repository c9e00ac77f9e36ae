//! A second look at the source, before a key that the held keyring does not know is refused.
//!
//! A key that was issued a moment ago may be used before its keyring is here. So the first request with an unknown key
//! asks the source for news and waits; others join it. A source that was asked too often is left in peace for a while,
//! and unknown keys are refused at once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::live::LiveKeyring;

/// Where requests and the source of a [`LiveKeyring`] meet. It has no clock: the source says when a rest is over.
#[derive(Default)]
pub(crate) struct Recheck {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// There is a source that can be asked.
    attached: bool,
    /// It was asked, and has not answered yet.
    asked: bool,
    /// It does not wait to be asked.
    resting: bool,
    /// How many keyrings it is taking right now, of its own accord or not.
    taking: u32,
    /// Who waits, and which wait it is: all that wait at the same time are woken together.
    waiting: Vec<Option<Waker>>,
    round: u64,
    source: Option<Waker>,
}

/// Until the source has answered.
pub(crate) struct Wait {
    live: LiveKeyring,
    place: usize,
    round: u64,
}

/// While it lives, requests with unknown keys wait for the keyring that is being taken.
#[cfg(feature = "feed")]
pub(crate) struct Taking<'r>(&'r Recheck);

impl Recheck {
    /// More requests than these are not kept waiting: those beyond are answered at once.
    const MOST: usize = 1024;

    /// Asks the source for news, if it can be asked and lets itself be asked.
    pub(crate) fn ask(live: &LiveKeyring) -> Option<Wait> {
        let mut state = live.recheck().state();
        let running = state.asked || state.taking > 0;
        if !state.attached || state.waiting.len() >= Self::MOST || (state.resting && !running) {
            return None;
        }
        let place = state.waiting.len();
        state.waiting.push(None);
        let source = if running { None } else { state.source.take() };
        state.asked |= !running;
        let round = state.round;
        drop(state);
        if let Some(source) = source {
            source.wake();
        }
        Some(Wait { live: live.clone(), place, round })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and ends the waiting if then there is nothing left to wait for.
    #[cfg(feature = "feed")]
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        if !state.asked && state.taking == 0 {
            state.round = state.round.wrapping_add(1);
            let woken = std::mem::take(&mut state.waiting);
            drop(state);
            woken.into_iter().flatten().for_each(Waker::wake);
        }
    }
}

/// What the source does.
#[cfg(feature = "feed")]
impl Recheck {
    /// From now on there is a source. `false` when there was one already.
    pub(crate) fn attach(&self) -> bool {
        !std::mem::replace(&mut self.state().attached, true)
    }

    /// The source is gone: nobody waits for it any more.
    pub(crate) fn detach(&self) {
        self.change(|state| {
            let State { round, taking, .. } = *state;
            let waiting = std::mem::take(&mut state.waiting);
            *state = State { round, taking, waiting, ..State::default() };
        });
    }

    /// Until somebody asks. Whoever waits for that has rested.
    pub(crate) fn poll_asked(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        state.resting = false;
        if state.asked {
            return Poll::Ready(());
        }
        state.source = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The source has answered, or let too much time pass. It is left in peace until it waits to be asked again.
    pub(crate) fn answered(&self) {
        self.change(|state| (state.asked, state.resting) = (false, true));
    }

    /// The source has a newer keyring, and is taking it.
    pub(crate) fn taking(&self) -> Taking<'_> {
        self.state().taking += 1;
        Taking(self)
    }
}

#[cfg(feature = "feed")]
impl Drop for Taking<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.taking = state.taking.saturating_sub(1));
    }
}

impl Wait {
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.live.recheck().state();
        if state.round != self.round {
            return Poll::Ready(());
        }
        if let Some(place) = state.waiting.get_mut(self.place) {
            place.get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
        }
        Poll::Pending
    }
}

impl Drop for Wait {
    /// Whoever went away need not be woken. Its place stays taken until the round is over.
    fn drop(&mut self) {
        let mut state = self.live.recheck().state();
        if state.round == self.round
            && let Some(place) = state.waiting.get_mut(self.place)
        {
            *place = None;
        }
    }
}

#[cfg(all(test, feature = "feed"))]
mod tests {
    use super::*;

    fn live() -> LiveKeyring {
        let live = LiveKeyring::empty();
        assert!(live.recheck().attach() && !live.recheck().attach());
        live
    }

    fn is_over(wait: &Wait) -> bool {
        wait.poll(&Context::from_waker(Waker::noop())).is_ready()
    }

    fn is_asked(live: &LiveKeyring) -> bool {
        live.recheck().poll_asked(&Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn without_a_source_nobody_waits() {
        let live = LiveKeyring::empty();
        assert!(Recheck::ask(&live).is_none());
        live.recheck().attach();
        let wait = Recheck::ask(&live).expect("a wait");
        live.recheck().detach();
        assert!(is_over(&wait) && Recheck::ask(&live).is_none());
    }

    #[test]
    fn the_first_asks_the_others_join_and_then_the_source_rests() {
        let live = live();
        assert!(!is_asked(&live));
        let waits: Vec<_> = (0..3).map(|_| Recheck::ask(&live).expect("a wait")).collect();
        assert!(is_asked(&live) && !waits.iter().any(is_over));
        live.recheck().answered();
        assert!(waits.iter().all(is_over));
        assert!(Recheck::ask(&live).is_none(), "it rests");
        assert!(!is_asked(&live));
        let next = Recheck::ask(&live).expect("it has rested");
        assert!(is_asked(&live) && !is_over(&next));
    }

    #[test]
    fn who_comes_while_a_keyring_is_taken_waits_for_it_also_while_the_source_rests() {
        let live = live();
        live.recheck().answered();
        let taking = live.recheck().taking();
        let wait = Recheck::ask(&live).expect("a wait");
        assert!(!live.recheck().state().asked && !is_over(&wait));
        drop(taking);
        assert!(is_over(&wait) && Recheck::ask(&live).is_none());
    }

    #[test]
    fn a_keyring_that_is_taken_is_no_answer_to_who_asked() {
        let live = live();
        let wait = Recheck::ask(&live).expect("a wait");
        drop(live.recheck().taking());
        assert!(!is_over(&wait));
        live.recheck().answered();
        assert!(is_over(&wait));
    }

    #[test]
    fn no_more_wait_than_there_is_room_for() {
        let live = live();
        let mut waits: Vec<_> = std::iter::from_fn(|| Recheck::ask(&live)).take(2 * Recheck::MOST).collect();
        assert_eq!(waits.len(), Recheck::MOST);
        waits.truncate(1);
        assert!(Recheck::ask(&live).is_none(), "those who went away keep their places");
        live.recheck().answered();
        assert!(!is_asked(&live));
        assert!(Recheck::ask(&live).is_some());
    }
}
