use alloc::string::String;
use core::fmt;

use crate::wire::Refusal;

/// Why a policy was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyError {
    /// The text is empty.
    Empty,
    /// It ends in the middle.
    Cut {
        /// Where it ends, counted from 1.
        line: usize,
    },
    /// The text is no JSON.
    NotJson {
        /// What the reader says, with line and column.
        why: String,
    },
    /// A field is unknown or of a bad value.
    Field {
        /// Where it stands, like `routes[0].scopes[1]`.
        path: String,
        /// What is wrong and what to write instead.
        why: String,
    },
}

impl PolicyError {
    pub(super) fn field(path: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Field { path: path.into(), why: why.into() }
    }

    pub(super) fn from_refusal(refusal: Refusal, text: &[u8]) -> Self {
        if text.iter().all(u8::is_ascii_whitespace) {
            Self::Empty
        } else if refusal.syntax && refusal.why.starts_with("EOF") {
            Self::Cut { line: refusal.line }
        } else if refusal.syntax {
            Self::NotJson { why: alloc::format!("{refusal}") }
        } else {
            let why = alloc::format!("{} (line {}, column {})", refusal.why, refusal.line, refusal.column);
            Self::Field { path: refusal.path, why }
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the policy is empty; write {} for the defaults"),
            Self::Cut { line } => {
                write!(f, "the policy ends in the middle, on line {line}: it was cut; write it again")
            }
            Self::NotJson { why } => write!(f, "the policy is not JSON: {why}; write an object, {{}} for the defaults"),
            Self::Field { path, why } if path.is_empty() => write!(f, "the policy: {why}"),
            Self::Field { path, why } => write!(f, "{path}: {why}"),
        }
    }
}

impl core::error::Error for PolicyError {}
