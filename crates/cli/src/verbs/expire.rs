use clap::Args;
use gracekey_core::{ClientId, CredentialName, KeyId, Timestamp};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;
use crate::place::{Expiring, Place};
use crate::span::Until;

/// Set when a key ends by itself, never later than it ends anyway
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gracekey expire --key-id 3fK9aB2c --at 7d
  gracekey expire --key-id 3fK9aB2c --at 2027-01-01T00:00:00Z")]
pub(crate) struct Expire {
    /// The key, by its public key id: the 8 characters before its last underscore
    #[arg(long, value_name = "KEY ID")]
    key_id: KeyId,
    /// When it ends: a moment like 2027-01-01T00:00:00Z or a span like 90d
    #[arg(long, value_name = "WHEN", value_parser = Until::parse)]
    at: Until,
}

#[derive(Serialize)]
struct Shown<'e> {
    key_id: KeyId,
    client_id: &'e ClientId,
    credential: &'e CredentialName,
    expires_at: Timestamp,
    epoch: u64,
}

impl Expire {
    pub(crate) fn run(&self, place: &Place, output: &mut Output) -> Result<(), Failure> {
        let Expiring { key_id, client_id, credential, expires_at, epoch, changed } =
            place.expire(self.key_id, self.at, output)?;
        let said = if changed { "expires" } else { "nothing to change: it expires" };
        let text = format!("{key_id}: client {client_id}, credential {credential}, {said} at {expires_at}");
        let shown = Shown { key_id, client_id: &client_id, credential: &credential, expires_at, epoch };
        output.result(&text, &shown)
    }
}
