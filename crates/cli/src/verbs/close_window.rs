use clap::Args;
use gracekey_core::{ClientId, CredentialName};

use super::ending::{self, Words};
use crate::failure::Failure;
use crate::output::Output;
use crate::place::{Ending, Place};

/// Close a rotation window now: the keys before the current one retire, and their callers read that they were rotated
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gracekey close-window --client acme_corp --dry-run      who still uses the old key, and would get a 401
  gracekey close-window --client acme_corp")]
pub(crate) struct CloseWindow {
    /// The client
    #[arg(long, value_name = "CLIENT ID")]
    client: ClientId,
    /// Its credential
    #[arg(long, value_name = "NAME", default_value = "default")]
    credential: CredentialName,
    /// Change nothing: say which keys would retire and who used them in the last day
    #[arg(long)]
    dry_run: bool,
}

impl CloseWindow {
    const WORDS: Words = Words { done: "retired", nothing: "nothing to retire: no window is open" };

    pub(crate) fn run(&self, place: &Place, output: &mut Output) -> Result<(), Failure> {
        let what = Ending::Window(self.client.clone(), self.credential.clone());
        ending::run(place, &what, &Self::WORDS, self.dry_run, output)
    }
}
