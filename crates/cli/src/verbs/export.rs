use std::path::PathBuf;

use clap::Args;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::durable;
use crate::failure::Failure;
use crate::output::Output;
use crate::place::Place;

/// Print the sealed keyring: what verifiers get, for a ConfigMap, an image or a file that a service watches
///
/// It holds no secret. A file is replaced whole or not at all, so a service may watch it meanwhile.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gracekey export --store sqlite:gracekey.db --out gracekey.keyring.json
  gracekey export > keyring.json")]
pub(crate) struct Export {
    /// Write it there, atomically [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
struct Written<'w> {
    file: &'w str,
    epoch: u64,
    clients: usize,
    keys: usize,
}

/// What is said of a document that was written.
#[derive(Deserialize)]
struct Counted {
    epoch: u64,
    clients: Vec<IgnoredAny>,
    keys: Vec<IgnoredAny>,
}

impl Export {
    pub(crate) fn run(&self, place: &Place, output: &mut Output) -> Result<(), Failure> {
        let text = place.sealed()?;
        let Some(path) = self.out.as_deref().filter(|path| path.as_os_str() != "-") else {
            return output.text(&text);
        };
        let Counted { epoch, clients, keys } = serde_json::from_str(&text).map_err(Failure::refused)?;
        let (clients, keys) = (clients.len(), keys.len());
        durable::write(path, text.as_bytes(), 0o644)
            .map_err(|error| Failure::of_file(path, format!("it was left as it was: {error}")))?;
        let file = path.display().to_string();
        let text = format!("{file}: the sealed keyring of epoch {epoch}, clients {clients}, keys {keys}");
        output.result(&text, &Written { file: &file, epoch, clients, keys })
    }
}
