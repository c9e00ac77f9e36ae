//! Welch's t-test over two classes of measurements, cropped as dudect does it (Reparaz, Balasch, Verbauwhede: "Dude, is
//! my code constant time?", 2017).
//!
//! The slowest measurements are other programs and interrupts. Since nobody knows from where on, the test is made over
//! all measurements and a hundred times over those below a threshold, and the largest |t| counts.

/// Classes of measurements that are compared.
pub(crate) struct Comparison {
    /// Measurements below each count for its test, the last of them for all.
    thresholds: Vec<f64>,
    tests: Vec<[Moments; 2]>,
}

/// What a comparison came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// The largest |t| of all tests, with its sign: above 0 the first class was slower.
    pub(crate) t: f64,
    /// The t of the test over all measurements.
    pub(crate) uncropped: f64,
    pub(crate) measurements: u64,
    /// Mean of each class over what lies below the middle threshold, in nanoseconds.
    pub(crate) means: [f64; 2],
}

/// Mean and variance of what came one by one (Welford).
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Comparison {
    const CROPS: usize = 100;
    /// A test over fewer measurements of a class says nothing.
    const ENOUGH: f64 = 10_000.0;

    /// Sets the thresholds by some measurements of both classes, which count for nothing else: close to each other among
    /// the slow ones, as dudect has them.
    pub(crate) fn new(mut first: Vec<f64>) -> Self {
        first.sort_by(f64::total_cmp);
        let quantile = |share: f64| first.get((share * first.len() as f64) as usize).copied().unwrap_or(f64::INFINITY);
        let crops = (1..=Self::CROPS).map(|crop| quantile(1.0 - 0.5_f64.powf(10.0 * crop as f64 / Self::CROPS as f64)));
        let thresholds: Vec<_> = crops.chain([f64::INFINITY]).collect();
        Self { tests: vec![[Moments::default(); 2]; thresholds.len()], thresholds }
    }

    /// Adds one measurement of the first class, or of the second.
    pub(crate) fn add(&mut self, second: bool, nanoseconds: f64) {
        // They are sorted, so only the tests behind the first threshold above it take it in.
        let above = self.thresholds.partition_point(|threshold| *threshold <= nanoseconds);
        for [one, other] in self.tests.iter_mut().skip(above) {
            (if second { other } else { one }).add(nanoseconds);
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        let enough = |[one, other]: &&[Moments; 2]| one.count > Self::ENOUGH && other.count > Self::ENOUGH;
        let all = self.tests.iter().filter(enough).map(|[one, other]| one.t(other));
        let t = all.fold(0.0, |largest: f64, t| if t.abs() > largest.abs() { t } else { largest });
        let last = self.tests.last().copied().unwrap_or_default();
        let middle = self.tests.get(self.tests.len() / 2).copied().unwrap_or_default();
        Outcome {
            t,
            uncropped: last[0].t(&last[1]),
            measurements: (last[0].count + last[1].count) as u64,
            means: middle.map(|class| class.mean),
        }
    }
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let step = value - self.mean;
        self.mean += step / self.count;
        self.squares += step * (value - self.mean);
    }

    /// Welch's t: how many standard errors the means lie apart.
    fn t(&self, other: &Self) -> f64 {
        let error = |class: &Self| class.squares / (class.count - 1.0) / class.count;
        let both = (error(self) + error(other)).sqrt();
        if both > 0.0 { (self.mean - other.mean) / both } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn compared(shift: f64) -> Outcome {
        let mut random = Random(7);
        let mut draw = || (0..12).map(|_| random.below(1000) as f64 / 100.0).sum::<f64>();
        let mut comparison = Comparison::new((0..10_000).map(|_| draw()).collect());
        for at in 0..200_000 {
            let second = at % 2 == 1;
            let value = draw() + if second { shift } else { 0.0 };
            comparison.add(second, value);
        }
        comparison.outcome()
    }

    #[test]
    fn welchs_t_is_that_of_the_textbook() {
        let class = |values: &[f64]| {
            let mut moments = Moments::default();
            values.iter().for_each(|value| moments.add(*value));
            moments
        };
        // Means 3 and 6, variances 2.5 and 10, five each: -3 / sqrt(0.5 + 2).
        let t = class(&[1.0, 2.0, 3.0, 4.0, 5.0]).t(&class(&[2.0, 4.0, 6.0, 8.0, 10.0]));
        assert!((t + 3.0 / 2.5_f64.sqrt()).abs() < 1e-12, "{t}");
    }

    #[test]
    fn classes_of_one_distribution_stay_below_the_limit() {
        let outcome = compared(0.0);
        assert!(outcome.t.abs() < 4.5, "{outcome:?}");
        assert_eq!(outcome.measurements, 200_000);
    }

    #[test]
    fn a_shift_of_a_fiftieth_of_the_spread_is_seen() {
        // The spread (standard deviation) of a measurement here is 10.
        let outcome = compared(0.5);
        assert!(outcome.t < -4.5, "{outcome:?}");
    }
}
