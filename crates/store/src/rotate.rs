use std::collections::HashSet;

use gracekey_core::{
    ClientId, Credential, CredentialName, Generation, Grace, KeyId, LifecycleError, Minted, Rotation, Seconds,
    Timestamp,
};
use serde_json::json;

use crate::actor::Actor;
use crate::change::{About, Change, Done};
use crate::connect::Store;
use crate::database::Statement;
use crate::error::{Conflict, StoreError, TooManyRotations, damaged};
use crate::{rows, usage};

/// A rotation.
#[derive(Clone, Debug)]
pub struct Rotate {
    /// What is rotated, and by whom.
    pub from: RotateFrom,
    /// The successor's key, from [`mint`](crate::mint). Asked for twice with the same one, it happens once.
    pub key: Minted,
    /// How long the predecessor goes on working.
    pub grace: Grace,
}

/// What is rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RotateFrom {
    /// The key of whoever asks: self-service. It counts as used by that.
    Held(KeyId),
    /// Whatever generation of a credential is current: an operator.
    Current(ClientId, CredentialName),
    /// The newest generation of a credential that is within its window: an operator, whose new key got lost on its way.
    /// If nobody ever used it, another one takes its place, and the window stays as it is.
    Lost(ClientId, CredentialName),
}

/// So many rotations of a credential in any such time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtMost {
    /// How many; 0 is no limit.
    pub rotations: u32,
    /// In how long a time.
    pub within: Seconds,
}

/// Clocks of several servers differ by less than this many seconds.
const SKEW: u64 = 60;

/// A credential as it was before the lock was waited for.
struct Before {
    client_id: ClientId,
    credential: CredentialName,
    newest: i64,
}

impl Store {
    /// Mints the successor of a generation, as [`Credential::rotate`] says.
    ///
    /// Two rotations of one credential at the same moment make one new generation and one [`Conflict`], whichever
    /// servers they come through: at the same moment are two that overlap, and two in the same second. So a lost answer
    /// is asked for again after a second at the earliest, or at once with the same key, which happens once.
    ///
    /// # Errors
    /// As [`Credential::rotate`]; [`LifecycleError::UnknownCredential`] and [`LifecycleError::Taken`];
    /// [`StoreError::Conflict`]; and what [`StoreError`] says of databases.
    pub async fn rotate(&self, rotate: &Rotate, by: &Actor, now: Timestamp) -> Result<Done<Rotation>, StoreError> {
        self.rotate_within(&[], rotate, by, now).await
    }

    /// The same, but a holder's own rotation, [`RotateFrom::Held`], is refused once its credential was rotated as often as
    /// one of these limits lets it, by whomever. An operator's is not.
    ///
    /// # Errors
    /// As [`Store::rotate`], and [`StoreError::TooManyRotations`].
    pub async fn rotate_within(
        &self,
        limits: &[AtMost],
        rotate: &Rotate,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Done<Rotation>, StoreError> {
        let Rotate { from, key, grace } = rotate;
        let before = self.before(from).await?;
        let before = &before;
        let Before { client_id, credential, newest } = before;
        let mut change = self.change(by, now).await?;
        let now = change.seen();
        let known = change.generations(client_id, credential).await?;
        if let Some(key_id) = change.written(*key).await? {
            let again = change.again(key_id, known).await?;
            return change.commit(again).await;
        }
        let held = match from {
            RotateFrom::Held(key_id) => Some(*key_id),
            RotateFrom::Current(..) => None,
            RotateFrom::Lost(..) => Some(Credential::new(client_id, credential, &known).before_lost(now)?),
        };
        let used = change.used(client_id, credential).await?;
        let was_used = |generation: &Generation| used.contains(&generation.key_id);
        let rotation = Credential::new(client_id, credential, &known).rotate(held, *key, *grace, now, was_used);
        if let Some(last) = known.last().filter(|last| i64::from(last.generation) != *newest) {
            return Err(conflict(last));
        }
        let rotation = rotation?;
        if let Some(last) = known.last().filter(|last| Some(last.key_id) != held && last.is_live(now))
            && change.was_rotated_at(last.key_id, now).await?
        {
            return Err(conflict(last));
        }
        if matches!(from, RotateFrom::Held(_)) {
            change.check_limits(limits, before, now).await?;
        }
        change.write_rotation(&rotation, *grace, now).await?;
        if let RotateFrom::Held(key_id) = from
            && !used.contains(key_id)
        {
            for statement in usage::holder_used(change.transaction.engine(), *key_id, now) {
                change.transaction.execute(statement).await?;
            }
        }
        change.commit(rotation).await
    }

    async fn before(&self, from: &RotateFrom) -> Result<Before, StoreError> {
        let mut read = self.database.read().await?;
        let (client_id, credential) = match from {
            RotateFrom::Current(client_id, credential) | RotateFrom::Lost(client_id, credential) => {
                (client_id.clone(), credential.clone())
            }
            RotateFrom::Held(key_id) => {
                let statement =
                    Statement::new("SELECT client_id, credential FROM gracekey_generations WHERE key_id = $1");
                let names = read.first(statement.bind(*key_id), |row| {
                    Ok((rows::parsed(row.text(0)?, "client_id")?, rows::parsed(row.text(1)?, "credential")?))
                });
                names.await?.ok_or(LifecycleError::UnknownKey { key_id: *key_id })?
            }
        };
        let statement =
            Statement::new("SELECT MAX(generation) FROM gracekey_generations WHERE client_id = $1 AND credential = $2");
        let newest = read.first(statement.bind(&client_id).bind(&credential), |row| row.maybe_int(0)).await?.flatten();
        match newest {
            Some(newest) => Ok(Before { client_id, credential, newest }),
            None => Err(LifecycleError::UnknownCredential { client_id, credential }.into()),
        }
    }
}

impl Change<'_> {
    /// What the same rotation came to before, when its answer was lost.
    async fn again(&mut self, key_id: KeyId, known: Vec<Generation>) -> Result<Rotation, StoreError> {
        let statement = Statement::new("SELECT rotated_from FROM gracekey_generations WHERE key_id = $1");
        let from = self.transaction.first(statement.bind(key_id), |row| {
            row.maybe_text(0)?.map(|text| rows::parsed::<KeyId>(text, "rotated_from")).transpose()
        });
        let from = from.await?.flatten();
        let find = |wanted| known.iter().find(|generation| Some(generation.key_id) == wanted).cloned();
        match (find(Some(key_id)), find(from)) {
            (Some(successor), Some(predecessor)) => Ok(Rotation { successor, predecessor, replaced: Vec::new() }),
            _ => Err(LifecycleError::Taken { key_id }.into()),
        }
    }

    /// Whether a generation came of a rotation in this very second, by the clock of any server.
    async fn was_rotated_at(&mut self, key_id: KeyId, now: Timestamp) -> Result<bool, StoreError> {
        let statement = Statement::new("SELECT created_at, rotated_from FROM gracekey_generations WHERE key_id = $1");
        let found = self
            .transaction
            .first(statement.bind(key_id), |row| Ok((rows::timestamp(row.int(0)?)?, row.maybe_text(1)?.is_some())));
        let (created_at, rotated) = found.await?.ok_or_else(|| damaged("a generation vanished under the lock"))?;
        Ok(rotated && created_at >= now && created_at.seconds_since(now) < SKEW)
    }

    /// Which keys of a credential were ever used.
    async fn used(&mut self, client_id: &ClientId, credential: &CredentialName) -> Result<HashSet<KeyId>, StoreError> {
        let statement = Statement::new(
            "SELECT u.key_id FROM gracekey_usage AS u JOIN gracekey_generations AS g ON g.key_id = u.key_id \
             WHERE g.client_id = $1 AND g.credential = $2 AND u.requests > 0",
        );
        let read = |row: &crate::database::Row<'_>| rows::parsed(row.text(0)?, "key_id");
        Ok(self.transaction.rows(statement.bind(client_id).bind(credential), read).await?.into_iter().collect())
    }

    /// Whether the holder of a credential may rotate it now. Pruning keeps what is looked at here.
    async fn check_limits(&mut self, limits: &[AtMost], of: &Before, now: Timestamp) -> Result<(), StoreError> {
        let since = |limit: &AtMost| now.saturating_add(-i64::from(limit.within.0));
        let Some(oldest) = limits.iter().map(since).min() else { return Ok(()) };
        let Before { client_id, credential, .. } = of;
        let statement = Statement::new(
            "SELECT created_at FROM gracekey_generations WHERE client_id = $1 AND credential = $2 \
             AND rotated_from IS NOT NULL AND created_at > $3 ORDER BY created_at DESC",
        );
        let statement = statement.bind(client_id).bind(credential).bind(oldest);
        let made = self.transaction.rows(statement, |row| rows::timestamp(row.int(0)?)).await?;
        let wait = |limit: &AtMost| {
            let first = made.get(usize::try_from(limit.rotations).ok()?.checked_sub(1)?)?;
            Some(first.saturating_add(limit.within.0.into()).seconds_since(now)).filter(|wait| *wait > 0)
        };
        match limits.iter().filter_map(wait).max() {
            None => Ok(()),
            Some(wait) => Err(StoreError::TooManyRotations(TooManyRotations {
                client_id: client_id.clone(),
                credential: credential.clone(),
                wait,
            })),
        }
    }

    async fn write_rotation(&mut self, rotation: &Rotation, grace: Grace, now: Timestamp) -> Result<(), StoreError> {
        let Rotation { successor, predecessor, replaced } = rotation;
        for ended in replaced {
            self.transaction.execute(rows::update_generation(ended)).await?;
            let detail = json!({"why": "replaced before it was used", "by": successor.key_id});
            self.note("key.revoke", About::generation(ended), detail).await?;
        }
        self.transaction.execute(rows::update_generation(predecessor)).await?;
        self.transaction.execute(rows::insert_generation(successor, now, Some(predecessor.key_id))).await?;
        let detail = json!({
            "generation": successor.generation,
            "from": predecessor.key_id,
            "grace": grace,
            "from_retires_at": predecessor.retires_at.map(|at| at.to_string()),
        });
        self.note("key.rotate", About::generation(successor), detail).await
    }
}

fn conflict(newest: &Generation) -> StoreError {
    StoreError::Conflict(Conflict {
        client_id: newest.client_id.clone(),
        credential: newest.credential.clone(),
        newest: newest.key_id,
    })
}
