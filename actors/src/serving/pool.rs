//! The threads that predictions of many rows, and explanations, are made on. They run at normal priority, in front of training.

use super::error::PredictionError;
use crate::error::{ActorError, Unreachable};
use crate::panics::panic_text;
use crate::pool::{ByLane, Pool};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Tells the work that nobody waits for its result any more.
pub struct Abandoned<'a>(&'a dyn Fn() -> bool);

impl Abandoned<'_> {
    /// For work on the thread of the caller, who waits.
    pub fn never() -> Self {
        Abandoned(&|| false)
    }

    pub fn is_true(&self) -> bool {
        (self.0)()
    }
}

/// Threads for predictions, and a bounded queue before them, for each lane: nobody waits for the explanations of another lane.
/// Clones share them.
#[derive(Clone)]
pub struct PredictionPool {
    threads: ByLane<Arc<ThreadPool>>,
    places: Pool,
}

impl PredictionPool {
    /// # Errors
    /// The threads cannot be started.
    pub fn new(threads: usize, waiting: usize) -> Result<Self, ActorError> {
        let places = Pool::new("batches of predictions", threads.max(1), waiting);
        let make = || {
            let pool = ThreadPoolBuilder::new().num_threads(threads.max(1)).thread_name(|n| format!("predict-{n}"));
            pool.build().map(Arc::new).map_err(|e| ActorError::Setting { name: "predict.threads", why: e.to_string() })
        };
        Ok(Self { threads: ByLane::try_new(make)?, places })
    }

    /// Runs `work` on the pool; answers its result and how long it waited for a place. Work that nobody waits for is not begun,
    /// and is told so between its parts.
    ///
    /// # Errors
    /// `Busy` at once where the queue is full; `Unreachable` where the work panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Abandoned<'_>) -> T + Send + 'static,
    ) -> Result<(T, Duration), PredictionError> {
        let asked = Instant::now();
        let place = self.places.place().await?;
        let waited = asked.elapsed();
        let (done, result) = oneshot::channel();
        self.threads.current().spawn(move || {
            let _place = place;
            if done.is_closed() {
                return;
            }
            // A panic must not reach rayon, which would abort the process.
            let worked = std::panic::catch_unwind(AssertUnwindSafe(|| work(&Abandoned(&|| done.is_closed()))));
            let _ = done.send(worked.map_err(|panic| panic_text(&*panic)));
        });
        match result.await {
            Ok(Ok(worked)) => Ok((worked, waited)),
            Ok(Err(panic)) => Err(Unreachable::Panicked(panic).into()),
            Err(_) => Err(Unreachable::Panicked("the prediction ended without a result".to_owned()).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::pool::Lane;
    use std::sync::mpsc;

    #[tokio::test]
    async fn beyond_the_queue_the_answer_is_busy_and_a_panic_frees_its_place() {
        let pool = PredictionPool::new(1, 1).unwrap();
        let (go, gone) = mpsc::channel::<()>();
        let mut first = Box::pin(pool.run(move |_| gone.recv().is_ok()));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        let mut second = Box::pin(pool.run(|_| 2));
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        assert!(matches!(pool.run(|_| 3).await, Err(PredictionError::Busy(_))));
        go.send(()).unwrap();
        assert!(first.await.unwrap().0);
        assert_eq!(second.await.unwrap().0, 2);
        let panicked = pool.run(|_| -> u8 { panic!("no answer") }).await;
        assert!(
            matches!(panicked, Err(PredictionError::Unreachable(Unreachable::Panicked(text))) if text == "no answer")
        );
        assert_eq!(pool.run(|_| 4).await.unwrap().0, 4);
    }

    #[tokio::test]
    async fn an_operator_does_not_wait_for_what_readers_have_asked_for() {
        let pool = PredictionPool::new(1, 1).unwrap();
        let (go, gone) = mpsc::channel::<()>();
        let mut long = Box::pin(Lane::Readers.scope(pool.run(move |_| gone.recv().is_ok())));
        assert!(futures_util::poll!(long.as_mut()).is_pending());
        assert_eq!(Lane::Operators.scope(pool.run(|_| 2)).await.unwrap().0, 2);
        go.send(()).unwrap();
        assert!(long.await.unwrap().0);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_told_so() {
        let pool = PredictionPool::new(1, 1).unwrap();
        let (tell, told) = mpsc::channel();
        let (go, gone) = mpsc::channel::<()>();
        let mut left = Box::pin(pool.run(move |abandoned| {
            tell.send(abandoned.is_true()).unwrap();
            gone.recv().unwrap();
            tell.send(abandoned.is_true()).unwrap();
        }));
        assert!(futures_util::poll!(left.as_mut()).is_pending());
        assert!(!told.recv().unwrap(), "it has begun, and is waited for");
        drop(left);
        go.send(()).unwrap();
        assert!(told.recv().unwrap());
    }
}
