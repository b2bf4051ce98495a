//! Checks whether the store answers: one round trip at a time, which continues even if its requester has been answered.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use provost_domain::status::{ComponentStatus, Exits, Health};
use provost_store::{StoreError, StoreHealth};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a round trip may take.
const ROUND_TRIP: Duration = Duration::from_secs(2);
/// How long a late round trip is awaited by requests that need its outcome.
pub const OUTCOME_WITHIN: Duration = Duration::from_millis(2_200);
/// How long an outcome is reused for requests that cannot wait for the next.
const KNOWN_FOR: Duration = Duration::from_secs(10);

type Ping = dyn Fn() -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync;

/// The outcome of a round trip.
#[derive(Clone)]
struct Outcome {
    at: Instant,
    error: Option<String>,
}

/// Clones share the known outcome.
#[derive(Clone)]
pub struct Pulse {
    ping: Arc<Ping>,
    known: watch::Sender<Option<Outcome>>,
    under_way: Arc<AtomicBool>,
}

/// Marks the end of a round trip when dropped.
struct Ended(Arc<AtomicBool>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Pulse {
    pub fn of(store: Arc<dyn StoreHealth>) -> Self {
        Self::new(move || {
            let store = store.clone();
            async move { store.ping().await }.boxed()
        })
    }

    fn new(ping: impl Fn() -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync + 'static) -> Self {
        Self { ping: Arc::new(ping), known: watch::Sender::new(None), under_way: Arc::default() }
    }

    /// The store's health by a round trip that ends within this time; else by the last one, if it is recent.
    pub async fn status(&self, within: Duration) -> ComponentStatus {
        let mut known = self.known.subscribe();
        self.begin();
        // The known outcome is used in either case: an error or a time-out here changes nothing.
        let _ = tokio::time::timeout(within, known.changed()).await;
        let outcome = known.borrow().clone();
        let (health, last_error) = match outcome.filter(|outcome| outcome.at.elapsed() <= KNOWN_FOR) {
            Some(Outcome { error: None, .. }) => (Health::Up, None),
            Some(Outcome { error, .. }) => (Health::Down, error),
            None => (Health::Degraded, Some(silent(within))),
        };
        ComponentStatus {
            health,
            restarts: 0,
            exits: Exits::default(),
            panics: 0,
            last_panic: None,
            last_error,
            state: json!({}),
        }
    }

    /// Begins a round trip, unless one is running.
    fn begin(&self) {
        if self.under_way.swap(true, Ordering::AcqRel) {
            return;
        }
        let (ended, ping, known) = (Ended(self.under_way.clone()), (self.ping)(), self.known.clone());
        tokio::spawn(async move {
            let error = match tokio::time::timeout(ROUND_TRIP, ping).await {
                Ok(answered) => answered.err().map(|e| e.to_string()),
                Err(_) => Some(silent(ROUND_TRIP)),
            };
            drop(ended);
            known.send_replace(Some(Outcome { at: Instant::now(), error }));
        });
    }
}

/// The text for a dependency that has not answered within this time.
pub fn silent(within: Duration) -> String {
    format!("no answer within {within:?}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::AtomicU32;
    use tokio::sync::Semaphore;

    /// Each round trip waits for a permit, and fails while `is_away`.
    fn pulse() -> (Pulse, Arc<Semaphore>, Arc<AtomicBool>, Arc<AtomicU32>) {
        let (answers, is_away, pings) =
            (Arc::new(Semaphore::new(0)), Arc::<AtomicBool>::default(), Arc::<AtomicU32>::default());
        let shared = (answers.clone(), is_away.clone(), pings.clone());
        let pulse = Pulse::new(move || {
            let (answers, is_away, pings) = shared.clone();
            async move {
                pings.fetch_add(1, Ordering::AcqRel);
                answers.acquire().await.unwrap().forget();
                let away = is_away.load(Ordering::Acquire);
                if away { Err(StoreError::Unavailable("away".to_owned())) } else { Ok(()) }
            }
            .boxed()
        });
        (pulse, answers, is_away, pings)
    }

    #[tokio::test]
    async fn who_cannot_wait_hears_the_last_outcome_and_who_can_hears_the_next() {
        let (pulse, answers, is_away, pings) = pulse();
        let at_once = Duration::ZERO;
        let unknown = pulse.status(at_once).await;
        assert_eq!((unknown.health, unknown.last_error.as_deref()), (Health::Degraded, Some("no answer within 0ns")));
        answers.add_permits(1);
        assert_eq!(pulse.status(OUTCOME_WITHIN).await.health, Health::Up);
        assert_eq!(pings.load(Ordering::Acquire), 1, "one round trip for both");
        assert_eq!(pulse.status(at_once).await.health, Health::Up, "as it was a moment ago");
        is_away.store(true, Ordering::Release);
        let waiting = tokio::join!(pulse.status(OUTCOME_WITHIN), pulse.status(OUTCOME_WITHIN), async {
            answers.add_permits(1);
        });
        for status in [waiting.0, waiting.1] {
            assert_eq!(status.health, Health::Down);
            assert!(status.last_error.is_some_and(|e| e.contains("away")));
        }
        assert_eq!(pings.load(Ordering::Acquire), 2);
        assert_eq!(pulse.status(at_once).await.health, Health::Down);
    }

    #[tokio::test]
    async fn a_round_trip_that_never_ends_is_given_up() {
        let (pulse, ..) = pulse();
        let status = pulse.status(OUTCOME_WITHIN).await;
        assert_eq!((status.health, status.last_error.as_deref()), (Health::Down, Some("no answer within 2s")));
        assert!(!pulse.under_way.load(Ordering::Acquire));
    }
}
