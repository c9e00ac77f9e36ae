use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use gracekey_core::LifecycleError;

/// Why a verb did not do what it was asked for, in a sentence that says what to do next. It repeats no secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Refused, or the world did not let it: exit code 1.
    Refused(String),
    /// Asked for in a way that makes no sense: exit code 2.
    Usage(String),
}

impl Failure {
    /// A refusal.
    pub(crate) fn refused(why: impl fmt::Display) -> Self {
        Self::Refused(why.to_string())
    }

    /// A refusal that a file caused.
    pub(crate) fn of_file(path: &Path, why: impl fmt::Display) -> Self {
        Self::Refused(format!("{}: {why}", path.display()))
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Refused(_) => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) | Self::Usage(why) => f.write_str(why),
        }
    }
}

impl From<LifecycleError> for Failure {
    fn from(error: LifecycleError) -> Self {
        Self::refused(error)
    }
}
