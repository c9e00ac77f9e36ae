//! A ring of 1,000,000 keys: how long its document takes to become a ring, and how many bytes it then holds.

use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;

use gracekey_benches::{SetUp, document, grouped, peppers, timed};
use gracekey_core::Keyring;

const KEYS: usize = 1_000_000;
const RUNS: usize = 5;

fn main() -> SetUp<()> {
    let peppers = Arc::new(peppers()?);
    let text = document(KEYS, &peppers)?.0.seal(&peppers).to_json();
    let mut seconds = Vec::new();
    for _ in 0..RUNS {
        let mut ring = None;
        seconds.push(timed(|| ring = Some(Keyring::open(text.as_bytes(), Arc::clone(&peppers)))).as_secs_f64());
        black_box(ring.ok_or("it ran")??);
    }
    seconds.sort_by(f64::total_cmp);
    let mut ring = None;
    let held = allocation_counter::measure(|| ring = Keyring::open(text.as_bytes(), Arc::clone(&peppers)).ok());
    let keys = ring.ok_or("it opened before")?.len();
    let mut out = std::io::stdout().lock();
    writeln!(out, "ring of {} keys from {} MB of JSON, seal checked:", grouped(keys), text.len() / 1_000_000)?;
    let (least, median) = (seconds.first().copied().unwrap_or(0.0), seconds.get(RUNS / 2).copied().unwrap_or(0.0));
    writeln!(out, "  {least:.2} s at best, {median:.2} s in the middle of {RUNS} runs")?;
    writeln!(
        out,
        "  {:.1} bytes a key, {} MB at the peak",
        held.bytes_current as f64 / keys as f64,
        held.bytes_max / 1_000_000
    )?;
    Ok(())
}
