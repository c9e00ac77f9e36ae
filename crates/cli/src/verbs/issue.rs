use clap::Args;
use gracekey_core::{Client, ClientId, CredentialName, Document, Generation, KeyId, Minted, Prefix, Scope, Timestamp};
use serde::Serialize;

use crate::entropy;
use crate::failure::Failure;
use crate::keyring_file::KeyringFile;
use crate::output::Output;
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
    /// What the key begins with
    #[arg(long, default_value_t)]
    prefix: Prefix,
}

#[derive(Serialize)]
struct Issued<'k> {
    key: &'k str,
    key_id: KeyId,
    client_id: &'k ClientId,
    credential: &'k CredentialName,
    generation: u32,
    expires_at: Option<Timestamp>,
    epoch: u64,
}

impl Issue {
    pub(crate) fn run(&self, file: &KeyringFile, output: &mut Output) -> Result<(), Failure> {
        let key = entropy::key(&self.prefix)?;
        let minted = Minted::of(&key, file.peppers().current()).ok_or_else(|| Failure::refused("no key was minted"))?;
        let (generation, disabled, epoch) = file.change(output, |document, now| {
            self.client(document, now)?;
            let expires_at = self.expires.map(|until| until.moment(now));
            let generation = document.issue(&self.client, &self.credential, minted, expires_at, now)?.clone();
            let disabled = document.client(&self.client).is_some_and(|client| client.disabled);
            Ok((generation, disabled, document.epoch))
        })?;
        let Generation { key_id, expires_at, generation, .. } = generation;
        let (client_id, credential) = (&self.client, &self.credential);
        let issued = Issued { key: key.reveal(), key_id, client_id, credential, generation, expires_at, epoch };
        let lost = format!("it is stored as {key_id}, so revoke it: gracekey revoke --key-id {key_id}");
        output.secret(key.reveal(), &issued, &lost)?;
        output.note(&format!("issued {key_id}: client {client_id}, credential {credential}, generation {generation}"));
        output.note("this was the only time that the key is shown; it is stored nowhere");
        if disabled {
            output.note(&format!("client {client_id} is disabled: gracekey client --client {client_id} --enable"));
        }
        Ok(())
    }

    /// Takes the client in, or sees that the scopes are the ones that it has.
    fn client(&self, document: &mut Document, now: Timestamp) -> Result<(), Failure> {
        let Some(known) = document.client(&self.client) else {
            let client = Client { client_id: self.client.clone(), disabled: false, scopes: self.scope.clone() };
            return Ok(document.add_client(client, now)?);
        };
        let same = self.scope.iter().all(|scope| known.scopes.contains(scope));
        if self.scope.is_empty() || (same && known.scopes.iter().all(|scope| self.scope.contains(scope))) {
            return Ok(());
        }
        let held: Vec<_> = known.scopes.iter().map(Scope::as_str).collect();
        let held = if held.is_empty() { "no scopes".into() } else { format!("the scopes {}", held.join(" ")) };
        let client = &self.client;
        Err(Failure::refused(format!(
            "client {client} has {held} already, and scopes belong to the client, not to one key; leave --scope out, or change them: gracekey client --client {client} --scope …"
        )))
    }
}
