//! What `revoke` and `close-window` have in common: something ends at once, or it is only said what would end.

use std::collections::BTreeSet;

use gracekey_core::{ClientId, KeyId};
use serde::Serialize;

use super::table;
use crate::failure::Failure;
use crate::output::Output;
use crate::place::{Ended, Ending, Foreseen, Place, WouldEnd};

/// What is said of each key that ended, and what when there was none.
pub(super) struct Words {
    pub(super) done: &'static str,
    pub(super) nothing: &'static str,
}

/// The result for programs, where the list is called by what was done.
#[derive(Serialize)]
struct Revoked<'e> {
    revoked: &'e [KeyId],
    epoch: u64,
}

#[derive(Serialize)]
struct Retired<'e> {
    retired: &'e [KeyId],
    epoch: u64,
}

#[derive(Serialize)]
struct DryRun<'d> {
    dry_run: bool,
    would_end: &'d [WouldEnd],
    /// `null` where no usage is counted.
    would_get_401: Option<BTreeSet<&'d ClientId>>,
}

pub(super) fn run(
    place: &Place,
    what: &Ending,
    words: &Words,
    dry_run: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    if dry_run {
        return foresee(&place.foresee(what)?, words, output);
    }
    let Ended { key_ids, epoch } = place.end(what, output)?;
    let lines: Vec<_> = key_ids.iter().map(|key_id| format!("{} {key_id}", words.done)).collect();
    let text = if lines.is_empty() { words.nothing.to_owned() } else { lines.join("\n") };
    match what {
        Ending::Revoke(_) => output.result(&text, &Revoked { revoked: &key_ids, epoch }),
        Ending::Window(..) => output.result(&text, &Retired { retired: &key_ids, epoch }),
    }
}

fn foresee(foreseen: &Foreseen, words: &Words, output: &mut Output) -> Result<(), Failure> {
    let would_get_401 = foreseen.would_get_401();
    let would_end = &foreseen.would_end;
    let text = if would_end.is_empty() {
        words.nothing.to_owned()
    } else {
        let head = ["CLIENT", "CREDENTIAL", "GEN", "KEY ID", "LAST DAY", "LAST USED"];
        let mut lines =
            table::lines(head, &would_end.iter().map(|key| cells(key, foreseen.counted)).collect::<Vec<_>>());
        lines.push(match &would_get_401 {
            None => "a keyring file counts no usage, so who still uses them is not known here: see gracekey_previous_key_requests_total at the services, or keep the keys in a store".into(),
            Some(clients) if clients.is_empty() => "nobody used them in the last day, so nobody would get a 401".into(),
            Some(clients) => {
                let clients: Vec<_> = clients.iter().map(|client| client.as_str()).collect();
                format!("would get a 401: {}", clients.join(", "))
            }
        });
        lines.join("\n")
    };
    output.result(&text, &DryRun { dry_run: true, would_end, would_get_401 })?;
    output.note("this was a dry run: nothing was changed");
    Ok(())
}

fn cells(key: &WouldEnd, counted: bool) -> [String; 6] {
    let last_used = key.last_used.map(|at| at.to_string());
    [
        key.client_id.to_string(),
        key.credential.to_string(),
        key.generation.to_string(),
        key.key_id.to_string(),
        match key.requests_last_day {
            None => "not counted".into(),
            Some(1) => "1 request".into(),
            Some(requests) => format!("{requests} requests"),
        },
        last_used.unwrap_or_else(|| if counted { "never".into() } else { "not counted".into() }),
    ]
}
