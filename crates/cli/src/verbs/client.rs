use clap::Args;
use gracekey_core::{Client as Tenant, ClientId, Scope};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;
use crate::place::{ClientNow, ClientOrder, Place};

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
struct Shown<'c> {
    client_id: &'c ClientId,
    disabled: bool,
    scopes: &'c [Scope],
    epoch: u64,
}

impl Client {
    pub(crate) fn run(&self, place: &Place, output: &mut Output) -> Result<(), Failure> {
        let order = ClientOrder {
            client: &self.client,
            disabled: (self.disable || self.enable).then_some(self.disable),
            scopes: (self.no_scopes || !self.scope.is_empty()).then_some(&self.scope),
        };
        let ClientNow { client, epoch } = place.client(&order, output)?;
        let Tenant { client_id, disabled, scopes } = &client;
        let names: Vec<_> = scopes.iter().map(Scope::as_str).collect();
        let may = if names.is_empty() { "no scopes".into() } else { format!("scopes {}", names.join(" ")) };
        let state = if *disabled { "disabled" } else { "enabled" };
        let shown = Shown { client_id, disabled: *disabled, scopes, epoch };
        output.result(&format!("client {client_id}: {state}, {may}"), &shown)
    }
}
