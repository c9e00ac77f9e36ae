use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gracekey_core::{ApiKey, ClientId, CredentialName, Grace, KeyId, Pepper, Peppers, Seconds, Timestamp};
use gracekey_server::{Config, Server, first_start};
use gracekey_store::Store;
use serde::Deserialize;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::connection;
use crate::clock;
use crate::durable;
use crate::entropy;
use crate::failure::Failure;
use crate::pepper_file::PepperSource;
use crate::place::{self, IssueOrder, NewKey, RotateOrder};

/// A folder that only we may read, with a pepper and a store in it, and the server over them, as `gracekey serve` runs it.
pub(super) struct Stage {
    folder: TempDir,
    peppers: Arc<Peppers>,
    store: Store,
    server: Server,
    admin: ApiKey,
}

/// A key of the demo, and its public name.
pub(super) struct DemoKey {
    pub(super) key: Zeroizing<String>,
    pub(super) key_id: KeyId,
    /// The epoch from which on verifiers know it.
    pub(super) epoch: u64,
}

/// What a rotation brought.
pub(super) struct Rotated {
    pub(super) key: DemoKey,
    pub(super) retires_at: Timestamp,
}

/// What the holder of a key reads when it rotates it.
#[derive(Deserialize)]
struct OwnRotation {
    new_api_key: String,
    key_id: KeyId,
    epoch: u64,
    previous_key_retires_at: Timestamp,
}

impl Stage {
    /// Where the holder of a key rotates it.
    pub(super) const ROTATE: &str = "/v2/auth/rotate-key";

    pub(super) async fn set() -> Result<Self, Failure> {
        let cannot = |error: std::io::Error| Failure::refused(format!("the demo has no folder to work in: {error}"));
        let mut folder = tempfile::Builder::new();
        folder.prefix("gracekey-demo-");
        #[cfg(unix)]
        folder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let folder = folder.tempdir().map_err(cannot)?;
        let id = "demo".parse().map_err(Failure::refused)?;
        let secret = entropy::bytes::<32>()?;
        durable::create(&folder.path().join("pepper"), Pepper::text(id, &*secret).as_bytes(), 0o600).map_err(cannot)?;
        let peppers = Arc::new(Peppers::one(Pepper::new(id, &*secret).map_err(Failure::refused)?));
        let path = folder.path().join("gracekey.db");
        let store = Store::connect(&format!("sqlite:{}", path.display())).await.map_err(Failure::refused)?;
        let admin = first_start(&store, &peppers, clock::now()?).await.map_err(Failure::refused)?;
        let admin = admin.ok_or_else(|| Failure::refused("the demo's store is not new"))?.key;
        durable::create(&folder.path().join("admin-key"), admin.as_bytes(), 0o600).map_err(cannot)?;
        let mut config = Config::new(store.clone(), Arc::clone(&peppers));
        config.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        // The service and the server are one process here, and their counts are told apart by this.
        config.metrics_prefix = "gracekey_server".into();
        let server = Server::start(config).await.map_err(Failure::refused)?;
        Ok(Self { folder, peppers, store, server, admin })
    }

    /// Issues the key that all callers begin with.
    pub(super) async fn issue(&self) -> Result<DemoKey, Failure> {
        self.issue_to("acme_corp", "logs:read").await
    }

    /// Issues the key with which the service follows the feed.
    pub(super) async fn feed_key(&self) -> Result<ApiKey, Failure> {
        let issued = self.issue_to("logs_service", "gracekey:feed").await?;
        ApiKey::parse(&issued.key).map_err(Failure::refused)
    }

    async fn issue_to(&self, client: &str, scope: &str) -> Result<DemoKey, Failure> {
        let (client, credential): (ClientId, CredentialName) = names(client)?;
        let scopes = [scope.parse().map_err(Failure::refused)?];
        self.operator(move |server| {
            let order =
                IssueOrder { client: &client, credential: &credential, scopes: &scopes, expires: None, prefix: None };
            server.issue(&order).map(|issued| DemoKey::of(&issued.new))
        })
        .await
    }

    /// The operator rotates the key.
    pub(super) async fn rotate(&self, grace: Seconds) -> Result<Rotated, Failure> {
        let (client, credential) = names("acme_corp")?;
        let grace = Some(Grace::new(grace).map_err(Failure::refused)?);
        self.operator(move |server| {
            let order = RotateOrder { client: &client, credential: &credential, grace, lost: false, prefix: None };
            let rotated = server.rotate(&order)?;
            let retires_at = rotated.previous_key_retires_at;
            let retires_at = retires_at.ok_or_else(|| Failure::refused("the old key has no end"))?;
            Ok(Rotated { key: DemoKey::of(&rotated.new), retires_at })
        })
        .await
    }

    /// The holder of a key rotates it itself.
    pub(super) async fn rotate_by_holder(&self, held: &DemoKey) -> Result<Rotated, Failure> {
        let answer = connection::post(self.server.local_addr(), Self::ROTATE, &held.key).await?;
        let answer = Zeroizing::new(answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let rotated: OwnRotation = serde_json::from_str(body).map_err(|_| {
            let status = head.lines().next().unwrap_or_default();
            Failure::refused(format!("the holder's own rotation was answered with {status}"))
        })?;
        let OwnRotation { new_api_key, key_id, epoch, previous_key_retires_at: retires_at } = rotated;
        Ok(Rotated { key: DemoKey { key: Zeroizing::new(new_api_key), key_id, epoch }, retires_at })
    }

    /// What the command line does with an admin key, on a thread of its own.
    async fn operator<T: Send + 'static>(
        &self,
        work: impl FnOnce(&place::Server) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (url, pepper) = (self.url(), PepperSource::File(self.folder().join("pepper")));
        let key = ApiKey::parse(self.admin.reveal()).map_err(Failure::refused)?;
        let work = move || work(&place::Server::with_key(&url, key, false, pepper)?);
        tokio::task::spawn_blocking(work).await.map_err(|_| Failure::refused("the demo's operator was lost"))?
    }

    /// Where the server of keys is reached.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.server.local_addr())
    }

    pub(super) fn peppers(&self) -> &Arc<Peppers> {
        &self.peppers
    }

    /// Writes a key to the file `key`, for whoever tries things by hand.
    pub(super) fn keep(&self, key: &DemoKey) -> Result<(), Failure> {
        let path = self.folder().join("key");
        let written = durable::create(&path, key.key.as_bytes(), 0o600);
        written.map_err(|error| Failure::of_file(&path, format!("the key can't be written: {error}")))
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends the server, and with it all that was made for the demo.
    pub(super) async fn end(self) {
        self.server.shutdown(Duration::from_secs(1));
        let _ = self.server.wait().await;
        self.store.close().await;
    }
}

impl DemoKey {
    fn of(new: &NewKey) -> Self {
        Self { key: Zeroizing::new(new.key.reveal().to_owned()), key_id: new.key_id, epoch: new.epoch }
    }
}

fn names(client: &str) -> Result<(ClientId, CredentialName), Failure> {
    Ok((client.parse().map_err(Failure::refused)?, "default".parse().map_err(Failure::refused)?))
}
