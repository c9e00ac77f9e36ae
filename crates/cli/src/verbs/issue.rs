use clap::Args;
use gracekey_core::{ClientId, CredentialName, KeyId, Prefix, Scope, Timestamp};
use serde::Serialize;

use super::shown;
use crate::cli::Cli;
use crate::failure::Failure;
use crate::output::Output;
use crate::place::{IssueOrder, Issued, NewKey};
use crate::span::Until;

/// Issue the first key of a credential and print it once
///
/// The key goes to standard output, all else to standard error. A client that is not there yet is taken in.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  KEY=$(gracekey issue --client acme_corp --scope logs:write --scope logs:read)
  gracekey issue --client acme_corp --credential ci --expires 90d --prefix sk_test --json")]
pub(crate) struct Issue {
    /// The client that the key stands for
    #[arg(long, value_name = "CLIENT ID")]
    client: ClientId,
    /// The named use of the client's access
    #[arg(long, value_name = "NAME", default_value = "default")]
    credential: CredentialName,
    /// What the client may do, once for each; scopes belong to the client, so only its first key sets them
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<Scope>,
    /// When the key expires: a moment like 2027-01-01T00:00:00Z or a span like 90d [default: never]
    #[arg(long, value_name = "WHEN", value_parser = Until::parse)]
    expires: Option<Until>,
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
    epoch: u64,
}

impl Issue {
    pub(crate) fn run(&self, cli: &Cli, output: &mut Output) -> Result<(), Failure> {
        output.check_shows_keys()?;
        let Self { client, credential, scope: scopes, expires, prefix } = self;
        let order = IssueOrder { client, credential, scopes, expires: *expires, prefix: prefix.as_ref() };
        let Issued { new, client_disabled } = cli.place_or_new()?.issue(&order, output)?;
        let NewKey { key, key_id, generation, expires_at, epoch } = &new;
        let (key_id, generation) = (*key_id, *generation);
        let (expires_at, epoch) = (*expires_at, *epoch);
        let json = Shown { key: key.reveal(), key_id, client_id: client, credential, generation, expires_at, epoch };
        let done = format!("issued {key_id}: client {client}, credential {credential}, generation {generation}");
        let lost = format!("revoke it, gracekey revoke --key-id {key_id}, and issue another");
        shown::show(&new, &json, (&[done], &lost), output)?;
        if client_disabled {
            output.note(&format!("client {client} is disabled: gracekey client --client {client} --enable"));
        }
        Ok(())
    }
}
