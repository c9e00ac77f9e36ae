//! Entity tags in conditions (RFC 9110 §8.8.3).

use http::{HeaderMap, HeaderName, HeaderValue};

use super::asked::elements;

/// The tags of a condition, as they came.
#[derive(Debug, Default)]
pub(super) struct Tags(Vec<String>);

impl Tags {
    pub(super) fn read(headers: &HeaderMap, name: &HeaderName) -> Self {
        Self(elements(headers, name).map(Into::into).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether that is one of them, for `If-None-Match`: a weak one is as good (§13.1.2).
    pub(super) fn match_weakly(&self, tag: &HeaderValue) -> bool {
        let tag = tag.to_str().unwrap_or_default();
        self.are_any() || self.0.iter().any(|own| opaque(own) == opaque(tag))
    }

    /// Whether that is one of them by name, for what must be the very same bytes (§13.1.1, §13.1.5).
    pub(super) fn name(&self, tag: &HeaderValue) -> bool {
        self.0.iter().any(|own| own == tag)
    }

    /// `*`: any at all.
    pub(super) fn are_any(&self) -> bool {
        self.0.iter().any(|own| own == "*")
    }

    /// The newest epoch among them.
    pub(super) fn epoch(&self) -> Option<u64> {
        let epoch = |tag: &String| opaque(tag).strip_prefix('"')?.split('-').next()?.parse().ok();
        self.0.iter().filter_map(epoch).max()
    }
}

/// A tag without the mark of weakness.
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}
