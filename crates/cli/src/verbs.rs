//! One file per verb.

pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod client;
pub(crate) mod close_window;
pub(crate) mod demo;
pub(crate) mod expire;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod issue;
pub(crate) mod keygen;
pub(crate) mod list;
pub(crate) mod revoke;
pub(crate) mod rotate;
pub(crate) mod serve;

mod ending;
mod shown;
mod table;

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
        Verb::Issue(issue) => issue.run(&cli, output).map(|()| done),
        Verb::Rotate(rotate) => rotate.run(&cli, output).map(|()| done),
        Verb::Revoke(revoke) => revoke.run(&cli.place()?, output).map(|()| done),
        Verb::CloseWindow(close) => close.run(&cli.place()?, output).map(|()| done),
        Verb::Expire(expire) => expire.run(&cli.place()?, output).map(|()| done),
        Verb::Client(client) => client.run(&cli.place()?, output).map(|()| done),
        Verb::List(list) => list.run(&cli.place()?, output).map(|()| done),
        Verb::Explain(explain) => explain.run(&cli.place()?, output),
        Verb::Check(check) => check.run(&cli, output),
        Verb::Import(import) => import.run(&cli, output).map(|()| done),
        Verb::Export(export) => export.run(&cli.place()?, output).map(|()| done),
        Verb::Audit(audit) => audit.run(&cli.place()?, output).map(|()| done),
        Verb::Serve(serve) => serve.run(&cli, output).map(|()| done),
        Verb::Keygen(keygen) => keygen.run(&cli, output).map(|()| done),
    }
}
