//! Time as a dependency: the process uses `SystemClock`, tests move a `TestClock` by hand.

use chrono::{DateTime, Utc};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What a clock's `sleep` returns.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    fn now(&self) -> DateTime<Utc>;
    /// A monotonic time; only differences have a meaning.
    fn monotonic(&self) -> Duration;
    fn sleep(&self, duration: Duration) -> Sleep;
}

/// The machine's own clock; `sleep` needs a tokio runtime.
#[derive(Debug, Clone)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug, Clone)]
pub struct TestClock {
    start: DateTime<Utc>,
    elapsed: Arc<watch::Sender<Duration>>,
    sleepers: Arc<watch::Sender<u64>>,
}

impl TestClock {
    pub fn new(start: DateTime<Utc>) -> Self {
        Self { start, elapsed: Arc::new(watch::Sender::new(Duration::ZERO)), sleepers: Arc::new(watch::Sender::new(0)) }
    }
    /// Moves time, and wakes the sleepers that are due.
    pub fn advance(&self, by: Duration) {
        self.elapsed.send_modify(|t| *t += by);
    }
    /// Counts calls of `sleep` with a positive duration, so that a test can wait until somebody sleeps before it moves
    /// time.
    pub fn sleeps(&self) -> watch::Receiver<u64> {
        self.sleepers.subscribe()
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        self.start + *self.elapsed.borrow()
    }
    fn monotonic(&self) -> Duration {
        *self.elapsed.borrow()
    }
    fn sleep(&self, duration: Duration) -> Sleep {
        let mut elapsed = self.elapsed.subscribe();
        let until = *elapsed.borrow() + duration;
        if !duration.is_zero() {
            self.sleepers.send_modify(|n| *n += 1);
        }
        Box::pin(async move {
            // An error means that the clock was dropped: time cannot move any more, so the sleep ends.
            let _ = elapsed.wait_for(|t| *t >= until).await;
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_test_clock_wakes_a_sleeper_only_when_its_time_has_come() {
        let clock = TestClock::new(DateTime::UNIX_EPOCH);
        let mut sleep = clock.sleep(Duration::from_secs(10));
        assert!((&mut sleep).now_or_never().is_none());
        clock.advance(Duration::from_secs(9));
        assert!((&mut sleep).now_or_never().is_none());
        clock.advance(Duration::from_secs(1));
        assert!((&mut sleep).now_or_never().is_some());
        assert_eq!(clock.now().timestamp(), 10);
        assert_eq!(*clock.sleeps().borrow(), 1);
    }

    #[tokio::test]
    async fn no_time_passes_in_a_sleep_of_zero() {
        let clock = TestClock::new(DateTime::UNIX_EPOCH);
        assert!(clock.sleep(Duration::ZERO).now_or_never().is_some());
        assert_eq!(*clock.sleeps().borrow(), 0);
    }
}
