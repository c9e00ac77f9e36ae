//! One file per verb.

pub(crate) mod check;
pub(crate) mod client;
pub(crate) mod demo;
pub(crate) mod explain;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod issue;
pub(crate) mod keygen;
pub(crate) mod list;
pub(crate) mod revoke;
pub(crate) mod rotate;

use std::process::ExitCode;

use crate::cli::{Cli, Verb};
use crate::failure::Failure;
use crate::output::Output;

/// Does what was asked for. The exit code is 0, or 1 for a negative answer.
pub(crate) fn run(cli: Cli, output: &mut Output) -> Result<ExitCode, Failure> {
    let done = ExitCode::SUCCESS;
    match &cli.verb {
        Verb::Demo(demo) => demo.run(output),
        Verb::Init(init) => init.run(&cli, output).map(|()| done),
        Verb::Issue(issue) => issue.run(&cli.keyring_file()?, output).map(|()| done),
        Verb::Rotate(rotate) => rotate.run(&cli.keyring_file()?, output).map(|()| done),
        Verb::Revoke(revoke) => revoke.run(&cli.keyring_file()?, output).map(|()| done),
        Verb::Client(client) => client.run(&cli.keyring_file()?, output).map(|()| done),
        Verb::List(list) => list.run(&cli.keyring_file()?, output).map(|()| done),
        Verb::Explain(explain) => explain.run(&cli.keyring_file()?, output),
        Verb::Check(check) => check.run(&cli, output),
        Verb::Import(import) => import.run(&cli.keyring_file()?, output).map(|()| done),
        Verb::Keygen(keygen) => keygen.run(&cli, output).map(|()| done),
    }
}
