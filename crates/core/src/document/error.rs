use alloc::string::String;
use core::fmt;

use crate::wire::Refusal;

/// Why a keyring document was refused. Whoever gets one keeps the keyring that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentError {
    /// There is nothing in it.
    Empty,
    /// It ends in the middle.
    Cut {
        /// Where it ends, counted from 1.
        line: usize,
    },
    /// It is no JSON.
    NotJson {
        /// What the reader says, with line and column.
        why: String,
    },
    /// It is a document of another format.
    Format {
        /// What its `format` says.
        found: String,
    },
    /// A field is missing, unknown, or of a bad value.
    Field {
        /// Where it stands, like `keys[3].digest`.
        path: String,
        /// What is wrong and what to write instead.
        why: String,
    },
    /// It carries no seal.
    NoSeal,
    /// The seal was made with a pepper that is not at hand.
    SealPepper {
        /// The pepper that the seal names.
        named: String,
        /// The peppers at hand.
        held: String,
    },
    /// The seal does not fit: the document was altered, or sealed with another pepper of the same id.
    BadSeal,
    /// The epoch is smaller than the one that is held.
    OlderEpoch {
        /// The epoch of the keyring at hand.
        held: u64,
        /// The epoch of the refused document.
        offered: u64,
    },
    /// The epoch is the one that is held, but the content is another.
    SameEpoch {
        /// That epoch.
        epoch: u64,
    },
    /// The digests are no HMACs: too many agree in their first bytes.
    NotUniform,
}

impl DocumentError {
    pub(super) fn from_refusal(refusal: Refusal, text: &[u8]) -> Self {
        if text.iter().all(u8::is_ascii_whitespace) {
            return Self::Empty;
        }
        if refusal.syntax {
            return if refusal.why.starts_with("EOF") {
                Self::Cut { line: refusal.line }
            } else {
                Self::NotJson { why: alloc::format!("{refusal}") }
            };
        }
        let why = alloc::format!("{} (line {}, column {})", refusal.why, refusal.line, refusal.column);
        Self::Field { path: refusal.path, why }
    }

    pub(crate) fn field(path: String, why: impl Into<String>) -> Self {
        Self::Field { path, why: why.into() }
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the keyring document is empty; `gracekey init` makes one"),
            Self::Cut { line } => {
                write!(f, "the keyring document ends in the middle, on line {line}: it was cut; write it again")
            }
            Self::NotJson { why } => write!(f, "the keyring document is not JSON: {why}; give the file that `gracekey` wrote"),
            Self::Format { found } => {
                write!(f, "the keyring document has format `{found}`, and this build reads `{}`", super::Document::FORMAT)?;
                f.write_str("; use a build that knows it, or export the document in the older format")
            }
            Self::Field { path, why } if path.is_empty() => write!(f, "the keyring document: {why}"),
            Self::Field { path, why } => write!(f, "{path}: {why}"),
            Self::NoSeal => f.write_str("seal: the keyring document is not sealed; export it with the pepper"),
            Self::SealPepper { named, held } => write!(
                f,
                "seal: made with pepper `{named}`, and the peppers at hand are `{held}`; give the pepper that the keyring was made with"
            ),
            Self::BadSeal => f.write_str(
                "seal: does not fit; the document was altered after it was sealed, or the pepper is not the one that it was sealed with",
            ),
            Self::OlderEpoch { held, offered } => write!(
                f,
                "epoch: {offered} is older than {held}, which is held already; a verifier never goes back, so export a newer one"
            ),
            Self::SameEpoch { epoch } => {
                write!(f, "epoch: {epoch} is held already with another content; give a changed document a larger epoch")
            }
            Self::NotUniform => f.write_str("keys: the digests are not HMACs, too many agree; export the document again"),
        }
    }
}

impl core::error::Error for DocumentError {}
