use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::place::{ImportFormat, Imported, ImportedLine};

/// Take in keys that were issued elsewhere, all of them or none
///
/// Reads API_KEYS JSON, {"<key>":"<client id>"}, or CSV with a header, key,client_id and if wanted credential,scopes,
/// from standard input or a file. The keys go on working as they are, and those that are there already are passed over.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  printenv API_KEYS | gracekey import
  gracekey import --from api-keys.csv && shred -u api-keys.csv")]
pub(crate) struct Import {
    /// The file with the keys [default: standard input]
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// How they are written down, where it does not show
    #[arg(long = "as", value_enum, value_name = "FORMAT")]
    format: Option<ImportFormat>,
}

#[derive(Serialize)]
struct Shown<'i> {
    imported: Vec<&'i ImportedLine>,
    already_there: Vec<&'i ImportedLine>,
    epoch: u64,
}

impl Import {
    pub(crate) fn run(&self, cli: &Cli, output: &mut Output) -> Result<(), Failure> {
        let text = input::secret(self.from.as_deref(), "the keys to import", input::KEYS)?;
        let format = self.format.unwrap_or_else(|| ImportFormat::of(&text));
        let Imported { lines, epoch } = cli.place_or_new()?.import(text, format, output)?;
        let said: Vec<_> = lines.iter().map(ToString::to_string).collect();
        let (already_there, imported): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.already_there);
        let (taken, known) = (imported.len(), already_there.len());
        output.result(&said.join("\n"), &Shown { imported, already_there, epoch })?;
        let taken = match taken {
            1 => "1 key was taken in and works".to_owned(),
            taken => format!("{taken} keys were taken in and work"),
        };
        let known = match known {
            0 => String::new(),
            1 => ", 1 was there already".to_owned(),
            known => format!(", {known} were there already"),
        };
        output.note(&format!("{taken} as before{known}; delete the plain text, and rotate them one by one"));
        Ok(())
    }
}
