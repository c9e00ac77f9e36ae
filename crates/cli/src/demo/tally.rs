//! What was answered, and whether it should have been.

use std::collections::BTreeMap;

use gracekey_core::Timestamp;

/// Which key a request carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Old,
    New,
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// What `x-api-key-retires` said.
    pub(super) retires: Option<Timestamp>,
    /// The body gave `superseded` as its code.
    pub(super) superseded: bool,
}

/// One request and its answer, or why there is none.
#[derive(Clone, Debug)]
pub(super) struct Observation {
    pub(super) which: Which,
    /// The rotation had begun before the answer came.
    pub(super) rotating: bool,
    /// The server held the keyring of the rotation before this was sent.
    pub(super) taken: bool,
    pub(super) sent_at: Timestamp,
    pub(super) answered_at: Timestamp,
    pub(super) answer: Result<Answer, String>,
}

/// The rotation window of the old key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) retires_at: Timestamp,
}

/// What was counted in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) old: u64,
    pub(super) new: u64,
    /// Denied since the window closed, as it should be.
    pub(super) denied: u64,
    pub(super) unexpected: u64,
}

/// All that was counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    rows: BTreeMap<u64, Row>,
    unexpected: Vec<String>,
}

impl Tally {
    /// Counts one answer, if there may be such a one at that time.
    pub(super) fn record(&mut self, second: u64, observation: &Observation, window: Option<Window>) {
        let verdict = judge(observation, window);
        let row = self.rows.entry(second).or_default();
        match verdict {
            Ok(Outcome::Old) => row.old += 1,
            Ok(Outcome::New) => row.new += 1,
            Ok(Outcome::Denied) => row.denied += 1,
            Err(why) => {
                row.unexpected += 1;
                self.unexpected.push(format!("in second {}: {why}", second + 1));
            }
        }
    }

    /// Something went wrong beside any answer.
    pub(super) fn note_unexpected(&mut self, why: String) {
        self.unexpected.push(why);
    }

    pub(super) fn row(&self, second: u64) -> Row {
        self.rows.get(&second).copied().unwrap_or_default()
    }

    /// All rows in one.
    pub(super) fn total(&self) -> Row {
        self.rows.values().fold(Row::default(), |sum, row| Row {
            old: sum.old + row.old,
            new: sum.new + row.new,
            denied: sum.denied + row.denied,
            unexpected: sum.unexpected + row.unexpected,
        })
    }

    pub(super) fn unexpected(&self) -> &[String] {
        &self.unexpected
    }

    /// Sees that the server counted what was sent: each request once. Two more were sent to show their answers whole,
    /// one within the window and one after it.
    pub(super) fn compare(&mut self, metrics: &str) {
        let Row { old, new, denied, unexpected } = self.total();
        let sent = old + new + denied + unexpected + 2;
        for (name, expected) in
            [("gracekey_requests_total", sent), ("gracekey_auth_failures_total{reason=\"superseded\"}", denied + 1)]
        {
            let counted = sample(metrics, name);
            if counted != Some(expected) {
                let counted = counted.map_or("nothing".into(), |counted| counted.to_string());
                self.unexpected.push(format!("/metrics shows {counted} for {name}, and {expected} were sent"));
            }
        }
        let (granted, answered) = (sample_sum(metrics, "gracekey_auth_success_total"), old + new + 1);
        if granted != answered {
            self.unexpected.push(format!("/metrics shows {granted} granted requests, and {answered} were answered so"));
        }
        if new == 0 || denied == 0 {
            self.unexpected.push("the story was not told to its end: the new key or the straggler never showed".into());
        }
    }
}

enum Outcome {
    Old,
    New,
    Denied,
}

/// Whether that is the answer that should have come. Times are whole seconds, so within the second in which a request
/// was under way as the window closed, either answer is right.
fn judge(observation: &Observation, window: Option<Window>) -> Result<Outcome, String> {
    let Observation { which, rotating, taken, sent_at, answered_at, answer } = observation;
    let answer = answer.as_ref().map_err(|error| format!("no answer to the {} key: {error}", which.name()))?;
    let unexpected = |what: &str| Err(format!("status {} for the {} key, {what}", answer.status, which.name()));
    let closed_when_sent = window.is_some_and(|window| *sent_at >= window.retires_at);
    let closed_when_answered = window.is_some_and(|window| *answered_at >= window.retires_at);
    match (which, answer.status) {
        (Which::New, 200) if answer.retires.is_none() => Ok(Outcome::New),
        (Which::New, _) => unexpected("which is current and is granted without a notice"),
        (Which::Old, 200) if closed_when_sent => unexpected("whose window had closed"),
        (Which::Old, 200) => match (window, answer.retires) {
            (Some(window), Some(retires)) if retires != window.retires_at => unexpected("with a notice of another end"),
            (_, Some(_)) if !rotating => unexpected("with a notice before any rotation"),
            (_, None) if *taken => unexpected("without the notice that it was rotated"),
            _ => Ok(Outcome::Old),
        },
        (Which::Old, 401) if !closed_when_answered => unexpected("whose window was open"),
        (Which::Old, 401) if answer.superseded => Ok(Outcome::Denied),
        (Which::Old, 401) => unexpected("without the reason `superseded`"),
        (Which::Old, _) => unexpected("and it is granted or superseded"),
    }
}

impl Which {
    fn name(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }
}

/// The value of one sample in the text of Prometheus.
fn sample(metrics: &str, name: &str) -> Option<u64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// The values of all samples of a name.
fn sample_sum(metrics: &str, name: &str) -> u64 {
    let samples = metrics.lines().filter(|line| line.starts_with(name));
    samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests;
