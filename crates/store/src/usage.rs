use gracekey_core::{ClientId, CredentialName, KeyId, Revoke, Timestamp};

use crate::connect::{Engine, Store};
use crate::database::{Row, Statement, Wait};
use crate::error::{StoreError, Trouble};
use crate::rows;

/// How often a key was used since it was last reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Which key.
    pub key_id: KeyId,
    /// How many requests were granted on it.
    pub requests: u64,
    /// When the last of them was.
    pub last_used: Timestamp,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It was counted. So many of its keys are known.
    Counted(usize),
    /// Its reporter got it, or a later one, through before.
    Stale,
}

/// Who counted, so that a report that is sent again counts once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reporter {
    /// The verifier, by a name of its own.
    pub name: String,
    /// Grows with every report of that verifier, also when it starts anew: the milliseconds since 1970, for instance.
    pub sequence: u64,
}

/// A key that would be missed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsedKey {
    /// Whose it is.
    pub client_id: ClientId,
    /// For which use.
    pub credential: CredentialName,
    /// Its number within its credential.
    pub generation: u32,
    /// Which key.
    pub key_id: KeyId,
    /// How many requests were granted on it since the moment that was asked about, to the hour.
    pub requests: u64,
    /// When the last of them was.
    pub last_used: Timestamp,
}

/// One report of one key counts no more than this: verifiers count in 32 bits.
const MOST: u64 = 1 << 32;
/// Sums grow no further than this, which every JSON reader can hold.
const FULL: i64 = 1 << 53;
/// A use by a clock that is further behind than this when the key was made is none.
const BEHIND: i64 = 15 * 60;
const HOUR: i64 = 3600;
/// How long usage is kept by the hour, and how long a silent reporter is remembered.
const KEPT: i64 = 8 * 24 * HOUR;
/// Rows of one statement.
const BATCH: usize = 100;
const ATTEMPTS: usize = 3;

impl Store {
    /// Adds up how often keys were used, and says how many of the keys are known: those that were pruned are passed
    /// over, and so are uses from before a key was made. Reports may come late, out of order and, from a [`Reporter`],
    /// twice. Makes no epoch and waits for no change.
    ///
    /// # Errors
    /// What [`StoreError`] says of databases. Then nothing was counted: send the same report again.
    pub async fn record_usage(
        &self,
        usage: &[Usage],
        reporter: Option<&Reporter>,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        match self.record_report(usage, reporter, now).await? {
            Recorded::Counted(known) => Ok(known),
            Recorded::Stale => Ok(0),
        }
    }

    /// The same, and tells a report that was counted before from one with no known keys.
    ///
    /// # Errors
    /// As [`Store::record_usage`].
    pub async fn record_report(
        &self,
        usage: &[Usage],
        reporter: Option<&Reporter>,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        let mut sorted: Vec<_> = usage.iter().filter(|usage| usage.requests > 0).copied().collect();
        // Everybody locks rows in the same order, and each row is in a statement once.
        sorted.sort_by_key(|usage| usage.key_id);
        sorted.dedup_by(|later, first| {
            let same = later.key_id == first.key_id;
            if same {
                first.requests = first.requests.saturating_add(later.requests);
                first.last_used = first.last_used.max(later.last_used);
            }
            same
        });
        for _ in 1..ATTEMPTS {
            match self.try_record(&sorted, reporter, now).await {
                Err(StoreError::Unavailable(error)) if matches!(error.trouble, Trouble::Busy | Trouble::Failed) => {}
                done => return done,
            }
        }
        self.try_record(&sorted, reporter, now).await
    }

    async fn try_record(
        &self,
        usage: &[Usage],
        reporter: Option<&Reporter>,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        let mut transaction = self.database.write(Wait::Usual).await?;
        if let Some(Reporter { name, sequence }) = reporter {
            let statement = Statement::new(
                "INSERT INTO gracekey_usage_reporters AS r (reporter, sequence, seen_at) VALUES ($1, $2, $3) \
                 ON CONFLICT (reporter) DO UPDATE SET sequence = excluded.sequence, seen_at = excluded.seen_at \
                 WHERE excluded.sequence > r.sequence",
            );
            let name: String = name.chars().filter(|c| !c.is_control()).take(300).collect();
            let statement = statement.bind(name).bind(*sequence).bind(now);
            if transaction.execute(statement).await? == 0 {
                return Ok(Recorded::Stale);
            }
        }
        let mut known = 0;
        for batch in usage.chunks(BATCH) {
            let engine = transaction.engine();
            known += transaction.execute(totals(engine, batch, now)).await?;
            transaction.execute(hours(engine, batch, now)).await?;
        }
        transaction.commit().await?;
        Ok(Recorded::Counted(usize::try_from(known).unwrap_or(usize::MAX)))
    }

    /// Which of the keys that a revocation would end were used since a moment of the last 8 days: who would get a 401.
    ///
    /// # Errors
    /// What [`StoreError`] says of databases.
    pub async fn used_since(
        &self,
        what: &Revoke,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<UsedKey>, StoreError> {
        let (key_id, client_id, credential) = match what {
            Revoke::Key(key_id) => (Some(*key_id), None, None),
            Revoke::Credential(client_id, credential) => (None, Some(client_id), Some(credential)),
            Revoke::Client(client_id) => (None, Some(client_id), None),
        };
        let statement = Statement::new(
            "SELECT g.client_id, g.credential, g.generation, g.key_id, u.last_used, \
             (SELECT CAST(SUM(h.requests) AS BIGINT) FROM gracekey_usage_hours AS h \
              WHERE h.key_id = g.key_id AND h.hour > $2 - 3600) \
             FROM gracekey_generations AS g JOIN gracekey_usage AS u ON u.key_id = g.key_id \
             WHERE u.last_used >= $2 AND g.revoked_at IS NULL \
             AND (g.expires_at IS NULL OR g.expires_at > $1) AND (g.retires_at IS NULL OR g.retires_at > $1)",
        );
        let statement = statement.bind(now).bind(since).then_if(" AND g.key_id =", key_id);
        let statement = statement.then_if(" AND g.client_id =", client_id).then_if(" AND g.credential =", credential);
        let mut used = self.database.read().await?.rows(statement, used_key).await?;
        used.sort_by(|a, b| {
            (&a.client_id, &a.credential, a.generation).cmp(&(&b.client_id, &b.credential, b.generation))
        });
        Ok(used)
    }
}

/// One more use of a key, by whoever rotates with it.
pub(crate) fn holder_used(engine: Engine, key_id: KeyId, now: Timestamp) -> [Statement; 2] {
    let usage = [Usage { key_id, requests: 1, last_used: now }];
    [totals(engine, &usage, now), hours(engine, &usage, now)]
}

/// What drops usage by the hour and reporters that are too old to be asked about.
pub(crate) fn forget(now: Timestamp) -> [Statement; 2] {
    let oldest = now.saturating_add(-KEPT);
    [
        Statement::new("DELETE FROM gracekey_usage_hours WHERE hour < $1").bind(oldest),
        Statement::new("DELETE FROM gracekey_usage_reporters WHERE seen_at < $1").bind(oldest),
    ]
}

/// A clock a little behind dates no use from before the key was made.
fn totals(engine: Engine, batch: &[Usage], now: Timestamp) -> Statement {
    let places = Statement::places(engine, batch.len(), 3);
    let statement = Statement::composed(format!(
        "INSERT INTO gracekey_usage AS u (key_id, requests, last_used) \
         SELECT g.key_id, v.column2, CASE WHEN v.column3 < g.created_at THEN g.created_at ELSE v.column3 END \
         FROM (VALUES {places}) AS v JOIN gracekey_generations AS g ON g.key_id = v.column1 \
         WHERE v.column3 >= g.created_at - {BEHIND} \
         ON CONFLICT (key_id) DO UPDATE SET \
         requests = CASE WHEN u.requests >= {FULL} THEN u.requests ELSE u.requests + excluded.requests END, \
         last_used = CASE WHEN excluded.last_used > u.last_used THEN excluded.last_used ELSE u.last_used END"
    ));
    bind(statement, batch, |usage| usage.last_used.min(now).unix_seconds())
}

fn hours(engine: Engine, batch: &[Usage], now: Timestamp) -> Statement {
    let places = Statement::places(engine, batch.len(), 3);
    let statement = Statement::composed(format!(
        "INSERT INTO gracekey_usage_hours AS h (key_id, requests, hour) \
         SELECT g.key_id, v.column2, v.column3 FROM (VALUES {places}) AS v \
         JOIN gracekey_generations AS g ON g.key_id = v.column1 \
         WHERE v.column3 > g.created_at - {BEHIND} - {HOUR} \
         ON CONFLICT (key_id, hour) DO UPDATE SET \
         requests = CASE WHEN h.requests >= {FULL} THEN h.requests ELSE h.requests + excluded.requests END"
    ));
    bind(statement, batch, |usage| {
        let last = usage.last_used.min(now).unix_seconds();
        last - last.rem_euclid(HOUR)
    })
}

fn bind(statement: Statement, batch: &[Usage], moment: impl Fn(&Usage) -> i64) -> Statement {
    batch.iter().fold(statement, |statement, usage| {
        statement.bind(usage.key_id).bind(usage.requests.min(MOST)).bind(moment(usage))
    })
}

fn used_key(row: &Row<'_>) -> Result<UsedKey, StoreError> {
    Ok(UsedKey {
        client_id: rows::parsed(row.text(0)?, "client_id")?,
        credential: rows::parsed(row.text(1)?, "credential")?,
        generation: u32::try_from(row.int(2)?).unwrap_or(0),
        key_id: rows::parsed(row.text(3)?, "key_id")?,
        last_used: rows::timestamp(row.int(4)?)?,
        requests: row.maybe_int(5)?.and_then(|requests| u64::try_from(requests).ok()).unwrap_or(0),
    })
}
