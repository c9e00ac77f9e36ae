//! Where the pepper comes from, and how it is made.
//!
//! `--pepper FILE` counts before `GRACEKEY_PEPPER`, which holds the pepper itself, and that before `gracekey.pepper`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gracekey_core::{Pepper, PepperId, Peppers};
use zeroize::Zeroizing;

use crate::durable;
use crate::entropy;
use crate::failure::Failure;

/// Where the pepper stands.
pub(crate) enum PepperSource {
    File(PathBuf),
    /// In the environment: the text itself.
    Environment(Zeroizing<String>),
}

impl PepperSource {
    const VARIABLE: &str = "GRACEKEY_PEPPER";
    const FILE: &str = "gracekey.pepper";

    /// The file that was named, or the environment, or the usual file.
    pub(crate) fn find(named: Option<PathBuf>) -> Result<Self, Failure> {
        if let Some(path) = named {
            return Ok(Self::File(path));
        }
        match std::env::var(Self::VARIABLE) {
            Ok(text) => Ok(Self::Environment(Zeroizing::new(text))),
            Err(std::env::VarError::NotPresent) => Ok(Self::File(Self::FILE.into())),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(Failure::refused(format!("{}: the pepper is not text; write it as <id>:<base64>", Self::VARIABLE)))
            }
        }
    }

    /// Reads the pepper, or the two of a rotation.
    pub(crate) fn read(&self) -> Result<Arc<Peppers>, Failure> {
        match self {
            Self::Environment(text) => {
                text.parse().map(Arc::new).map_err(|error| Failure::refused(format!("{}: {error}", Self::VARIABLE)))
            }
            Self::File(path) => read(path),
        }
    }

    /// Makes a pepper file that only its owner reads, unless a pepper is there already. Says whether it made one.
    pub(crate) fn make(&self, id: PepperId) -> Result<bool, Failure> {
        let Self::File(path) = self else { return Ok(false) };
        if path.exists() {
            return Ok(false);
        }
        let mut text = Pepper::text(id, &*entropy::bytes::<32>()?);
        text.push('\n');
        match durable::create(path, text.as_bytes(), 0o600) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(Failure::of_file(path, format!("no pepper was made: {error}"))),
        }
    }

    /// Whether there is one.
    pub(crate) fn is_there(&self) -> bool {
        match self {
            Self::File(path) => !matches!(path.try_exists(), Ok(false)),
            Self::Environment(_) => true,
        }
    }

    /// How a message names it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Environment(_) => Self::VARIABLE.to_owned(),
        }
    }
}

fn read(path: &Path) -> Result<Arc<Peppers>, Failure> {
    if matches!(path.try_exists(), Ok(false)) {
        return Err(Failure::of_file(
            path,
            "there is no pepper; `gracekey init` makes one, --pepper names another file, GRACEKEY_PEPPER holds one",
        ));
    }
    let text = secret_text(path, "the pepper")?;
    text.parse().map(Arc::new).map_err(|error| Failure::of_file(path, error))
}

/// Reads a file that only its owner may read.
pub(crate) fn secret_text(path: &Path, what: &str) -> Result<Zeroizing<String>, Failure> {
    let cannot = |error: io::Error| Failure::of_file(path, format!("{what} can't be read: {error}"));
    let metadata = fs::metadata(path).map_err(cannot)?;
    if metadata.is_dir() {
        return Err(Failure::of_file(path, format!("is a folder; name the file in it that holds {what}")));
    }
    check_mode(path, what, &metadata)?;
    let text = Zeroizing::new(fs::read(path).map_err(cannot)?);
    let text = std::str::from_utf8(&text).map_err(|_| Failure::of_file(path, format!("{what} is not text")))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Whoever reads the pepper can seal keyrings of his own, and whoever reads an admin key can do all that it may.
#[cfg(unix)]
fn check_mode(path: &Path, what: &str, metadata: &fs::Metadata) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;

    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let shown = path.display();
    Err(Failure::of_file(path, format!("others may read {what} (mode {mode:03o}); type: chmod 600 {shown}")))
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &str, _: &fs::Metadata) -> Result<(), Failure> {
    Ok(())
}
