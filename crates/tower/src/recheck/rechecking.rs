//! A source that is asked: how often, and how long for.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Seat;
use crate::live::LiveKeyring;

/// Has a source looked at once more before a key that its [`LiveKeyring`] does not know is refused. Dropping it ends that.
#[must_use = "dropping it ends that"]
pub struct Rechecking {
    seat: Arc<Seat>,
    _tasks: JoinSet<()>,
}

/// Why a source is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecheckError {
    /// There is no tokio runtime to ask it on.
    Runtime,
    /// The live keyring has a source that is asked.
    Taken,
}

impl LiveKeyring {
    /// Has a source of yours looked at once more before a key that is not known is refused: it may have been issued a
    /// moment ago, and its keyring not be here yet. `KeyringFeed` does so by itself.
    ///
    /// `look` asks the source for news, takes them with [`LiveKeyring::replace`], and is done then. It says nothing of what
    /// came of it: those who wait are decided once more with the keyring that is held by then. It is the second look of
    /// a source that is followed in some other way, too, as by a timer.
    ///
    /// One look runs at a time, and serves all requests that asked before it began. A request waits for a second at most,
    /// and not more than 1,024 do; those beyond are refused at once. Looks after which the epoch was the same are
    /// fruitless, and may be eight in a row and then one each time that `every` has passed. Until then unknown keys
    /// are refused at once, so that no flood of them reaches the source. Looks that found something are not limited.
    ///
    /// # Errors
    /// [`RecheckError::Runtime`] outside of a tokio runtime, and [`RecheckError::Taken`] while another source is asked.
    pub fn recheck<L, F>(&self, every: Duration, look: L) -> Result<Rechecking, RecheckError>
    where
        L: FnMut() -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = Handle::try_current().map_err(|_| RecheckError::Runtime)?;
        let seat = Arc::new(Seat::take(self).ok_or(RecheckError::Taken)?);
        let fruitless = Arc::new(Semaphore::new(FRUITLESS));
        let mut tasks = JoinSet::new();
        tasks.spawn_on(recheck(Occupied(Arc::clone(&seat)), Arc::clone(&fruitless), look), &runtime);
        tasks.spawn_on(allow(fruitless, every), &runtime);
        Ok(Rechecking { seat, _tasks: tasks })
    }
}

/// No request with an unknown key waits for longer, for one look.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
/// So many looks in a row may be fruitless, after a quiet while.
const FRUITLESS: usize = 8;

/// Looks whenever a request has a key that is not known.
async fn recheck<F: Future<Output = ()>>(seat: Occupied, fruitless: Arc<Semaphore>, mut look: impl FnMut() -> F) {
    let Occupied(seat) = &seat;
    let mut seen = None;
    loop {
        if fruitless.available_permits() == 0 {
            seat.rest();
        }
        // It is never closed.
        let Ok(permit) = fruitless.acquire().await else { return };
        std::future::poll_fn(|cx| seat.poll_asked(cx)).await;
        let before = seen.or_else(|| seat.live.epoch());
        let mut look = pin!(look());
        if timeout(PATIENCE, &mut look).await.is_err() {
            seat.rest();
            look.await;
        }
        seat.answered();
        // Keys that are really new, and be they many, are no reason to rest: also where the keyring came by another way
        // after the last look and before this one.
        seen = seat.live.epoch();
        if seen == before {
            permit.forget();
        }
    }
}

/// Lets a look be fruitless once more from time to time.
async fn allow(fruitless: Arc<Semaphore>, every: Duration) {
    loop {
        sleep(every).await;
        if fruitless.available_permits() < FRUITLESS {
            fruitless.add_permits(1);
        }
    }
}

/// Free again when nobody looks any more, and be it because a look panicked.
struct Occupied(Arc<Seat>);

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Drop for Rechecking {
    fn drop(&mut self) {
        // Its tasks end a moment later.
        self.seat.leave();
    }
}

impl fmt::Debug for Rechecking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rechecking").finish_non_exhaustive()
    }
}

impl fmt::Display for RecheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Runtime => {
                "a source is asked on a tokio runtime, and none is running here; call `recheck` inside of one"
            }
            Self::Taken => {
                "this live keyring has a source that is asked already; drop its `Rechecking` or `Following` first"
            }
        })
    }
}

impl std::error::Error for RecheckError {}
