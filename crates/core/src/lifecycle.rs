//! The life of a key: issue, rotate, revoke, expire. Pure transitions over data, with `now` as an argument.
//!
//! [`Credential`] looks at the generations of one credential, wherever they are kept, and says what a transition writes.
//! A store carries that out in one transaction; for the keyring file the methods on [`Document`](crate::Document) do.
//!
//! Three things hold whatever is done in whatever order: an end never moves later, what has ended stays ended, and
//! at most [`Credential::MAX_LIVE`] generations of a credential are live at once.

mod document;
mod error;
mod grace;

pub use document::Revoke;
pub use error::LifecycleError;
pub use grace::{Grace, GraceError};

use alloc::vec::Vec;

use crate::digest::Digest;
use crate::document::Generation;
use crate::key::{ApiKey, KeyId};
use crate::names::{ClientId, CredentialName};
use crate::pepper::Pepper;
use crate::time::{Seconds, Timestamp};

/// What is kept of a key that was just minted or brought from elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Minted {
    /// The public name of its generation.
    pub key_id: KeyId,
    /// What is kept instead of it.
    pub digest: Digest,
}

/// The generations of one credential, the oldest first.
#[derive(Clone, Debug)]
pub struct Credential<'g> {
    client_id: &'g ClientId,
    name: &'g CredentialName,
    generations: Vec<&'g Generation>,
}

/// What a rotation writes: all of it, or nothing.
#[derive(Clone, Debug)]
#[must_use = "a rotation is done only once it was written"]
pub struct Rotation {
    /// The new generation.
    pub successor: Generation,
    /// The one before, as it stands from now on.
    pub predecessor: Generation,
    /// Successors that nobody ever used, as they stand from now on: revoked.
    pub replaced: Vec<Generation>,
}

// === impl Minted ===

impl Minted {
    /// Of a key with a key id inside; `None` for a foreign one, which needs a key id of its own.
    #[must_use]
    pub fn of(key: &ApiKey, pepper: &Pepper) -> Option<Self> {
        key.key_id().map(|key_id| Self { key_id, digest: pepper.digest(key.as_bytes()) })
    }
}

// === impl Credential ===

impl<'g> Credential<'g> {
    /// How many generations are live at once, at most.
    pub const MAX_LIVE: usize = 3;

    /// Picks the generations of that credential among others.
    #[must_use]
    pub fn new(
        client_id: &'g ClientId,
        name: &'g CredentialName,
        generations: impl IntoIterator<Item = &'g Generation>,
    ) -> Self {
        let own = |generation: &&Generation| generation.client_id == *client_id && generation.credential == *name;
        let mut generations: Vec<_> = generations.into_iter().filter(own).collect();
        generations.sort_by_key(|generation| generation.generation);
        Self { client_id, name, generations }
    }

    /// The generations that have not ended by `now`, the oldest first.
    #[must_use]
    pub fn live(&self, now: Timestamp) -> impl DoubleEndedIterator<Item = &'g Generation> {
        self.generations.iter().copied().filter(move |generation| generation.is_live(now))
    }

    /// The newest live generation: the one that a rotation supersedes.
    #[must_use]
    pub fn current(&self, now: Timestamp) -> Option<&'g Generation> {
        self.live(now).next_back()
    }

    /// The generation to rotate from when the key of the last rotation got lost on its way: the newest within its window.
    ///
    /// # Errors
    /// [`LifecycleError::NothingLost`].
    pub fn before_lost(&self, now: Timestamp) -> Result<KeyId, LifecycleError> {
        let newest = self.live(now).rfind(|generation| generation.superseded_at.is_some());
        let (client_id, credential) = self.names();
        newest.map(|newest| newest.key_id).ok_or(LifecycleError::NothingLost { client_id, credential })
    }

    /// The first generation of a credential, or the next one after all others have ended.
    ///
    /// # Errors
    /// [`LifecycleError::IsLive`] while a generation is live: that one is rotated instead.
    /// [`LifecycleError::ExpiryPassed`] for an expiry that is not in the future.
    pub fn issue(
        &self,
        key: Minted,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Generation, LifecycleError> {
        if let Some(live) = self.current(now) {
            let (client_id, credential) = self.names();
            return Err(LifecycleError::IsLive { client_id, credential, key_id: live.key_id });
        }
        if let Some(at) = expires_at.filter(|at| *at <= now) {
            return Err(LifecycleError::ExpiryPassed { at, now });
        }
        self.next(key, expires_at, None)
    }

    /// Mints the successor of `from`, or of the current generation.
    ///
    /// The predecessor is superseded and retires after the grace, no later than it would have ended anyway. Whoever
    /// rotates with a generation that was superseded already has lost the answer: as long as `used` says of none of its
    /// successors that it was ever used, they are revoked, a new one takes their place, and the predecessor keeps its
    /// deadline. The successor inherits expiry and `not_before`, so nothing is ever widened.
    ///
    /// `used` comes from whoever counts usage. An operator who rotates the current generation needs none: `|_| false`.
    ///
    /// # Errors
    /// [`LifecycleError::NothingLive`], [`LifecycleError::UnknownKey`] or [`LifecycleError::Ended`] when there is
    /// nothing to rotate; [`LifecycleError::SuccessorUsed`] when a successor is in use, 409 in HTTP;
    /// [`LifecycleError::TooManyLive`] while three windows are open.
    pub fn rotate(
        &self,
        from: Option<KeyId>,
        key: Minted,
        grace: Grace,
        now: Timestamp,
        used: impl Fn(&Generation) -> bool,
    ) -> Result<Rotation, LifecycleError> {
        let mut predecessor = self.predecessor(from, now)?.clone();
        let later = || self.generations.iter().filter(|other| other.generation > predecessor.generation);
        if let Some(successor) = later().find(|successor| used(successor)) {
            return Err(LifecycleError::SuccessorUsed { key_id: predecessor.key_id, successor: successor.key_id });
        }
        let mut replaced: Vec<_> = later().filter(|other| other.is_live(now)).copied().cloned().collect();
        for successor in &mut replaced {
            successor.revoke(now);
        }
        predecessor.supersede(grace, now);
        let earlier = self.live(now).filter(|other| other.generation < predecessor.generation);
        let still_live = earlier.chain(predecessor.is_live(now).then_some(&predecessor));
        let ends: Vec<_> = still_live.map(|generation| generation.end().map(|(at, _)| at)).collect();
        if ends.len() >= Self::MAX_LIVE {
            let (client_id, credential) = self.names();
            return Err(LifecycleError::TooManyLive { client_id, credential, until: ends.into_iter().flatten().min() });
        }
        let successor = self.next(key, predecessor.expires_at, predecessor.not_before)?;
        Ok(Rotation { successor, predecessor, replaced })
    }

    fn predecessor(&self, from: Option<KeyId>, now: Timestamp) -> Result<&'g Generation, LifecycleError> {
        let (client_id, credential) = self.names();
        let Some(key_id) = from else {
            return self.current(now).ok_or(LifecycleError::NothingLive { client_id, credential });
        };
        let named = self.generations.iter().copied().find(|generation| generation.key_id == key_id);
        let named = named.ok_or(LifecycleError::UnknownKey { key_id })?;
        match named.ended(now) {
            Some((at, end)) => Err(LifecycleError::Ended { key_id, at, end }),
            None => Ok(named),
        }
    }

    fn next(
        &self,
        key: Minted,
        expires_at: Option<Timestamp>,
        not_before: Option<Timestamp>,
    ) -> Result<Generation, LifecycleError> {
        let (client_id, credential) = self.names();
        let generation = self.generations.last().map_or(0, |last| last.generation) + 1;
        if generation > Generation::MAX {
            return Err(LifecycleError::Exhausted);
        }
        Ok(Generation {
            client_id,
            credential,
            digest: key.digest,
            expires_at,
            generation,
            key_id: key.key_id,
            not_before,
            retires_at: None,
            revoked_at: None,
            superseded_at: None,
        })
    }

    fn names(&self) -> (ClientId, CredentialName) {
        (self.client_id.clone(), self.name.clone())
    }
}

impl Generation {
    /// Whether it has not ended by `now`. One that is valid only later counts as live.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended(now).is_none()
    }

    /// Whether it ended longer ago than `keep`, so that nobody need be told of it any more.
    #[must_use]
    pub fn is_forgotten(&self, keep: Seconds, now: Timestamp) -> bool {
        self.ended(now).is_some_and(|(at, _)| now.seconds_since(at) > u64::from(keep.0))
    }

    /// Ends it at once. Says whether that changed anything: what has ended already stays as it is.
    pub fn revoke(&mut self, now: Timestamp) -> bool {
        let live = self.is_live(now);
        if live {
            self.revoked_at = Some(now);
        }
        live
    }

    /// Closes its rotation window at once, so that its holder reads that it was rotated. Says whether that changed
    /// anything: what was never superseded or has ended already stays as it is.
    pub fn close_window(&mut self, now: Timestamp) -> bool {
        let open = self.is_live(now) && self.superseded_at.is_some_and(|at| at <= now);
        if open {
            self.retires_at = Some(now);
        }
        open
    }

    /// Sets its expiry, which may only come nearer.
    ///
    /// # Errors
    /// [`LifecycleError::NeverLater`] when it ends before that moment anyway, [`LifecycleError::ExpiryPassed`] when that
    /// moment is not in the future: then it is revoked instead.
    pub fn expire(&mut self, at: Timestamp, now: Timestamp) -> Result<(), LifecycleError> {
        match self.end() {
            Some((ends_at, _)) if ends_at <= at => Err(LifecycleError::NeverLater { key_id: self.key_id, ends_at }),
            _ if at <= now => Err(LifecycleError::ExpiryPassed { at, now }),
            _ => {
                self.expires_at = Some(at);
                Ok(())
            }
        }
    }

    /// The window opens, and closes no later than the key would have ended anyway. An open one stays as it is.
    fn supersede(&mut self, grace: Grace, now: Timestamp) {
        if self.superseded_at.is_none() || self.retires_at.is_none() {
            let closes = now.saturating_add(grace.seconds().0.into());
            self.retires_at = Some(self.end().map_or(closes, |(at, _)| closes.min(at)));
            self.superseded_at.get_or_insert(now);
        }
    }
}
