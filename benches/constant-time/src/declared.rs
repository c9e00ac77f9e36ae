//! What the engine declares public while it works.

use std::sync::Mutex;

use gracekey_core::Keyring;

use crate::engine::{Declared, on_declared, probe};
use crate::valgrind;

/// Each place that a value became public at, with the value where it is a landing.
pub(crate) type Declarations = Vec<(Declared, usize)>;

static DECLARED: Mutex<Declarations> = Mutex::new(Vec::new());

/// Does some work and says what it declared public. Outside of this nothing looks at the declarations.
pub(crate) fn declared_in<T>(work: impl FnOnce() -> T) -> (T, Declarations) {
    on_declared(Some(declared));
    let value = work();
    on_declared(None);
    let declarations = DECLARED.lock().map(|mut list| core::mem::take(&mut *list)).unwrap_or_default();
    (value, declarations)
}

/// Where the probes of a look-up land: for each pepper a bucket, and then the place of a record.
pub(crate) fn landings(ring: &Keyring, key: &[u8]) -> Vec<usize> {
    let (_, declarations) = declared_in(|| probe(ring, key));
    declarations.into_iter().filter(|(place, _)| *place == Declared::Landing).map(|(_, value)| value).collect()
}

/// A value becomes public: memcheck is told, and the place is written down with the value.
fn declared(place: Declared, bytes: &mut [u8]) {
    valgrind::make_defined(bytes.as_ptr(), bytes.len());
    let value = (&*bytes).try_into().map_or(0, usize::from_ne_bytes);
    if let Ok(mut list) = DECLARED.lock() {
        list.push((place, value));
    }
}
