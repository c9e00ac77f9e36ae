use std::process::ExitCode;

use clap::Args;

use crate::failure::Failure;
use crate::output::Output;

/// Watch real requests go through a rotation without one 401
#[derive(Debug, Args)]
pub(crate) struct Demo {}

impl Demo {
    pub(crate) fn run(&self, _output: &mut Output) -> Result<ExitCode, Failure> {
        Ok(ExitCode::SUCCESS)
    }
}
