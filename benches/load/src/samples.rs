//! Durations that were measured, and what is told of them.
//!
//! Every measure records into [`Samples`] and keeps every value: no buckets, so no error of theirs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Measured durations.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    nanos: Vec<u64>,
}

/// What is told of a set of durations, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Quantiles {
    /// Half were at most this long.
    pub(crate) p50_us: f64,
    /// 95 of 100 were.
    pub(crate) p95_us: f64,
    /// 99 of 100 were.
    pub(crate) p99_us: f64,
}

impl Samples {
    /// Room for `count` durations, so that recording does not allocate while it measures.
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self { nanos: Vec::with_capacity(count) }
    }

    /// Takes one duration.
    pub(crate) fn record(&mut self, duration: Duration) {
        self.nanos.push(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Takes all durations of another set.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.nanos.extend(other.nanos);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.nanos.len()
    }

    /// The quantiles; all zero when nothing was recorded.
    pub(crate) fn quantiles(mut self) -> Quantiles {
        self.nanos.sort_unstable();
        let at = |share: f64| nearest_rank(&self.nanos, share).map_or(0.0, micros);
        Quantiles { p50_us: at(0.50), p95_us: at(0.95), p99_us: at(0.99) }
    }
}

/// The median of the rounds' figures: one disturbed round does not move it.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

fn nearest_rank(sorted: &[u64], share: f64) -> Option<u64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let mut samples = Samples::default();
        for ms in (1..=100).rev() {
            samples.record(Duration::from_millis(ms));
        }
        let told = samples.quantiles();
        assert_eq!((told.p50_us, told.p95_us, told.p99_us), (50_000.0, 95_000.0, 99_000.0));
    }

    #[test]
    fn nothing_recorded_tells_zero() {
        assert_eq!(Samples::default().quantiles(), Quantiles::default());
    }

    #[test]
    fn the_median_of_rounds_is_the_middle_or_between_the_two_middle_ones() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
