//! Each case by itself, with criterion's statistics: `cargo bench -p gracekey-benches --bench criterion -- <filter>`.

use std::error::Error;
use std::time::Duration;

use criterion::Criterion;
use gracekey_benches::{Case, Run, SetUp, cases, timed};

fn main() -> SetUp<()> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .configure_from_args();
    for case in cases() {
        let mut group = criterion.benchmark_group(case.name);
        let (circumstances, mut set_up) = (case.circumstances.clone(), SetUpOnce::Case(case));
        group.bench_function(circumstances, |bench| bench.iter_custom(|times| set_up.run(times)));
        group.finish();
        if let SetUpOnce::Failed(why) = set_up {
            return Err(why);
        }
    }
    criterion.final_summary();
    Ok(())
}

/// A case is set up when it is first measured, which those that the filter passes over never are.
enum SetUpOnce {
    Case(Case),
    Running(Run),
    Failed(Box<dyn Error>),
}

impl SetUpOnce {
    fn run(&mut self, times: u64) -> Duration {
        if matches!(self, Self::Case(_))
            && let Self::Case(case) = std::mem::replace(self, Self::Running(Box::new(|_| ())))
        {
            *self = case.set_up().map_or_else(Self::Failed, Self::Running);
        }
        match self {
            Self::Running(run) => timed(|| run(times)),
            _ => Duration::from_nanos(1),
        }
    }
}
