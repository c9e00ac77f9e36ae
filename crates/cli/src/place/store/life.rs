//! The steps in the life of a key, on a store.

use std::collections::HashMap;

use gracekey_core::{Client, KeyId, LifecycleError, Revoke, Timestamp};
use gracekey_store::{
    ClientChange, Done, Issue, KeyFilter, KeyRow, NewClient, Rotate, RotateFrom, StoreError, UsedKey,
};

use super::StorePlace;
use crate::clock;
use crate::entropy;
use crate::failure::Failure;
use crate::place::order::{NEXT_SECOND, check_scopes};
use crate::place::{
    ClientNow, ClientOrder, Ended, Ending, Expiring, Foreseen, IssueOrder, Issued, NewKey, RotateOrder, Rotated,
    WouldEnd,
};
use crate::span::Until;

const DAY: i64 = 86_400;

impl StorePlace {
    pub(in crate::place) fn issue(&self, order: &IssueOrder<'_>) -> Result<Issued, Failure> {
        let (key, minted) = entropy::minted(order.prefix, &*self.peppers()?)?;
        let now = clock::now()?;
        let expires_at = order.expires.map(|until| until.moment(now));
        let known = match self.wait(self.store.client(order.client))? {
            Some(known) => {
                check_scopes(&known.client, order.scopes)?;
                known.client
            }
            None => self.take_in(order, expires_at, now)?,
        };
        let issue =
            Issue { client_id: order.client.clone(), credential: order.credential.clone(), key: minted, expires_at };
        let done = self.change(async |now| self.store.issue(&issue, &self.by, now).await)?;
        let generation = done.value.generation;
        let new = NewKey { key, key_id: minted.key_id, generation, expires_at, epoch: done.epoch };
        Ok(Issued { new, client_disabled: known.disabled })
    }

    fn take_in(
        &self,
        order: &IssueOrder<'_>,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Client, Failure> {
        // What is refused must not leave a client behind.
        if let Some(at) = expires_at.filter(|at| *at <= now) {
            return Err(LifecycleError::ExpiryPassed { at, now }.into());
        }
        let client = Client { client_id: order.client.clone(), disabled: false, scopes: order.scopes.to_vec() };
        let new = NewClient::from(client.clone());
        self.change(async |now| match self.store.add_client(&new, &self.by, now).await {
            // By ourselves, when the answer was lost, or by somebody else with the same intent.
            Err(StoreError::Refused(LifecycleError::ClientExists { .. })) => Ok(None),
            done => done.map(Some),
        })?;
        Ok(client)
    }

    pub(in crate::place) fn rotate(&self, order: &RotateOrder<'_>) -> Result<Rotated, Failure> {
        let (key, minted) = entropy::minted(order.prefix, &*self.peppers()?)?;
        let (client_id, credential) = (order.client.clone(), order.credential.clone());
        let from = match order.lost {
            true => RotateFrom::Lost(client_id, credential),
            false => RotateFrom::Current(client_id, credential),
        };
        let rotate = Rotate { from, key: minted, grace: order.grace.unwrap_or_default() };
        let done = self.change(async |now| match self.store.rotate(&rotate, &self.by, now).await {
            Err(StoreError::Conflict(_)) if order.lost => {
                tokio::time::sleep(NEXT_SECOND).await;
                self.store.rotate(&rotate, &self.by, now.saturating_add(1)).await
            }
            done => done,
        })?;
        let Done { epoch, value: rotation, .. } = done;
        let successor = rotation.successor;
        let (generation, expires_at) = (successor.generation, successor.expires_at);
        Ok(Rotated {
            new: NewKey { key, key_id: minted.key_id, generation, expires_at, epoch },
            previous_key_id: rotation.predecessor.key_id,
            previous_key_retires_at: rotation.predecessor.end().map(|(at, _)| at),
            replaced_key_ids: rotation.replaced.iter().map(|replaced| replaced.key_id).collect(),
        })
    }

    pub(in crate::place) fn end(&self, what: &Ending) -> Result<Ended, Failure> {
        let done = self.change(async |now| match what {
            Ending::Revoke(what) => self.store.revoke(what, &self.by, now).await,
            Ending::Window(client_id, credential) => {
                self.store.close_window(client_id, credential, &self.by, now).await
            }
        })?;
        Ok(Ended { key_ids: done.value, epoch: done.epoch })
    }

    pub(in crate::place) fn expire(&self, key_id: KeyId, until: Until) -> Result<Expiring, Failure> {
        let at = until.moment(clock::now()?);
        let Done { epoch, changed, value } =
            self.change(async |now| self.store.expire(key_id, at, &self.by, now).await)?;
        let (client_id, credential) = (value.client_id, value.credential);
        Ok(Expiring { key_id, client_id, credential, expires_at: at, epoch, changed })
    }

    pub(in crate::place) fn foresee(&self, what: &Ending) -> Result<Foreseen, Failure> {
        let now = clock::now()?;
        let meant = what.as_revoke();
        let rows = self.meant(&meant)?;
        let used = self.wait(self.store.used_since(&meant, now.saturating_add(-DAY), now))?;
        let used: HashMap<_, UsedKey> = used.into_iter().map(|used| (used.key_id, used)).collect();
        let would_end = rows.iter().filter(|row| what.ends(&row.generation, now)).map(|row| WouldEnd {
            requests_last_day: Some(used.get(&row.generation.key_id).map_or(0, |used| used.requests)),
            last_used: row.last_used,
            ..WouldEnd::new(&row.generation)
        });
        Ok(Foreseen { would_end: would_end.collect(), counted: true })
    }

    /// The keys that a revocation is about, ended or not.
    fn meant(&self, what: &Revoke) -> Result<Vec<KeyRow>, Failure> {
        let filter = match what {
            Revoke::Key(key_id) => {
                let row = self.wait(self.store.key(*key_id))?;
                return Ok(vec![row.ok_or(LifecycleError::UnknownKey { key_id: *key_id })?]);
            }
            Revoke::Credential(client_id, credential) => KeyFilter {
                client_id: Some(client_id.clone()),
                credential: Some(credential.clone()),
                ..KeyFilter::default()
            },
            Revoke::Client(client_id) => {
                self.known_client(client_id)?;
                KeyFilter { client_id: Some(client_id.clone()), ..KeyFilter::default() }
            }
        };
        let rows = self.rows(filter)?;
        match what {
            Revoke::Credential(client_id, credential) if rows.is_empty() => {
                let (client_id, credential) = (client_id.clone(), credential.clone());
                Err(LifecycleError::UnknownCredential { client_id, credential }.into())
            }
            _ => Ok(rows),
        }
    }

    pub(in crate::place) fn client(&self, order: &ClientOrder<'_>) -> Result<ClientNow, Failure> {
        let wanted = ClientChange { disabled: order.disabled, scopes: order.scopes.map(<[_]>::to_vec) };
        self.change(async |now| self.store.change_client(order.client, &wanted, &self.by, now).await)?;
        Ok(ClientNow { client: self.known_client(order.client)?, epoch: self.epoch()? })
    }
}
