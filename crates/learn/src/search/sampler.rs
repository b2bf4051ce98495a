//! Proposes the candidates to try next.

use super::trial::TrialResult;
use crate::error::LearnError;
use crate::params::CheckedParams;
use provost_predict::control::Control;

/// Proposes candidates in blocks. What is proposed depends only on the blocks before, in the order of their indices, so
/// that a search that goes on from a journal proposes the same again. No two candidates of one search lead to the same
/// model.
pub trait Sampler: Send {
    /// The next candidates, at most `most`; none when there is nothing left to try. `finished`: the trials of all
    /// blocks before, by index.
    ///
    /// # Errors
    ///
    /// `Stopped`; the sampler cannot be used any more after that.
    fn next(
        &mut self,
        finished: &[TrialResult],
        most: usize,
        control: &Control,
    ) -> Result<Vec<CheckedParams>, LearnError>;
    /// The number of further candidates that will be proposed whatever the next trials say.
    fn settled(&self) -> usize;
    /// The candidate at place `ahead` (from 0) of these; None beyond them.
    fn peek(&self, ahead: usize) -> Option<CheckedParams>;
}

/// Proposes the candidates of a list.
pub struct Listed {
    candidates: Vec<CheckedParams>,
    at: usize,
}

impl Listed {
    /// Proposes the candidates in this order.
    pub fn new(candidates: Vec<CheckedParams>) -> Self {
        Self { candidates, at: 0 }
    }
}

impl Sampler for Listed {
    fn next(&mut self, _: &[TrialResult], most: usize, _: &Control) -> Result<Vec<CheckedParams>, LearnError> {
        let end = (self.at + most).min(self.candidates.len());
        let block = self.candidates[self.at..end].to_vec();
        self.at = end;
        Ok(block)
    }
    fn settled(&self) -> usize {
        self.candidates.len() - self.at
    }
    fn peek(&self, ahead: usize) -> Option<CheckedParams> {
        self.candidates.get(self.at + ahead).cloned()
    }
}
