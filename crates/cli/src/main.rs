//! The `gracekey` command: issue, rotate, revoke and explain API keys, on a keyring file, a store or a server.

mod cli;
mod clock;
mod demo;
mod durable;
mod entropy;
mod failure;
mod input;
mod keyring_file;
mod listen;
mod output;
mod pepper_file;
mod place;
mod plain;
mod redact;
mod runtime;
mod signal;
mod span;
mod verbs;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut output = output::Output::terminal();
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    output.json = cli.json;
    match verbs::run(cli, &mut output) {
        Ok(code) => code,
        Err(failure) => {
            output.note(&format!("error: {failure}"));
            failure.exit_code()
        }
    }
}
