//! A ring of 1,000,000 keys: how many bytes it holds. Apart from the other benches, since it counts each allocation.

use std::io::Write;
use std::sync::Arc;

use gracekey_benches::{SetUp, document, grouped, peppers};
use gracekey_core::Keyring;

const KEYS: usize = 1_000_000;

fn main() -> SetUp<()> {
    let peppers = Arc::new(peppers()?);
    let text = document(KEYS, &peppers)?.0.seal(&peppers).to_json();
    let mut ring = None;
    let held = allocation_counter::measure(|| ring = Keyring::open(text.as_bytes(), Arc::clone(&peppers)).ok());
    let keys = ring.ok_or("the document opens")?.len();
    let (bytes, peak) = (held.bytes_current as f64 / keys as f64, held.bytes_max / 1_000_000);
    writeln!(std::io::stdout(), "ring of {} keys: {bytes:.1} bytes a key, {peak} MB while it is built", grouped(keys))?;
    Ok(())
}
