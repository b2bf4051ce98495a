//! Tries again what failed: one loop for all, with a policy that says how long to wait and when to give up.

use crate::clock::Clock;
use std::time::Duration;

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

/// Runs `op` until it succeeds. After each error `policy`, which hears how many there were before, answers how long to wait, or
/// None to give up. `stop` ends a wait, and is never heard while `op` runs.
pub async fn retry<T, E, F: Future<Output = Result<T, E>>>(
    clock: &dyn Clock,
    mut policy: impl FnMut(&E, u32) -> Option<Duration>,
    stop: impl Future<Output = ()>,
    mut op: impl FnMut() -> F,
) -> Result<T, Ended<E>> {
    let mut stop = std::pin::pin!(stop);
    let mut failures = 0u32;
    loop {
        let error = match op().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let Some(wait) = policy(&error, failures) else { return Err(Ended::GaveUp(error)) };
        failures = failures.saturating_add(1);
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

/// A wait that doubles: `first` times two to the power of `times`, at most `most`.
pub fn backoff(first: Duration, most: Duration, times: u32) -> Duration {
    first.saturating_mul(1u32.checked_shl(times).unwrap_or(u32::MAX)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TestClock;
    use chrono::DateTime;
    use std::cell::Cell;

    fn three(_: &u32, failures: u32) -> Option<Duration> {
        (failures < 2).then(|| backoff(Duration::from_secs(1), Duration::from_secs(60), failures))
    }

    /// Fails with 1, 2, 3, … until it has failed so often.
    async fn tried(fails: u32, stop: impl Future<Output = ()>) -> (Result<&'static str, Ended<u32>>, Duration) {
        let (clock, tries) = (TestClock::new(DateTime::UNIX_EPOCH), Cell::new(0));
        let op = || {
            tries.set(tries.get() + 1);
            let outcome = if tries.get() > fails { Ok("done") } else { Err(tries.get()) };
            async move { outcome }
        };
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

    #[test]
    fn the_back_off_doubles_to_its_cap() {
        let wait = |times| backoff(Duration::from_millis(100), Duration::from_secs(10), times).as_millis();
        assert_eq!(
            [wait(0), wait(1), wait(6), wait(7), wait(40), wait(u32::MAX)],
            [100, 200, 6400, 10_000, 10_000, 10_000]
        );
    }
}
