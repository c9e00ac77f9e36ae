//! What is asked of a place, and what it answers.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use gracekey_core::{ApiKey, Client, ClientId, CredentialName, Grace, KeyId, Prefix, Scope, Timestamp};
use gracekey_store::{Fate, ImportError, ImportReport};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::span::Until;

/// Two rotations in one second are a conflict, so one whose key got lost at once is replaced after that.
pub(super) const NEXT_SECOND: Duration = Duration::from_millis(1100);

/// A key to issue.
pub(crate) struct IssueOrder<'o> {
    pub(crate) client: &'o ClientId,
    pub(crate) credential: &'o CredentialName,
    pub(crate) scopes: &'o [Scope],
    pub(crate) expires: Option<Until>,
    pub(crate) prefix: Option<&'o Prefix>,
}

/// A credential to rotate.
pub(crate) struct RotateOrder<'o> {
    pub(crate) client: &'o ClientId,
    pub(crate) credential: &'o CredentialName,
    pub(crate) grace: Option<Grace>,
    /// The key of the last rotation was lost before anybody used it.
    pub(crate) lost: bool,
    pub(crate) prefix: Option<&'o Prefix>,
}

/// What is to be changed of a client.
pub(crate) struct ClientOrder<'o> {
    pub(crate) client: &'o ClientId,
    pub(crate) disabled: Option<bool>,
    pub(crate) scopes: Option<&'o [Scope]>,
}

/// A new key, which is shown once.
pub(crate) struct NewKey {
    pub(crate) key: ApiKey,
    pub(crate) key_id: KeyId,
    pub(crate) generation: u32,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) epoch: u64,
}

pub(crate) struct Issued {
    pub(crate) new: NewKey,
    pub(crate) client_disabled: bool,
}

pub(crate) struct Rotated {
    pub(crate) new: NewKey,
    pub(crate) previous_key_id: KeyId,
    pub(crate) previous_key_retires_at: Option<Timestamp>,
    pub(crate) replaced_key_ids: Vec<KeyId>,
}

pub(crate) struct Ended {
    pub(crate) key_ids: Vec<KeyId>,
    pub(crate) epoch: u64,
}

/// When a key ends by itself.
pub(crate) struct Expiring {
    pub(crate) key_id: KeyId,
    pub(crate) client_id: ClientId,
    pub(crate) credential: CredentialName,
    pub(crate) expires_at: Timestamp,
    pub(crate) epoch: u64,
    pub(crate) changed: bool,
}

pub(crate) struct ClientNow {
    pub(crate) client: Client,
    pub(crate) epoch: u64,
}

/// How keys to import are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportFormat {
    /// API_KEYS: {"<key>":"<client id>"}
    Json,
    /// A header `key,client_id`, and if wanted `credential` and `scopes`
    Csv,
}

pub(crate) struct Imported {
    pub(crate) lines: Vec<ImportedLine>,
    pub(crate) epoch: u64,
}

#[derive(Serialize)]
pub(crate) struct ImportedLine {
    #[serde(skip)]
    pub(crate) already_there: bool,
    pub(crate) client_id: Option<ClientId>,
    pub(crate) credential: Option<CredentialName>,
    pub(crate) key_id: Option<KeyId>,
}

/// Which lines of the audit log.
pub(crate) struct AuditOrder {
    pub(crate) client: Option<ClientId>,
    pub(crate) key_id: Option<KeyId>,
    pub(crate) after: u64,
    pub(crate) limit: u16,
}

#[derive(Serialize)]
pub(crate) struct AuditPage {
    pub(crate) entries: Vec<AuditLine>,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<u64>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct AuditLine {
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
    pub(crate) epoch: u64,
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) client_id: Option<ClientId>,
    pub(crate) credential: Option<CredentialName>,
    pub(crate) key_id: Option<KeyId>,
    pub(crate) detail: serde_json::Value,
}

/// The scopes of a client that is there already, beside those that its next key asks for.
pub(super) fn check_scopes(known: &Client, wanted: &[Scope]) -> Result<(), Failure> {
    let same = wanted.iter().all(|scope| known.scopes.contains(scope));
    if wanted.is_empty() || (same && known.scopes.iter().all(|scope| wanted.contains(scope))) {
        return Ok(());
    }
    let held: Vec<_> = known.scopes.iter().map(Scope::as_str).collect();
    let held = if held.is_empty() { "no scopes".into() } else { format!("the scopes {}", held.join(" ")) };
    let client = &known.client_id;
    Err(Failure::refused(format!(
        "client {client} has {held} already, and scopes belong to the client, not to one key; leave --scope out, or change them: gracekey client --client {client} --scope …"
    )))
}

// === impl ImportFormat ===

impl ImportFormat {
    /// What a text is, or was meant to be, seen from how it begins: the refusal of either says what it has to look like.
    pub(crate) fn of(text: &[u8]) -> Self {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii_start();
        let is_json = matches!(text, [] | [b'{' | b'[' | b'\'', ..]) || text.starts_with(b"API_KEYS");
        if is_json { Self::Json } else { Self::Csv }
    }
}

// === impl Imported ===

impl Imported {
    pub(super) fn new(report: ImportReport, epoch: u64) -> Self {
        let line = |line: gracekey_store::ImportLine| ImportedLine {
            already_there: line.fate == Fate::AlreadyThere,
            client_id: line.client_id,
            credential: line.credential,
            key_id: line.key_id,
        };
        Self { lines: report.lines.into_iter().map(line).collect(), epoch }
    }
}

impl fmt::Display for ImportedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: Option<&dyn fmt::Display>| value.map_or("-".to_owned(), ToString::to_string);
        let client = text(self.client_id.as_ref().map(|value| value as _));
        let credential = text(self.credential.as_ref().map(|value| value as _));
        let key_id = text(self.key_id.as_ref().map(|value| value as _));
        let said = if self.already_there { "was there already as" } else { "imported" };
        write!(f, "{said} {key_id}: client {client}, credential {credential}")
    }
}

/// Says of each row what is wrong with it.
pub(super) fn refused_import(error: ImportError) -> Failure {
    let ImportError::Rows(report) = error else { return Failure::refused(error) };
    let refused = report.lines.iter().filter(|line| matches!(line.fate, Fate::Refused(_)));
    refused_rows(refused.map(ToString::to_string).collect())
}

/// For no more rows than somebody reads.
pub(super) fn refused_rows(mut lines: Vec<String>) -> Failure {
    const SHOWN: usize = 20;
    let more = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.push("nothing was imported; correct those rows or take them out, and try again".into());
    Failure::refused(lines.join("\n"))
}
