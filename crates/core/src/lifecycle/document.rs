use alloc::vec::Vec;

use hashbrown::{HashMap, HashSet};

use super::{Credential, Grace, LifecycleError, Minted, Rotation};
use crate::document::{Client, Document, Generation};
use crate::key::KeyId;
use crate::names::{ClientId, CredentialName, Scope};
use crate::secret;
use crate::time::{Seconds, Timestamp};

/// What a revocation ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoke {
    /// One generation.
    Key(KeyId),
    /// Every generation of a credential.
    Credential(ClientId, CredentialName),
    /// Every generation of a client.
    Client(ClientId),
}

/// The life of keys in a document. Every change makes a new epoch; a refusal changes nothing.
impl Document {
    /// How long what has ended is kept, so that its holder learns why.
    pub const TOMBSTONES: Seconds = Seconds::days(90);

    /// The generations of one credential.
    #[must_use]
    pub fn credential<'g>(&'g self, client_id: &'g ClientId, name: &'g CredentialName) -> Credential<'g> {
        Credential::new(client_id, name, &self.keys)
    }

    /// The client of that name.
    #[must_use]
    pub fn client(&self, client_id: &ClientId) -> Option<&Client> {
        self.clients.iter().find(|client| client.client_id == *client_id)
    }

    /// Takes in a client.
    ///
    /// # Errors
    /// [`LifecycleError::ClientExists`].
    pub fn add_client(&mut self, client: Client, now: Timestamp) -> Result<(), LifecycleError> {
        if self.client(&client.client_id).is_some() {
            return Err(LifecycleError::ClientExists { client_id: client.client_id });
        }
        self.advance(now)?;
        self.clients.push(client);
        Ok(())
    }

    /// Denies all keys of a client until it is enabled again, or enables it. Says whether that changed anything.
    ///
    /// # Errors
    /// [`LifecycleError::UnknownClient`].
    pub fn disable_client(
        &mut self,
        client_id: &ClientId,
        disabled: bool,
        now: Timestamp,
    ) -> Result<bool, LifecycleError> {
        self.change_client(client_id, now, |client| client.disabled = disabled)
    }

    /// Says what all keys of a client may do from now on. Says whether that changed anything.
    ///
    /// # Errors
    /// [`LifecycleError::UnknownClient`].
    pub fn set_scopes(
        &mut self,
        client_id: &ClientId,
        scopes: Vec<Scope>,
        now: Timestamp,
    ) -> Result<bool, LifecycleError> {
        self.change_client(client_id, now, |client| client.scopes = scopes)
    }

    /// Adds the first generation of a credential, or the next one after all others have ended.
    ///
    /// # Errors
    /// As [`Credential::issue`]; [`LifecycleError::UnknownClient`] and [`LifecycleError::Taken`].
    pub fn issue(
        &mut self,
        client_id: &ClientId,
        credential: &CredentialName,
        key: Minted,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<&Generation, LifecycleError> {
        if self.client(client_id).is_none() {
            return Err(LifecycleError::UnknownClient { client_id: client_id.clone() });
        }
        self.check_new(key)?;
        let generation = self.credential(client_id, credential).issue(key, expires_at, now)?;
        self.advance(now)?;
        Ok(self.keys.push_mut(generation))
    }

    /// Rotates a credential, from its current generation or from the one named by `from`.
    ///
    /// # Errors
    /// As [`Credential::rotate`]; [`LifecycleError::UnknownCredential`] and [`LifecycleError::Taken`].
    pub fn rotate(
        &mut self,
        (client_id, credential): (&ClientId, &CredentialName),
        from: Option<KeyId>,
        key: Minted,
        grace: Grace,
        now: Timestamp,
        used: impl Fn(&Generation) -> bool,
    ) -> Result<Rotation, LifecycleError> {
        let own = |generation: &Generation| generation.client_id == *client_id && generation.credential == *credential;
        if !self.keys.iter().any(own) {
            let (client_id, credential) = (client_id.clone(), credential.clone());
            return Err(LifecycleError::UnknownCredential { client_id, credential });
        }
        self.check_new(key)?;
        let rotation = self.credential(client_id, credential).rotate(from, key, grace, now, used)?;
        self.advance(now)?;
        for changed in rotation.replaced.iter().chain([&rotation.predecessor]) {
            self.replace(changed);
        }
        self.keys.push(rotation.successor.clone());
        Ok(rotation)
    }

    /// Ends generations at once, window or not, and says which: empty when all of them had ended already.
    ///
    /// # Errors
    /// [`LifecycleError::UnknownKey`], [`LifecycleError::UnknownCredential`] or [`LifecycleError::UnknownClient`].
    pub fn revoke(&mut self, what: &Revoke, now: Timestamp) -> Result<Vec<KeyId>, LifecycleError> {
        let meant = |generation: &Generation| match what {
            Revoke::Key(key_id) => generation.key_id == *key_id,
            Revoke::Credential(client, name) => generation.client_id == *client && generation.credential == *name,
            Revoke::Client(client) => generation.client_id == *client,
        };
        let known = self.keys.iter().any(meant);
        match what {
            Revoke::Key(key_id) if !known => return Err(LifecycleError::UnknownKey { key_id: *key_id }),
            Revoke::Credential(client_id, credential) if !known => {
                let (client_id, credential) = (client_id.clone(), credential.clone());
                return Err(LifecycleError::UnknownCredential { client_id, credential });
            }
            Revoke::Client(client_id) if self.client(client_id).is_none() => {
                return Err(LifecycleError::UnknownClient { client_id: client_id.clone() });
            }
            _ => {}
        }
        if !self.keys.iter().any(|generation| meant(generation) && generation.is_live(now)) {
            return Ok(Vec::new());
        }
        self.advance(now)?;
        let ended = self.keys.iter_mut().filter(|generation| meant(generation));
        Ok(ended.filter_map(|generation| generation.revoke(now).then_some(generation.key_id)).collect())
    }

    /// Closes the rotation windows of a credential at once, and says which keys that retired: empty when none was open.
    ///
    /// # Errors
    /// [`LifecycleError::UnknownCredential`].
    pub fn close_window(
        &mut self,
        (client_id, credential): (&ClientId, &CredentialName),
        now: Timestamp,
    ) -> Result<Vec<KeyId>, LifecycleError> {
        let own = |generation: &Generation| generation.client_id == *client_id && generation.credential == *credential;
        if !self.keys.iter().any(own) {
            let (client_id, credential) = (client_id.clone(), credential.clone());
            return Err(LifecycleError::UnknownCredential { client_id, credential });
        }
        let mut closed: Vec<_> = self.keys.iter().filter(|generation| own(generation)).cloned().collect();
        closed.retain_mut(|generation| generation.close_window(now));
        if !closed.is_empty() {
            self.advance(now)?;
        }
        for generation in &closed {
            self.replace(generation);
        }
        Ok(closed.iter().map(|generation| generation.key_id).collect())
    }

    /// Sets the expiry of a generation, which may only come nearer.
    ///
    /// # Errors
    /// [`LifecycleError::UnknownKey`], and as [`Generation::expire`].
    pub fn expire(&mut self, key_id: KeyId, at: Timestamp, now: Timestamp) -> Result<(), LifecycleError> {
        let known = self.keys.iter().find(|generation| generation.key_id == key_id);
        let mut changed = known.ok_or(LifecycleError::UnknownKey { key_id })?.clone();
        changed.expire(at, now)?;
        self.advance(now)?;
        self.replace(&changed);
        Ok(())
    }

    /// Drops what ended longer ago than `keep`, and says how much that was. Clients stay, and of each credential its last
    /// generation, so that the next one gets a number of its own.
    ///
    /// # Errors
    /// [`LifecycleError::Exhausted`].
    pub fn prune(&mut self, keep: Seconds, now: Timestamp) -> Result<usize, LifecycleError> {
        let old = self.forgotten(keep, now);
        if !old.is_empty() {
            self.advance(now)?;
            self.keys.retain(|key| !old.contains(&key.key_id));
        }
        Ok(old.len())
    }

    fn forgotten(&self, keep: Seconds, now: Timestamp) -> HashSet<KeyId> {
        let mut last: HashMap<(&ClientId, &CredentialName), u32> = HashMap::new();
        for key in &self.keys {
            let last = last.entry((&key.client_id, &key.credential)).or_default();
            *last = key.generation.max(*last);
        }
        let is_last = |key: &Generation| last.get(&(&key.client_id, &key.credential)) == Some(&key.generation);
        let old = |key: &&Generation| key.is_forgotten(keep, now) && !is_last(key);
        self.keys.iter().filter(old).map(|key| key.key_id).collect()
    }

    /// Begins a new epoch.
    fn advance(&mut self, now: Timestamp) -> Result<(), LifecycleError> {
        if self.epoch >= Self::MAX_EPOCH {
            return Err(LifecycleError::Exhausted);
        }
        self.epoch += 1;
        self.issued_at = now;
        Ok(())
    }

    fn change_client(
        &mut self,
        client_id: &ClientId,
        now: Timestamp,
        change: impl FnOnce(&mut Client),
    ) -> Result<bool, LifecycleError> {
        let place = self.clients.iter().position(|client| client.client_id == *client_id);
        let known = place.and_then(|place| self.clients.get(place));
        let known = known.ok_or_else(|| LifecycleError::UnknownClient { client_id: client_id.clone() })?;
        let mut changed = known.clone();
        change(&mut changed);
        if changed == *known {
            return Ok(false);
        }
        self.advance(now)?;
        if let Some(client) = place.and_then(|place| self.clients.get_mut(place)) {
            *client = changed;
        }
        Ok(true)
    }

    fn replace(&mut self, changed: &Generation) {
        for generation in self.keys.iter_mut().filter(|generation| generation.key_id == changed.key_id) {
            generation.clone_from(changed);
        }
    }

    fn check_new(&self, key: Minted) -> Result<(), LifecycleError> {
        let same = |other: &&Generation| {
            other.key_id == key.key_id || secret::declassify(secret::same(other.digest.words(), key.digest.words()))
        };
        match self.keys.iter().find(same) {
            Some(other) => Err(LifecycleError::Taken { key_id: other.key_id }),
            None => Ok(()),
        }
    }
}
