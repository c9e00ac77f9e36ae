use std::fmt;

use gracekey_core::{ApiKeysError, ClientId, CredentialName, KeyId, LifecycleError};

/// What became of an import, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// A line for every row, in their order.
    pub lines: Vec<ImportLine>,
}

/// What became of one row. It repeats no key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportLine {
    /// Which row, counted from 1: the entry, or the line in a file.
    pub row: u64,
    /// Whose key it is, once that is known.
    pub client_id: Option<ClientId>,
    /// For which use, once that is known.
    pub credential: Option<CredentialName>,
    /// By which key id it is known from now on.
    pub key_id: Option<KeyId>,
    /// Whether it was taken in.
    pub fate: Fate,
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// It was taken in, or would have been if all other rows were in order.
    Imported,
    /// The same client has this key already.
    AlreadyThere,
    /// It is not in order, and so nothing was taken in.
    Refused(String),
}

/// Why nothing was imported.
#[derive(Debug)]
#[non_exhaustive]
pub enum ImportError {
    /// The JSON is not in order.
    ApiKeys(ApiKeysError),
    /// The file is not in order.
    Csv {
        /// On which line.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// The table can't be read.
    Table {
        /// What the database says.
        what: String,
    },
    /// Some rows are not in order.
    Rows(ImportReport),
    /// A client of it opens the server itself, and [`Import::reserving_own`](super::Import::reserving_own) leaves those alone.
    Reserved,
    /// The counter of epochs is at its end.
    Exhausted(LifecycleError),
}

// === impl ImportReport ===

impl ImportReport {
    /// How many keys were taken in.
    #[must_use]
    pub fn imported(&self) -> usize {
        self.count(|fate| matches!(fate, Fate::Imported))
    }

    /// How many keys were there already.
    #[must_use]
    pub fn already_there(&self) -> usize {
        self.count(|fate| matches!(fate, Fate::AlreadyThere))
    }

    /// How many rows were refused.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.count(|fate| matches!(fate, Fate::Refused(_)))
    }

    fn count(&self, is: impl Fn(&Fate) -> bool) -> usize {
        self.lines.iter().filter(|line| is(&line.fate)).count()
    }
}

impl fmt::Display for ImportLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}:", self.row)?;
        if let Some(client_id) = &self.client_id {
            write!(f, " {client_id}")?;
        }
        if let Some(credential) = &self.credential {
            write!(f, " `{credential}`")?;
        }
        if let Some(key_id) = &self.key_id {
            write!(f, " {key_id}")?;
        }
        match &self.fate {
            Fate::Imported => f.write_str(" imported"),
            Fate::AlreadyThere => f.write_str(" is there already"),
            Fate::Refused(why) => write!(f, " refused: {why}"),
        }
    }
}

// === impl ImportError ===

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKeys(error) => error.fmt(f),
            Self::Reserved => {
                f.write_str("it has keys of clients with scopes of `gracekey:`, which open the server itself")
            }
            Self::Exhausted(error) => error.fmt(f),
            Self::Csv { line, what } => write!(f, "line {line}: {what}"),
            Self::Table { what } => {
                write!(f, "the table can't be read: {what}; correct the names of table and columns")
            }
            Self::Rows(report) => {
                let first = report.lines.iter().find(|line| matches!(line.fate, Fate::Refused(_)));
                let (refused, all) = (report.refused(), report.lines.len());
                write!(f, "{refused} of {all} rows are not in order, so nothing was imported")?;
                first.map_or(Ok(()), |line| write!(f, "; the first is {line}"))
            }
        }
    }
}

impl std::error::Error for ImportError {}
