//! Who else may do what with the file of a store.

use std::path::Path;

use crate::failure::Failure;
use crate::output::Output;

/// Whoever writes it gives himself keys, and whoever reads it knows who has which.
#[cfg(unix)]
pub(super) fn check(path: &Path, output: &mut Output) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;

    let metadata = path.metadata().map_err(|error| Failure::of_file(path, format!("can't be read: {error}")))?;
    let mode = metadata.permissions().mode() & 0o777;
    let shown = path.display();
    if mode & 0o022 != 0 {
        let why = format!(
            "others may write the store (mode {mode:03o}), and so make keys of their own; type: chmod 600 {shown}"
        );
        return Err(Failure::of_file(path, why));
    }
    if mode & 0o044 != 0 {
        output.note(&format!("{shown}: others may read the store (mode {mode:03o}): who has which keys, and their digests; type: chmod 600 {shown}"));
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn check(_: &Path, _: &mut Output) -> Result<(), Failure> {
    Ok(())
}
