//! `explain`: why a request is granted or denied, in words that an operator can act on.

mod curl;
mod judge;
mod read;
mod slip;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use gracekey_core::{Keyring, Policy};

use crate::clock;
use crate::failure::Failure;
use crate::input;
use crate::output::{Ink, Output};
use crate::place::Place;
use judge::{Explanation, Judge};
use read::Pasted;

/// Say what becomes of a request, and why
///
/// Reads from standard input a key, a curl line, what `curl -v` printed, a raw HTTP request or only its header lines.
/// The key itself is never shown. Exit code 0 when the request is granted, 1 when it is denied.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gracekey explain < failing-request.txt
  curl -v https://api.example.com/v1/logs -H \"X-API-Key: $KEY\" 2>&1 | gracekey explain
  gracekey explain --key-file key.txt --policy policy.json --json")]
pub(crate) struct Explain {
    /// The file to read in the place of standard input
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The policy that decides [default: strict, `Authorization: Bearer` and `X-API-Key`]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

impl Explain {
    pub(crate) fn run(&self, place: &Place, output: &mut Output) -> Result<ExitCode, Failure> {
        let policy = self.policy()?;
        let (document, peppers) = place.published()?;
        let keyring = Keyring::new(&document, peppers);
        let keyring = keyring.map_err(|error| Failure::refused(format!("{}: {error}", place.name())))?;
        let text = input::secret(self.key_file.as_deref(), "the request or the key", input::REQUEST)?;
        let pasted = Pasted::read(&text, &policy)?;
        let judge = Judge { policy: &policy, document: &document, keyring: &keyring, now: clock::now()? };
        let explanation = judge.explain(&pasted);
        output.result(&text_of(&explanation, output), &explanation)?;
        Ok(if explanation.granted() { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }

    fn policy(&self) -> Result<Policy, Failure> {
        let Some(path) = &self.policy else { return Ok(Policy::default()) };
        let text = std::fs::read(path).map_err(|error| Failure::of_file(path, format!("can't be read: {error}")))?;
        Policy::parse(&text).map_err(|error| Failure::of_file(path, error))
    }
}

fn text_of(explanation: &Explanation, output: &Output) -> String {
    let head = match (explanation.verdict, explanation.reason, explanation.status) {
        ("granted", ..) => output.ink(Ink::Green, "GRANTED"),
        ("anonymous", ..) => output.ink(Ink::Yellow, "GRANTED as anonymous"),
        (_, reason, status) => {
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            output.ink(Ink::Red, &format!("DENIED {}{reason}", status.unwrap_or_default()))
        }
    };
    let mut lines = vec![head];
    let mut part =
        |name: &str, text: &str| lines.push(format!("  {} {text}", output.ink(Ink::Dim, &format!("{name:<7}"))));
    part("input", explanation.input);
    for read in &explanation.read {
        part("read", read);
    }
    for finding in &explanation.findings {
        part("why", finding);
    }
    for step in &explanation.advice {
        part("do", step);
    }
    for step in &explanation.once_mended {
        part("then", step);
    }
    if let Some(told) = &explanation.caller_reads {
        part("caller", told);
    }
    lines.join("\n")
}
