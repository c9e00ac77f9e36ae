//! What a poll asks for.

use std::time::Duration;

use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, IF_MATCH, IF_NONE_MATCH, IF_RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::range::ByteRange;
use super::tags::Tags;
use crate::error::ApiError;
use crate::feed::Board;
use crate::feed::edition::{Coding, Edition};
use crate::input;

const VERIFIER: HeaderName = HeaderName::from_static("x-gracekey-verifier");
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The longest name of a verifier.
const NAME: usize = 128;

/// What is wrong with a name that is none.
pub(in crate::feed) const NAME_RULE: &str =
    "a verifier's name is 1 to 128 visible ASCII characters, and holds no API key";

/// What a poll says of itself.
#[derive(Debug, Default)]
pub(super) struct Poll {
    /// What it holds: `If-None-Match`.
    held: Tags,
    /// What it has begun to fetch: `If-Match`.
    begun: Tags,
    range: Option<ByteRange>,
    /// The range is meant only if this is what would be sent: `If-Range`.
    range_of: Option<HeaderValue>,
    pub(super) wait: Duration,
    /// Somebody waits at the verifier, with a key that it does not know: the store itself is asked.
    pub(super) no_cache: bool,
    gzip: bool,
    pub(super) name: Option<String>,
}

impl Poll {
    /// The longest wait, in seconds.
    const LONGEST: u64 = 60;

    pub(super) fn read(method: &Method, headers: &HeaderMap) -> Result<Self, ApiError> {
        Ok(Self {
            held: Tags::read(headers, &IF_NONE_MATCH),
            begun: Tags::read(headers, &IF_MATCH),
            // No other method knows ranges (RFC 9110 §14.2).
            range: ByteRange::read(headers).filter(|_| method == Method::GET),
            range_of: headers.get(IF_RANGE).cloned(),
            wait: Duration::from_secs(elements(headers, &PREFER).find_map(wait).unwrap_or(0)),
            no_cache: elements(headers, &CACHE_CONTROL).any(|directive| directive.eq_ignore_ascii_case("no-cache")),
            gzip: accepts_gzip(headers),
            name: name(headers)?,
        })
    }

    /// Whether it is answered with what is on the board now.
    pub(super) fn has_news(&self, board: &Board) -> bool {
        board.edition.as_deref().is_some_and(|edition| self.holds(edition).is_none() && !self.is_ahead_of(edition))
    }

    /// The coding in which it holds that edition, if it does: one is as good as the other.
    pub(super) fn holds(&self, edition: &Edition) -> Option<Coding> {
        [Coding::Gzip, Coding::Identity].into_iter().find(|coding| self.held.match_weakly(edition.tag(*coding)))
    }

    /// Another server of the same store has handed out more than this one has seen.
    fn is_ahead_of(&self, edition: &Edition) -> bool {
        self.epoch().is_some_and(|epoch| epoch > edition.epoch())
    }

    /// The newest epoch that it holds.
    pub(super) fn epoch(&self) -> Option<u64> {
        self.held.epoch()
    }

    /// In which coding it wants that edition. `None` if it wants none but those that it has begun.
    pub(super) fn wants(&self, edition: &Edition) -> Option<Coding> {
        if self.begun.is_empty() || self.begun.are_any() {
            return self.codings().next();
        }
        self.codings().find(|coding| self.begun.name(edition.tag(*coding)))
    }

    /// In which coding it has begun that edition, of which it asks for a piece. Who holds a keyring and asks whether there
    /// is another has begun none.
    pub(super) fn has_begun(&self, edition: &Edition) -> Option<Coding> {
        if self.range.is_none() || !self.held.is_empty() {
            return None;
        }
        self.codings().find(|coding| {
            let tag = edition.tag(*coding);
            self.begun.name(tag) || self.begun.is_empty() && self.range_of.as_ref() == Some(tag)
        })
    }

    /// Which bytes it asks for of that edition in that coding. `None` where it is the whole.
    pub(super) fn range_of(&self, edition: &Edition, coding: Coding) -> Option<ByteRange> {
        // A date fits none, since none is told (RFC 9110 §13.1.5).
        let meant = self.range_of.as_ref().is_none_or(|tag| tag == edition.tag(coding));
        self.range.filter(|_| meant)
    }

    /// In the order in which they are sent.
    fn codings(&self) -> impl Iterator<Item = Coding> {
        self.gzip.then_some(Coding::Gzip).into_iter().chain([Coding::Identity])
    }
}

/// The elements of a list header (RFC 9110 §5.6.1), over all its copies. No tag and no preference of ours holds a comma.
pub(super) fn elements<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
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

/// Whether a verifier may be called that.
pub(in crate::feed) fn is_name(name: &str) -> bool {
    (1..=NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic()) && !input::holds_a_key(name)
}

#[cfg(test)]
mod tests;
