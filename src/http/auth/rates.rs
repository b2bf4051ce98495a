//! Token buckets: a burst, then a steady rate. The number of buckets is bounded.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A bucket takes some 100 bytes.
const MOST: usize = 20_000;

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Duration,
}

pub struct Buckets<K> {
    /// Tokens per second; 0 is no limit.
    rate: f64,
    burst: f64,
    most: usize,
    buckets: Mutex<HashMap<K, Bucket>>,
}

impl<K: Hash + Eq> Buckets<K> {
    pub fn per_second(rate: u32) -> Self {
        Self::new(f64::from(rate), 2.0 * f64::from(rate), MOST)
    }

    /// `number` in a burst, then evenly.
    pub fn per_minute(number: u32) -> Self {
        Self::new(f64::from(number) / 60.0, f64::from(number), MOST)
    }

    fn new(rate: f64, burst: f64, most: usize) -> Self {
        Self { rate, burst: burst.max(1.0), most, buckets: Mutex::default() }
    }

    /// Takes a token at this time of a monotonic clock.
    ///
    /// # Errors
    /// The wait until the next token.
    pub fn take(&self, key: K, now: Duration) -> Result<(), Duration> {
        if self.rate <= 0.0 {
            return Ok(());
        }
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= self.most && !buckets.contains_key(&key) {
            self.make_room(&mut buckets, now);
        }
        let bucket = buckets.entry(key).or_insert(Bucket { tokens: self.burst, at: now });
        bucket.tokens = self.level(bucket, now);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            Ok(())
        } else {
            Err(Duration::from_secs_f64((1.0 - bucket.tokens) / self.rate))
        }
    }

    fn level(&self, bucket: &Bucket, now: Duration) -> f64 {
        (bucket.tokens + now.saturating_sub(bucket.at).as_secs_f64() * self.rate).min(self.burst)
    }

    /// Full buckets are dropped, because they hold no information. If that is not enough, the fuller half is dropped
    /// too, so that the heaviest users are remembered longest.
    fn make_room(&self, buckets: &mut HashMap<K, Bucket>, now: Duration) {
        buckets.retain(|_, bucket| self.level(bucket, now) < self.burst);
        if buckets.len() < self.most {
            return;
        }
        let mut levels: Vec<f64> = buckets.values().map(|bucket| self.level(bucket, now)).collect();
        let middle = levels.len() / 2;
        let (_, median, _) = levels.select_nth_unstable_by(middle, f64::total_cmp);
        let median = *median;
        let mut going = levels.len() - middle;
        buckets.retain(|_, bucket| {
            let goes = going > 0 && self.level(bucket, now) >= median;
            going -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: f64) -> Duration {
        Duration::from_secs_f64(s)
    }

    #[test]
    fn a_burst_then_the_rate() {
        let buckets = Buckets::per_second(10);
        let taken = |at: f64| (0..100).filter(|_| buckets.take("a", seconds(at)).is_ok()).count();
        assert_eq!(taken(0.0), 20);
        assert_eq!(buckets.take("a", seconds(0.0)), Err(seconds(0.1)));
        assert_eq!(taken(0.5), 5);
        assert_eq!(taken(100.0), 20);
        assert_eq!(buckets.take("b", seconds(100.0)), Ok(()), "each has a bucket of its own");
    }

    #[test]
    fn failures_are_counted_by_the_minute() {
        let buckets = Buckets::per_minute(30);
        assert_eq!((0..100).filter(|_| buckets.take("a", seconds(0.0)).is_ok()).count(), 30);
        assert_eq!(buckets.take("a", seconds(0.0)), Err(seconds(2.0)));
        assert_eq!(buckets.take("a", seconds(2.0)), Ok(()));
    }

    #[test]
    fn no_rate_is_no_limit() {
        let buckets = Buckets::per_second(0);
        assert!((0..1000).all(|_| buckets.take("a", Duration::ZERO).is_ok()));
    }

    #[test]
    fn clients_take_no_more_room_than_there_is_and_free_nobody() {
        let buckets = Buckets::new(1.0, 10.0, 100);
        while buckets.take(0, Duration::ZERO).is_ok() {}
        for stranger in 1..10_000 {
            assert_eq!(buckets.take(stranger, Duration::ZERO), Ok(()));
        }
        assert!(buckets.buckets.lock().unwrap_or_else(PoisonError::into_inner).len() <= 100);
        assert!(buckets.take(0, Duration::ZERO).is_err(), "the one that took all is remembered");
        // After ten seconds all buckets are full again and are dropped.
        assert_eq!(buckets.take(10_000, seconds(10.0)), Ok(()));
    }
}
