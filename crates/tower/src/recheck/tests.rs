#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use super::*;

fn followed() -> (LiveKeyring, Seat) {
    let live = LiveKeyring::empty();
    let seat = Seat::take(&live).expect("nobody has it");
    assert!(Seat::take(&live).is_none());
    assert!(!looks(&seat));
    (live, seat)
}

fn is_over(wait: &Wait) -> bool {
    wait.poll(&Context::from_waker(Waker::noop())).is_ready()
}

/// The source waits to be asked, and begins to look if it was.
fn looks(seat: &Seat) -> bool {
    seat.poll_asked(&Context::from_waker(Waker::noop())).is_ready()
}

fn ask(live: &LiveKeyring) -> Wait {
    Recheck::ask(live).expect("a wait")
}

#[test]
fn without_a_source_nobody_waits() {
    assert!(Recheck::ask(&LiveKeyring::empty()).is_none());
    let (live, seat) = followed();
    let taking = live.rechecks().taking();
    let wait = ask(&live);
    seat.rest();
    let waits_for_the_taking = ask(&live);
    seat.leave();
    assert!(is_over(&wait) && is_over(&waits_for_the_taking) && Recheck::ask(&live).is_none());
    drop(taking);
}

#[test]
fn who_has_left_is_asked_nothing_and_answers_for_nobody() {
    let (live, former) = followed();
    former.leave();
    let seat = Seat::take(&live).expect("it is free");
    assert!(!looks(&seat));
    let wait = ask(&live);
    assert!(!looks(&former));
    former.rest();
    former.leave();
    assert!(!is_over(&wait) && looks(&seat));
    seat.answered();
    assert!(is_over(&wait));
}

#[test]
fn all_that_ask_before_it_looks_share_the_answer() {
    let (live, seat) = followed();
    let waits = [ask(&live), ask(&live), ask(&live)];
    assert!(looks(&seat) && !waits.iter().any(is_over));
    seat.answered();
    assert!(waits.iter().all(is_over) && !looks(&seat));
}

#[test]
fn who_asks_while_it_looks_waits_for_the_next_answer() {
    let (live, seat) = followed();
    let first = ask(&live);
    assert!(looks(&seat));
    let second = ask(&live);
    seat.answered();
    assert!(is_over(&first) && !is_over(&second));
    assert!(looks(&seat));
    seat.answered();
    assert!(is_over(&second) && !looks(&seat));
}

#[test]
fn while_it_rests_nobody_waits_and_who_waits_has_waited_enough() {
    let (live, seat) = followed();
    let first = ask(&live);
    assert!(looks(&seat));
    let second = ask(&live);
    seat.rest();
    assert!(is_over(&first) && is_over(&second) && Recheck::ask(&live).is_none());
    assert!(!looks(&seat));
    assert!(!is_over(&ask(&live)));
}

#[test]
fn while_it_rests_a_keyring_that_is_taken_is_waited_for() {
    let (live, seat) = followed();
    seat.rest();
    let taking = [live.rechecks().taking(), live.rechecks().taking()];
    let wait = ask(&live);
    let [one, other] = taking;
    drop(one);
    assert!(!is_over(&wait));
    drop(other);
    assert!(is_over(&wait) && Recheck::ask(&live).is_none());
}

#[test]
fn a_keyring_that_is_taken_is_no_answer_to_who_asked() {
    let (live, seat) = followed();
    let wait = ask(&live);
    drop(live.rechecks().taking());
    assert!(!is_over(&wait) && looks(&seat));
    seat.answered();
    assert!(is_over(&wait));
}

#[test]
fn no_more_wait_than_there_is_room_for() {
    let (live, _seat) = followed();
    let mut waits: Vec<_> = std::iter::from_fn(|| Recheck::ask(&live)).take(2 * Recheck::MOST).collect();
    assert_eq!(waits.len(), Recheck::MOST);
    waits.truncate(1);
    assert!(Recheck::ask(&live).is_some(), "those who went away make room");
}

#[test]
fn who_waits_is_woken() {
    struct Count(std::sync::atomic::AtomicUsize);
    impl std::task::Wake for Count {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let count = std::sync::Arc::new(Count(0.into()));
    let waker = Waker::from(std::sync::Arc::clone(&count));
    let woken = || count.0.load(std::sync::atomic::Ordering::Relaxed);
    let (live, seat) = followed();
    assert!(seat.poll_asked(&Context::from_waker(&waker)).is_pending());
    let waits = [ask(&live), ask(&live)];
    assert_eq!(woken(), 1, "the source");
    assert!(waits.iter().all(|wait| wait.poll(&Context::from_waker(&waker)).is_pending()) && looks(&seat));
    seat.answered();
    assert_eq!(woken(), 3);
}
