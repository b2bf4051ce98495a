//! The sampler of each kind of tuning.

use super::draws::drawn;
use super::sampler::{Listed, Sampler};
use super::space::Space;
use super::tpe::Bayesian;
use super::trial::TrialResult;
use crate::error::LearnError;
use crate::params::CheckedParams;
use provost_domain::config::Tuning;
use provost_predict::control::Control;

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

/// All candidates of a space in their order, each made on demand.
struct Walk<'s> {
    space: &'s Space<'s>,
    at: u128,
}

impl Sampler for Walk<'_> {
    fn next(&mut self, _: &[TrialResult], most: usize, control: &Control) -> Result<Vec<CheckedParams>, LearnError> {
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
    fn peek(&self, ahead: usize) -> Option<CheckedParams> {
        let at = self.at.saturating_add(ahead as u128);
        // Every value was checked when the space was made.
        if at < self.space.candidates() { self.space.candidate(at).ok() } else { None }
    }
}

#[cfg(test)]
mod tests;
