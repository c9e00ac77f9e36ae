use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use gracekey_core::{Document, Policy};
use serde::Serialize;

use crate::cli::Cli;
use crate::clock;
use crate::failure::Failure;
use crate::input;
use crate::keyring_file::KeyringFile;
use crate::output::Output;

/// Say whether a keyring or a policy is good, and what is wrong with it
///
/// A keyring is checked with the pepper: its form, its seal, and that its keys fit together.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gracekey check                            the keyring
  gracekey check policy.json                a policy; what a file is shows from its content
  gracekey check --as policy < policy.json")]
pub(crate) struct Check {
    /// The file to check, or - for standard input [default: the keyring]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// What the file is, where its content does not show it
    #[arg(long = "as", value_enum, value_name = "KIND")]
    kind: Option<Kind>,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Keyring,
    Policy,
}

#[derive(Serialize)]
struct Good<'g> {
    file: &'g str,
    kind: Kind,
    good: bool,
    summary: &'g str,
}

impl Check {
    pub(crate) fn run(&self, cli: &Cli, output: &mut Output) -> Result<ExitCode, Failure> {
        let stdin = self.file.is_none() && matches!(self.kind, Some(Kind::Policy));
        let path = self.file.clone().unwrap_or_else(|| if stdin { "-".into() } else { cli.keyring.clone() });
        let own = self.file.is_none() && !stdin;
        let (kind, text) = if own {
            (Kind::Keyring, None)
        } else {
            let text = input::secret(Some(&path), "what to check")?;
            (self.kind.unwrap_or_else(|| guess(&text)), Some(text))
        };
        let name = if path.as_os_str() == "-" { "standard input".into() } else { path.display().to_string() };
        let summary = match (kind, &text) {
            (Kind::Policy, Some(text)) => policy(text).map_err(|why| Failure::refused(format!("{name}: {why}")))?,
            (_, text) => {
                let file = KeyringFile::new(name.clone().into(), cli.pepper()?.read()?);
                keyring(&file, &text.as_ref().map_or_else(|| file.read(), |text| file.parse(text))?)?
            }
        };
        output.result(&format!("{name}: {summary}"), &Good { file: &name, kind, good: true, summary: &summary })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A keyring names its format, and has members that no policy has. It may be cut, so it is not parsed for that.
fn guess(text: &[u8]) -> Kind {
    let text = String::from_utf8_lossy(text);
    let is_keyring = ["\"format\"", "\"epoch\"", "\"seal\"", "\"keys\""].iter().any(|member| text.contains(member));
    if is_keyring { Kind::Keyring } else { Kind::Policy }
}

fn keyring(file: &KeyringFile, document: &Document) -> Result<String, Failure> {
    let now = clock::now()?;
    let live = document.keys.iter().filter(|key| key.is_live(now)).count();
    let (clients, keys, epoch) = (document.clients.len(), document.keys.len(), document.epoch);
    let peppers: Vec<_> = file.peppers().iter().map(|pepper| pepper.id().to_string()).collect();
    Ok(format!(
        "a good keyring: epoch {epoch} of {}, clients {clients}, keys {keys} ({live} live), seal checked with {}",
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
