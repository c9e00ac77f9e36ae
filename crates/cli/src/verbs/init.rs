use clap::Args;
use gracekey_core::PepperId;
use serde::Serialize;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::keyring_file::{self, KeyringFile};
use crate::output::Output;

/// Make a pepper that only you may read, and an empty keyring sealed with it
///
/// Nothing is ever overwritten. A pepper that is there already is used, and so is GRACEKEY_PEPPER.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The name of the new pepper, which stands in every digest
    #[arg(long, value_name = "ID", default_value = "p1")]
    pepper_id: PepperId,
}

#[derive(Serialize)]
struct Made<'m> {
    keyring: &'m str,
    pepper: &'m str,
    pepper_id: PepperId,
    pepper_made: bool,
}

impl Init {
    pub(crate) fn run(&self, cli: &Cli, output: &mut Output) -> Result<(), Failure> {
        if cli.keyring.exists() {
            return Err(keyring_file::exists(&cli.keyring));
        }
        let source = cli.pepper()?;
        let pepper_made = source.make(self.pepper_id)?;
        let file = KeyringFile::new(cli.keyring.clone(), source.read()?);
        file.create()?;
        let (keyring, pepper) = (file.path().display().to_string(), source.name());
        let pepper_id = file.peppers().current().id();
        let made = Made { keyring: &keyring, pepper: &pepper, pepper_id, pepper_made };
        let said = match pepper_made {
            true => {
                format!("{pepper}: a new pepper `{pepper_id}`, a secret that only you may read; keep it and back it up")
            }
            false => format!("{pepper}: the pepper `{pepper_id}` that was there already"),
        };
        output.result(&format!("{said}\n{keyring}: an empty keyring, which holds no secret"), &made)?;
        output.note("next: gracekey issue --client <client id>");
        Ok(())
    }
}
