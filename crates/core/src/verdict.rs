//! The two verdicts, each a value that says everything a front end must do.

mod denial;
mod edit;
mod notice;

pub use denial::{Denial, Response};
pub use edit::{Field, RequestEdit, without_cookie, without_query_parameter};
pub use notice::{KeyStatus, Notice};

use core::fmt;

use crate::decide::{Admitted, Refusal};
use crate::extract::Presented;
use crate::keyring::Entry;
use crate::policy::{Mode, Policy};
use crate::reason::Reason;
use crate::time::Timestamp;

/// What becomes of a request.
#[derive(Debug)]
#[must_use = "a verdict does nothing until a front end carries it out"]
pub enum Verdict<'a> {
    /// It goes on, changed as [`Grant::edits`] says.
    Grant(Grant<'a>),
    /// It is answered with [`Denial::response`].
    Denial(Denial<'a>),
}

/// Leave to go on. Only [`decide`](crate::decide) makes one.
#[must_use = "a grant says what must be changed in the request"]
pub struct Grant<'a> {
    policy: &'a Policy,
    mode: Mode,
    entry: Option<Entry<'a>>,
    now: Option<Timestamp>,
    /// Places of `extract_from` whose credential must go.
    removed: u32,
    places: u32,
    fields: u64,
    shadowed: Option<(Reason, Option<Entry<'a>>)>,
}

impl<'a> Grant<'a> {
    #[inline]
    pub(crate) fn new(
        policy: &'a Policy,
        mode: Mode,
        entry: Option<Entry<'a>>,
        now: Option<Timestamp>,
        presented: &Presented<'_>,
    ) -> Self {
        let Presented { places, fields, .. } = *presented;
        Self { policy, mode, entry, now, removed: 0, places, fields, shadowed: None }
    }

    /// Removes the credential, if the policy sanitizes. In shadow mode whoever stands behind still needs it.
    #[inline]
    pub(crate) fn sanitized(mut self, mode: Mode) -> Self {
        if self.policy.config().sanitize && mode != Mode::Shadow {
            self.removed = self.places;
        }
        self
    }

    pub(crate) fn shadowing(mut self, refusal: Refusal<'a>) -> Self {
        self.shadowed = Some((refusal.reason, refusal.entry));
        self
    }

    /// The generation whose key was presented, or `None` for an anonymous request.
    #[must_use]
    #[inline]
    pub fn entry(&self) -> Option<Entry<'a>> {
        self.entry
    }

    /// Why the request would have been denied, had the mode not let it pass: shadow mode, or `failure_mode` allow.
    #[must_use]
    pub fn would_deny(&self) -> Option<Reason> {
        self.shadowed.map(|(reason, _)| reason)
    }

    /// The generation that would have been denied, where its caller holds it.
    #[must_use]
    pub fn would_deny_entry(&self) -> Option<Entry<'a>> {
        self.shadowed.and_then(|(_, entry)| entry)
    }

    /// What [`decide_scopes`](crate::decide_scopes) needs to know later on.
    #[must_use]
    #[inline]
    pub fn admitted(&self) -> Admitted<'a> {
        Admitted { entry: self.entry, enforced: self.mode != Mode::Shadow && self.shadowed.is_none() }
    }

    /// Whether the key was superseded: it works, but only until its rotation window closes.
    #[must_use]
    #[inline]
    pub fn is_superseded(&self) -> bool {
        self.entry.zip(self.now).is_some_and(|(entry, now)| entry.is_superseded(now))
    }
}

impl fmt::Debug for Grant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("entry", &self.entry)
            .field("would_deny", &self.would_deny())
            .finish_non_exhaustive()
    }
}
