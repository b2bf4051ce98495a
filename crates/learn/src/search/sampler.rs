//! Who proposes what to try next.

use super::candidates::candidates;
use super::tpe::Bayesian;
use super::trial::TrialResult;
use crate::{LearnError, Learner, Params};
use provost_domain::config::{Grid, Tuning};

/// Proposes candidates in blocks. What it proposes hangs on the blocks before alone, in the order of their indices, so
/// that a search that goes on from a journal proposes the same again.
pub trait Sampler: Send {
    /// The next candidates, at most `most`; none when there is nothing left to try. `finished`: the trials of all blocks
    /// before, by index.
    fn next(&mut self, finished: &[TrialResult], most: usize) -> Vec<Params>;
    /// Candidates that will be proposed whatever the next trials say, in order.
    fn upcoming(&self) -> &[Params];
    /// Of all candidates, those proposed included.
    fn most(&self) -> usize;
}

/// Candidates that are known from the start: a grid, or draws from it.
pub struct Listed {
    candidates: Vec<Params>,
    at: usize,
}

impl Listed {
    pub fn new(candidates: Vec<Params>) -> Self {
        Self { candidates, at: 0 }
    }
}

/// The sampler of a kind of tuning; see `candidates` and [`Bayesian`].
///
/// Errors: `Params` with every bad name and value of the grid.
pub fn sampler<'a>(
    learner: &'a dyn Learner,
    tuning: Tuning,
    iterations: u32,
    grid: Option<&Grid>,
    seed: u64,
) -> Result<Box<dyn Sampler + 'a>, LearnError> {
    Ok(match tuning {
        Tuning::Bayesian => Box::new(Bayesian::new(learner, iterations, grid, seed)?),
        _ => Box::new(Listed::new(candidates(learner, tuning, iterations, grid, seed)?)),
    })
}

impl Sampler for Listed {
    fn next(&mut self, _: &[TrialResult], most: usize) -> Vec<Params> {
        let end = (self.at + most).min(self.candidates.len());
        let block = self.candidates[self.at..end].to_vec();
        self.at = end;
        block
    }
    fn upcoming(&self) -> &[Params] {
        &self.candidates[self.at..]
    }
    fn most(&self) -> usize {
        self.candidates.len()
    }
}
