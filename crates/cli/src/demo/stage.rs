use std::path::Path;
use std::sync::Arc;

use gracekey_core::{
    ApiKey, Client, ClientId, CredentialName, Grace, KeyId, LifecycleError, Minted, Pepper, Peppers, Prefix, Seconds,
    Timestamp,
};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::durable;
use crate::entropy;
use crate::failure::Failure;
use crate::keyring_file::KeyringFile;
use crate::output::Output;

/// A folder that only we may read, with a pepper and a keyring in it, as `gracekey init` makes them.
pub(super) struct Stage {
    folder: TempDir,
    keyring: KeyringFile,
    client: ClientId,
    credential: CredentialName,
}

/// A key of the demo, and its public name.
pub(super) struct DemoKey {
    pub(super) key: Zeroizing<String>,
    pub(super) key_id: KeyId,
}

/// What a rotation brought.
pub(super) struct Rotated {
    pub(super) key: DemoKey,
    pub(super) retires_at: Timestamp,
}

impl Stage {
    pub(super) fn set() -> Result<Self, Failure> {
        let cannot = |error: std::io::Error| Failure::refused(format!("the demo has no folder to work in: {error}"));
        let mut folder = tempfile::Builder::new();
        folder.prefix("gracekey-demo-");
        #[cfg(unix)]
        folder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let folder = folder.tempdir().map_err(cannot)?;
        let id = "demo".parse().map_err(Failure::refused)?;
        let secret = entropy::bytes::<32>()?;
        durable::create(&folder.path().join("pepper"), Pepper::text(id, &*secret).as_bytes(), 0o600).map_err(cannot)?;
        let peppers = Peppers::one(Pepper::new(id, &*secret).map_err(Failure::refused)?);
        let keyring = KeyringFile::new(folder.path().join("keyring.json"), Arc::new(peppers));
        keyring.create()?;
        let client = "acme_corp".parse().map_err(Failure::refused)?;
        let credential = "default".parse().map_err(Failure::refused)?;
        Ok(Self { folder, keyring, client, credential })
    }

    pub(super) fn issue(&self, output: &mut Output) -> Result<DemoKey, Failure> {
        let (key, minted) = self.mint()?;
        self.keyring.change(output, |document, now| {
            let scopes = vec!["logs:read".parse().map_err(Failure::refused)?];
            document.add_client(Client { client_id: self.client.clone(), disabled: false, scopes }, now)?;
            document.issue(&self.client, &self.credential, minted, None, now)?;
            Ok(())
        })?;
        Ok(key)
    }

    pub(super) fn rotate(&self, grace: Seconds, output: &mut Output) -> Result<Rotated, Failure> {
        let (key, minted) = self.mint()?;
        let grace = Grace::new(grace).map_err(Failure::refused)?;
        let rotation = self.keyring.change(output, |document, now| {
            let names = (&self.client, &self.credential);
            Ok(document.rotate(names, None, minted, grace, now, |_| false)?)
        })?;
        let retires_at = rotation.predecessor.retires_at.ok_or(LifecycleError::Exhausted)?;
        Ok(Rotated { key, retires_at })
    }

    /// The version of the keyring in the file.
    pub(super) fn epoch(&self) -> Result<u64, Failure> {
        Ok(self.keyring.read()?.epoch)
    }

    pub(super) fn keyring(&self) -> &KeyringFile {
        &self.keyring
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

    fn mint(&self) -> Result<(DemoKey, Minted), Failure> {
        let key: ApiKey = entropy::key(&Prefix::default())?;
        let minted = Minted::of(&key, self.keyring.peppers().current());
        let minted = minted.ok_or_else(|| Failure::refused("no key was minted"))?;
        Ok((DemoKey { key: Zeroizing::new(key.reveal().to_owned()), key_id: minted.key_id }, minted))
    }
}
