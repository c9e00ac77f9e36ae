//! Rows as they come, digested before anything else is done with them.

use std::io::Read;

use csv::{ReaderBuilder, StringRecord, Trim};
use gracekey_core::{ApiKey, ClientId, CredentialName, Digest, KeyId, Peppers, Scope, Shape};

use super::ImportError;

/// A row, good or bad.
pub(super) struct Row {
    pub(super) at: u64,
    pub(super) entry: Result<Entry, String>,
}

/// A good row.
pub(super) struct Entry {
    /// Under the current pepper, and then under the others that are known.
    pub(super) digests: Vec<Digest>,
    /// The key id inside the key, which a foreign one has not.
    pub(super) key_id: Option<KeyId>,
    /// Whether it is a foreign one that is short enough to be guessed.
    pub(super) is_weak: bool,
    pub(super) client_id: ClientId,
    pub(super) credential: Option<CredentialName>,
    pub(super) scopes: Option<Vec<Scope>>,
}

/// The fields of a row as text.
pub(super) struct Fields<'t> {
    pub(super) key: &'t str,
    pub(super) client_id: &'t str,
    pub(super) credential: &'t str,
    pub(super) scopes: &'t str,
}

/// A foreign key of fewer characters may be guessed.
const SAFE: usize = 24;

/// Which field of a record is which.
struct Header {
    key: usize,
    client_id: usize,
    credential: Option<usize>,
    scopes: Option<usize>,
    width: usize,
}

// === impl Row ===

impl Row {
    pub(super) fn new(at: u64, key: &ApiKey, client_id: &ClientId, peppers: &Peppers) -> Self {
        let fields = Fields { key: key.reveal(), client_id: client_id.as_str(), credential: "", scopes: "" };
        Self::parse(at, &fields, peppers)
    }

    pub(super) fn parse(at: u64, fields: &Fields<'_>, peppers: &Peppers) -> Self {
        Self { at, entry: entry(fields, peppers) }
    }
}

/// No error repeats a field: a key may stand in any of them.
fn entry(fields: &Fields<'_>, peppers: &Peppers) -> Result<Entry, String> {
    if !matches!(Shape::of(fields.client_id.as_bytes()), Shape::Foreign) {
        return Err("there is a key where the client id belongs; the columns are swapped".into());
    }
    let key = ApiKey::parse(fields.key).map_err(|error| error.to_string())?;
    let key_id = match key.shape() {
        Shape::Gracekey(key_id) => Some(key_id),
        Shape::Foreign => None,
        _ => return Err("the key's checksum does not fit; it was mistyped or cut".into()),
    };
    let is_weak = key_id.is_none() && key.as_bytes().len() < SAFE;
    let client_id = fields.client_id.parse().map_err(|error| format!("client_id: {error}"))?;
    let credential = match fields.credential {
        "" => None,
        name => Some(name.parse().map_err(|error| format!("credential: {error}"))?),
    };
    let scopes = match fields.scopes {
        "" => None,
        text => {
            let scopes: Result<_, _> = text.split_ascii_whitespace().map(str::parse).collect();
            Some(scopes.map_err(|error| format!("scopes: {error}"))?)
        }
    };
    let digests = peppers.iter().map(|pepper| pepper.digest(key.as_bytes())).collect();
    Ok(Entry { digests, key_id, is_weak, client_id, credential, scopes })
}

pub(super) fn csv(file: impl Read, peppers: &Peppers) -> Result<Vec<Row>, ImportError> {
    let mut reader = ReaderBuilder::new().trim(Trim::All).flexible(true).from_reader(file);
    let header = Header::of(reader.headers().map_err(|error| csv_error(&error))?)?;
    let mut rows = Vec::new();
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| csv_error(&error))? {
        let at = record.position().map_or(0, csv::Position::line);
        rows.push(match header.fields(&record) {
            Ok(fields) => Row::parse(at, &fields, peppers),
            Err(why) => Row { at, entry: Err(why) },
        });
    }
    Ok(rows)
}

/// Without the content of the file, which the reader's own message may repeat.
fn csv_error(error: &csv::Error) -> ImportError {
    let line = error.position().map_or(1, csv::Position::line);
    let what = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "is not UTF-8; save the file as UTF-8".into(),
        csv::ErrorKind::Io(error) => format!("can't be read: {error}"),
        _ => "is not comma-separated values".into(),
    };
    ImportError::Csv { line, what }
}

// === impl Header ===

impl Header {
    fn of(record: &StringRecord) -> Result<Self, ImportError> {
        let refuse = |what: &str| {
            let what =
                format!("{what}; the first line names the columns: key,client_id and if wanted credential,scopes");
            Err(ImportError::Csv { line: 1, what })
        };
        let known = ["key", "client_id", "credential", "scopes"];
        let place = |name: &str| record.iter().position(|field| field.eq_ignore_ascii_case(name));
        let count = |name: &str| record.iter().filter(|field| field.eq_ignore_ascii_case(name)).count();
        // The first line may be a key already, and is not repeated.
        if record.iter().any(|field| !known.iter().any(|name| field.eq_ignore_ascii_case(name))) {
            return refuse("there is another column");
        }
        if known.into_iter().any(|name| count(name) > 1) {
            return refuse("a column is there twice");
        }
        match (place("key"), place("client_id")) {
            (Some(key), Some(client_id)) => Ok(Self {
                key,
                client_id,
                credential: place("credential"),
                scopes: place("scopes"),
                width: record.len(),
            }),
            _ => refuse("there is no column `key` or no column `client_id`"),
        }
    }

    fn fields<'r>(&self, record: &'r StringRecord) -> Result<Fields<'r>, String> {
        if record.len() != self.width {
            return Err(format!("it has {} fields, and the first line names {}", record.len(), self.width));
        }
        let field = |at: usize| record.get(at).unwrap_or_default();
        Ok(Fields {
            key: field(self.key),
            client_id: field(self.client_id),
            credential: self.credential.map_or("", field),
            scopes: self.scopes.map_or("", field),
        })
    }
}
