use std::path::Path;

use clap::Args;
use gracekey_core::PepperId;
use serde::Serialize;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::keyring_file::{self, KeyringFile};
use crate::output::Output;
use crate::pepper_file::PepperSource;
use crate::place::{Address, Missing, StorePlace};

/// Make a pepper that only you may read, and an empty keyring sealed with it, or with --store a store
///
/// Nothing is ever overwritten. A pepper that is there already is used, and so is GRACEKEY_PEPPER.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gracekey init
  gracekey init --store sqlite:gracekey.db")]
pub(crate) struct Init {
    /// The name of the new pepper, which stands in every digest
    #[arg(long, value_name = "ID", default_value = "p1")]
    pepper_id: PepperId,
}

#[derive(Serialize)]
struct Made<'m> {
    #[serde(skip_serializing_if = "Option::is_none")]
    keyring: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<&'m str>,
    pepper: &'m str,
    pepper_id: PepperId,
    pepper_made: bool,
}

impl Init {
    pub(crate) fn run(&self, cli: &Cli, output: &mut Output) -> Result<(), Failure> {
        let source = cli.pepper()?;
        match cli.address()? {
            Address::File(path) => self.file(&path, &source, output)?,
            Address::Store(address) => self.store(&address, source, output)?,
            Address::Server(_) => {
                return Err(Failure::Usage(
                    "a server has a store and a pepper already; `gracekey serve` makes them at its first start".into(),
                ));
            }
        }
        output.note("next: gracekey issue --client <client id>");
        Ok(())
    }

    fn file(&self, path: &Path, source: &PepperSource, output: &mut Output) -> Result<(), Failure> {
        if path.exists() {
            return Err(keyring_file::exists(path));
        }
        let pepper_made = source.make(self.pepper_id)?;
        let file = KeyringFile::new(path.to_owned(), source.read()?);
        file.create()?;
        let (keyring, pepper, pepper_id) = (path.display().to_string(), source.name(), file.peppers().current().id());
        let made = Made { keyring: Some(&keyring), store: None, pepper: &pepper, pepper_id, pepper_made };
        let said = made.pepper_said();
        output.result(&format!("{said}\n{keyring}: an empty keyring, which holds no secret"), &made)
    }

    fn store(&self, address: &str, source: PepperSource, output: &mut Output) -> Result<(), Failure> {
        let place = StorePlace::open(address, source, Missing::Make)?;
        let pepper_made = place.make_pepper(self.pepper_id)?;
        let (store, pepper, pepper_id) = (place.name(), place.pepper_name(), place.peppers()?.current().id());
        let made = Made { keyring: None, store: Some(store), pepper: &pepper, pepper_id, pepper_made };
        let said = match place.epoch()? {
            0 => "an empty store, which holds no secret".to_owned(),
            epoch => format!("a store that was there already, at epoch {epoch}"),
        };
        output.result(&format!("{}\n{store}: {said}", made.pepper_said()), &made)
    }
}

impl Made<'_> {
    fn pepper_said(&self) -> String {
        let Self { pepper, pepper_id, .. } = self;
        if self.pepper_made {
            format!("{pepper}: a new pepper `{pepper_id}`, a secret that only you may read; keep it and back it up")
        } else {
            format!("{pepper}: the pepper `{pepper_id}` that was there already")
        }
    }
}
