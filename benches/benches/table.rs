//! All cases in turns, so that whatever else runs on the machine falls on all of them alike, and the table of ratios.

use std::io::Write;
use std::time::Duration;

use gracekey_benches::{Case, SetUp, cases, timed};

/// Turns that each case gets.
const TURNS: usize = 100;
/// How long one turn should take: long enough that what the other cases threw out of the caches does not count.
const TURN: Duration = Duration::from_millis(5);

fn main() -> SetUp<()> {
    let mut cases = cases()?;
    let batches: Vec<u64> = cases.iter_mut().map(batch).collect();
    let mut nanoseconds = vec![Vec::with_capacity(TURNS); cases.len()];
    for _ in 0..TURNS {
        for ((case, batch), times) in cases.iter_mut().zip(&batches).zip(&mut nanoseconds) {
            // What the cases in between threw out of the caches comes back first.
            (case.run)(*batch);
            let time = timed(|| (case.run)(*batch));
            times.push(time.as_secs_f64() * 1e9 / *batch as f64);
        }
    }
    let medians: Vec<f64> = nanoseconds.into_iter().map(median).collect();
    let base = medians.first().copied().ok_or("there are cases")?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "| what | under which circumstances | ns, median | × {} |", Case::BASE)?;
    writeln!(out, "| --- | --- | ---: | ---: |")?;
    for (case, median) in cases.iter().zip(medians) {
        writeln!(out, "| {} | {} | {median:.0} | {:.2} |", case.name, case.circumstances, median / base)?;
    }
    Ok(())
}

/// How often a case runs in one turn.
fn batch(case: &mut Case) -> u64 {
    (case.run)(1);
    let few = timed(|| (case.run)(10)) / 10;
    (TURN.as_nanos() / few.as_nanos().max(1)).clamp(1, 50_000).try_into().unwrap_or(1)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
