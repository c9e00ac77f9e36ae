use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use gracekey_core::Seconds;

use crate::demo;
use crate::failure::Failure;
use crate::listen;
use crate::output::Output;

/// Watch real requests go through a rotation without one 401
///
/// A real axum service on loopback follows the feed of a real server of keys; four callers send it real HTTP requests; the
/// key is rotated under them, the window closes before your eyes, and who missed it rotates by itself. Exit code 0 only if
/// every answer was the one that it should be.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gracekey demo
  gracekey demo --for 30s
  gracekey demo --listen 127.0.0.1:8080     stays up until Ctrl-C, to try things by hand")]
pub(crate) struct Demo {
    /// How long it runs, from 5s to 1h [default: 10s]
    #[arg(long = "for", value_name = "SPAN", value_parser = span)]
    span: Option<Seconds>,
    /// Listen there, and without --for stay up until Ctrl-C once the story is told
    #[arg(long, value_name = "ADDRESS", value_parser = listen::address)]
    listen: Option<SocketAddr>,
}

impl Demo {
    pub(crate) fn run(&self, output: &mut Output) -> Result<ExitCode, Failure> {
        demo::run(&demo::Plan::new(self.span, self.listen), output)
    }
}

fn span(text: &str) -> Result<Seconds, String> {
    let span: Seconds = text.parse().map_err(|error| format!("{error}"))?;
    if (5..=3600).contains(&span.0) { Ok(span) } else { Err("the demo runs from 5s to 1h".into()) }
}
