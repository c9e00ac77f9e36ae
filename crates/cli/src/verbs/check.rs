use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use gracekey_core::{Document, Keyring, Peppers, Policy};
use serde::Serialize;

use crate::cli::Cli;
use crate::clock;
use crate::failure::Failure;
use crate::input;
use crate::keyring_file::KeyringFile;
use crate::output::Output;
use crate::place::Place;

/// Say whether a keyring, a store or a policy is good, and what is wrong with it
///
/// A keyring is checked with the pepper: its form, its seal, and that its keys fit together.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gracekey check                            the keyring, or what --store names
  gracekey check policy.json                a policy; what a file is shows from its content
  gracekey check --as policy < policy.json")]
pub(crate) struct Check {
    /// The file to check, or - for standard input [default: where the keys live]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// What the file is, where its content does not show it
    #[arg(long = "as", value_enum, value_name = "KIND")]
    kind: Option<Kind>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Keyring,
    Policy,
}

#[derive(Serialize)]
struct Good<'g> {
    file: &'g str,
    kind: &'static str,
    good: bool,
    summary: &'g str,
}

impl Check {
    pub(crate) fn run(&self, cli: &Cli, output: &mut Output) -> Result<ExitCode, Failure> {
        let stdin = matches!(self.kind, Some(Kind::Policy)).then(|| PathBuf::from("-"));
        let (name, kind, summary) = match self.file.clone().or(stdin) {
            None => own(&cli.place()?)?,
            Some(path) => self.file(&path, cli)?,
        };
        output.result(&format!("{name}: {summary}"), &Good { file: &name, kind, good: true, summary: &summary })?;
        Ok(ExitCode::SUCCESS)
    }

    fn file(&self, path: &Path, cli: &Cli) -> Result<(String, &'static str, String), Failure> {
        let text = input::secret(Some(path), "what to check", input::KEYS)?;
        let name = if path.as_os_str() == "-" { "standard input".into() } else { path.display().to_string() };
        match self.kind.unwrap_or_else(|| guess(&text)) {
            Kind::Policy => {
                let summary = policy(&text).map_err(|why| Failure::refused(format!("{name}: {why}")))?;
                Ok((name, "policy", summary))
            }
            Kind::Keyring => {
                let file = KeyringFile::new(name.clone().into(), cli.pepper()?.read()?);
                let summary = keyring("keyring", &file.parse(&text)?, file.peppers())?;
                Ok((name, "keyring", summary))
            }
        }
    }
}

/// The place where the keys live, seen as its verifiers see it.
fn own(place: &Place) -> Result<(String, &'static str, String), Failure> {
    let (document, peppers) = place.document()?;
    let name = place.name();
    let kind = match place {
        Place::File(_) => "keyring",
        Place::Store(_) => "store",
        Place::Server(_) => "server",
    };
    Keyring::new(&document, Arc::clone(&peppers)).map_err(|error| Failure::refused(format!("{name}: {error}")))?;
    let summary = keyring(kind, &document, &peppers)?;
    Ok((name, kind, summary))
}

/// A keyring names its format, and has members that no policy has. It may be cut, so it is not parsed for that.
fn guess(text: &[u8]) -> Kind {
    let text = String::from_utf8_lossy(text);
    let is_keyring = ["\"format\"", "\"epoch\"", "\"seal\"", "\"keys\""].iter().any(|member| text.contains(member));
    if is_keyring { Kind::Keyring } else { Kind::Policy }
}

fn keyring(kind: &str, document: &Document, peppers: &Peppers) -> Result<String, Failure> {
    let now = clock::now()?;
    let live = document.keys.iter().filter(|key| key.is_live(now)).count();
    let (clients, keys, epoch) = (document.clients.len(), document.keys.len(), document.epoch);
    let peppers: Vec<_> = peppers.iter().map(|pepper| pepper.id().to_string()).collect();
    // A store is sealed only when it is handed out.
    let checked = if kind == "store" { "digests of" } else { "seal checked with" };
    Ok(format!(
        "a good {kind}: epoch {epoch} of {}, clients {clients}, keys {keys} ({live} live), {checked} {}",
        document.issued_at,
        peppers.join(", ")
    ))
}

fn policy(text: &[u8]) -> Result<String, String> {
    let policy = Policy::parse(text).map_err(|error| error.to_string())?;
    let config = policy.config();
    let places: Vec<_> = config.extract_from.iter().map(ToString::to_string).collect();
    let mode = serde_json::to_string(&config.mode).unwrap_or_default().replace('"', "");
    Ok(format!("a good policy: mode {mode}, reads keys from {}, routes {}", places.join(" and "), config.routes.len()))
}
