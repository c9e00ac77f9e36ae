use clap::Args;
use gracekey_core::{ClientId, CredentialName, Grace, KeyId, Prefix, Timestamp};
use serde::Serialize;

use super::shown;
use crate::cli::Cli;
use crate::failure::Failure;
use crate::output::Output;
use crate::place::{NewKey, RotateOrder, Rotated};

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
    /// window of the one before as it is. A store or a server that knows that it was used refuses
    #[arg(long, conflicts_with = "grace")]
    lost: bool,
    /// What the key begins with [default: sk_live, or what the server was told]
    #[arg(long)]
    prefix: Option<Prefix>,
}

#[derive(Serialize)]
struct Shown<'k> {
    key: &'k str,
    key_id: KeyId,
    client_id: &'k ClientId,
    credential: &'k CredentialName,
    generation: u32,
    expires_at: Option<Timestamp>,
    previous_key_id: KeyId,
    previous_key_retires_at: Option<Timestamp>,
    replaced_key_ids: &'k [KeyId],
    epoch: u64,
}

impl Rotate {
    pub(crate) fn run(&self, cli: &Cli, output: &mut Output) -> Result<(), Failure> {
        output.check_shows_keys()?;
        let Self { client, credential, grace, lost, prefix } = self;
        let order = RotateOrder { client, credential, grace: *grace, lost: *lost, prefix: prefix.as_ref() };
        let rotated = cli.place()?.rotate(&order, output)?;
        let Rotated { new, previous_key_id, previous_key_retires_at, replaced_key_ids } = &rotated;
        let NewKey { key, key_id, generation, expires_at, epoch } = new;
        let json = Shown {
            key: key.reveal(),
            key_id: *key_id,
            client_id: client,
            credential,
            generation: *generation,
            expires_at: *expires_at,
            previous_key_id: *previous_key_id,
            previous_key_retires_at: *previous_key_retires_at,
            replaced_key_ids,
            epoch: *epoch,
        };
        let mut done =
            vec![format!("rotated to {key_id}: client {client}, credential {credential}, generation {generation}")];
        done.extend(previous_key_retires_at.map(|at| format!("the key before, {previous_key_id}, works until {at}")));
        done.extend(replaced_key_ids.iter().map(|replaced| format!("{replaced} was never used and is revoked")));
        let lost = format!("another one: gracekey rotate --client {client} --credential {credential} --lost");
        shown::show(new, &json, (&done, &lost), output)
    }
}
