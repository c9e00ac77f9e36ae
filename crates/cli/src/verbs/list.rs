use clap::Args;
use gracekey_core::{ClientId, CredentialName, Document, End, Generation, KeyId, Timestamp};
use serde::Serialize;

use crate::clock;
use crate::failure::Failure;
use crate::keyring_file::KeyringFile;
use crate::output::{Ink, Output};
use crate::span::rough;

/// Show the keys: whose they are, which state they are in, how long a window still runs
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only the keys of this client
    #[arg(long, value_name = "CLIENT ID")]
    client: Option<ClientId>,
    /// Also those that have ended, as long as they are kept
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
struct Listing<'l> {
    epoch: u64,
    issued_at: Timestamp,
    keys: Vec<Row<'l>>,
}

#[derive(Serialize)]
struct Row<'l> {
    client_id: &'l ClientId,
    credential: &'l CredentialName,
    generation: u32,
    key_id: KeyId,
    state: State,
    client_disabled: bool,
    not_before: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    superseded_at: Option<Timestamp>,
    retires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    window_remaining_seconds: Option<u64>,
    #[serde(skip)]
    ended: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Current,
    Previous,
    NotYetValid,
    Retired,
    Expired,
    Revoked,
}

impl List {
    pub(crate) fn run(&self, file: &KeyringFile, output: &mut Output) -> Result<(), Failure> {
        let (document, now) = (file.read()?, clock::now()?);
        if let Some(client_id) = self.client.as_ref().filter(|client_id| document.client(client_id).is_none()) {
            return Err(Failure::refused(format!("there is no client {client_id}")));
        }
        let wanted = |generation: &&Generation| self.client.as_ref().is_none_or(|own| *own == generation.client_id);
        let mut keys: Vec<_> =
            document.keys.iter().filter(wanted).map(|generation| Row::new(generation, &document, now)).collect();
        keys.sort_by_key(|row| (row.client_id, row.credential, row.generation));
        let ended = keys.iter().filter(|row| row.ended.is_some()).count();
        keys.retain(|row| self.all || row.ended.is_none());
        let text = table(&keys, output);
        let listing = Listing { epoch: document.epoch, issued_at: document.issued_at, keys };
        output.result(&text, &listing)?;
        if ended > 0 && !self.all {
            let keys = if ended == 1 { "1 key that has".into() } else { format!("{ended} keys that have") };
            output.note(&format!("and {keys} ended: --all shows what is kept of them"));
        }
        Ok(())
    }
}

impl<'l> Row<'l> {
    fn new(generation: &'l Generation, document: &Document, now: Timestamp) -> Self {
        let Generation { client_id, credential, key_id, .. } = generation;
        let ended = generation.end().filter(|(at, _)| *at <= now);
        let state = match ended {
            Some((_, End::Revoked)) => State::Revoked,
            Some((_, End::Expired)) => State::Expired,
            Some((_, End::Retired)) => State::Retired,
            None if generation.not_before.is_some_and(|at| now < at) => State::NotYetValid,
            None if generation.superseded_at.is_some_and(|at| at <= now) => State::Previous,
            None => State::Current,
        };
        let closes = generation.end().filter(|_| state == State::Previous);
        Self {
            client_id,
            credential,
            generation: generation.generation,
            key_id: *key_id,
            state,
            client_disabled: document.client(client_id).is_some_and(|client| client.disabled),
            not_before: generation.not_before,
            expires_at: generation.expires_at,
            superseded_at: generation.superseded_at,
            retires_at: generation.retires_at,
            revoked_at: generation.revoked_at,
            window_remaining_seconds: closes.map(|(at, _)| at.seconds_since(now)),
            ended: ended.map(|(at, _)| at),
        }
    }

    /// How long the window still runs, or when the key ended.
    fn window(&self) -> String {
        match (self.window_remaining_seconds, self.ended) {
            (Some(seconds), _) => format!("{} left", rough(seconds)),
            (None, Some(at)) => format!("ended {at}"),
            (None, None) => "-".into(),
        }
    }

    fn cells(&self) -> [String; 7] {
        [
            self.client_id.to_string(),
            self.credential.to_string(),
            self.generation.to_string(),
            self.key_id.to_string(),
            if self.client_disabled {
                format!("{}, client disabled", self.state.words())
            } else {
                self.state.words().into()
            },
            self.window(),
            self.expires_at.map_or_else(|| "never".into(), |at| at.to_string()),
        ]
    }
}

impl State {
    fn words(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Previous => "previous",
            Self::NotYetValid => "not yet valid",
            Self::Retired => "retired",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    fn ink(self) -> Ink {
        match self {
            Self::Current => Ink::Green,
            Self::Previous | Self::NotYetValid => Ink::Yellow,
            Self::Retired | Self::Expired | Self::Revoked => Ink::Dim,
        }
    }
}

fn table(rows: &[Row<'_>], output: &Output) -> String {
    if rows.is_empty() {
        return "no keys".into();
    }
    let head = ["CLIENT", "CREDENTIAL", "GEN", "KEY ID", "STATE", "WINDOW", "EXPIRES"].map(str::to_owned);
    let cells: Vec<_> = rows.iter().map(Row::cells).collect();
    let width = |column: usize| {
        let lines = cells.iter().chain([&head]);
        lines.filter_map(|line| line.get(column)).map(String::len).max().unwrap_or(0)
    };
    let widths: [usize; 7] = std::array::from_fn(width);
    let line = |cells: &[String; 7]| {
        let padded: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let inks = rows.iter().map(|row| row.state.ink());
    let body = cells.iter().zip(inks).map(|(cells, ink)| output.ink(ink, &line(cells)));
    let lines: Vec<_> = std::iter::once(output.ink(Ink::Bold, &line(&head))).chain(body).collect();
    lines.join("\n")
}
