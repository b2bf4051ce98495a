//! A histogram of durations that many threads add to without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many durations fell between the bounds, and their sum.
#[derive(Debug)]
pub struct Histogram {
    /// Upper bounds in seconds, rising.
    bounds: &'static [f64],
    /// One for each bound, and one for what is beyond the last.
    counts: Box<[AtomicU64]>,
    /// The bits of a floating-point number of seconds: nanoseconds would overflow after a few events from the distant
    /// past.
    sum: AtomicU64,
}

impl Histogram {
    pub fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0f64.to_bits()) }
    }

    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        let added = |sum| Some((f64::from_bits(sum) + seconds).to_bits());
        // The closure always returns a value, so this cannot fail.
        let _ = self.sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added);
    }

    /// The observations so far. A concurrent observation may be in the counts and not yet in the sum.
    pub fn read(&self) -> Observed {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let sum = f64::from_bits(self.sum.load(Ordering::Relaxed));
        Observed { bounds: self.bounds, counts, sum }
    }
}

/// A histogram at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// Upper bounds in seconds, rising.
    pub bounds: &'static [f64],
    /// One for each bound, and one for what is beyond the last; not added up.
    pub counts: Vec<u64>,
    /// In seconds.
    pub sum: f64,
}

impl Observed {
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_at_a_bound_is_below_it_and_one_beyond_the_last_is_kept() {
        let histogram = Histogram::new(&[0.1, 1.0]);
        for milliseconds in [0, 100, 101, 1000, 1001, 3_600_000] {
            histogram.observe(Duration::from_millis(milliseconds));
        }
        let observed = histogram.read();
        assert_eq!((observed.counts.as_slice(), observed.count()), ([2, 2, 2].as_slice(), 6));
        assert!((observed.sum - 3602.202).abs() < 1e-9, "{}", observed.sum);
    }

    #[test]
    fn the_sum_of_very_long_durations_only_rises() {
        let histogram = Histogram::new(&[1.0]);
        let years = Duration::from_secs(400 * 366 * 86_400);
        for n in 1..=5 {
            histogram.observe(years);
            assert!((histogram.read().sum - f64::from(n) * years.as_secs_f64()).abs() < 1.0, "{n}");
        }
    }
}
