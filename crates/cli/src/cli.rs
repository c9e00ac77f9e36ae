//! What stands on the command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::output::Output;
use crate::pepper_file::PepperSource;
use crate::place::{Address, Missing, Place};
use crate::{redact, verbs};

/// API keys that rotate without an outage.
///
/// Keys live in a keyring file, in a store (SQLite or PostgreSQL) or behind a running server, which hold no secret, and
/// are digested with a pepper, which is one. A key itself is shown once and stored nowhere; it is never taken from the
/// command line, only from standard input or a file.
#[derive(Debug, Parser)]
#[command(name = "gracekey", version, propagate_version = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// A keyring file; it counts before GRACEKEY_KEYRING and GRACEKEY_STORE, which name where keys live in its place
    /// [default: gracekey.keyring.json]
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILE")]
    pub(crate) keyring: Option<PathBuf>,

    /// A store, sqlite:PATH or postgres://USER@HOST/DATABASE, or a running server, https://HOST; it counts before
    /// GRACEKEY_STORE, where an address with a password in it belongs
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "ADDRESS")]
    pub(crate) store: Option<String>,

    /// A file with the admin key of a server, where the first start of `serve` writes it; without it GRACEKEY_ADMIN_KEY
    /// counts, which holds the key itself
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILE")]
    pub(crate) admin_key_file: Option<PathBuf>,

    /// Send keys to a server over http:// also when it is not on this machine: only on a network closed to others
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) insecure_http: bool,

    /// The pepper file; without it GRACEKEY_PEPPER counts, which holds the pepper itself [default: gracekey.pepper]
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILE")]
    pub(crate) pepper: Option<PathBuf>,

    /// Print the result as JSON
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What every verb takes stands apart from what is its own.
const EVERYWHERE: &str = "Options of all commands";

const EXAMPLES: &str = "\
Examples:
  gracekey demo                                  watch a rotation without an outage, start here
  gracekey init                                  make a pepper and an empty keyring
  KEY=$(gracekey issue --client acme_corp --scope logs:write)
  gracekey rotate --client acme_corp --grace 24h
  gracekey list
  gracekey explain < failing-request.txt         why is this one 401?
  gracekey serve                                 a server over a store, for verifiers and for holders of keys
  gracekey list --store https://keys.example.com    the same commands on a running server

Exit codes: 0 done, 1 refused or a negative answer, 2 wrong usage.";

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Demo(verbs::demo::Demo),
    Init(verbs::init::Init),
    Issue(verbs::issue::Issue),
    Rotate(verbs::rotate::Rotate),
    Revoke(verbs::revoke::Revoke),
    CloseWindow(verbs::close_window::CloseWindow),
    Expire(verbs::expire::Expire),
    Client(verbs::client::Client),
    List(verbs::list::List),
    Explain(verbs::explain::Explain),
    Check(verbs::check::Check),
    Import(verbs::import::Import),
    Export(verbs::export::Export),
    Audit(verbs::audit::Audit),
    Serve(verbs::serve::Serve),
    Keygen(verbs::keygen::Keygen),
}

impl Cli {
    pub(crate) fn pepper(&self) -> Result<PepperSource, Failure> {
        PepperSource::find(self.pepper.clone())
    }

    /// Where the keys live.
    pub(crate) fn address(&self) -> Result<Address, Failure> {
        Address::find(self.keyring.as_ref(), self.store.as_ref())
    }

    /// Opens it; what is not there is refused.
    pub(crate) fn place(&self) -> Result<Place, Failure> {
        Place::open(self, Missing::Refuse)
    }

    /// Opens it, and makes a store that is not there.
    pub(crate) fn place_or_new(&self) -> Result<Place, Failure> {
        Place::open(self, Missing::Make)
    }
}

/// Reads the command line. Help and usage errors are printed here, and no argument that may be a key is repeated.
pub(crate) fn parse() -> Result<Cli, ExitCode> {
    let error = match Cli::try_parse() {
        // Where a name or a file belongs it would be stored or repeated.
        Ok(_) if arguments().any(|argument| redact::holds_key(&argument)) => {
            Output::terminal().note("error: one of the arguments is an API key");
            return Err(never_on_the_command_line());
        }
        Ok(cli) => return Ok(cli),
        Err(error) => error,
    };
    let hidden = hidden(&error);
    if !error.use_stderr() || hidden.is_empty() {
        let _ = error.print();
        if stray(&error).is_some_and(|stray| is_unit(&stray)) {
            Output::terminal().note("\nA span of time is one word, a whole number and a unit: 30s, 15m, 24h or 7d.");
        }
        return Err(ExitCode::from(if error.use_stderr() { 2 } else { 0 }));
    }
    let mut text = error.render().to_string();
    for hidden in &hidden {
        text = text.replace(hidden, "<not shown>");
    }
    Output::terminal().note(text.trim_end());
    Err(never_on_the_command_line())
}

fn never_on_the_command_line() -> ExitCode {
    let mut output = Output::terminal();
    output.note("\nA key never goes on the command line, where the process list and the shell's history show it.");
    output.note("Give it on standard input or in a file. If that was one, think of it as leaked and rotate it.");
    ExitCode::from(2)
}

fn arguments() -> impl Iterator<Item = String> {
    std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned())
}

/// What a message must not repeat: arguments that may be a key, the longest first.
fn hidden(error: &clap::Error) -> Vec<String> {
    let mut hidden: Vec<_> = arguments().filter_map(|argument| redact::argument(&argument)).collect();
    // What stands where nothing belongs was most likely meant as a key, and so was what is no key id.
    hidden.extend(stray(error).filter(|stray| !is_unit(stray)));
    if context(error, ContextKind::InvalidArg).is_some_and(|argument| argument.starts_with("--key-id")) {
        hidden.extend(context(error, ContextKind::InvalidValue).filter(|value| !value.is_empty()));
    }
    hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
    hidden
}

/// What stands where nothing belongs.
fn stray(error: &clap::Error) -> Option<String> {
    let is_stray = error.kind() == ErrorKind::UnknownArgument;
    context(error, ContextKind::InvalidArg).filter(|argument| is_stray && !argument.starts_with('-'))
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    }
}

/// The second word of `--grace 5 days`.
fn is_unit(word: &str) -> bool {
    matches!(word.strip_suffix('s').unwrap_or(word), "second" | "minute" | "hour" | "day" | "week" | "month" | "year")
}
