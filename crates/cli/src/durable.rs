//! Files that are there whole or not at all, also after a `kill -9` or a loss of power at any moment.
//!
//! A change is written to a second file beside the first, synced, and renamed over it. Processes take turns by a lock
//! file that stays there for good, since to remove it would let two of them in.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The right to change a file. It ends when this is dropped, or with the process, however that ends.
pub(crate) struct Turn {
    path: PathBuf,
    _lock: File,
}

impl Turn {
    /// Waits until it is our turn to change the file. `waiting` is called if others are at it.
    pub(crate) fn take(path: &Path, waiting: impl FnOnce()) -> io::Result<Self> {
        // A link stays a link: what it points to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(beside(&path, "", ".lock"))?;
        if let Err(error) = lock.try_lock() {
            match error {
                fs::TryLockError::WouldBlock => waiting(),
                fs::TryLockError::Error(error) => return Err(error),
            }
            lock.lock()?;
        }
        Ok(Self { path, _lock: lock })
    }

    /// Replaces the content of a file that is there, and keeps its mode and its owner.
    pub(crate) fn replace(&self, content: &[u8]) -> io::Result<()> {
        let staged = Staged::write(beside(&self.path, ".", ".new"), content, 0o600)?;
        keep_mode_and_owner(&fs::metadata(&self.path)?, &File::open(staged.path())?)?;
        fs::rename(staged.path(), &self.path)?;
        staged.arrived();
        sync_folder(&self.path)
    }
}

/// Makes a file that is not there yet, with that mode as far as the process's mask lets it.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when there is something of that name: it is left as it is.
pub(crate) fn create(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let staged = Staged::write(beside(path, ".", &format!(".{}.new", std::process::id())), content, mode)?;
    // Unlike a rename, a new link never takes the place of what is there.
    fs::hard_link(staged.path(), path)?;
    drop(staged);
    sync_folder(path)
}

/// Sees whether a file could be made there, and leaves nothing behind.
pub(crate) fn check_can_create(path: &Path) -> io::Result<()> {
    Staged::write(beside(path, ".", &format!(".{}.new", std::process::id())), b"", 0o600).map(drop)
}

/// Makes a file, or replaces the one that is there, with that mode as far as the process's mask lets it.
pub(crate) fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    // A link stays a link: what it points to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let staged = Staged::write(beside(&path, ".", &format!(".{}.new", std::process::id())), content, mode)?;
    if let Ok(old) = fs::metadata(&path) {
        keep_mode_and_owner(&old, &File::open(staged.path())?)?;
    }
    fs::rename(staged.path(), &path)?;
    staged.arrived();
    sync_folder(&path)
}

/// A file that waits to be renamed, and is removed if that never comes.
struct Staged(Option<PathBuf>);

impl Staged {
    fn write(path: PathBuf, content: &[u8], mode: u32) -> io::Result<Self> {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            // What a process left that was killed at this point.
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        #[cfg(not(unix))]
        let _ = mode;
        let mut file = options.open(&path)?;
        let staged = Self(Some(path));
        file.write_all(content)?;
        file.sync_all()?;
        Ok(staged)
    }

    fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }

    fn arrived(mut self) {
        self.0 = None;
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

/// The new name is on the disk once the folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    #[cfg(unix)]
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

#[cfg(unix)]
fn keep_mode_and_owner(old: &fs::Metadata, new: &File) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;

    let staged = new.metadata()?;
    if (staged.uid(), staged.gid()) != (old.uid(), old.gid()) {
        std::os::unix::fs::fchown(new, Some(old.uid()), Some(old.gid()))?;
    }
    new.set_permissions(old.permissions())
}

#[cfg(not(unix))]
fn keep_mode_and_owner(old: &fs::Metadata, new: &File) -> io::Result<()> {
    new.set_permissions(old.permissions())
}

/// A file of that name with something before and behind it, in the same folder.
fn beside(path: &Path, before: &str, behind: &str) -> PathBuf {
    let mut name = OsString::from(before);
    name.push(path.file_name().unwrap_or_default());
    name.push(behind);
    path.with_file_name(name)
}
