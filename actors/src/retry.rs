//! Tries again what failed: how long to wait between tries, and one loop for what needs no state of its own between them.

use crate::clock::Clock;
use std::time::Duration;
use tokio::sync::watch;

/// The waits between tries that fail in a row: the first, twice as long with each further failure, at most the longest. Pure:
/// whoever tries does the waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    /// In a row.
    failures: u32,
}

impl Backoff {
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// Counts a failure; answers how long to wait before the next try.
    pub fn failed(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.wait()
    }

    /// The next failure is the first again.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Whether the last try failed.
    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The wait after the last failure; none where the last try did not fail.
    pub fn wait(&self) -> Duration {
        self.after(self.failures)
    }

    /// The wait after so many failures in a row, where they are counted elsewhere.
    pub fn after(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        self.first.saturating_mul(1u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(self.longest)
    }

    /// A policy for [`retry`]: goes on for as long as `again` says so of an error and of the failures in a row, this one
    /// included.
    pub fn policy<E>(mut self, mut again: impl FnMut(&E, u32) -> bool) -> impl FnMut(&E) -> Option<Duration> {
        move |error| {
            let wait = self.failed();
            again(error, self.failures).then_some(wait)
        }
    }
}

/// Why a retry ended without a success.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended<E> {
    /// The policy gave up after this error.
    GaveUp(E),
    /// It was stopped while it waited.
    Stopped,
}

impl<E> Ended<E> {
    /// The error, where nothing could stop the retry.
    pub fn error(self) -> Option<E> {
        match self {
            Ended::GaveUp(e) => Some(e),
            Ended::Stopped => None,
        }
    }
}

/// Runs `op` until it succeeds. After each error `policy` answers how long to wait, or None to give up: [`Backoff::policy`], or
/// that of [`Failures`](crate::failures::Failures). `stop` ends a wait, and is never heard while `op` runs.
pub async fn retry<T, E, F: Future<Output = Result<T, E>>>(
    clock: &dyn Clock,
    mut policy: impl FnMut(&E) -> Option<Duration>,
    stop: impl Future<Output = ()>,
    mut op: impl FnMut() -> F,
) -> Result<T, Ended<E>> {
    let mut stop = std::pin::pin!(stop);
    loop {
        let error = match op().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let Some(wait) = policy(&error) else { return Err(Ended::GaveUp(error)) };
        tokio::select! {
            biased;
            () = &mut stop => return Err(Ended::Stopped),
            () = clock.sleep(wait) => {}
        }
    }
}

/// For what nothing stops.
pub fn never() -> impl Future<Output = ()> {
    std::future::pending()
}

/// Waits in real time, for what is not this system's own; true at once when it is to stop.
pub async fn stopped_within(wait: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::time::timeout(wait, stop.wait_for(|stop| *stop)).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TestClock;
    use chrono::DateTime;
    use proptest::prelude::*;
    use std::cell::Cell;

    /// Fails with 1, 2, 3, … until it has failed so often; three failures are the most.
    async fn tried(fails: u32, stop: impl Future<Output = ()>) -> (Result<&'static str, Ended<u32>>, Duration) {
        let (clock, tries) = (TestClock::new(DateTime::UNIX_EPOCH), Cell::new(0));
        let op = || {
            tries.set(tries.get() + 1);
            let outcome = if tries.get() > fails { Ok("done") } else { Err(tries.get()) };
            async move { outcome }
        };
        let three = Backoff::new(Duration::from_secs(1), Duration::from_secs(60)).policy(|error: &u32, failures| {
            assert_eq!(*error, failures, "this failure counts");
            failures < 3
        });
        let mut retrying = std::pin::pin!(retry(&clock, three, stop, op));
        let ended = loop {
            match futures_util::poll!(retrying.as_mut()) {
                std::task::Poll::Ready(ended) => break ended,
                std::task::Poll::Pending => clock.advance(Duration::from_millis(500)),
            }
        };
        (ended, clock.monotonic())
    }

    #[tokio::test]
    async fn it_waits_as_the_policy_says_and_gives_up_when_it_says_so() {
        assert_eq!(tried(0, never()).await, (Ok("done"), Duration::ZERO));
        assert_eq!(tried(2, never()).await, (Ok("done"), Duration::from_secs(3)));
        assert_eq!(tried(9, never()).await, (Err(Ended::GaveUp(3)), Duration::from_secs(3)));
    }

    #[tokio::test]
    async fn a_stop_ends_the_wait_and_no_try() {
        assert_eq!(tried(0, async {}).await.0, Ok("done"));
        assert_eq!(tried(1, async {}).await, (Err(Ended::Stopped), Duration::ZERO));
    }

    #[tokio::test]
    async fn a_wait_in_real_time_ends_at_a_stop_or_when_nobody_could_stop_it_any_more() {
        let (stop, mut stopped) = watch::channel(false);
        assert!(!stopped_within(Duration::ZERO, &mut stopped).await);
        stop.send_replace(true);
        assert!(stopped_within(Duration::from_secs(3600), &mut stopped).await);
        let (stop, mut stopped) = watch::channel(false);
        drop(stop);
        assert!(stopped_within(Duration::from_secs(3600), &mut stopped).await);
    }

    #[test]
    fn the_back_off_doubles_to_its_cap() {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        assert_eq!(
            [0, 1, 2, 7, 8, 41, u32::MAX].map(|failures| backoff.after(failures).as_millis()),
            [0, 100, 200, 6400, 10_000, 10_000, 10_000]
        );
    }

    proptest! {
        /// Whatever succeeds and fails: the first failure in a row waits for the first time, each further one twice as long or
        /// for the longest, and never longer.
        #[test]
        fn waits_follow_from_the_failures_in_a_row(
            tries in proptest::collection::vec(any::<bool>(), 1..80), first in 0u64..5_000, longest in 1u64..600_000
        ) {
            let (first, longest) = (Duration::from_millis(first), Duration::from_millis(longest));
            let mut backoff = Backoff::new(first, longest);
            let mut last = None::<Duration>;
            for succeeds in tries {
                if succeeds {
                    backoff.succeeded();
                    last = None;
                    prop_assert!(!backoff.is_failing() && backoff.wait().is_zero());
                    continue;
                }
                let wait = backoff.failed();
                prop_assert!(backoff.is_failing());
                prop_assert_eq!(wait, last.map_or(first, |last| last * 2).min(longest));
                prop_assert_eq!(wait, backoff.wait());
                prop_assert_eq!(wait, backoff.after(backoff.failures()));
                last = Some(wait);
            }
        }
    }
}
