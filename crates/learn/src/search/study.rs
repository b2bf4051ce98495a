//! Cross-validating candidates: fits of (trial, fold) side by side, in blocks and rungs that do not depend on timing.

use super::candidates::{cost, growth_key};
use super::choice::{Rule, choose};
use super::pruner::{Runner, hopeless};
use super::trial::{FoldResult, Journal, TrialResult, TrialStatus};
use super::workers::{self, Meter};
use crate::{Control, Dataset, FitTask, LearnError, Learner, Params, StopReason};
use provost_domain::config::Pruning;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Out-of-fold predictions that are kept for the choice; those of a winner that were not are computed again.
const KEPT_BYTES: usize = 256 << 20;
/// Trials that race together: few at first, so that a first complete one exists early.
const RACING_BLOCKS: [usize; 4] = [2, 4, 8, 12];
const PLAIN_BLOCK: usize = 64;

/// One fold of the training part.
#[derive(Debug, Clone)]
pub struct Fold {
    pub train: Vec<u32>,
    pub held: Vec<u32>,
    /// Selected on `train` alone, and the same for all candidates.
    pub columns: Vec<usize>,
}

/// Everything that all trials of a search share.
pub struct Study<'a> {
    pub learner: &'a dyn Learner,
    pub data: &'a Dataset,
    pub folds: &'a [Fold],
    pub rule: Rule,
    pub pruning: Pruning,
    pub scale: bool,
    pub seed: u64,
}

/// What a search found.
#[derive(Debug, Default)]
pub struct StudyEnd {
    /// By index; with those of the journal.
    pub trials: Vec<TrialResult>,
    /// Predictions for the held rows of each fold, of complete trials, as far as they were kept.
    pub predictions: BTreeMap<u32, Vec<Vec<f64>>>,
    /// The time limit ended it early.
    pub cut: bool,
}

/// One candidate on its way through the folds.
struct Lane<'p> {
    index: u32,
    params: &'p Params,
    key: String,
    journaled: Option<TrialResult>,
    results: Vec<Option<FoldResult>>,
    predictions: Vec<Option<Vec<f64>>>,
    finished: Option<TrialResult>,
}

impl Lane<'_> {
    /// Folds whose results the journal has.
    fn known(&self) -> usize {
        self.journaled.as_ref().map_or(0, |t| t.folds.len())
    }
    fn results(&self, folds: usize) -> Vec<FoldResult> {
        self.results[..folds].iter().flatten().cloned().collect()
    }
}

impl Study<'_> {
    /// Cross-validates `candidates`; those that `journal` has finished are not fitted again, and the end is the same as
    /// without an interruption. Ends early, and says so, when the time limit trips; any other stop is an error.
    pub fn run(
        &self,
        candidates: &[Params],
        journal: &dyn Journal,
        meter: &Arc<Meter>,
        control: &Control,
    ) -> Result<StudyEnd, LearnError> {
        let mut known = self.journaled(candidates, journal);
        let mut end = StudyEnd::default();
        let (mut at, mut block) = (0, 0);
        while at < candidates.len() {
            let size = match self.pruning {
                Pruning::Racing => RACING_BLOCKS[block.min(RACING_BLOCKS.len() - 1)],
                Pruning::None => PLAIN_BLOCK,
            };
            let range = at..(at + size).min(candidates.len());
            let lanes = range.clone().map(|i| self.lane(i as u32, &candidates[i], known.remove(&(i as u32))));
            let lanes = Mutex::new(lanes.collect::<Vec<_>>());
            let outcome = self.race(&lanes, &end.trials, journal, meter, control);
            for lane in lanes.into_inner().unwrap_or_else(PoisonError::into_inner) {
                // A block cut short gives its journaled trials back as they were.
                let Some(trial) = lane.finished.or(lane.journaled) else { continue };
                let predictions: Vec<Vec<f64>> = lane.predictions.into_iter().flatten().collect();
                if trial.status == TrialStatus::Complete && predictions.len() == self.folds.len() {
                    end.predictions.insert(trial.index, predictions);
                }
                end.trials.push(trial);
            }
            self.forget(&mut end);
            match outcome {
                Err(LearnError::Stopped(StopReason::TimeLimit)) => {
                    end.cut = true;
                    break;
                }
                other => other?,
            }
            (at, block) = (range.end, block + 1);
        }
        end.trials.extend(known.into_values());
        end.trials.sort_by_key(|t| t.index);
        Ok(end)
    }

    /// The journal's trials that belong to these candidates, by index.
    pub fn journaled(&self, candidates: &[Params], journal: &dyn Journal) -> BTreeMap<u32, TrialResult> {
        let fits = |t: &TrialResult| {
            let complete = t.folds.len() == self.folds.len() && t.fold_scores.len() == self.folds.len();
            candidates.get(t.index as usize) == Some(&t.params)
                && (complete || (t.status == TrialStatus::Pruned && t.folds.len() < self.folds.len()))
        };
        journal.finished().into_iter().filter(fits).map(|t| (t.index, t.exact())).collect()
    }

    /// Predictions for the held rows of each fold.
    pub fn predictions(
        &self,
        params: &Params,
        meter: &Arc<Meter>,
        control: &Control,
    ) -> Result<Vec<Vec<f64>>, LearnError> {
        workers::run(self.folds.len(), |fold| self.fit(params, fold, meter, control))
    }

    fn lane<'p>(&self, index: u32, params: &'p Params, journaled: Option<TrialResult>) -> Lane<'p> {
        let mut results = vec![None; self.folds.len()];
        for (slot, fold) in results.iter_mut().zip(journaled.iter().flat_map(|t| &t.folds)) {
            *slot = Some(fold.clone());
        }
        let key = growth_key(self.learner.algorithm(), params);
        let predictions = vec![None; self.folds.len()];
        Lane { index, params, key, journaled, results, predictions, finished: None }
    }

    /// One block through all folds, rung by rung.
    fn race(
        &self,
        lanes: &Mutex<Vec<Lane<'_>>>,
        earlier: &[TrialResult],
        journal: &dyn Journal,
        meter: &Arc<Meter>,
        control: &Control,
    ) -> Result<(), LearnError> {
        let k = self.folds.len();
        let mut alive: Vec<usize> = (0..lock(lanes).len()).collect();
        let mut rung = if self.pruning == Pruning::Racing { 0..2.min(k) } else { 0..k };
        loop {
            self.rung(lanes, &alive, rung.clone(), journal, meter, control)?;
            if rung.end == k {
                break;
            }
            let losers = self.losers(&lock(lanes), &alive, earlier, rung.end);
            for index in losers {
                let lane = &mut lock(lanes)[index];
                alive.retain(|i| *i != index);
                meter.skip((k - rung.end) as u64);
                let trial = match lane.journaled.take_if(|t| t.folds.len() == rung.end) {
                    Some(trial) => trial,
                    None => {
                        let trial = self.result(lane, rung.end, TrialStatus::Pruned);
                        record(journal, &trial)?;
                        trial
                    }
                };
                lane.finished = Some(trial);
            }
            rung = rung.end..rung.end + 1;
        }
        for index in alive {
            let lane = &mut lock(lanes)[index];
            if lane.finished.is_none() {
                lane.finished = lane.journaled.take();
            }
        }
        Ok(())
    }

    /// Positions of the lanes that leave after `seen` folds.
    fn losers(&self, lanes: &[Lane<'_>], alive: &[usize], earlier: &[TrialResult], seen: usize) -> Vec<usize> {
        let folds: Vec<Vec<FoldResult>> = alive.iter().map(|i| lanes[*i].results(seen)).collect();
        let runners: Vec<Runner<'_>> =
            alive.iter().zip(&folds).map(|(i, folds)| Runner { index: lanes[*i].index, folds }).collect();
        let finished: Vec<Runner<'_>> = earlier
            .iter()
            .filter(|t| t.status == TrialStatus::Complete)
            .map(|t| Runner { index: t.index, folds: &t.folds })
            .collect();
        let out = hopeless(self.rule, seen, &runners, &finished);
        alive.iter().copied().filter(|i| out.contains(&lanes[*i].index)).collect()
    }

    /// All missing fits of `alive` up to the rung's end, the longest first; equal growths once.
    fn rung(
        &self,
        lanes: &Mutex<Vec<Lane<'_>>>,
        alive: &[usize],
        rung: Range<usize>,
        journal: &dyn Journal,
        meter: &Arc<Meter>,
        control: &Control,
    ) -> Result<(), LearnError> {
        struct Unit<'p> {
            lanes: Vec<usize>,
            fold: usize,
            params: &'p Params,
        }
        let mut units: Vec<Unit<'_>> = Vec::new();
        let mut at = BTreeMap::new();
        for (index, lane) in lock(lanes).iter().enumerate().filter(|(i, _)| alive.contains(i)) {
            if lane.known() >= rung.end {
                meter.skip(rung.len() as u64);
                continue;
            }
            for fold in (0..rung.end).filter(|f| lane.predictions[*f].is_none()) {
                let unit = *at.entry((lane.key.clone(), fold)).or_insert_with(|| {
                    units.push(Unit { lanes: Vec::new(), fold, params: lane.params });
                    units.len() - 1
                });
                units[unit].lanes.push(index);
            }
        }
        // Stable: lanes and folds keep their order among equals.
        units.sort_by(|a, b| cost(b.params).total_cmp(&cost(a.params)).then(a.lanes[0].cmp(&b.lanes[0])));
        workers::run(units.len(), |unit| {
            let Unit { lanes: of, fold, params } = &units[unit];
            let started = Instant::now();
            let p = self.fit(params, *fold, meter, control)?;
            meter.skip(of.len() as u64 - 1);
            let y = self.labels(*fold);
            let result = FoldResult::of(self.rule, &y, &p, started.elapsed().as_secs_f64());
            for index in of {
                let complete = {
                    let lane = &mut lock(lanes)[*index];
                    lane.results[*fold] = Some(result.clone());
                    lane.predictions[*fold] = Some(p.clone());
                    lane.predictions.iter().all(Option::is_some).then(|| {
                        let trial = self.result(lane, self.folds.len(), TrialStatus::Complete);
                        lane.finished = Some(trial.clone());
                        trial
                    })
                };
                if let Some(trial) = complete {
                    record(journal, &trial)?;
                }
            }
            Ok(())
        })?;
        Ok(())
    }

    fn fit(&self, params: &Params, fold: usize, meter: &Arc<Meter>, control: &Control) -> Result<Vec<f64>, LearnError> {
        control.check()?;
        let fold = &self.folds[fold];
        let (control, unit) = meter.unit(control);
        let task = FitTask {
            data: self.data,
            columns: &fold.columns,
            train: &fold.train,
            validation: &[],
            params,
            seed: self.seed,
            early_stopping_rounds: 0,
            scale: self.scale,
        };
        let fit = self.learner.fit(&task, &control)?;
        let p = fit.predictor.predict(self.data.x(), &fold.columns, &fold.held);
        unit.done();
        Ok(p)
    }

    fn labels(&self, fold: usize) -> Vec<u8> {
        self.folds[fold].held.iter().map(|r| self.data.y()[*r as usize]).collect()
    }

    fn result(&self, lane: &Lane<'_>, folds: usize, status: TrialStatus) -> TrialResult {
        let labels: Vec<Vec<u8>> = (0..folds).map(|f| self.labels(f)).collect();
        let held: Vec<(&[u8], &[f64])> =
            labels.iter().zip(lane.predictions.iter().flatten()).map(|(y, p)| (&y[..], &p[..])).collect();
        TrialResult::of(self.rule, lane.index, lane.params, status, &held, lane.results(folds))
    }

    /// Keeps memory bounded: beyond it only the present winner's predictions stay.
    fn forget(&self, end: &mut StudyEnd) {
        let rows: usize = self.folds.iter().map(|f| f.held.len()).sum();
        if end.predictions.len() * rows * 8 > KEPT_BYTES {
            let winner = choose(self.rule, &end.trials).map(|(t, _)| t.index);
            end.predictions.retain(|index, _| Some(*index) == winner);
        }
    }
}

fn lock<'m, T>(mutex: &'m Mutex<T>) -> MutexGuard<'m, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn record(journal: &dyn Journal, trial: &TrialResult) -> Result<(), LearnError> {
    journal.record(trial).map_err(LearnError::Journal)
}
