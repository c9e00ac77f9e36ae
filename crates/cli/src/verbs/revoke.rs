use clap::Args;
use gracekey_core::{ClientId, CredentialName, KeyId};
use serde::Serialize;

use crate::failure::Failure;
use crate::keyring_file::KeyringFile;
use crate::output::Output;

/// End a key, a credential or a client at once, window or not
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gracekey revoke --key-id 3fK9aB2c
  gracekey revoke --client acme_corp --credential ci
  gracekey revoke --client acme_corp")]
pub(crate) struct Revoke {
    /// One key, by its public key id: the 8 characters before its last underscore
    #[arg(long, value_name = "KEY ID", required_unless_present = "client", conflicts_with_all = ["client", "credential"])]
    key_id: Option<KeyId>,
    /// All keys of a client
    #[arg(long, value_name = "CLIENT ID")]
    client: Option<ClientId>,
    /// Only those of this credential
    #[arg(long, value_name = "NAME", requires = "client")]
    credential: Option<CredentialName>,
}

#[derive(Serialize)]
struct Revoked<'r> {
    revoked: &'r [KeyId],
    epoch: u64,
}

impl Revoke {
    pub(crate) fn run(&self, file: &KeyringFile, output: &mut Output) -> Result<(), Failure> {
        let what = self.what()?;
        let (revoked, epoch) =
            file.change(output, |document, now| Ok((document.revoke(&what, now)?, document.epoch)))?;
        let lines: Vec<_> = revoked.iter().map(|key_id| format!("revoked {key_id}")).collect();
        let text = if lines.is_empty() { "nothing to revoke: all had ended already".into() } else { lines.join("\n") };
        output.result(&text, &Revoked { revoked: &revoked, epoch })
    }

    fn what(&self) -> Result<gracekey_core::Revoke, Failure> {
        match (self.key_id, &self.client, &self.credential) {
            (Some(key_id), ..) => Ok(gracekey_core::Revoke::Key(key_id)),
            (None, Some(client), None) => Ok(gracekey_core::Revoke::Client(client.clone())),
            (None, Some(client), Some(name)) => Ok(gracekey_core::Revoke::Credential(client.clone(), name.clone())),
            (None, None, _) => Err(Failure::Usage("say what to revoke: --key-id or --client".into())),
        }
    }
}
