use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::follower::{Follower, Progress};
use super::{FeedError, KeyringFeed, usage};
use crate::live::LiveKeyring;
use crate::recheck::{RecheckError, Rechecking};

/// Keeps a [`LiveKeyring`] as new as a server's. Dropping it ends that.
#[must_use = "dropping it ends the following"]
pub struct Following {
    follower: Arc<Follower>,
    progress: watch::Receiver<Progress>,
    tasks: JoinSet<()>,
    _rechecking: Rechecking,
}

impl Following {
    pub(super) fn start(feed: &KeyringFeed, live: &LiveKeyring) -> Result<Self, FeedError> {
        let runtime = Handle::try_current().map_err(|_| FeedError::Runtime)?;
        let follower = Arc::new(Follower::new(feed, live.clone())?);
        let asked = Arc::clone(&follower);
        let rechecking =
            live.recheck(feed.recheck_every, move || Arc::clone(&asked).look()).map_err(|why| match why {
                RecheckError::Runtime => FeedError::Runtime,
                RecheckError::Taken => FeedError::Followed,
            })?;
        let mut tasks = JoinSet::new();
        tasks.spawn_on(Arc::clone(&follower).poll(), &runtime);
        if feed.key.is_some() && !feed.address.is_tls() && !feed.address.is_local() {
            tracing::warn!(
                server = feed.address.shown(),
                "the feed's own key is sent over http, where it can be read: use https, unless something else encrypts"
            );
        }
        live.count_uses(feed.usage_every.is_some());
        if let Some(every) = feed.usage_every {
            tasks.spawn_on(usage::report(Arc::clone(&follower), every), &runtime);
        }
        let progress = follower.progress();
        Ok(Self { follower, progress, tasks, _rechecking: rechecking })
    }

    /// Waits until the first keyring of this feed is there, but no longer than `within`, and returns its epoch.
    ///
    /// # Errors
    /// Why there is none yet. The feed is followed all the same: a service may go on and answer `unavailable` until then.
    pub async fn first(&self, within: Duration) -> Result<u64, FeedError> {
        let mut progress = self.progress.clone();
        let taken = timeout(within, progress.wait_for(|progress| progress.epoch.is_some())).await;
        let epoch = taken.ok().and_then(Result::ok).and_then(|progress| progress.epoch);
        epoch.ok_or_else(|| {
            let why = self.progress.borrow().error.clone();
            why.unwrap_or_else(|| FeedError::Late { server: self.follower.server.shown().into(), after: within })
        })
    }

    /// Ends the following, and reports how often keys were used since the last report. Call it when no request is left:
    /// what was counted and not reported by then is lost where a `Following` is only dropped.
    pub async fn end(mut self) {
        self.tasks.shutdown().await;
        self.follower.usage.lock().await.flush(&self.follower).await;
    }

    /// Why the server gave nothing when it was last asked; `None` while all is well.
    #[must_use]
    pub fn trouble(&self) -> Option<FeedError> {
        self.progress.borrow().error.clone()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.tasks.abort_all();
        self.follower.live.count_uses(false);
    }
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following").field("server", &self.follower.server.shown()).finish_non_exhaustive()
    }
}
