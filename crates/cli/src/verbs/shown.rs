//! How a new key ends up with whoever asked for it: the last steps of `issue` and `rotate`.

use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;
use crate::place::NewKey;

/// Prints the key once, to standard output, and says what was done, to standard error.
pub(super) fn show(
    new: &NewKey,
    json: &impl Serialize,
    (done, lost): (&[String], &str),
    output: &mut Output,
) -> Result<(), Failure> {
    let lost = format!("it is stored as {}; {lost}", new.key_id);
    output.secret(new.key.reveal(), json, &lost)?;
    for line in done {
        output.note(line);
    }
    output.note("this was the only time that the key is shown; it is stored nowhere");
    Ok(())
}
