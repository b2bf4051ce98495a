//! Pools for long work of requests: a number of places, and a bounded queue before them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The queue is full. A later request may find room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{waiting} {what} wait already, which is as many as may; try again later")]
pub struct Busy {
    pub what: &'static str,
    pub waiting: usize,
}

/// Why work of a pool has no result.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    #[error(transparent)]
    Busy(#[from] Busy),
    /// It panicked, or the runtime is going down.
    #[error("the work ended without a result: {0}")]
    Ended(String),
}

/// A number of places for work, and a bounded queue before them. Clones share both.
#[derive(Clone)]
pub struct Pool {
    what: &'static str,
    places: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    most_waiting: usize,
}

/// A place of a pool, until it is dropped. It goes with the work: who asked may leave before the work has ended.
#[derive(Debug)]
pub struct Place(#[allow(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// One that waits; dropped with the request that does.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Pool {
    /// `what` names in the plural what waits.
    pub fn new(what: &'static str, places: usize, most_waiting: usize) -> Self {
        Self { what, places: Arc::new(Semaphore::new(places)), waiting: Arc::default(), most_waiting }
    }

    fn busy(&self) -> Busy {
        Busy { what: self.what, waiting: self.most_waiting }
    }

    /// A place once one is free, in the order of asking. Who stops waiting leaves the queue.
    ///
    /// # Errors
    /// At once, if as many wait as may.
    pub async fn place(&self) -> Result<Place, Busy> {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Ok(Place(place));
        }
        let one_more = |waiting| (waiting < self.most_waiting).then_some(waiting + 1);
        if self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_err() {
            return Err(self.busy());
        }
        let _waiting = Waiting(&self.waiting);
        // The semaphore is never closed.
        self.places.clone().acquire_owned().await.map(Place).map_err(|_| self.busy())
    }

    /// Runs `work` in a place, on the runtime's threads for blocking work.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, WorkError> {
        let place = self.place().await?;
        let worked = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        worked.await.map_err(|error| WorkError::Ended(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::mpsc;

    #[actix_rt::test]
    async fn what_waits_is_bounded_and_who_leaves_makes_room() {
        let pool = Pool::new("questions", 1, 2);
        let first = pool.place().await.unwrap();
        let (second, mut third) = (
            tokio::spawn({
                let pool = pool.clone();
                async move { pool.place().await.map(drop) }
            }),
            Box::pin(pool.place()),
        );
        tokio::task::yield_now().await;
        assert!(futures_util::poll!(third.as_mut()).is_pending());
        let busy = pool.place().await.unwrap_err();
        assert_eq!(busy, Busy { what: "questions", waiting: 2 });
        assert!(busy.to_string().starts_with("2 questions wait already"), "{busy}");
        drop(third);
        let mut fourth = Box::pin(pool.place());
        assert!(futures_util::poll!(fourth.as_mut()).is_pending(), "there is room in the queue again");
        drop(first);
        second.await.unwrap().unwrap();
        fourth.await.unwrap();
        assert_eq!(pool.waiting.load(Ordering::Acquire), 0);
    }

    #[actix_rt::test]
    async fn a_place_is_held_until_the_work_has_ended_whoever_left() {
        let pool = Pool::new("questions", 1, 1);
        let (go, gone) = mpsc::channel::<()>();
        let mut running = Box::pin(pool.run(move || gone.recv().is_ok()));
        assert!(futures_util::poll!(running.as_mut()).is_pending());
        drop(running);
        let mut next = Box::pin(pool.run(|| 7));
        assert!(futures_util::poll!(next.as_mut()).is_pending(), "the work goes on");
        go.send(()).unwrap();
        assert_eq!(next.await.unwrap(), 7);
        let panicked = pool.run(|| -> u8 { panic!("told") }).await;
        assert!(matches!(panicked, Err(WorkError::Ended(_))), "{panicked:?}");
        assert_eq!(pool.run(|| 8).await.unwrap(), 8, "a panic gives its place back");
    }
}
