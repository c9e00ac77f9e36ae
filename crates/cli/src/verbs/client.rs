use clap::Args;
use gracekey_core::{Client as Tenant, ClientId, Scope};
use serde::Serialize;

use crate::failure::Failure;
use crate::keyring_file::KeyringFile;
use crate::output::Output;

/// Disable or enable a client, or change what it may do
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gracekey client --client acme_corp --disable                   deny all its keys, until --enable
  gracekey client --client acme_corp --scope logs:read           its scopes from now on, instead of those it had")]
pub(crate) struct Client {
    /// The client
    #[arg(long, value_name = "CLIENT ID")]
    client: ClientId,
    /// Deny all its keys for now
    #[arg(long, conflicts_with = "enable")]
    disable: bool,
    /// Let its keys work again
    #[arg(long)]
    enable: bool,
    /// What it may do from now on, once for each scope
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<Scope>,
    /// Take all its scopes away
    #[arg(long, conflicts_with = "scope")]
    no_scopes: bool,
}

#[derive(Serialize)]
struct Changed<'c> {
    client_id: &'c ClientId,
    disabled: bool,
    scopes: &'c [Scope],
    epoch: u64,
}

impl Client {
    pub(crate) fn run(&self, file: &KeyringFile, output: &mut Output) -> Result<(), Failure> {
        let scopes = (self.no_scopes || !self.scope.is_empty()).then_some(&self.scope);
        let (client, epoch) = file.change(output, |document, now| {
            if self.disable || self.enable {
                document.disable_client(&self.client, self.disable, now)?;
            }
            if let Some(scopes) = scopes {
                document.set_scopes(&self.client, scopes.clone(), now)?;
            }
            let client = document.client(&self.client).cloned();
            let unknown = || gracekey_core::LifecycleError::UnknownClient { client_id: self.client.clone() };
            Ok((client.ok_or_else(unknown)?, document.epoch))
        })?;
        let Tenant { client_id, disabled, scopes } = &client;
        let names: Vec<_> = scopes.iter().map(Scope::as_str).collect();
        let may = if names.is_empty() { "no scopes".into() } else { format!("scopes {}", names.join(" ")) };
        let state = if *disabled { "disabled" } else { "enabled" };
        let changed = Changed { client_id, disabled: *disabled, scopes, epoch };
        output.result(&format!("client {client_id}: {state}, {may}"), &changed)
    }
}
