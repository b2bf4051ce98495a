//! Who proposes what to try next.

use super::trial::TrialResult;
use crate::error::LearnError;
use crate::params::CheckedParams;
use provost_predict::control::Control;

/// Proposes candidates in blocks. What is proposed depends only on the blocks before, in the order of their indices, so that
/// a search that goes on from a journal proposes the same again. No two candidates of one search lead to the same model.
pub trait Sampler: Send {
    /// The next candidates, at most `most`; none when there is nothing left to try. `finished`: the trials of all blocks
    /// before, by index.
    ///
    /// # Errors
    ///
    /// `Stopped`; the sampler then is of no more use.
    fn next(
        &mut self,
        finished: &[TrialResult],
        most: usize,
        control: &Control,
    ) -> Result<Vec<CheckedParams>, LearnError>;
    /// The number of candidates, after those proposed so far, that will be proposed whatever the next trials say.
    fn settled(&self) -> usize;
    /// The `ahead`th of these. None beyond them.
    fn peek(&self, ahead: usize) -> Option<CheckedParams>;
}

/// Candidates that are listed from the start.
pub struct Listed {
    candidates: Vec<CheckedParams>,
    at: usize,
}

impl Listed {
    /// Proposed in this order.
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
