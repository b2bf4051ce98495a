//! Cross-validates candidates. Growths, joint fits of a family on a fold, run side by side, in blocks and rungs that do
//! not depend on timing.

mod rungs;

use self::rungs::Race;
use super::choice::choose;
use super::race_entry::{Ahead, RaceEntry};
use super::rule::Rule;
use super::sampler::Sampler;
use super::trial::{Journal, TrialResult, TrialStatus};
use super::window::{Window, forget_before};
use super::workers::{self, Meter};
use crate::dataset::Dataset;
use crate::error::LearnError;
use crate::learner::{FitTask, Learner};
use crate::learner::{fit_apart, key};
use crate::params::CheckedParams;
use crate::shared::Shared;
use provost_domain::config::Pruning;
use provost_predict::control::{Control, StopReason};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Memory for the out-of-fold predictions that are kept for the choice; a winner's that were not kept are computed
/// again.
const KEPT_BYTES: usize = 256 << 20;
/// Trials that race together: few at first, so that complete trials exist early; then as many as keep all threads busy,
/// which also finds a good leader sooner.
const FIRST_BLOCK: usize = 4;
const RACING_BLOCK: usize = 23;
const PLAIN_BLOCK: usize = 64;

/// One fold of the training part.
#[derive(Debug, Clone)]
pub struct Fold {
    /// Rows to fit on.
    pub train: Vec<u32>,
    /// Rows to predict.
    pub held: Vec<u32>,
    /// Columns to fit on, selected on `train` alone and the same for all candidates.
    pub columns: Vec<usize>,
}

/// Everything that all trials of a search share.
pub struct Study<'a> {
    /// The learner to fit.
    pub learner: &'a dyn Learner,
    /// The dataset that the folds refer to.
    pub data: &'a Dataset,
    /// The folds, the same for all candidates.
    pub folds: &'a [Fold],
    /// How candidates are scored.
    pub rule: Rule,
    /// Whether candidates that will not win are dropped early.
    pub pruning: Pruning,
    /// Whether each fit standardises its columns, as in `FitTask`.
    pub scale: bool,
    /// The seed of every fit.
    pub seed: u64,
    /// Whether candidates of one family are fitted together, and fits on one fold share tables; the results are the
    /// same.
    pub sharing: bool,
}

/// What a search found.
#[derive(Debug, Default)]
pub struct StudyEnd {
    /// In the order of their indices, those of the journal included.
    pub trials: Vec<TrialResult>,
    /// By trial index, the predictions for the held-out rows of each fold; only of complete trials, and as far as they
    /// were kept.
    pub predictions: BTreeMap<u32, Vec<Arc<[f64]>>>,
    /// Whether the time limit ended the search early.
    pub cut: bool,
}

/// The numbers of columns that fits on the folds learn from.
struct Widths {
    different: Vec<usize>,
    /// For each fold, the place of its number of columns in `different`.
    places: Vec<usize>,
}

impl Widths {
    fn of(&self, fold: usize) -> usize {
        self.different[self.places[fold]]
    }
}

impl Study<'_> {
    /// Cross-validates what `sampler` proposes. Trials that `journal` has finished are not fitted again, and the result
    /// is the same as without an interruption. Where the time limit is reached, the search ends early with `cut` set.
    ///
    /// # Errors
    ///
    /// `Stopped` for any other reason to stop; `Journal`; the errors of fitting.
    pub fn run(
        &self,
        sampler: &mut dyn Sampler,
        journal: &dyn Journal,
        meter: &Arc<Meter>,
        control: &Control,
    ) -> Result<StudyEnd, LearnError> {
        let mut end = StudyEnd::default();
        let mut known = BTreeMap::new();
        let outcome = self.blocks(sampler, &mut known, &mut end, (journal, meter, control));
        if let Err(LearnError::Stopped(StopReason::TimeLimit)) = outcome {
            end.cut = true;
            // Journaled trials of blocks that were not reached count, too.
            end.trials.extend(known.into_values());
            return Ok(end);
        }
        outcome.map(|()| end)
    }

    fn blocks(
        &self,
        sampler: &mut dyn Sampler,
        known: &mut BTreeMap<u32, TrialResult>,
        end: &mut StudyEnd,
        (journal, meter, control): (&dyn Journal, &Arc<Meter>, &Control),
    ) -> Result<(), LearnError> {
        *known = self.journaled(journal, &Control { token: control.token.past_time_limit(), on_progress: None })?;
        let shared: Vec<Shared> = self.folds.iter().map(|_| Shared::default()).collect();
        let ahead = Ahead::default();
        let widths = self.widths();
        let rows: usize = self.folds.iter().map(|f| f.held.len()).sum();
        let mut window = Window::new(self.learner, widths.different.clone(), rows);
        let (mut at, mut block) = (0, 0);
        loop {
            control.check()?;
            let candidates = sampler.next(&end.trials, self.block(block), control)?;
            if candidates.is_empty() {
                return Ok(());
            }
            let next = at + candidates.len();
            if self.sharing {
                window.slide(sampler, next, known, control)?;
            }
            let entries = candidates.iter().enumerate().map(|(i, params)| {
                let index = (at + i) as u32;
                self.entry(index, params, known.remove(&index).filter(|t| t.params == **params))
            });
            let entries = Mutex::new(entries.collect::<Vec<_>>());
            let later = window.later();
            let race = Race { later, widths: &widths, ahead: &ahead, shared: &shared, journal, meter, control };
            let outcome = self.race(&entries, &end.trials, &race);
            for entry in entries.into_inner().unwrap_or_else(PoisonError::into_inner) {
                let predictions = entry.predictions(self.folds.len());
                // A block that was cut short returns its journaled trials as they were.
                let Some(trial) = entry.finished.or(entry.journaled) else { continue };
                if trial.status == TrialStatus::Complete && predictions.len() == self.folds.len() {
                    end.predictions.insert(trial.index, predictions);
                }
                end.trials.push(trial);
            }
            self.forget(end);
            forget_before(&ahead, next as u32);
            outcome?;
            (at, block) = (next, block + 1);
        }
    }

    /// The journal's trials that have the index and the parameters of a candidate that `sampler` proposes.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub fn replay(
        &self,
        sampler: &mut dyn Sampler,
        journal: &dyn Journal,
        control: &Control,
    ) -> Result<Vec<TrialResult>, LearnError> {
        let mut known = self.journaled(journal, control)?;
        let (mut trials, mut at, mut block) = (Vec::new(), 0, 0);
        while !known.is_empty() {
            control.check()?;
            let candidates = sampler.next(&trials, self.block(block), control)?;
            let listed = sampler.settled() > 0;
            let mut missing = false;
            for (i, params) in candidates.iter().enumerate() {
                match known.remove(&((at + i) as u32)).filter(|t| t.params == **params) {
                    Some(trial) => trials.push(trial),
                    None => missing = true,
                }
            }
            // Unless all candidates are listed, later proposals may depend on the missing trial.
            if candidates.is_empty() || (missing && !listed) {
                break;
            }
            (at, block) = (at + candidates.len(), block + 1);
        }
        Ok(trials)
    }

    fn block(&self, number: usize) -> usize {
        match self.pruning {
            Pruning::Racing => {
                if number == 0 {
                    FIRST_BLOCK
                } else {
                    RACING_BLOCK
                }
            }
            Pruning::None => PLAIN_BLOCK,
        }
    }

    /// The journal's valid trials, by index.
    fn journaled(&self, journal: &dyn Journal, control: &Control) -> Result<BTreeMap<u32, TrialResult>, LearnError> {
        let sound = |t: &TrialResult| {
            let complete = t.folds.len() == self.folds.len() && t.fold_scores.len() == self.folds.len();
            complete || (t.status == TrialStatus::Pruned && t.folds.len() < self.folds.len())
        };
        let mut known = BTreeMap::new();
        for trial in journal.finished().iter() {
            control.check()?;
            if sound(trial) {
                known.insert(trial.index, trial.clone().exact());
            }
        }
        Ok(known)
    }

    fn widths(&self) -> Widths {
        let (mut different, mut places) = (Vec::new(), Vec::new());
        for fold in self.folds {
            let width = self.learner.width(self.data, &fold.columns);
            let place = different.iter().position(|w| *w == width).unwrap_or(different.len());
            if place == different.len() {
                different.push(width);
            }
            places.push(place);
        }
        Widths { different, places }
    }

    /// The predictions of one candidate for the held-out rows of each fold.
    ///
    /// # Errors
    ///
    /// `Stopped`; the errors of fitting.
    pub fn predictions(
        &self,
        params: &CheckedParams,
        meter: &Arc<Meter>,
        control: &Control,
    ) -> Result<Vec<Arc<[f64]>>, LearnError> {
        workers::run(self.folds.len(), |fold| {
            let predictions = self.grow(&[params], fold, None, meter, control)?;
            Ok(predictions.into_iter().next().unwrap_or_default().into())
        })
    }

    fn entry<'p>(&self, index: u32, params: &'p CheckedParams, journaled: Option<TrialResult>) -> RaceEntry<'p> {
        let known = journaled.iter().flat_map(|t| &t.folds).cloned().collect();
        let key = key(params, self.learner.idle());
        RaceEntry { index, params, key, journaled, known, scored: vec![None; self.folds.len()], finished: None }
    }

    /// Each member's predictions for a fold's held-out rows.
    fn grow(
        &self,
        members: &[&CheckedParams],
        fold: usize,
        shared: Option<&Shared>,
        meter: &Arc<Meter>,
        control: &Control,
    ) -> Result<Vec<Vec<f64>>, LearnError> {
        control.check()?;
        let Some(first) = members.first() else { return Ok(Vec::new()) };
        let fold = &self.folds[fold];
        let (control, unit) = meter.unit(control);
        let task = FitTask {
            seed: self.seed,
            scale: self.scale,
            shared,
            ..FitTask::new(self.data, &fold.columns, &fold.train, first)
        };
        let predictions = if self.sharing {
            self.learner.fit_family(&task, members, &fold.held, &control)?
        } else {
            fit_apart(self.learner, &task, members, &fold.held, &control)?
        };
        unit.done();
        Ok(predictions)
    }

    fn labels(&self, fold: usize) -> Vec<u8> {
        self.folds[fold].held.iter().map(|r| self.data.y()[*r as usize]).collect()
    }

    fn result(&self, entry: &RaceEntry<'_>, folds: usize, status: TrialStatus) -> TrialResult {
        let labels: Vec<Vec<u8>> = (0..folds).map(|f| self.labels(f)).collect();
        let predictions = entry.predictions(folds);
        let held: Vec<(&[u8], &[f64])> = labels.iter().zip(&predictions).map(|(y, p)| (&y[..], &p[..])).collect();
        TrialResult::of(self.rule, entry.index, entry.params, status, &held, entry.results(folds))
    }

    /// Bounds the memory: above `KEPT_BYTES` only the present winner's predictions are kept.
    fn forget(&self, end: &mut StudyEnd) {
        let rows: usize = self.folds.iter().map(|f| f.held.len()).sum();
        if end.predictions.len() * rows * 8 > KEPT_BYTES {
            let winner = choose(self.rule, &end.trials).map(|(t, _)| t.index);
            end.predictions.retain(|index, _| Some(*index) == winner);
        }
    }
}

#[cfg(test)]
mod tests;
