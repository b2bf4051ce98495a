//! Who proposes what to try next.

use super::draws::drawn;
use super::space::Space;
use super::tpe::Bayesian;
use super::trial::TrialResult;
use crate::{Control, LearnError, Params};
use provost_domain::config::Tuning;

/// Proposes candidates in blocks. What is proposed depends only on the blocks before, in the order of their indices, so that
/// a search that goes on from a journal proposes the same again. No two candidates of one search lead to the same model.
pub trait Sampler: Send {
    /// The next candidates, at most `most`; none when there is nothing left to try. `finished`: the trials of all blocks
    /// before, by index.
    ///
    /// # Errors
    ///
    /// `Stopped`; the sampler then is of no more use.
    fn next(&mut self, finished: &[TrialResult], most: usize, control: &Control) -> Result<Vec<Params>, LearnError>;
    /// The number of candidates, after those proposed so far, that will be proposed whatever the next trials say.
    fn settled(&self) -> usize;
    /// The `ahead`th of these. None beyond them.
    fn peek(&self, ahead: usize) -> Option<Params>;
}

/// The sampler of a space's kind of tuning: the defaults, all candidates in their order, `iterations` random draws by
/// `seed`, or [`Bayesian`].
///
/// # Errors
///
/// `Stopped`.
pub fn sampler<'s>(
    space: &'s Space<'_>,
    iterations: u32,
    seed: u64,
    control: &Control,
) -> Result<Box<dyn Sampler + 's>, LearnError> {
    Ok(match space.tuning {
        Tuning::None | Tuning::GridSearch => Box::new(Walk { space, at: 0 }),
        Tuning::RandomSearch => Box::new(Listed::new(drawn(space, iterations, seed, control)?)),
        Tuning::Bayesian => Box::new(Bayesian::new(space, iterations, seed, control)?),
    })
}

/// All candidates of a space in their order, each made when its turn comes.
struct Walk<'s> {
    space: &'s Space<'s>,
    at: u128,
}

impl Sampler for Walk<'_> {
    fn next(&mut self, _: &[TrialResult], most: usize, control: &Control) -> Result<Vec<Params>, LearnError> {
        let mut block = Vec::new();
        while block.len() < most && self.at < self.space.candidates() {
            control.check()?;
            block.push(self.space.candidate(self.at)?);
            self.at += 1;
        }
        Ok(block)
    }
    fn settled(&self) -> usize {
        usize::try_from(self.space.candidates().saturating_sub(self.at)).unwrap_or(usize::MAX)
    }
    fn peek(&self, ahead: usize) -> Option<Params> {
        let at = self.at.saturating_add(ahead as u128);
        // Every value was checked when the space was made.
        if at < self.space.candidates() { self.space.candidate(at).ok() } else { None }
    }
}

/// Candidates that are listed from the start.
pub struct Listed {
    candidates: Vec<Params>,
    at: usize,
}

impl Listed {
    pub fn new(candidates: Vec<Params>) -> Self {
        Self { candidates, at: 0 }
    }
}

impl Sampler for Listed {
    fn next(&mut self, _: &[TrialResult], most: usize, _: &Control) -> Result<Vec<Params>, LearnError> {
        let end = (self.at + most).min(self.candidates.len());
        let block = self.candidates[self.at..end].to_vec();
        self.at = end;
        Ok(block)
    }
    fn settled(&self) -> usize {
        self.candidates.len() - self.at
    }
    fn peek(&self, ahead: usize) -> Option<Params> {
        self.candidates.get(self.at + ahead).cloned()
    }
}

#[cfg(test)]
mod tests;
