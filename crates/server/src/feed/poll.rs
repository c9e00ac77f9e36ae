//! One poll of the feed: what the poller holds, how long it waits, and the answer.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use gracekey_store::Store;
use http::header::{ACCEPT_ENCODING, AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use metrics::Gauge;
use serde::Deserialize;

use super::again::Waited;
use super::edition::Edition;
use super::{Board, Feed, Shared};
use crate::app::App;
use crate::error::{ApiError, ErrorBody};
use crate::input::{self, Parameters};

const VERIFIER: HeaderName = HeaderName::from_static("x-gracekey-verifier");
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// A query without parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// What a poller says of itself.
#[derive(Debug, Default)]
struct Poll {
    /// The entity tags that it holds, without the mark of weakness: any two are compared weakly (RFC 9110 §13.1.2).
    held: Vec<String>,
    wait: Duration,
    /// Somebody waits at the verifier, with a key that it does not know: the store itself is asked.
    no_cache: bool,
    gzip: bool,
    name: Option<String>,
}

/// Where the feed is polled.
pub(super) const PATH: &str = "/v2/keyring";

/// The longest name of a verifier.
const NAME: usize = 128;

/// The keyring that verifiers hold: the sealed document of the newest epoch, without this server's own clients. Poll it
/// with `If-None-Match` and `Prefer: wait`: the answer comes when there is something newer, or when the time is over.
#[utoipa::path(get, path = "/v2/keyring", tag = "feed", params(
    ("If-None-Match" = Option<String>, Header, description = "The ETag of the keyring that the verifier holds."),
    ("Prefer" = Option<String>, Header, description = "`wait=<seconds>` (RFC 7240, at most 60): how long to wait for a newer one."),
    ("X-Gracekey-Verifier" = Option<String>, Header, min_length = 1, max_length = 128, pattern = "^[!-~]+$", description = "The name of the verifier: 1 to 128 visible ASCII characters."),
    ("Accept-Encoding" = Option<String>, Header, description = "`gzip`: the answer is compressed."),
), responses(
    (status = 200, description = "The sealed document (`gracekey/1`).", body = Object, content_type = "application/json"),
    (status = 304, description = "There is nothing newer."),
    (status = 400, description = "A header is not in order.", body = ErrorBody),
    (status = 503, description = "There is no keyring yet, or the store is silent and nobody knows whether it is the newest.", body = ErrorBody),
))]
pub(super) async fn keyring(
    State(app): State<App>,
    _: Parameters<Nothing>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let poll = Poll::read(&headers)?;
    // A handle would keep the whole state alive in thousands of waiting polls; this is all that they need.
    let shared = &app.feed.0;
    let _counted = Counted::new(&shared.metrics.pollers);
    shared.saw(&poll);
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

    async fn answer(&self, poll: &Poll, known: u64) -> Result<Response, ApiError> {
        let Some(edition) = self.edition() else {
            return Err(ApiError::unavailable("there is no keyring yet; ask again"));
        };
        let silent = self.silent_for();
        if poll.holds(&edition) {
            // A 304 tells the verifier that its keyring is the newest, which nobody knows at the moment.
            return match silent {
                None if edition.epoch() < known => Err(ApiError::unavailable(
                    "there is a newer keyring than this one, which this server has not ready yet; keep this one, and ask again",
                )),
                None => Ok(unchanged(&edition)),
                Some(seconds) => Err(ApiError::unavailable(format!(
                    "for {seconds} seconds this server has taken nothing from its store, and its log says why; nobody knows whether this keyring is the newest: keep it, and ask again"
                ))),
            };
        }
        let (body, encoding) = if poll.gzip {
            (edition.gzip().await, Some(HeaderValue::from_static("gzip")))
        } else {
            (edition.plain().clone(), None)
        };
        self.metrics.transferred(body.len());
        Ok(transfer(&edition, body, encoding, silent))
    }
}

fn unchanged(edition: &Edition) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    describe(&mut response, edition);
    response
}

fn transfer(edition: &Edition, body: Bytes, encoding: Option<HeaderValue>, silent: Option<u64>) -> Response {
    let mut response = Response::new(Body::from(body));
    describe(&mut response, edition);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, encoding);
    }
    // RFC 9111 §5.1: how long ago the origin, which is the store, last vouched for it.
    if let Some(seconds) = silent {
        headers.insert(AGE, seconds.into());
    }
    response
}

fn describe(response: &mut Response, edition: &Edition) {
    let headers = response.headers_mut();
    headers.insert(ETAG, edition.tag().clone());
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
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

// === impl Poll ===

impl Poll {
    /// The longest wait, in seconds.
    const LONGEST: u64 = 60;

    fn read(headers: &HeaderMap) -> Result<Self, ApiError> {
        let held = elements(headers, &IF_NONE_MATCH).map(|tag| tag.strip_prefix("W/").unwrap_or(tag).to_owned());
        Ok(Self {
            held: held.collect(),
            wait: Duration::from_secs(elements(headers, &PREFER).find_map(wait).unwrap_or(0)),
            no_cache: elements(headers, &CACHE_CONTROL).any(|directive| directive.eq_ignore_ascii_case("no-cache")),
            gzip: accepts_gzip(headers),
            name: name(headers)?,
        })
    }

    /// Whether it is answered with what is on the board now.
    fn has_news(&self, board: &Board) -> bool {
        board.edition.as_deref().is_some_and(|edition| !self.holds(edition) && !self.is_ahead_of(edition))
    }

    fn holds(&self, edition: &Edition) -> bool {
        let tag = edition.tag().to_str().unwrap_or_default();
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        self.held.iter().any(|held| held == tag || held == "*")
    }

    /// Another server of the same store has handed out more than this one has seen.
    fn is_ahead_of(&self, edition: &Edition) -> bool {
        self.epoch().is_some_and(|epoch| epoch > edition.epoch())
    }

    /// The newest epoch that it holds.
    fn epoch(&self) -> Option<u64> {
        let epoch = |tag: &String| tag.strip_prefix('"')?.split('-').next()?.parse().ok();
        self.held.iter().filter_map(epoch).max()
    }
}

/// The elements of a list header (RFC 9110 §5.6.1), over all its copies. No tag and no preference of ours holds a comma.
fn elements<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|element| !element.is_empty())
}

/// The seconds of `wait=<seconds>`. Preferences that nobody understands are passed over (RFC 7240 §2).
fn wait(preference: &str) -> Option<u64> {
    let (name, value) = preference.split(';').next()?.split_once('=')?;
    let seconds: u64 = value.trim().trim_matches('"').parse().ok()?;
    name.trim().eq_ignore_ascii_case("wait").then_some(seconds.min(Poll::LONGEST))
}

/// RFC 9110 §12.5.3. What is refused by name is refused, whatever `*` says.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let weight = |coding: &str| {
        let (name, rest) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = rest.trim().strip_prefix("q=").map_or(Some(1.0), |weight| weight.parse::<f32>().ok());
        (name.trim().to_ascii_lowercase(), weight.unwrap_or(0.0))
    };
    let codings: Vec<_> = elements(headers, &ACCEPT_ENCODING).map(weight).collect();
    let of = |names: &[&str]| codings.iter().find(|(name, _)| names.contains(&name.as_str()));
    of(&["gzip", "x-gzip"]).or_else(|| of(&["*"])).is_some_and(|(_, weight)| *weight > 0.0)
}

fn name(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(&VERIFIER).into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ApiError::field("X-Gracekey-Verifier", "is there twice; give one name"));
    }
    let name = value.to_str().unwrap_or_default();
    if is_name(name) { Ok(Some(name.to_owned())) } else { Err(ApiError::field("X-Gracekey-Verifier", NAME_RULE)) }
}

/// What is wrong with a name that is none.
pub(super) const NAME_RULE: &str = "a verifier's name is 1 to 128 visible ASCII characters, and holds no API key";

/// Whether a verifier may be called that.
pub(super) fn is_name(name: &str) -> bool {
    (1..=NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic()) && !input::holds_a_key(name)
}

#[cfg(test)]
mod tests;
