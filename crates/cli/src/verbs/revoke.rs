use clap::{ArgGroup, Args};
use gracekey_core::{ClientId, CredentialName, KeyId, Revoke as Meant};

use super::ending::{self, Words};
use crate::failure::Failure;
use crate::output::Output;
use crate::place::{Ending, Place};

/// End a key, a credential or a client at once, window or not
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whose").args(["key_id", "client"]).required(true)), after_help = "Examples:
  gracekey revoke --key-id 3fK9aB2c
  gracekey revoke --client acme_corp --credential ci
  gracekey revoke --client acme_corp --dry-run      who used its keys in the last day, and would get a 401")]
pub(crate) struct Revoke {
    /// One key, by its public key id: the 8 characters before its last underscore
    #[arg(long, value_name = "KEY ID", conflicts_with = "credential")]
    key_id: Option<KeyId>,
    /// All keys of a client
    #[arg(long, value_name = "CLIENT ID")]
    client: Option<ClientId>,
    /// Only those of this credential
    #[arg(long, value_name = "NAME", requires = "client")]
    credential: Option<CredentialName>,
    /// Change nothing: say which keys would end and who used them in the last day
    #[arg(long)]
    dry_run: bool,
}

impl Revoke {
    const WORDS: Words = Words { done: "revoked", nothing: "nothing to revoke: all had ended already" };

    pub(crate) fn run(&self, place: &Place, output: &mut Output) -> Result<(), Failure> {
        ending::run(place, &Ending::Revoke(self.what()?), &Self::WORDS, self.dry_run, output)
    }

    fn what(&self) -> Result<Meant, Failure> {
        match (self.key_id, &self.client, &self.credential) {
            (Some(key_id), ..) => Ok(Meant::Key(key_id)),
            (None, Some(client), None) => Ok(Meant::Client(client.clone())),
            (None, Some(client), Some(name)) => Ok(Meant::Credential(client.clone(), name.clone())),
            (None, None, _) => Err(Failure::Usage("say what to revoke: --key-id or --client".into())),
        }
    }
}
