//! Candidates of later blocks that the growths of the present block may serve.

use super::race_entry::{Ahead, lock};
use super::sampler::Sampler;
use super::trial::TrialResult;
use crate::error::LearnError;
use crate::learner::Learner;
use crate::learner::key;
use crate::params::CheckedParams;
use provost_predict::control::Control;
use std::collections::{BTreeMap, VecDeque};

/// Size of the window in candidates; the contract's largest grid has 6,912.
const MOST: usize = 8_192;
/// Memory for the predictions for these candidates: a window that could need more stays empty.
const BYTES: usize = 256 << 20;

/// A candidate of a later block.
pub(super) struct Later {
    pub index: u32,
    pub params: CheckedParams,
    pub key: String,
    /// Its family for each different number of columns, in the order of `Window::widths`.
    pub families: Vec<String>,
}

/// The next candidates that will be proposed whatever the trials before them say, without those that the journal has
/// finished.
pub(super) struct Window<'a> {
    learner: &'a dyn Learner,
    /// The different numbers of columns of the folds.
    widths: Vec<usize>,
    /// Number of held-out rows of all folds together.
    rows: usize,
    later: VecDeque<Later>,
    /// Index after the last candidate in the window.
    end: usize,
}

impl<'a> Window<'a> {
    pub fn new(learner: &'a dyn Learner, widths: Vec<usize>, rows: usize) -> Self {
        Self { learner, widths, rows, later: VecDeque::new(), end: 0 }
    }

    pub fn later(&self) -> &VecDeque<Later> {
        &self.later
    }

    /// Moves the window to the candidates from index `from` on, which `sampler` has not proposed yet.
    pub fn slide(
        &mut self,
        sampler: &dyn Sampler,
        from: usize,
        known: &BTreeMap<u32, TrialResult>,
        control: &Control,
    ) -> Result<(), LearnError> {
        while self.later.front().is_some_and(|l| (l.index as usize) < from) {
            self.later.pop_front();
        }
        self.end = self.end.max(from);
        let wanted = sampler.settled().min(MOST);
        if wanted * self.rows * 8 > BYTES {
            self.later.clear();
            self.end = from;
            return Ok(());
        }
        while self.end < from + wanted {
            control.check()?;
            let Some(params) = sampler.peek(self.end - from) else { break };
            let index = self.end as u32;
            self.end += 1;
            if known.get(&index).is_none_or(|t| t.params != *params) {
                let key = key(&params, self.learner.idle());
                let families = self.widths.iter().map(|width| self.learner.family(&params, *width)).collect();
                self.later.push_back(Later { index, params, key, families });
            }
        }
        Ok(())
    }
}

/// Drops what was found for candidates before `from`.
pub(super) fn forget_before(ahead: &Ahead, from: u32) {
    let mut ahead = lock(ahead);
    let kept = ahead.split_off(&(from, 0));
    *ahead = kept;
}
