//! The keyring file: read as a whole, checked as a whole, replaced as a whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gracekey_core::{Document, Keyring, Peppers, SealedDocument, Timestamp};

use crate::clock;
use crate::durable::{self, Turn};
use crate::failure::Failure;
use crate::output::Output;

/// A keyring in a file, with the pepper that it was made with.
pub(crate) struct KeyringFile {
    path: PathBuf,
    peppers: Arc<Peppers>,
}

impl KeyringFile {
    pub(crate) fn new(path: PathBuf, peppers: Arc<Peppers>) -> Self {
        Self { path, peppers }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn peppers(&self) -> &Arc<Peppers> {
        &self.peppers
    }

    /// Makes the file with an empty keyring.
    pub(crate) fn create(&self) -> Result<(), Failure> {
        let text = Document::empty(clock::now()?).seal(&self.peppers).to_json();
        durable::create(&self.path, text.as_bytes(), 0o644).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(&self.path),
            _ => Failure::of_file(&self.path, format!("no keyring was made: {error}")),
        })
    }

    /// Reads the file and checks its seal and its keys.
    pub(crate) fn read(&self) -> Result<Document, Failure> {
        self.parse(&self.text()?)
    }

    /// Checks the seal and the keys of a text, as if it stood in the file.
    pub(crate) fn parse(&self, text: &[u8]) -> Result<Document, Failure> {
        let document = SealedDocument::parse(text)
            .and_then(|sealed| sealed.open(&self.peppers))
            .map_err(|error| Failure::of_file(&self.path, error))?;
        self.keyring(&document)?;
        Ok(document)
    }

    /// The keyring of a document, with which requests can be decided.
    pub(crate) fn keyring(&self, document: &Document) -> Result<Keyring, Failure> {
        Keyring::new(document, Arc::clone(&self.peppers)).map_err(|error| Failure::of_file(&self.path, error))
    }

    /// Changes the keyring: reads it, applies the change and replaces the file, while all others wait. Nothing is
    /// written when the change was refused or changed nothing. Tombstones older than 90 days go with the change.
    pub(crate) fn change<T>(
        &self,
        output: &mut Output,
        change: impl FnOnce(&mut Document, Timestamp) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let cannot = |error: io::Error| self.unwritten(&error);
        // Without a keyring, no lock file is left behind.
        self.text()?;
        let waiting = || output.note("waiting for another gracekey that is changing this keyring");
        let turn = Turn::take(&self.path, waiting).map_err(cannot)?;
        let mut document = self.read()?;
        let epoch = document.epoch;
        // Read only now: a change that waited is not made in the past of the one before it.
        let now = clock::now()?;
        let outcome = change(&mut document, now)?;
        if document.epoch != epoch {
            document.prune(Document::TOMBSTONES, now).map_err(Failure::refused)?;
            self.keyring(&document)?;
            turn.replace(document.seal(&self.peppers).to_json().as_bytes()).map_err(cannot)?;
        }
        Ok(outcome)
    }

    fn text(&self) -> Result<Vec<u8>, Failure> {
        // A pipe or a device may never end.
        if fs::metadata(&self.path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            return Err(Failure::of_file(
                &self.path,
                "is a pipe or a device, and a keyring is a file; --keyring names it",
            ));
        }
        fs::read(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure::of_file(
                &self.path,
                "there is no keyring; `gracekey init` makes one, --keyring names another file",
            ),
            _ => Failure::of_file(&self.path, format!("the keyring can't be read: {error}")),
        })
    }

    fn unwritten(&self, error: &io::Error) -> Failure {
        let advice = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                "; make room and try again"
            }
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                "; the folder of the keyring must be writable, since the file is replaced as a whole"
            }
            _ => "",
        };
        Failure::of_file(&self.path, format!("nothing was changed: {error}{advice}"))
    }
}

pub(crate) fn exists(path: &Path) -> Failure {
    Failure::of_file(path, "there is a keyring already, and it is never overwritten; --keyring names another file")
}
