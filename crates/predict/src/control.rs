//! Cancelling long computations, and observing their progress.

use crate::error::PredictError;
pub use crate::stop::StopReason;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Rows that a loop processes between two checks of the token, which takes some milliseconds.
pub const BLOCK: usize = 1 << 16;

/// A token by which a caller stops the work. It is checked per tree, round and epoch, and per block of rows.
#[derive(Debug, Clone, Default)]
pub struct Token {
    state: Arc<AtomicU8>,
    past_time_limit: bool,
    observer: Option<Observer>,
}

#[derive(Clone)]
struct Observer(Arc<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("observer")
    }
}

impl Token {
    /// A token that nobody has set.
    pub fn new() -> Self {
        Self::default()
    }
    /// The same token with `observer`, which is called at each check on the thread that checks. For tests.
    pub fn observed_by(&self, observer: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self { observer: Some(Observer(observer)), ..self.clone() }
    }
    /// Asks the work to stop. The first reason is kept, with one exception: any other reason replaces a time limit,
    /// after which the best result so far would still be kept.
    pub fn trip(&self, reason: StopReason) {
        let v = match reason {
            StopReason::Cancelled => 1,
            StopReason::TimeLimit => 2,
            StopReason::Shutdown => 3,
        };
        let gives_way = |state| (state == 0 || (state == 2 && v != 2)).then_some(v);
        let _ = self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, gives_way);
    }
    /// The same token, but ignoring the time limit: for the work that remains after the limit.
    pub fn past_time_limit(&self) -> Self {
        Self { past_time_limit: true, ..self.clone() }
    }
    /// Why the work is to end; None while it may go on.
    pub fn reason(&self) -> Option<StopReason> {
        if let Some(Observer(observer)) = &self.observer {
            observer();
        }
        match self.state.load(Ordering::Relaxed) {
            1 => Some(StopReason::Cancelled),
            2 if self.past_time_limit => None,
            2 => Some(StopReason::TimeLimit),
            3 => Some(StopReason::Shutdown),
            _ => None,
        }
    }
}

/// Progress of one fit, in trees, rounds, Newton steps or epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Units that are done.
    pub done: u64,
    /// Units of the whole fit.
    pub of: u64,
}

/// Passed into every long computation: how to stop it, and where it reports its progress.
#[derive(Clone, Default)]
pub struct Control {
    /// Checked per tree, round and epoch, and per block of rows.
    pub token: Token,
    /// Called as the work goes on.
    pub on_progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
}

impl Control {
    /// To be called once per tree, round or epoch, and before each block of rows.
    ///
    /// # Errors
    ///
    /// `Stopped` once the token is set.
    #[inline]
    pub fn check(&self) -> Result<(), PredictError> {
        match self.token.reason() {
            Some(r) => Err(PredictError::Stopped(r)),
            None => Ok(()),
        }
    }
    /// Calls `work` for all items in their order, block by block, with a check of the token before each block.
    ///
    /// # Errors
    ///
    /// `Stopped`; `work` was then called for the blocks before the check.
    pub fn in_blocks<T>(&self, items: &[T], mut work: impl FnMut(&[T])) -> Result<(), PredictError> {
        for block in items.chunks(BLOCK) {
            self.check()?;
            work(block);
        }
        Ok(())
    }
    /// Reports that `done` of `of` units are done.
    pub fn progress(&self, done: u64, of: u64) {
        if let Some(f) = &self.on_progress {
            f(Progress { done, of });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_limit_gives_way_to_a_cancel_and_not_the_reverse() {
        let token = Token::new();
        let after = token.past_time_limit();
        token.trip(StopReason::TimeLimit);
        assert_eq!((token.reason(), after.reason()), (Some(StopReason::TimeLimit), None));
        token.trip(StopReason::Cancelled);
        token.trip(StopReason::TimeLimit);
        token.trip(StopReason::Shutdown);
        assert_eq!((token.reason(), after.reason()), (Some(StopReason::Cancelled), Some(StopReason::Cancelled)));
    }
}
