//! What an end would come to, before it is made.

use std::collections::{BTreeSet, HashMap};

use gracekey_core::{ClientId, CredentialName, KeyId, LifecycleError, Revoke, Timestamp};
use gracekey_store::{KeyFilter, KeyRow, Limit, UsedKey};
use serde::Serialize;
use utoipa::ToSchema;

use super::end::Ending;
use crate::app::App;
use crate::error::ApiError;

/// What an end would come to. Nothing was changed.
#[derive(Serialize, ToSchema)]
pub(super) struct DryRun {
    /// Always `true`.
    dry_run: bool,
    /// The keys that would end.
    would_end: Vec<WouldEnd>,
    /// The clients that used one of these keys within the last day, and so would get 401.
    would_get_401: BTreeSet<String>,
}

/// A key that would end.
#[derive(Serialize, ToSchema)]
struct WouldEnd {
    client_id: String,
    credential: String,
    #[schema(minimum = 1)]
    generation: u32,
    #[schema(value_type = String)]
    key_id: KeyId,
    /// Requests that were granted on it within the last day, to the hour, as far as that was reported.
    #[schema(minimum = 0)]
    requests_last_day: u64,
    /// When it was last used, as far as that was reported.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used: Option<Timestamp>,
}

const DAY: i64 = 86_400;

pub(super) async fn dry_run(app: &App, ending: &Ending, now: Timestamp) -> Result<DryRun, ApiError> {
    let what = match ending {
        Ending::Revoke(what) => what.clone(),
        Ending::Window(client_id, credential) => Revoke::Credential(client_id.clone(), credential.clone()),
    };
    let mut rows = meant(app, &what).await?;
    rows.retain(|row| would_end(row, ending, now));
    let used = app.store.used_since(&what, now.saturating_add(-DAY), now).await?;
    let used: HashMap<KeyId, UsedKey> = used.into_iter().map(|used| (used.key_id, used)).collect();
    let of = |row: &KeyRow| used.get(&row.generation.key_id);
    let would_get_401 = rows.iter().filter(|row| of(row).is_some()).map(|row| row.generation.client_id.to_string());
    Ok(DryRun {
        dry_run: true,
        would_get_401: would_get_401.collect(),
        would_end: rows.iter().map(|row| WouldEnd::new(row, of(row))).collect(),
    })
}

/// By the very transitions that would end it.
fn would_end(row: &KeyRow, ending: &Ending, now: Timestamp) -> bool {
    let mut generation = row.generation.clone();
    match ending {
        Ending::Revoke(_) => generation.revoke(now),
        Ending::Window(..) => generation.close_window(now),
    }
}

/// The keys that are meant, ended or not, and an error where the store knows nothing of that name.
async fn meant(app: &App, what: &Revoke) -> Result<Vec<KeyRow>, ApiError> {
    match what {
        Revoke::Key(key_id) => {
            let row = app.store.key(*key_id).await?;
            Ok(vec![row.ok_or(LifecycleError::UnknownKey { key_id: *key_id })?])
        }
        Revoke::Credential(client_id, credential) => {
            let rows = all(app, client_id, Some(credential)).await?;
            if rows.is_empty() {
                let (client_id, credential) = (client_id.clone(), credential.clone());
                return Err(LifecycleError::UnknownCredential { client_id, credential }.into());
            }
            Ok(rows)
        }
        Revoke::Client(client_id) => {
            if app.store.client(client_id).await?.is_none() {
                return Err(LifecycleError::UnknownClient { client_id: client_id.clone() }.into());
            }
            all(app, client_id, None).await
        }
    }
}

async fn all(app: &App, client_id: &ClientId, credential: Option<&CredentialName>) -> Result<Vec<KeyRow>, ApiError> {
    let limit = Limit::new(Limit::MAX).unwrap_or_default();
    let mut filter = KeyFilter {
        client_id: Some(client_id.clone()),
        credential: credential.cloned(),
        limit,
        ..KeyFilter::default()
    };
    let mut rows = Vec::new();
    loop {
        let page = app.store.keys(&filter).await?;
        let full = page.len() == usize::from(limit.rows());
        filter.after = page.last().map(KeyRow::cursor);
        rows.extend(page);
        if !full {
            return Ok(rows);
        }
    }
}

impl WouldEnd {
    fn new(row: &KeyRow, used: Option<&UsedKey>) -> Self {
        Self {
            client_id: row.generation.client_id.to_string(),
            credential: row.generation.credential.to_string(),
            generation: row.generation.generation,
            key_id: row.generation.key_id,
            requests_last_day: used.map_or(0, |used| used.requests),
            last_used: row.last_used,
        }
    }
}
