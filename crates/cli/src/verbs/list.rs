use clap::Args;
use gracekey_core::ClientId;

use super::table;
use crate::failure::Failure;
use crate::output::{Ink, Output};
use crate::place::{KeyLine, Place, State};
use crate::span::rough;

/// Show the keys: whose they are, which state they are in, how long a window still runs, when they were last used
///
/// A keyring file counts no usage, so LAST USED is empty there.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only the keys of this client
    #[arg(long, value_name = "CLIENT ID")]
    client: Option<ClientId>,
    /// Also those that have ended, as long as they are kept
    #[arg(long)]
    all: bool,
}

impl List {
    pub(crate) fn run(&self, place: &Place, output: &mut Output) -> Result<(), Failure> {
        let mut listing = place.list(self.client.as_ref())?;
        let ended = listing.keys.iter().filter(|key| key.ended.is_some()).count();
        listing.keys.retain(|key| self.all || key.ended.is_none());
        output.result(&text(&listing.keys, output), &listing)?;
        if ended > 0 && !self.all {
            let keys = if ended == 1 { "1 key that has".into() } else { format!("{ended} keys that have") };
            output.note(&format!("and {keys} ended: --all shows what is kept of them"));
        }
        Ok(())
    }
}

fn text(keys: &[KeyLine], output: &Output) -> String {
    if keys.is_empty() {
        return "no keys".into();
    }
    let head = ["CLIENT", "CREDENTIAL", "GEN", "KEY ID", "STATE", "WINDOW", "LAST USED", "EXPIRES"];
    let inks = std::iter::once(Ink::Bold).chain(keys.iter().map(|key| ink(key.state)));
    let lines = table::lines(head, &keys.iter().map(cells).collect::<Vec<_>>());
    let lines: Vec<_> = lines.iter().zip(inks).map(|(line, ink)| output.ink(ink, line)).collect();
    lines.join("\n")
}

fn cells(key: &KeyLine) -> [String; 8] {
    let state = key.state.words();
    [
        key.client_id.to_string(),
        key.credential.to_string(),
        key.generation.to_string(),
        key.key_id.to_string(),
        if key.client_disabled { format!("{state}, client disabled") } else { state.into() },
        window(key),
        key.last_used.map_or_else(|| "-".into(), |at| at.to_string()),
        key.times.expires_at.map_or_else(|| "never".into(), |at| at.to_string()),
    ]
}

/// How long the window still runs, or when the key ended.
fn window(key: &KeyLine) -> String {
    match (key.window_remaining_seconds, key.ended) {
        (Some(seconds), _) => format!("{} left", rough(seconds)),
        (None, Some(at)) => format!("ended {at}"),
        (None, None) => "-".into(),
    }
}

fn ink(state: State) -> Ink {
    match state {
        State::Current => Ink::Green,
        State::Previous | State::NotYetValid => Ink::Yellow,
        State::Retired | State::Expired | State::Revoked => Ink::Dim,
    }
}
