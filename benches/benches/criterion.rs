//! Each case by itself, with criterion's statistics: `cargo bench -p gracekey-benches --bench criterion -- <filter>`.

use std::time::Duration;

use criterion::Criterion;
use gracekey_benches::{SetUp, cases, timed};

fn main() -> SetUp<()> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .configure_from_args();
    for mut case in cases()? {
        let mut group = criterion.benchmark_group(case.name);
        group.bench_function(&case.circumstances, |bench| bench.iter_custom(|times| timed(|| (case.run)(times))));
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}
