//! Where a server's pepper comes from.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gracekey_core::{PepperError, Peppers};
use zeroize::Zeroizing;

/// The variable that [`pepper_from_env`] reads.
const VARIABLE: &str = "GRACEKEY_PEPPER";

/// Reads the pepper, or the two of a rotation, from a file that `gracekey init` made: `<id>:<base64>`.
///
/// On Unix the file must be closed to its group and to others (mode 0600 or 0400).
///
/// # Errors
/// [`PepperSourceError`] for a file that can't be read, is open to others, or holds no pepper.
pub fn pepper_from_file(path: impl AsRef<Path>) -> Result<Arc<Peppers>, PepperSourceError> {
    let path = path.as_ref();
    let unreadable = |why| PepperSourceError::Unreadable { path: path.into(), why };
    let mut file = File::open(path).map_err(unreadable)?;
    check_mode(&file, path)?;
    // Read in one piece, so that no copy of a growing buffer is left behind.
    let len = usize::try_from(file.metadata().map_err(unreadable)?.len()).unwrap_or(0).min(MAX_BYTES);
    let mut text = Zeroizing::new(String::with_capacity(len + 1));
    file.by_ref().take(MAX_BYTES as u64).read_to_string(&mut text).map_err(unreadable)?;
    text.parse().map(Arc::new).map_err(|why| PepperSourceError::Pepper { from: path.display().to_string(), why })
}

/// Reads the pepper, or the two of a rotation, from the environment variable `GRACEKEY_PEPPER`: `<id>:<base64>`.
///
/// # Errors
/// [`PepperSourceError`] when it is not set or holds no pepper.
pub fn pepper_from_env() -> Result<Arc<Peppers>, PepperSourceError> {
    let text = std::env::var(VARIABLE).map(Zeroizing::new).map_err(|_| PepperSourceError::NotSet)?;
    text.parse().map(Arc::new).map_err(|why| PepperSourceError::Pepper { from: VARIABLE.into(), why })
}

/// Far more than two peppers have.
const MAX_BYTES: usize = 64 * 1024;

#[cfg(unix)]
fn check_mode(file: &File, path: &Path) -> Result<(), PepperSourceError> {
    use std::os::unix::fs::PermissionsExt;

    let unreadable = |why| PepperSourceError::Unreadable { path: path.into(), why };
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(PepperSourceError::OpenToOthers { path: path.into(), mode }) }
}

#[cfg(not(unix))]
fn check_mode(_: &File, _: &Path) -> Result<(), PepperSourceError> {
    Ok(())
}

/// Why there is no pepper. None of these repeats a byte of it.
#[derive(Debug)]
#[non_exhaustive]
pub enum PepperSourceError {
    /// The file can't be read, or is not text.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// The group or others may read or write the file.
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// `GRACEKEY_PEPPER` is not set, or is not text.
    NotSet,
    /// What was read is no pepper.
    Pepper {
        /// Where it was read.
        from: String,
        /// What is wrong with it.
        why: PepperError,
    },
}

impl fmt::Display for PepperSourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, why } => {
                write!(f, "the pepper file {} cannot be read: {why}; `gracekey init` makes one", path.display())
            }
            Self::OpenToOthers { path, mode } => write!(
                f,
                "the pepper file {path} has mode {mode:04o}, so others than its owner can read it; run `chmod 600 {path}`",
                path = path.display()
            ),
            Self::NotSet => write!(f, "{VARIABLE} is not set; give it the content of the pepper file, <id>:<base64>"),
            Self::Pepper { from, why } => write!(f, "{from}: {why}"),
        }
    }
}

impl std::error::Error for PepperSourceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { why, .. } => Some(why),
            Self::Pepper { why, .. } => Some(why),
            Self::OpenToOthers { .. } | Self::NotSet => None,
        }
    }
}
