use metrics::Counter;

use crate::error::ApiError;

/// Counts what proxies asked in a way that no decision could be made about. Decisions are counted by the Layer.
pub(super) struct Metrics {
    refusals: Vec<(&'static str, Counter)>,
}

impl Metrics {
    pub(super) fn new(prefix: &str) -> Self {
        let name = format!("{prefix}_verify_refusals_total");
        metrics::describe_counter!(
            name.clone(),
            "Requests of proxies that were refused before any decision, by what was wrong with them."
        );
        let counter = |code: &'static str| (code, metrics::counter!(name.clone(), "code" => code));
        Self { refusals: super::origin::CODES.into_iter().chain([super::trust::CODE]).map(counter).collect() }
    }

    pub(super) fn refused(&self, error: &ApiError) {
        if let Some((_, counter)) = self.refusals.iter().find(|(code, _)| *code == error.code()) {
            counter.increment(1);
        }
    }
}
