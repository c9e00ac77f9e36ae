//! What all clones of one Layer share, and how it carries out a verdict.

use std::sync::Arc;

use bytes::Bytes;
use gracekey_core::{Denial, Entry, Grant, Held, Policy, Reason, Timestamp, Verdict, decide};
use http::HeaderName;

use crate::caller::{self, Admission};
use crate::clock::Clock;
use crate::future::Passage;
use crate::live::LiveKeyring;
use crate::metrics::{Metrics, Outcome, Tally};
use crate::recheck::{Recheck, Wait};
use crate::scene::{LiveScene, Scene};
use crate::{events, request, response};

/// The policy, the keyring, and what watches over their use.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) policy: Arc<Policy>,
    /// The names of [`Policy::fields`], prepared once.
    names: Vec<HeaderName>,
    pub(crate) keys: LiveKeyring,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    scene: Arc<LiveScene>,
    #[cfg(feature = "throttle")]
    pub(crate) throttle: Option<Arc<crate::throttle::Throttle>>,
}

/// What becomes of a request: it goes on, changed, or is answered here.
pub(crate) enum Decided {
    Pass(Passage),
    Answer(Box<http::Response<Bytes>>),
    /// It is decided once more when that is over.
    Wait(Wait),
}

/// What a request was decided under.
#[derive(Clone, Copy)]
struct Under<'s> {
    scene: &'s Arc<Scene>,
    now: Option<Timestamp>,
}

impl Gate {
    pub(crate) fn new(policy: Policy, keys: LiveKeyring) -> Self {
        let names = policy.fields().iter().filter_map(|name| header_name(name.as_str())).collect();
        let (policy, metrics) = (Arc::new(policy), Arc::default());
        Self {
            scene: LiveScene::new(&policy, &metrics, &keys),
            policy,
            names,
            clock: keys.clock().clone(),
            keys,
            metrics,
            #[cfg(feature = "throttle")]
            throttle: None,
        }
    }

    /// The same with other metrics.
    pub(crate) fn counted_by(&mut self, metrics: Metrics) {
        self.metrics = Arc::new(metrics);
        self.scene = LiveScene::new(&self.policy, &self.metrics, &self.keys);
    }

    #[inline]
    pub(crate) fn decide<B>(&self, request: &mut http::Request<B>) -> Decided {
        loop {
            match self.look(request, Self::first_refusal) {
                Ok(passage) => return Decided::Pass(passage),
                Err(Some(refused)) => return refused,
                // Each time with a newer keyring.
                Err(None) => {}
            }
        }
    }

    /// After a wait. A failure counts against its peer already, and nobody waits twice.
    #[cold]
    pub(crate) fn decide_again<B>(
        &self,
        request: &mut http::Request<B>,
    ) -> Result<Passage, Box<http::Response<Bytes>>> {
        self.look(request, |_, _, denial, under| self.answer(&denial, under))
    }

    #[inline]
    fn look<B, R>(
        &self,
        request: &mut http::Request<B>,
        refused: impl FnOnce(&Self, &http::Request<B>, Denial<'_>, Under<'_>) -> R,
    ) -> Result<Passage, R> {
        let now = self.clock.now();
        let scene = self.scene.load();
        let confirmed_at = self.keys.confirmed_at();
        let held = scene.ring.as_deref().map(|keyring| Held { keyring, confirmed_at });
        self.metrics.keyring(now, held);
        let verdict = decide(&self.policy, held, &request::view(request), now);
        match verdict {
            Verdict::Grant(grant) => Ok(self.pass(request, &grant, &scene, now)),
            Verdict::Denial(denial) => Err(refused(self, request, denial, Under { scene: &scene, now })),
        }
    }

    #[inline]
    fn pass<B>(
        &self,
        request: &mut http::Request<B>,
        grant: &Grant<'_>,
        scene: &Arc<Scene>,
        now: Option<Timestamp>,
    ) -> Passage {
        request::edit(request, grant, &self.names);
        let index = grant.entry().map(Entry::index);
        if let Some((ring, index)) = scene.ring.as_ref().zip(index) {
            ring.used(index);
        }
        let admission = Admission { scene: Arc::clone(scene), now, enforced: grant.admitted().enforced };
        caller::note(request.extensions_mut(), admission, index);
        let outcome = Outcome::of(grant);
        match outcome {
            Outcome::Previous => self.metrics.previous_key(grant.entry(), now),
            Outcome::WouldDeny(reason) => {
                events::would_deny(grant);
                recognised(scene, reason, grant.would_deny_entry());
            }
            Outcome::Current | Outcome::Anonymous | Outcome::Denied(_) => {}
        }
        Passage { tally: Tally::new(scene, outcome), notice: grant.notice().map(Box::new) }
    }

    /// `None` where a newer keyring came while it was decided, which may know the key.
    #[cold]
    fn first_refusal<B>(&self, request: &http::Request<B>, denial: Denial<'_>, under: Under<'_>) -> Option<Decided> {
        let decided_with = under.scene.ring.as_deref().map(|ring| ring.epoch());
        if denial.reason() == Reason::Unknown && self.keys.epoch() > decided_with {
            return None;
        }
        let denial = self.throttled(request, denial, under.now);
        // The source may know the key by now.
        let wait = if denial.reason() == Reason::Unknown { Recheck::ask(&self.keys) } else { None };
        Some(wait.map_or_else(|| Decided::Answer(self.answer(&denial, under)), Decided::Wait))
    }

    #[cold]
    fn answer(&self, denial: &Denial<'_>, Under { scene, now }: Under<'_>) -> Box<http::Response<Bytes>> {
        events::denied(denial);
        self.metrics.count(Outcome::Denied(denial.reason()));
        let mut answer = Box::new(response::answer(denial));
        if let Some(index) = recognised(scene, denial.reason(), denial.entry()) {
            let admission = Admission { scene: Arc::clone(scene), now, enforced: true };
            caller::note(answer.extensions_mut(), admission, Some(index));
        }
        answer
    }

    #[cfg(feature = "throttle")]
    fn throttled<'a, B>(
        &'a self,
        request: &http::Request<B>,
        denial: Denial<'a>,
        now: Option<Timestamp>,
    ) -> Denial<'a> {
        let refusal = self.throttle.as_ref().filter(|_| denial.reason().is_guess());
        match refusal.and_then(|throttle| throttle.refuses(request.headers(), request.extensions(), now)) {
            Some(retry_after) => Denial::throttled(&self.policy, &request::view(request), retry_after, now),
            None => denial,
        }
    }

    #[cfg(not(feature = "throttle"))]
    fn throttled<'a, B>(&self, _: &http::Request<B>, denial: Denial<'a>, _: Option<Timestamp>) -> Denial<'a> {
        denial
    }
}

/// A good key that lacks a scope is in use all the same: whoever sent it has it.
fn recognised(scene: &Scene, reason: Reason, entry: Option<Entry<'_>>) -> Option<u32> {
    let index = entry.filter(|_| reason == Reason::InsufficientScope)?.index();
    if let Some(ring) = &scene.ring {
        ring.used(index);
    }
    Some(index)
}

/// The engine's field names are tokens of RFC 9110 in lower case, which every [`HeaderName`] can be. Those of the default
/// policy are static, so that no request counts references to them.
fn header_name(name: &str) -> Option<HeaderName> {
    let usual = ["x-api-key", "x-client-id", "x-key-id"].into_iter().find(|usual| *usual == name);
    usual.map(HeaderName::from_static).or_else(|| HeaderName::try_from(name).ok())
}
