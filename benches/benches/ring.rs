//! A ring of 1,000,000 keys: how long its document takes to become a ring.

use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;

use gracekey_benches::{SetUp, document, grouped, on_processor, peppers, timed};
use gracekey_core::Keyring;

const KEYS: usize = 1_000_000;
const RUNS: usize = 5;

fn main() -> SetUp<()> {
    let peppers = Arc::new(peppers()?);
    let text = document(KEYS, &peppers)?.0.seal(&peppers).to_json();
    let (mut waited, mut worked) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (mut ring, before) = (None, on_processor());
        waited.push(timed(|| ring = Some(Keyring::open(text.as_bytes(), Arc::clone(&peppers)))).as_secs_f64());
        worked.extend(on_processor().zip(before).map(|(after, before)| (after - before).as_secs_f64()));
        black_box(ring.ok_or("it ran")??);
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "ring of {} keys from {} MB of JSON, seal checked:", grouped(KEYS), text.len() / 1_000_000)?;
    for (what, mut seconds) in [("by the clock", waited), ("on the processor", worked)] {
        seconds.sort_by(f64::total_cmp);
        if let (Some(least), Some(median)) = (seconds.first(), seconds.get(seconds.len() / 2)) {
            writeln!(out, "  {least:.2} s {what} at best, {median:.2} s in the middle of {RUNS} runs")?;
        }
    }
    Ok(())
}
