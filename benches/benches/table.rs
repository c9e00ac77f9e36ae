//! All cases in turns, so that whatever else runs on the machine falls on all of them alike, and the table of ratios.

use std::io::Write;
use std::time::Duration;

use gracekey_benches::{Case, Run, SetUp, timed};

/// Turns that each case gets.
const TURNS: usize = 200;
/// How long one turn should take: so short that most turns are over before another program has its own.
const TURN: Duration = Duration::from_millis(1);
/// How many turns it runs before one is measured.
const WARM_UP: u64 = 4;

/// With arguments, only the cases that match one of them run, beside the first, which all are told as a multiple of.
fn main() -> SetUp<()> {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let mut cases = Vec::new();
    for case in gracekey_benches::cases() {
        if cases.is_empty() || wanted.is_empty() || wanted.iter().any(|wanted| case.matches(wanted)) {
            let head = format!("| {} | {} |", case.name, case.circumstances);
            let mut run = case.set_up()?;
            cases.push((head, batch(&mut run), run, Vec::with_capacity(TURNS)));
        }
    }
    for _ in 0..TURNS {
        for (_, batch, run, times) in &mut cases {
            // What the cases in between threw out of the caches comes back first.
            run(*batch * WARM_UP);
            let time = timed(|| run(*batch));
            times.push(time.as_secs_f64() * 1e9 / *batch as f64);
        }
    }
    let rows: Vec<(String, f64)> = cases.into_iter().map(|(head, _, _, times)| (head, quartile(times))).collect();
    let base = rows.first().map(|(_, nanoseconds)| *nanoseconds).ok_or("there are cases")?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "| what | under which circumstances | ns | × {} |", Case::BASE)?;
    writeln!(out, "| --- | --- | ---: | ---: |")?;
    for (head, nanoseconds) in rows {
        writeln!(out, "{head} {nanoseconds:.0} | {:.2} |", nanoseconds / base)?;
    }
    Ok(())
}

/// How often a case runs in one turn.
fn batch(run: &mut Run) -> u64 {
    run(1);
    let few = timed(|| run(10)) / 10;
    (TURN.as_nanos() / few.as_nanos().max(1)).clamp(1, 50_000).try_into().unwrap_or(1)
}

/// What one turn in four stays below: whatever disturbs only adds.
fn quartile(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 4).copied().unwrap_or(f64::NAN)
}
