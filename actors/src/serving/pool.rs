//! The threads that predictions of many rows, and explanations, are made on. They run at normal priority, in front of training.

mod schedule;

use super::error::PredictionError;
use crate::error::{ActorError, Unreachable};
use crate::panics::panic_text;
use crate::pool::{Busy, ByLane};
use rayon::{ThreadPool, ThreadPoolBuilder};
use schedule::{Schedule, WorkId};
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What work on the pool has come to.
#[derive(Debug)]
pub struct Worked<T> {
    pub result: T,
    /// Time at work.
    pub worked: Duration,
    /// Time in the queue, and between pieces.
    pub waited: Duration,
}

/// Threads for predictions, and a bounded queue before them, for each lane: nobody waits for the explanations of another lane, and
/// within a lane the work is scheduled piece by piece. Clones share them.
#[derive(Clone)]
pub struct PredictionPool {
    lanes: ByLane<Arc<Queue>>,
}

/// The threads and the work of one lane.
struct Queue {
    threads: ThreadPool,
    /// Pieces that are done at a time.
    at_a_time: usize,
    /// Work that may wait beside that.
    most_waiting: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    schedule: Schedule,
    waiting: HashMap<WorkId, Step>,
    /// Work that waits or is at work.
    admitted: usize,
    /// Threads that do pieces.
    working: usize,
}

/// Does one piece of some work.
type Step = Box<dyn FnMut() -> Piece + Send>;

enum Piece {
    /// There is more to do.
    More,
    /// That was the last one; this tells who waits.
    Last(Box<dyn FnOnce() + Send>),
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(self: &Arc<Self>, pieces: usize, step: Step) -> Result<WorkId, Busy> {
        let mut state = self.lock();
        if state.admitted >= self.at_a_time + self.most_waiting {
            return Err(Busy { what: "batches of predictions", waiting: self.most_waiting });
        }
        state.admitted += 1;
        let id = state.schedule.add(pieces);
        state.waiting.insert(id, step);
        if state.working < self.at_a_time {
            state.working += 1;
            self.spawn_piece();
        }
        Ok(id)
    }

    /// A task of its own for each piece: a thread that waits for parts of its piece may take up other tasks, which are short then.
    fn spawn_piece(self: &Arc<Self>) {
        let queue = self.clone();
        self.threads.spawn_fifo(move || queue.do_piece());
    }

    fn do_piece(self: &Arc<Self>) {
        let taken = {
            let mut state = self.lock();
            let next = state.schedule.choose();
            let taken = next.and_then(|(id, left)| Some((id, left, state.waiting.remove(&id)?)));
            if taken.is_none() {
                state.working -= 1;
            }
            taken
        };
        let Some((id, left, mut step)) = taken else { return };
        let piece = step();
        let mut state = self.lock();
        let tell = match piece {
            Piece::More => {
                state.schedule.put_back(id, left.saturating_sub(1).max(1));
                state.waiting.insert(id, step);
                None
            }
            Piece::Last(tell) => {
                state.admitted -= 1;
                Some(tell)
            }
        };
        let goes_on = !state.schedule.is_empty();
        if !goes_on {
            state.working -= 1;
        }
        drop(state);
        if goes_on {
            self.spawn_piece();
        }
        // Its place is free when its result is there.
        if let Some(tell) = tell {
            tell();
        }
    }

    /// Work that nobody waits for any more leaves the queue. A piece that is at work comes to its end.
    fn leave(&self, id: WorkId) {
        let mut state = self.lock();
        let step = state.waiting.remove(&id);
        if state.schedule.remove(id) {
            state.admitted -= 1;
        }
        drop(state);
        drop(step);
    }
}

/// Work whose result is waited for.
struct Asked<'a> {
    queue: &'a Queue,
    id: WorkId,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.queue.leave(self.id);
    }
}

impl PredictionPool {
    /// # Errors
    /// The threads cannot be started.
    pub fn new(threads: usize, most_waiting: usize) -> Result<Self, ActorError> {
        let at_a_time = threads.max(1);
        let make = || -> Result<Arc<Queue>, ActorError> {
            let pool = ThreadPoolBuilder::new().num_threads(at_a_time).thread_name(|n| format!("predict-{n}"));
            let setting =
                |e: rayon::ThreadPoolBuildError| ActorError::Setting { name: "predict.threads", why: e.to_string() };
            let threads = pool.build().map_err(setting)?;
            Ok(Arc::new(Queue { threads, at_a_time, most_waiting, state: Mutex::default() }))
        };
        Ok(Self { lanes: ByLane::try_new(make)? })
    }

    /// Runs `work` as one piece.
    ///
    /// # Errors
    /// As [`Self::run_in_pieces`].
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Worked<T>, PredictionError> {
        let mut work = Some(work);
        self.run_in_pieces(1, move || work.take().map(|work| work())).await
    }

    /// Calls `step` on the pool until it has a result, which is after about so many `pieces`; other work may come between. Work that
    /// nobody waits for is not gone on with.
    ///
    /// # Errors
    /// `Busy` at once where the queue is full; `Unreachable` where the work panicked.
    pub async fn run_in_pieces<T: Send + 'static>(
        &self,
        pieces: usize,
        mut step: impl FnMut() -> Option<T> + Send + 'static,
    ) -> Result<Worked<T>, PredictionError> {
        let asked = Instant::now();
        let (done, result) = oneshot::channel();
        let (mut done, mut worked) = (Some(done), Duration::ZERO);
        let nothing = || Piece::Last(Box::new(|| {}));
        let piece = move || {
            if done.as_ref().is_none_or(oneshot::Sender::is_closed) {
                return nothing();
            }
            let began = Instant::now();
            // A panic must not reach rayon, which would abort the process.
            let ended = std::panic::catch_unwind(AssertUnwindSafe(&mut step));
            worked += began.elapsed();
            let ended = match ended {
                Ok(None) => return Piece::More,
                Ok(Some(result)) => Ok((result, worked)),
                Err(panic) => Err(panic_text(&*panic)),
            };
            let Some(done) = done.take() else { return nothing() };
            Piece::Last(Box::new(move || drop(done.send(ended))))
        };
        let queue = self.lanes.current();
        let id = queue.enter(pieces.max(1), Box::new(piece))?;
        let _asked = Asked { queue, id };
        match result.await {
            Ok(Ok((result, worked))) => Ok(Worked { result, worked, waited: asked.elapsed().saturating_sub(worked) }),
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
        let mut first = Box::pin(pool.run(move || gone.recv().is_ok()));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        let mut second = Box::pin(pool.run(|| 2));
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        assert!(matches!(pool.run(|| 3).await, Err(PredictionError::Busy(_))));
        drop(second);
        let mut second = Box::pin(pool.run(|| 2));
        assert!(futures_util::poll!(second.as_mut()).is_pending(), "who leaves makes room");
        go.send(()).unwrap();
        assert!(first.await.unwrap().result);
        assert_eq!(second.await.unwrap().result, 2);
        let panicked = pool.run(|| -> u8 { panic!("no answer") }).await;
        assert!(
            matches!(panicked, Err(PredictionError::Unreachable(Unreachable::Panicked(text))) if text == "no answer")
        );
        assert_eq!(pool.run(|| 4).await.unwrap().result, 4);
        let state = pool.lanes.current().lock();
        assert!(state.waiting.is_empty() && state.admitted == 0);
    }

    #[tokio::test]
    async fn one_piece_goes_between_those_of_a_batch() {
        let pool = PredictionPool::new(1, 2).unwrap();
        let (begin, begun) = mpsc::channel();
        let (go, gone) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let (batch, row) = (tell.clone(), tell);
        let mut pieces = 0;
        let mut batch = Box::pin(pool.run_in_pieces(100, move || {
            if pieces == 0 {
                begin.send(()).unwrap();
                gone.recv().unwrap();
            }
            pieces += 1;
            batch.send(pieces).unwrap();
            (pieces == 100).then_some(pieces)
        }));
        assert!(futures_util::poll!(batch.as_mut()).is_pending());
        begun.recv().unwrap();
        let mut row = Box::pin(pool.run(move || row.send(0).unwrap()));
        assert!(futures_util::poll!(row.as_mut()).is_pending());
        go.send(()).unwrap();
        row.await.unwrap();
        assert_eq!(batch.await.unwrap().result, 100);
        let order: Vec<i32> = told.iter().collect();
        assert_eq!(order[..3], [1, 0, 2], "{order:?}");
        assert_eq!(order.len(), 101);
    }

    #[tokio::test]
    async fn an_operator_does_not_wait_for_what_readers_have_asked_for() {
        let pool = PredictionPool::new(1, 1).unwrap();
        let (go, gone) = mpsc::channel::<()>();
        let mut long = Box::pin(Lane::Readers.scope(pool.run(move || gone.recv().is_ok())));
        assert!(futures_util::poll!(long.as_mut()).is_pending());
        assert_eq!(Lane::Operators.scope(pool.run(|| 2)).await.unwrap().result, 2);
        go.send(()).unwrap();
        assert!(long.await.unwrap().result);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_not_gone_on_with() {
        let pool = PredictionPool::new(1, 1).unwrap();
        let (tell, told) = mpsc::channel();
        let (go, gone) = mpsc::channel::<()>();
        let mut left = Box::pin(pool.run_in_pieces(2, move || {
            tell.send(()).unwrap();
            gone.recv().unwrap();
            None::<u8>
        }));
        assert!(futures_util::poll!(left.as_mut()).is_pending());
        told.recv().unwrap();
        drop(left);
        go.send(()).unwrap();
        assert!(told.recv().is_err(), "no other piece is begun");
    }
}
