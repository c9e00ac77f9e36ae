//! The one place that writes to the terminal: results to standard output, everything else to standard error. What comes
//! from elsewhere is escaped here, so that it stays text.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::failure::Failure;
use crate::plain;

/// Where results and messages go.
pub(crate) struct Output {
    /// Whether results are printed as JSON.
    pub(crate) json: bool,
    result: Box<dyn Write>,
    messages: Box<dyn Write>,
    colour: bool,
    /// Whether a person reads the messages while they come.
    watched: bool,
}

/// How far something long has come, on a line that is written over and over. Only people see it.
pub(crate) struct Progress<'o> {
    messages: Option<&'o mut dyn Write>,
    what: &'static str,
    percent: Option<usize>,
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
        let watched = io::stderr().is_terminal() && !dumb;
        Self { json: false, result: Box::new(io::stdout()), messages: Box::new(io::stderr()), colour, watched }
    }

    /// Prints a result: text for people, or a JSON object for programs.
    pub(crate) fn result(&mut self, text: &str, json: &impl Serialize) -> Result<(), Failure> {
        printed(self.write(text, json))
    }

    /// Prints a text as it stands: one that was checked to be a document.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        printed(self.result.write_all(text.as_bytes()).and_then(|()| self.result.flush()))
    }

    /// Sees, before a key is made, that it will be seen: a closed standard output is `/dev/null` by now.
    pub(crate) fn check_shows_keys(&self) -> Result<(), Failure> {
        if io::stdout().is_terminal() || !is_null(&io::stdout()) {
            return Ok(());
        }
        Err(Failure::refused(
            "standard output is closed or /dev/null, and the new key would be lost; nothing was changed. Let it go to a file that only you may read, a pipe or a terminal",
        ))
    }

    /// Tells how far something long has come, if a person watches.
    pub(crate) fn progress(&mut self, what: &'static str) -> Progress<'_> {
        let wanted = self.watched && !self.json;
        Progress { messages: wanted.then_some(&mut *self.messages), what, percent: None }
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
        let told = writeln!(self.result, "{}", plain::text(text, self.colour)).and_then(|()| self.result.flush());
        told.map_err(|error| Failure::refused(format!("nobody reads any more: {error}")))
    }

    /// Says something about what was done, to standard error. That nobody listens is no failure.
    pub(crate) fn note(&mut self, text: &str) {
        let text = plain::text(text, self.colour);
        let _ = writeln!(self.messages, "{text}").and_then(|()| self.messages.flush());
    }

    /// The text in that ink, where the terminal shows colours.
    pub(crate) fn ink(&self, ink: Ink, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("{}{text}{}", ink.code(), Ink::END) } else { text.to_owned() }
    }

    fn write(&mut self, text: &str, json: &impl Serialize) -> io::Result<()> {
        if self.json {
            let text = serde_json::to_string(json).map_err(io::Error::other)?;
            writeln!(self.result, "{}", plain::json(&text))?;
        } else {
            writeln!(self.result, "{}", plain::text(text.trim_end_matches('\n'), self.colour))?;
        }
        self.result.flush()
    }
}

impl Ink {
    const END: &str = "\u{1b}[0m";
    /// All that stands for a colour in a text.
    pub(crate) const CODES: [&str; 7] = [
        Self::END,
        Self::Bold.code(),
        Self::Dim.code(),
        Self::Green.code(),
        Self::Yellow.code(),
        Self::Red.code(),
        Self::Cyan.code(),
    ];

    const fn code(self) -> &'static str {
        match self {
            Self::Bold => "\u{1b}[1m",
            Self::Dim => "\u{1b}[2m",
            Self::Red => "\u{1b}[31m",
            Self::Green => "\u{1b}[32m",
            Self::Yellow => "\u{1b}[33m",
            Self::Cyan => "\u{1b}[36m",
        }
    }
}

impl Progress<'_> {
    /// So many of so many are done. That nobody listens is no failure.
    pub(crate) fn step(&mut self, done: usize, total: usize) {
        let percent = (done * 100).checked_div(total);
        let (Some(messages), Some(shown)) = (&mut self.messages, percent) else { return };
        if self.percent != percent {
            self.percent = percent;
            let _ = write!(messages, "\r{done} of {total} {}, {shown} %", self.what).and_then(|()| messages.flush());
        }
    }
}

impl Drop for Progress<'_> {
    /// Takes the line away again.
    fn drop(&mut self) {
        if let (Some(messages), Some(_)) = (&mut self.messages, self.percent) {
            let _ = write!(messages, "\r\u{1b}[K").and_then(|()| messages.flush());
        }
    }
}

/// A reader that has gone away is no error: whoever pipes into `head` has what it wants.
fn printed(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| Failure::refused(format!("the result could not be printed: {error}"))),
    }
}

/// Whether that is the device that swallows everything.
#[cfg(unix)]
fn is_null(stream: &impl std::os::fd::AsFd) -> bool {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};

    let own = stream.as_fd().try_clone_to_owned().and_then(|stream| std::fs::File::from(stream).metadata());
    let (Ok(own), Ok(null)) = (own, std::fs::metadata("/dev/null")) else { return false };
    own.file_type().is_char_device() && own.rdev() == null.rdev()
}

#[cfg(not(unix))]
fn is_null<T>(_: &T) -> bool {
    false
}
