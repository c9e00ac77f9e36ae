//! What the log says of verdicts. Never a byte of a key: only public names.

use gracekey_core::{Denial, Entry, Grant};

/// A request was denied.
#[cold]
pub(crate) fn denied(denial: &Denial<'_>) {
    let entry = denial.entry();
    tracing::info!(
        reason = denial.reason().as_str(),
        client_id = entry.map(Entry::client_id),
        key_id = entry.map(Entry::key_id_str),
        "request denied"
    );
}

/// A request passed that would have been denied, had the mode not let it pass.
#[cold]
pub(crate) fn would_deny(grant: &Grant<'_>) {
    let Some(reason) = grant.would_deny() else { return };
    let entry = grant.would_deny_entry();
    tracing::info!(
        reason = reason.as_str(),
        client_id = entry.map(Entry::client_id),
        key_id = entry.map(Entry::key_id_str),
        "request would have been denied"
    );
}
