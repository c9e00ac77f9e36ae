//! What is read from standard input or a file and may hold keys.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::failure::Failure;

/// More than any request line and its headers have, in bytes.
pub(crate) const REQUEST: u64 = 16 << 20;
/// More than a million keys take, in bytes.
pub(crate) const KEYS: u64 = 256 << 20;

/// Reads all of a file, or of standard input where none is named or it is `-`, unless there is more than that. Wiped when
/// it is dropped.
pub(crate) fn secret(file: Option<&Path>, what: &str, most: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let file = file.filter(|path| *path != Path::new("-"));
    let name = file.map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
    let cannot = |error: io::Error| Failure::refused(format!("{name} can't be read: {error}"));
    let mut content = Zeroizing::new(Vec::with_capacity(4096));
    let read = match file {
        Some(path) => File::open(path).map_err(cannot)?.take(most + 1).read_to_end(&mut content),
        None if io::stdin().is_terminal() => {
            return Err(Failure::Usage(format!(
                "{what} is read from standard input, and that is a terminal; pipe it in"
            )));
        }
        None => io::stdin().lock().take(most + 1).read_to_end(&mut content),
    };
    if read.map_err(cannot)? as u64 > most {
        return Err(Failure::refused(format!("{name} has more than {} MiB; give it in parts", most >> 20)));
    }
    Ok(content)
}
