use clap::Args;
use gracekey_core::{
    ClientId, Credential, CredentialName, Document, Grace, KeyId, Minted, Prefix, Rotation, Timestamp,
};
use serde::Serialize;

use crate::entropy;
use crate::failure::Failure;
use crate::keyring_file::KeyringFile;
use crate::output::Output;

/// Mint the next key of a credential and print it once; the one before goes on working for the grace
///
/// Scopes and expiry are never widened. At most three keys of a credential work at once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  NEW=$(gracekey rotate --client acme_corp --grace 24h)
  gracekey rotate --client acme_corp --credential ci --grace 0s   the old key leaked: it ends at once
  gracekey rotate --client acme_corp --lost                       the new key got lost on its way")]
pub(crate) struct Rotate {
    /// The client
    #[arg(long, value_name = "CLIENT ID")]
    client: ClientId,
    /// Its credential
    #[arg(long, value_name = "NAME", default_value = "default")]
    credential: CredentialName,
    /// How long the key before goes on working, at most 30d [default: 24h]
    #[arg(long, value_name = "SPAN")]
    grace: Option<Grace>,
    /// The key of the last rotation was lost before anybody used it: end it at once, print another, and leave the
    /// window of the one before as it is
    #[arg(long, conflicts_with = "grace")]
    lost: bool,
    /// What the key begins with
    #[arg(long, default_value_t)]
    prefix: Prefix,
}

#[derive(Serialize)]
struct Rotated<'k> {
    key: &'k str,
    key_id: KeyId,
    client_id: &'k ClientId,
    credential: &'k CredentialName,
    generation: u32,
    expires_at: Option<Timestamp>,
    previous_key_id: KeyId,
    previous_key_retires_at: Option<Timestamp>,
    replaced_key_ids: Vec<KeyId>,
    epoch: u64,
}

impl Rotate {
    pub(crate) fn run(&self, file: &KeyringFile, output: &mut Output) -> Result<(), Failure> {
        let key = entropy::key(&self.prefix)?;
        let minted = Minted::of(&key, file.peppers().current()).ok_or_else(|| Failure::refused("no key was minted"))?;
        let grace = self.grace.unwrap_or_default();
        let (rotation, epoch) = file.change(output, |document, now| {
            let from = if self.lost { Some(self.predecessor(document, now)?) } else { None };
            // The file counts no usage. With --lost the operator vouches that the successor was never used.
            let rotation = document.rotate((&self.client, &self.credential), from, minted, grace, now, |_| false)?;
            Ok((rotation, document.epoch))
        })?;
        let Rotation { successor, predecessor, replaced } = &rotation;
        let (key_id, generation) = (successor.key_id, successor.generation);
        let rotated = Rotated {
            key: key.reveal(),
            key_id,
            client_id: &self.client,
            credential: &self.credential,
            generation,
            expires_at: successor.expires_at,
            previous_key_id: predecessor.key_id,
            previous_key_retires_at: predecessor.retires_at,
            replaced_key_ids: replaced.iter().map(|replaced| replaced.key_id).collect(),
            epoch,
        };
        let lost =
            format!("it is stored as {key_id}; `gracekey rotate --client {} --lost` prints another", self.client);
        output.secret(key.reveal(), &rotated, &lost)?;
        self.say(&rotation, output);
        Ok(())
    }

    fn say(&self, Rotation { successor, predecessor, replaced }: &Rotation, output: &mut Output) {
        let (client, credential) = (&self.client, &self.credential);
        let (key_id, generation) = (successor.key_id, successor.generation);
        output.note(&format!("rotated to {key_id}: client {client}, credential {credential}, generation {generation}"));
        if let Some(at) = predecessor.retires_at {
            output.note(&format!("the key before, {}, works until {at}", predecessor.key_id));
        }
        for replaced in replaced {
            output.note(&format!("{} was never used and is revoked", replaced.key_id));
        }
        output.note("this was the only time that the key is shown; it is stored nowhere");
    }

    /// The key whose successor got lost: the newest one within its window.
    fn predecessor(&self, document: &Document, now: Timestamp) -> Result<KeyId, Failure> {
        let credential = Credential::new(&self.client, &self.credential, &document.keys);
        let newest = credential.live(now).rfind(|generation| generation.superseded_at.is_some());
        newest.map(|generation| generation.key_id).ok_or_else(|| {
            Failure::refused(
                "no earlier key is within its window, so there is nothing to go back to; rotate without --lost and with --grace 0s",
            )
        })
    }
}
