//! The one place that writes to the terminal: results to standard output, everything else to standard error.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::failure::Failure;

/// Where results and messages go.
pub(crate) struct Output {
    /// Whether results are printed as JSON.
    pub(crate) json: bool,
    result: Box<dyn Write>,
    messages: Box<dyn Write>,
    colour: bool,
}

/// How a piece of text looks on a terminal.
#[derive(Clone, Copy)]
pub(crate) enum Ink {
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
    Cyan,
}

impl Output {
    /// Standard output and standard error.
    pub(crate) fn terminal() -> Self {
        let wished = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = wished && !dumb && io::stdout().is_terminal();
        Self { json: false, result: Box::new(io::stdout()), messages: Box::new(io::stderr()), colour }
    }

    /// Prints a result: text for people, or a JSON object for programs.
    ///
    /// A reader that has gone away is no error: whoever pipes into `head` has what it wants.
    pub(crate) fn result(&mut self, text: &str, json: &impl Serialize) -> Result<(), Failure> {
        match self.write(text, json) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|error| Failure::refused(format!("the result could not be printed: {error}"))),
        }
    }

    /// Prints a result that holds a key, and so must not be lost without a word.
    pub(crate) fn secret(&mut self, text: &str, json: &impl Serialize, lost: &str) -> Result<(), Failure> {
        self.write(text, json)
            .map_err(|error| Failure::refused(format!("the key could not be printed ({error}); {lost}")))
    }

    /// Tells a line of a story: to standard output, or to standard error where a program wants the result.
    pub(crate) fn tell(&mut self, text: &str) -> Result<(), Failure> {
        if self.json {
            self.note(text);
            return Ok(());
        }
        let told = writeln!(self.result, "{text}").and_then(|()| self.result.flush());
        told.map_err(|error| Failure::refused(format!("nobody reads any more: {error}")))
    }

    /// Says something about what was done, to standard error. That nobody listens is no failure.
    pub(crate) fn note(&mut self, text: &str) {
        let _ = writeln!(self.messages, "{text}").and_then(|()| self.messages.flush());
    }

    /// The text in that ink, where the terminal shows colours.
    pub(crate) fn ink(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Bold => 1,
            Ink::Dim => 2,
            Ink::Red => 31,
            Ink::Green => 32,
            Ink::Yellow => 33,
            Ink::Cyan => 36,
        };
        if self.colour && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn write(&mut self, text: &str, json: &impl Serialize) -> io::Result<()> {
        if self.json {
            writeln!(self.result, "{}", serde_json::to_string(json).map_err(io::Error::other)?)?;
        } else {
            writeln!(self.result, "{}", text.trim_end_matches('\n'))?;
        }
        self.result.flush()
    }
}
