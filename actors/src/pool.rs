//! Pools for long work of requests: a fixed number of places, and a bounded queue before them. Operators and viewers
//! have separate places and queues, so that viewers cannot block operators.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The queue is full; a later request may succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{waiting} {what} wait already, which is as many as may; try again later")]
pub struct Busy {
    pub what: &'static str,
    pub waiting: usize,
}

/// Why work in a pool has no result.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The work panicked, or the runtime is shutting down.
    #[error("the work ended without a result: {0}")]
    Ended(String),
}

tokio::task_local! {
    static LANE: Lane;
}

/// The group of callers that a task works for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lane {
    /// Operators, admins and the service itself.
    #[default]
    Operators,
    /// Viewers and clients.
    Readers,
}

impl Lane {
    /// The lane of this task; `Operators` if none was set.
    pub fn current() -> Self {
        LANE.try_with(|lane| *lane).unwrap_or_default()
    }

    /// Runs `work` in this lane. Tasks that it spawns are in no lane.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        LANE.scope(self, work)
    }
}

/// One value per lane.
#[derive(Debug, Clone)]
pub struct ByLane<T> {
    operators: T,
    readers: T,
}

impl<T> ByLane<T> {
    pub fn new(make: impl Fn() -> T) -> Self {
        Self { operators: make(), readers: make() }
    }

    /// As `new`, with a constructor that may fail.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn try_new<E>(mut make: impl FnMut() -> Result<T, E>) -> Result<Self, E> {
        Ok(Self { operators: make()?, readers: make()? })
    }

    /// The value for this task's lane.
    pub fn current(&self) -> &T {
        match Lane::current() {
            Lane::Operators => &self.operators,
            Lane::Readers => &self.readers,
        }
    }
}

/// The places and the queue of one lane.
#[derive(Clone)]
struct Queue {
    places: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

/// A fixed number of places for work, and a bounded queue before them, for each lane. Clones share both.
#[derive(Clone)]
pub struct Pool {
    what: &'static str,
    lanes: ByLane<Queue>,
    most_waiting: usize,
}

/// A place in a pool, held until dropped. It belongs to the work: the requester may leave before the work has ended.
#[derive(Debug)]
pub struct Place(#[allow(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// A waiting request; dropped when the request is.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Pool {
    /// `what` is the plural name of the waiting requests. Each lane has this many places and a queue of this length.
    pub fn new(what: &'static str, places: usize, most_waiting: usize) -> Self {
        let queue = || Queue { places: Arc::new(Semaphore::new(places)), waiting: Arc::default() };
        Self { what, lanes: ByLane::new(queue), most_waiting }
    }

    fn busy(&self) -> Busy {
        Busy { what: self.what, waiting: self.most_waiting }
    }

    /// Waits for a place in the task's lane, in the order of requests. A request that stops waiting leaves the queue.
    ///
    /// # Errors
    /// At once, if as many wait as may.
    pub async fn place(&self) -> Result<Place, Busy> {
        let Queue { places, waiting } = self.lanes.current();
        if let Ok(place) = places.clone().try_acquire_owned() {
            return Ok(Place(place));
        }
        let one_more = |waiting| (waiting < self.most_waiting).then_some(waiting + 1);
        if waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_err() {
            return Err(self.busy());
        }
        let _waiting = Waiting(waiting);
        // The semaphore is never closed.
        places.clone().acquire_owned().await.map(Place).map_err(|_| self.busy())
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
        assert_eq!(pool.lanes.current().waiting.load(Ordering::Acquire), 0);
    }

    #[actix_rt::test]
    async fn readers_do_not_take_the_places_of_operators() {
        let pool = Pool::new("questions", 1, 0);
        let _held = Lane::Readers.scope(pool.place()).await.unwrap();
        assert!(Lane::Readers.scope(pool.place()).await.is_err());
        let _also_held = Lane::Operators.scope(pool.place()).await.unwrap();
        assert!(pool.place().await.is_err(), "a task without a lane is an operator's");
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
