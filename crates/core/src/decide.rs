//! The decision: one synchronous function over what a request presents, without clock, input or output.

use alloc::borrow::Cow;

use zeroize::Zeroize;

use crate::document::End;
use crate::extract::{Presented, extract};
use crate::key::{ApiKey, Shape, is_key_bytes};
use crate::keyring::{Entry, Keyring};
use crate::names::Scope;
use crate::policy::{FailureMode, Mode, Policy, Rule};
use crate::reason::Reason;
use crate::request::{Headers, Request};
use crate::time::Timestamp;
use crate::verdict::{Denial, Grant, Verdict};

/// The keyring that a verifier holds, and when its source last confirmed it.
#[derive(Clone, Copy, Debug)]
pub struct Held<'k> {
    /// The keyring.
    pub keyring: &'k Keyring,
    /// When the source last said that this is the newest one. With [`max_staleness`] it may count for so long.
    ///
    /// [`max_staleness`]: crate::PolicyConfig::max_staleness
    pub confirmed_at: Timestamp,
}

/// Decides over one request.
///
/// `held` is `None` as long as there is no keyring, and `now` is `None` when the clock can't be read: both deny.
/// Nothing is allocated on the way to a grant, but for a key in the query that is percent-encoded.
#[inline]
pub fn decide<'a, 'r, H: Headers<'r>>(
    policy: &'a Policy,
    held: Option<Held<'a>>,
    request: &Request<'r, H>,
    now: Option<Timestamp>,
) -> Verdict<'a> {
    let rule = policy.rule(request);
    let presented = extract(policy, request);
    let grant = |entry| Grant::new(policy, rule.mode, entry, now, &presented);
    if rule.mode == Mode::Open {
        return Verdict::Grant(grant(None)).wiping(presented);
    }
    match judge(policy, held, &rule, &presented, now) {
        Ok(entry) => Verdict::Grant(grant(Some(entry)).sanitized(rule.mode)),
        Err(refusal) => refused(policy, &rule, refusal, &presented, now),
    }
    .wiping(presented)
}

/// A request that was let pass, as [`Grant::admitted`] remembers it.
#[derive(Clone, Copy, Debug)]
pub struct Admitted<'a> {
    /// Who called, or `None` for an anonymous request.
    pub entry: Option<Entry<'a>>,
    /// Whether a denial is carried out, or only counted and logged: shadow mode, or `failure_mode` allow.
    pub enforced: bool,
}

/// Decides once more over a request that was let pass, where a route asks for a caller with these scopes beyond what
/// the policy knows. With no scopes it asks for any caller.
pub fn decide_scopes<'a, 'r, H: Headers<'r>>(
    policy: &'a Policy,
    admitted: Admitted<'a>,
    scopes: &'a [Scope],
    request: &Request<'r, H>,
    now: Option<Timestamp>,
) -> Verdict<'a> {
    let rule = Rule { mode: if admitted.enforced { Mode::Strict } else { Mode::Shadow }, scopes: [scopes, &[]] };
    let nothing = Presented { grpc: request.is_grpc(), ..Presented::default() };
    let held = admitted.entry.ok_or(Refusal::plain(Reason::Missing));
    match held.and_then(|entry| check_scopes(entry, &rule).map(|()| entry)) {
        Ok(entry) => Verdict::Grant(Grant::new(policy, rule.mode, Some(entry), now, &nothing)),
        Err(refusal) => refused(policy, &rule, refusal, &nothing, now),
    }
}

/// Why there is no grant, with what the denial tells its caller.
#[derive(Clone, Copy)]
pub(crate) struct Refusal<'a> {
    pub(crate) reason: Reason,
    /// The generation that the caller holds, for reasons after the look-up.
    pub(crate) entry: Option<Entry<'a>>,
    pub(crate) scopes: [&'a [Scope]; 2],
}

impl Refusal<'_> {
    pub(crate) fn plain(reason: Reason) -> Self {
        Self { reason, entry: None, scopes: [&[], &[]] }
    }
}

/// Inlined into the one place that calls it, whatever the compiler thinks: a refusal that goes through memory takes longer
/// than all that is special about a key that nobody has.
#[inline(always)]
fn judge<'a>(
    policy: &Policy,
    held: Option<Held<'a>>,
    rule: &Rule<'a>,
    presented: &Presented<'_>,
    now: Option<Timestamp>,
) -> Result<Entry<'a>, Refusal<'a>> {
    if presented.ambiguous {
        return Err(Refusal::plain(Reason::Ambiguous));
    }
    let Some(credential) = &presented.credential else {
        return Err(Refusal::plain(Reason::Missing));
    };
    if !ApiKey::LENGTHS.contains(&credential.len()) || !is_key_bytes(credential) {
        return Err(Refusal::plain(malformed_or_joined(credential)));
    }
    let (Some(held), Some(now)) = (held, now) else {
        return Err(Refusal::plain(Reason::Unavailable));
    };
    let stale = |limit| now.seconds_since(held.confirmed_at) > limit;
    if policy.config().max_staleness.is_some_and(|limit| stale(u64::from(limit.0))) {
        return Err(Refusal::plain(Reason::Unavailable));
    }
    let Some(entry) = held.keyring.find(credential) else {
        return Err(Refusal::plain(unknown_or_malformed(credential)));
    };
    check_times(entry, now)?;
    check_scopes(entry, rule)?;
    Ok(entry)
}

/// No key holds a comma: some proxy joined two headers with it.
#[cold]
fn malformed_or_joined(credential: &[u8]) -> Reason {
    if credential.contains(&b',') { Reason::Ambiguous } else { Reason::Malformed }
}

/// Only a key that nobody has is looked at more closely, and its caller reads the same of both.
#[inline]
fn unknown_or_malformed(credential: &[u8]) -> Reason {
    if Shape::checksum_fits(credential) {
        return Reason::Unknown;
    }
    match Shape::of_misfit(credential) {
        Shape::Mistyped | Shape::Cut => Reason::Malformed,
        Shape::Gracekey(_) | Shape::Foreign => Reason::Unknown,
    }
}

/// Times are half-open: at the second of an end it is over, at the second of `not_before` it is on.
/// A revocation waits for no clock.
#[inline]
fn check_times<'a>(entry: Entry<'a>, now: Timestamp) -> Result<(), Refusal<'a>> {
    let refuse = |reason| Err(Refusal { reason, entry: Some(entry), scopes: [&[], &[]] });
    if let Some((_, end)) = entry.ended(now) {
        let reason = match end {
            End::Revoked => Reason::Revoked,
            End::Expired => Reason::Expired,
            End::Retired => Reason::Superseded,
        };
        return refuse(reason);
    }
    if let Some(at) = entry.not_before()
        && now < at
    {
        return refuse(Reason::NotYetValid);
    }
    if entry.client_disabled() {
        return refuse(Reason::ClientDisabled);
    }
    Ok(())
}

#[inline]
fn check_scopes<'a>(entry: Entry<'a>, rule: &Rule<'a>) -> Result<(), Refusal<'a>> {
    if rule.scopes.iter().all(|needed| needed.iter().all(|scope| entry.scopes().contains(scope))) {
        return Ok(());
    }
    Err(Refusal { reason: Reason::InsufficientScope, entry: Some(entry), scopes: rule.scopes })
}

/// What becomes of a request without a grant: the mode decides.
#[inline(always)]
fn refused<'a>(
    policy: &'a Policy,
    rule: &Rule<'a>,
    refusal: Refusal<'a>,
    presented: &Presented<'_>,
    now: Option<Timestamp>,
) -> Verdict<'a> {
    let anonymous = || Grant::new(policy, rule.mode, None, now, presented);
    let passes_unverified = policy.config().failure_mode == FailureMode::Allow;
    match (rule.mode, refusal.reason) {
        (Mode::Shadow, _) => Verdict::Grant(anonymous().shadowing(refusal)),
        (Mode::Optional, Reason::Missing) => Verdict::Grant(anonymous()),
        // An unknown time denies all the same: it is no lack of a keyring.
        (_, Reason::Unavailable) if passes_unverified && now.is_some() => {
            Verdict::Grant(anonymous().shadowing(refusal).sanitized(rule.mode))
        }
        _ => Verdict::Denial(Denial::new(policy, refusal, presented.grpc, now)),
    }
}

impl Verdict<'_> {
    /// Wipes the one copy that extraction may have made.
    #[inline]
    fn wiping(self, presented: Presented<'_>) -> Self {
        if let Some(Cow::Owned(mut copy)) = presented.credential {
            copy.zeroize();
        }
        self
    }
}
