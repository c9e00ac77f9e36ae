//! The following itself: what runs beside the requests.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gracekey_core::{Keyring, Peppers};
use http::header::{CONTENT_ENCODING, ETAG};
use http::{HeaderValue, Response, StatusCode};
use http_body::Body;
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{sleep, timeout};

use super::back_off::{BackOff, Jitter};
use super::http_client::Server;
use super::inflate::{InflateError, inflate};
use super::usage::Usage;
use super::{FeedError, KeyringFeed};
use crate::live::LiveKeyring;
use crate::recheck::PATIENCE;

/// Keeps a live keyring as new as a server's.
pub(super) struct Follower {
    pub(super) server: Server,
    pub(super) live: LiveKeyring,
    pub(super) usage: Mutex<Usage>,
    verifier: String,
    peppers: Arc<Peppers>,
    wait: Duration,
    max_bytes: u64,
    /// The entity tag (RFC 9110 §8.8.3) of the keyring that was taken last. Held while the next one is taken.
    held: Mutex<Option<HeaderValue>>,
    progress: watch::Sender<Progress>,
    /// The server was seen to answer: a pause can end.
    answers: Notify,
}

/// How far the following came.
#[derive(Default)]
pub(super) struct Progress {
    /// The epoch that was taken last.
    pub(super) epoch: Option<u64>,
    /// Why the last question gave nothing, told once.
    pub(super) error: Option<FeedError>,
}

/// What came of a question.
#[derive(PartialEq, Eq)]
enum News {
    Taken,
    Nothing,
}

impl Follower {
    /// A server that does not know how to wait is not asked more often.
    const PACE: Duration = Duration::from_secs(1);
    /// Nor one that has news all the time.
    const BREATH: Duration = Duration::from_millis(25);
    /// A longer entity tag is not sent back.
    const LONGEST_TAG: usize = 256;

    pub(super) fn new(feed: &KeyringFeed, live: LiveKeyring) -> Result<Self, FeedError> {
        Ok(Self {
            server: Server::new(feed)?,
            live,
            usage: Mutex::default(),
            verifier: feed.verifier.as_str().into(),
            peppers: Arc::clone(&feed.peppers),
            wait: feed.wait,
            max_bytes: feed.max_bytes,
            held: Mutex::default(),
            progress: watch::Sender::default(),
            answers: Notify::new(),
        })
    }

    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    pub(super) fn verifier(&self) -> &str {
        &self.verifier
    }

    /// Asks again and again, and lets the server wait with its answer.
    pub(super) async fn poll(self: Arc<Self>) {
        let (mut back_off, mut jitter) = (BackOff::new(), Jitter::new());
        loop {
            // They run while the server waits.
            let (pace, breath) = (sleep(jitter.shorten(Self::PACE)), sleep(Self::BREATH));
            match self.ask(Some(jitter.shorten(self.wait))).await {
                Ok(news) => {
                    self.well();
                    back_off.succeeded();
                    if news == News::Taken { breath.await } else { pace.await }
                }
                Err(why) => {
                    self.complain(why);
                    // Either the pause is over, or the server was seen to answer meanwhile.
                    let _ended = timeout(back_off.failed(), self.answers.notified()).await;
                }
            }
        }
    }

    /// Asks at once: a request has a key that is not known.
    pub(super) async fn look(self: Arc<Self>) {
        match self.ask(None).await {
            Ok(_) => {
                self.well();
                self.answers.notify_waiters();
            }
            Err(why) => self.complain(why),
        }
    }

    async fn ask(&self, wait: Option<Duration>) -> Result<News, FeedError> {
        let held = self.held.lock().await.clone();
        let answer = self.server.keyring(held.as_ref(), wait).await?;
        if answer.status() == StatusCode::NOT_MODIFIED {
            // What was asked about may have been replaced meanwhile.
            if *self.held.lock().await == held {
                self.live.confirm();
            }
            return Ok(News::Nothing);
        }
        // Unknown keys may be in it.
        let taking = self.live.rechecks().taking();
        let mut take = pin!(self.take(answer, held.as_ref()));
        match timeout(PATIENCE, &mut take).await {
            Ok(taken) => taken,
            Err(_) => {
                drop(taking);
                take.await
            }
        }
    }

    /// Takes the keyring of an answer. One at a time: of two questions that were answered alike, the first takes it.
    async fn take<B>(&self, answer: Response<B>, asked_with: Option<&HeaderValue>) -> Result<News, FeedError>
    where
        B: Body<Data = Bytes, Error: std::error::Error + 'static> + Unpin,
    {
        let tag = answer.headers().get(ETAG).filter(|tag| tag.len() <= Self::LONGEST_TAG).cloned();
        let mut held = self.held.lock().await;
        if tag.is_some() && tag == *held {
            self.live.confirm();
            // The other question took it, or the server does not care what is held already.
            return Ok(if tag.as_ref() == asked_with { News::Nothing } else { News::Taken });
        }
        let gzip = match answer.headers().get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
            None | Some(b"identity") => false,
            Some(b"gzip" | b"x-gzip") => true,
            Some(_) => return Err(self.server.answer("is compressed in a way that was not asked for".into())),
        };
        let body = self.server.collect(answer.into_body(), self.max_bytes).await?;
        let (live, peppers, most) = (self.live.clone(), Arc::clone(&self.peppers), self.max_bytes);
        // A large keyring takes a while to open, which no request shall wait for.
        let opened = tokio::task::spawn_blocking(move || open(&live, &body, gzip.then_some(most), peppers));
        let opened = opened.await.map_err(|why| self.server.answer(format!("was not opened: {why}")))?;
        let (epoch, keys) = opened.map_err(|why| self.unopened(why))?;
        *held = tag;
        let before = self.progress.borrow().epoch;
        self.progress.send_modify(|progress| progress.epoch = Some(epoch));
        if before == Some(epoch) {
            return Ok(News::Nothing);
        }
        tracing::info!(server = self.server.shown(), epoch, keys, "keyring taken");
        Ok(News::Taken)
    }

    fn unopened(&self, why: Unopened) -> FeedError {
        match why {
            Unopened::Gzip(InflateError::TooLarge) => self.server.answer(format!(
                "inflates to more than {} bytes, which is more than is taken; raise `KeyringFeed::max_bytes`",
                self.max_bytes
            )),
            Unopened::Gzip(InflateError::NotGzip(why)) => self.server.answer(format!("is no gzip, as it says: {why}")),
            Unopened::Document(why) => FeedError::Document { server: self.server.shown().into(), why },
        }
    }

    fn well(&self) {
        let was_ill = self.progress.send_if_modified(|progress| progress.error.take().is_some());
        if was_ill {
            tracing::info!(server = self.server.shown(), "the feed answers again");
        }
    }

    /// Once for each thing that is wrong, not each time that it is seen.
    fn complain(&self, why: FeedError) {
        let shown = why.to_string();
        let is_new = self.progress.send_if_modified(|progress| {
            let is_new = progress.error.as_ref().is_none_or(|known| known.to_string() != shown);
            progress.error = Some(why);
            is_new
        });
        if is_new {
            let held_epoch = self.live.epoch();
            tracing::error!(held_epoch, why = shown, "the feed gives no keyring, the held keyring stays");
        }
    }
}

enum Unopened {
    Gzip(InflateError),
    Document(gracekey_core::DocumentError),
}

/// Opens a document, inflated to so many bytes if it is compressed, and puts its keyring in the place of the held one.
fn open(live: &LiveKeyring, body: &[u8], gzip: Option<u64>, peppers: Arc<Peppers>) -> Result<(u64, usize), Unopened> {
    let inflated = gzip.map(|most| inflate(body, most)).transpose().map_err(Unopened::Gzip)?;
    let keyring = Keyring::open(inflated.as_deref().unwrap_or(body), peppers).map_err(Unopened::Document)?;
    let (epoch, keys) = (keyring.epoch(), keyring.len());
    live.replace(keyring).map_err(Unopened::Document)?;
    Ok((epoch, keys))
}
