use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use gracekey_core::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::connection::Connection;
use super::plan::Plan;
use super::stage::{DemoKey, Rotated};
use super::tally::{Observation, Row, Tally, Which, Window};
use crate::clock;

/// What the callers and the story have in common.
pub(super) struct Shared {
    pub(super) start: Instant,
    pub(super) old: DemoKey,
    pub(super) new: OnceLock<DemoKey>,
    address: SocketAddr,
    retires_at: OnceLock<Timestamp>,
    /// The rotation has begun, and the server may take its keyring at any moment.
    rotating: AtomicBool,
    /// The server holds the keyring of the rotation.
    taken: AtomicBool,
    stop: AtomicBool,
    tally: Mutex<Tally>,
    news: Mutex<Vec<String>>,
}

/// The callers, each a task with a connection of its own.
pub(super) struct Callers {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl Callers {
    /// Lets them all send, steadily.
    pub(super) fn send(shared: &Arc<Shared>) -> Self {
        let fraction = |number: u32| (number < Plan::CALLERS).then(|| f64::from(number) / f64::from(Plan::CALLERS));
        let every = Duration::from_secs(1) / Plan::RATE;
        let task = |number| tokio::spawn(call(Arc::clone(shared), number, fraction(number), every));
        Self { shared: Arc::clone(shared), tasks: (1..=Plan::CALLERS).map(task).collect() }
    }

    /// Waits until the last answer of each has come.
    pub(super) async fn stop(self) {
        self.shared.stop.store(true, Ordering::Release);
        for task in self.tasks {
            if let Err(error) = task.await {
                self.shared.tally().note_unexpected(format!("a caller was lost: {error}"));
            }
        }
    }
}

/// One caller. It takes the new key after that fraction of the window that the notice on its answers told it of, or
/// never.
async fn call(shared: Arc<Shared>, number: u32, takes_new_after: Option<f64>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection = match Connection::open(shared.address).await {
        Ok(connection) => connection,
        Err(error) => return shared.tally().note_unexpected(format!("caller {number} can't connect: {error}")),
    };
    let (mut which, mut takes_new_at) = (Which::Old, None);
    while !shared.stop.load(Ordering::Acquire) {
        ticks.tick().await;
        if takes_new_at.is_some_and(|at| at <= clock::instant()) && which == Which::Old && shared.new.get().is_some() {
            which = Which::New;
            shared.tell(format!("caller {number} took the new key"));
        }
        let key = match (which, shared.new.get()) {
            (Which::New, Some(new)) => &new.key,
            _ => &shared.old.key,
        };
        let Ok(sent_at) = clock::now() else { continue };
        let taken = shared.taken.load(Ordering::Acquire);
        let answer = connection.get(key).await;
        let rotating = shared.rotating.load(Ordering::Acquire);
        let Ok(answered_at) = clock::now() else { continue };
        let retires = answer.as_ref().ok().and_then(|answer| answer.retires);
        if let (Some(fraction), None, Some(retires)) = (takes_new_after, takes_new_at, retires) {
            let span = Duration::from_secs(retires.seconds_since(answered_at)).mul_f64(fraction);
            takes_new_at = Some(clock::instant() + span);
        }
        let second = shared.start.elapsed().as_secs();
        let failed = answer.is_err();
        shared.record(second, &Observation { which, rotating, taken, sent_at, answered_at, answer });
        if failed {
            return;
        }
    }
}

impl Shared {
    pub(super) fn new(address: SocketAddr, old: DemoKey, start: Instant) -> Self {
        Self {
            start,
            old,
            new: OnceLock::new(),
            address,
            retires_at: OnceLock::new(),
            rotating: AtomicBool::new(false),
            taken: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            tally: Mutex::default(),
            news: Mutex::default(),
        }
    }

    /// The rotation begins.
    pub(super) fn rotating(&self) {
        self.rotating.store(true, Ordering::Release);
    }

    /// Whether the window has closed.
    pub(super) fn is_closed(&self, now: Timestamp) -> bool {
        self.retires_at.get().is_some_and(|retires_at| *retires_at <= now)
    }

    /// The key was rotated, and its successor is there for whoever wants it.
    pub(super) fn rotated(&self, rotated: Rotated) {
        let _ = self.retires_at.set(rotated.retires_at);
        let _ = self.new.set(rotated.key);
    }

    /// The server holds the keyring of the rotation.
    pub(super) fn taken(&self) {
        self.taken.store(true, Ordering::Release);
    }

    /// What was counted in that second, the first of which is 1.
    pub(super) fn row(&self, second: u32) -> Row {
        self.tally().row(u64::from(second).saturating_sub(1))
    }

    /// What happened since it was last asked.
    pub(super) fn news(&self) -> Vec<String> {
        std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The whole tally, compared with what the server counted.
    pub(super) fn finished(&self, metrics: &str) -> Tally {
        let mut tally = std::mem::take(&mut *self.tally());
        tally.compare(metrics);
        tally
    }

    fn tell(&self, news: String) {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).push(news);
    }

    fn record(&self, second: u64, observation: &Observation) {
        let window = self.retires_at.get().map(|retires_at| Window { retires_at: *retires_at });
        self.tally().record(second, observation, window);
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
