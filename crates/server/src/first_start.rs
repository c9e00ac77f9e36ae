use std::fmt;

use gracekey_core::{ApiKey, Client, ClientId, CredentialName, KeyId, LifecycleError, Peppers, Prefix, Timestamp};
use gracekey_store::{Actor, Issue, KeyFilter, Limit, MintFailed, Store, StoreError, mint};

use crate::guard;

/// The key of a new server's first operator. Show it once.
pub struct AdminKey {
    /// The key itself.
    pub key: ApiKey,
    /// Its public name.
    pub key_id: KeyId,
    /// Whose it is: `gracekey-admin`.
    pub client_id: ClientId,
}

/// Why a new server got no operator.
#[derive(Debug)]
#[non_exhaustive]
pub enum FirstStartError {
    /// The store did not do it.
    Store(StoreError),
    /// There is no randomness.
    Mint(MintFailed),
}

const ADMIN: &str = "gracekey-admin";
const CREDENTIAL: &str = "default";
const ACTOR: &str = "first-start";

/// Makes the client `gracekey-admin` with the scope `gracekey:admin` and a key for it, when the store has no client at
/// all; `None` when it has one. A first start that was cut off in the middle is finished.
///
/// # Errors
/// [`FirstStartError`].
pub async fn first_start(
    store: &Store,
    peppers: &Peppers,
    now: Timestamp,
) -> Result<Option<AdminKey>, FirstStartError> {
    let Some((client, credential, by)) = names() else { return Ok(None) };
    let two = Limit::new(2).unwrap_or_default();
    let there = store.clients(None, two).await.map_err(FirstStartError::Store)?;
    match there.as_slice() {
        [] => match store.add_client(&client.clone().into(), &by, now).await {
            // Another server of the same store is at it.
            Err(StoreError::Refused(LifecycleError::ClientExists { .. })) => return Ok(None),
            done => {
                done.map_err(FirstStartError::Store)?;
            }
        },
        [own] if own.client == client => {
            let filter = KeyFilter { limit: two, ..KeyFilter::default() };
            if !store.keys(&filter).await.map_err(FirstStartError::Store)?.is_empty() {
                return Ok(None);
            }
        }
        _ => return Ok(None),
    }
    let (key, minted) = mint(&Prefix::default(), peppers.current()).map_err(FirstStartError::Mint)?;
    let issue = Issue { client_id: client.client_id.clone(), credential, key: minted, expires_at: None };
    match store.issue(&issue, &by, now).await {
        Err(StoreError::Refused(LifecycleError::IsLive { .. })) => Ok(None),
        Err(error) => Err(FirstStartError::Store(error)),
        Ok(done) => Ok(Some(AdminKey { key, key_id: done.value.key_id, client_id: client.client_id })),
    }
}

/// Names that are good by their looks.
fn names() -> Option<(Client, CredentialName, Actor)> {
    let scopes = vec![guard::ADMIN.parse().ok()?];
    let client = Client { client_id: ADMIN.parse().ok()?, disabled: false, scopes };
    Some((client, CREDENTIAL.parse().ok()?, ACTOR.parse().ok()?))
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminKey")
            .field("key_id", &self.key_id)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for FirstStartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Mint(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for FirstStartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            Self::Mint(error) => Some(error),
        }
    }
}
