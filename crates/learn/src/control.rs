//! Cancelling and watching a fit from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    Cancelled,
    TimeLimit,
    Shutdown,
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            StopReason::Cancelled => "cancelled",
            StopReason::TimeLimit => "the time limit was reached",
            StopReason::Shutdown => "the process is shutting down",
        })
    }
}

/// Rows that a loop over rows works on between two looks: some milliseconds.
pub(crate) const BLOCK: usize = 1 << 16;

/// Set once by whoever wants the work to end; checked per tree, round and epoch, and per block of rows.
#[derive(Debug, Clone, Default)]
pub struct Token {
    state: Arc<AtomicU8>,
    past_time_limit: bool,
    /// Called at each look, on the thread that looks.
    #[cfg(test)]
    pub(crate) watched: Option<Watched>,
}

#[cfg(test)]
#[derive(Clone)]
pub(crate) struct Watched(pub Arc<dyn Fn() + Send + Sync>);

#[cfg(test)]
impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("watched")
    }
}

impl Token {
    pub fn new() -> Self {
        Self::default()
    }
    /// The first reason stays, but a time limit, after which work may go on to keep the best so far, gives way.
    pub fn trip(&self, reason: StopReason) {
        let v = match reason {
            StopReason::Cancelled => 1,
            StopReason::TimeLimit => 2,
            StopReason::Shutdown => 3,
        };
        let gives_way = |state| (state == 0 || (state == 2 && v != 2)).then_some(v);
        let _ = self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, gives_way);
    }
    /// The same token, blind to the time limit: for what is still to be done once it is reached.
    pub fn past_time_limit(&self) -> Self {
        Self { past_time_limit: true, ..self.clone() }
    }
    pub fn reason(&self) -> Option<StopReason> {
        #[cfg(test)]
        if let Some(Watched(look)) = &self.watched {
            look();
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

/// How far one fit is: trees, rounds, Newton steps or epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    pub of: u64,
}

/// Passed into every fit.
#[derive(Clone, Default)]
pub struct Control {
    pub token: Token,
    pub on_progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
}

impl Control {
    /// To be called once per tree, round or epoch, and before each block of rows.
    pub fn check(&self) -> Result<(), crate::LearnError> {
        match self.token.reason() {
            Some(r) => Err(crate::LearnError::Stopped(r)),
            None => Ok(()),
        }
    }
    /// Calls `work` for all items in their order, block by block, with a look before each block.
    ///
    /// # Errors
    ///
    /// `Stopped`; then `work` was called for the first blocks.
    pub(crate) fn in_blocks<T>(&self, items: &[T], mut work: impl FnMut(&[T])) -> Result<(), crate::LearnError> {
        for block in items.chunks(BLOCK) {
            self.check()?;
            work(block);
        }
        Ok(())
    }
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
