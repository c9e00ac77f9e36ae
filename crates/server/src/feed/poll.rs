//! One poll of the feed: how long it waits, and for what.

mod answer;
mod asked;
mod range;
mod tags;

use axum::extract::State;
use axum::response::Response;
use gracekey_store::Store;
use http::{HeaderMap, Method};
use metrics::Gauge;
use serde::Deserialize;

use super::again::Waited;
use super::{Feed, Shared};
use crate::app::App;
use crate::error::{ApiError, ErrorBody};
use crate::input::Parameters;
use asked::Poll;
pub(super) use asked::{NAME_RULE, is_name};

/// A query without parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Where the feed is polled.
pub(super) const PATH: &str = "/v2/keyring";

/// The keyring that verifiers hold: the sealed document of the newest epoch, without this server's own clients. Poll it
/// with `If-None-Match` and `Prefer: wait`: the answer comes when there is something newer, or when the time is over.
#[utoipa::path(get, path = "/v2/keyring", tag = "feed", params(
    ("If-None-Match" = Option<String>, Header, description = "The ETag of the keyring that the verifier holds."),
    ("Prefer" = Option<String>, Header, description = "`wait=<seconds>` (RFC 7240, at most 60): how long to wait for a newer one."),
    ("X-Gracekey-Verifier" = Option<String>, Header, min_length = 1, max_length = 128, pattern = "^[!-~]+$", description = "The name of the verifier: 1 to 128 visible ASCII characters."),
    ("Accept-Encoding" = Option<String>, Header, description = "`gzip`: the answer is compressed. Each form has an ETag of its own."),
    ("Range" = Option<String>, Header, example = "bytes=0-4194303", description = "One range of bytes (RFC 9110 section 14): a piece of the answer as it goes over the wire. Several ranges, and what is none, are passed over."),
    ("If-Match" = Option<String>, Header, description = "The ETag of the first piece, with each `Range` for one more: all of them are then of one keyring, also when another takes its place meanwhile. It is kept for 10 seconds after the last piece."),
    ("If-Range" = Option<String>, Header, description = "The same, but the whole newest keyring is the answer where that one is not kept any more."),
), responses(
    (status = 200, description = "The sealed document (`gracekey/1`).", body = Object, content_type = "application/json"),
    (status = 206, description = "A piece of it; `Content-Range` says which."),
    (status = 304, description = "There is nothing newer."),
    (status = 400, description = "A header is not in order.", body = ErrorBody),
    (status = 412, description = "`replaced`: what `If-Match` names is not the newest any more. Begin anew.", body = ErrorBody),
    (status = 416, description = "The range begins beyond the end; `Content-Range` says where that is.", body = ErrorBody),
    (status = 503, description = "There is no keyring yet, or the store is silent and nobody knows whether it is the newest.", body = ErrorBody),
))]
pub(super) async fn keyring(
    State(app): State<App>,
    method: Method,
    _: Parameters<Nothing>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let poll = Poll::read(&method, &headers)?;
    // A handle would keep the whole state alive in thousands of waiting polls; this is all that they need.
    let shared = &app.feed.0;
    let _counted = Counted::new(&shared.metrics.pollers);
    shared.saw(&poll);
    if let Some(piece) = shared.next_piece(&poll).await {
        return Ok(piece);
    }
    if poll.no_cache {
        shared.ask(&app.store).await;
    }
    let mut board = shared.board.subscribe();
    let news = board.wait_for(|board| board.stopping || poll.has_news(board));
    // Whether it came or the time is over, the board says what there is.
    let _timely = tokio::time::timeout(poll.wait, news).await.is_ok();
    let known = shared.known();
    shared.catch_up(known).await;
    shared.saw(&poll);
    let mut answer = shared.answer(&poll, known).await?;
    if !poll.wait.is_zero() {
        answer.extensions_mut().insert(Waited);
    }
    Ok(answer)
}

impl Shared {
    fn saw(&self, poll: &Poll) {
        if let Some(name) = &poll.name {
            self.verifiers.saw(name, poll.epoch(), self.now());
        }
    }

    /// Learns which epoch the store holds at this moment.
    async fn ask(&self, store: &Store) {
        if let Ok(epoch) = store.epoch().await {
            self.knows(epoch);
            if self.epoch() < Some(epoch) {
                self.told.notify_one();
            }
        }
    }

    /// Returns when there is an edition of that epoch or a later one, or after a second. Epochs that come to be known
    /// meanwhile are no reason to wait longer: where keys change all the time, no edition would ever be new enough.
    async fn catch_up(&self, known: u64) {
        let mut board = self.board.subscribe();
        let there = board.wait_for(|board| board.stopping || board.epoch() >= Some(known));
        // Late is no error: what there is is better than nothing.
        let _timely = tokio::time::timeout(Feed::PATIENCE, there).await.is_ok();
    }
}

/// One poller, for as long as it is here.
struct Counted<'m>(&'m Gauge);

impl<'m> Counted<'m> {
    fn new(pollers: &'m Gauge) -> Self {
        pollers.increment(1.0);
        Self(pollers)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
