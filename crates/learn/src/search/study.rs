//! Cross-validating candidates: growths of (family, fold) side by side, in blocks and rungs that do not depend on timing.

use super::choice::{Rule, choose};
use super::lanes::{Ahead, For, Growth, Lane, Later, Scored};
use super::pruner::{Runner, hopeless};
use super::sampler::Sampler;
use super::trial::{FoldResult, Journal, TrialResult, TrialStatus};
use super::workers::{self, Meter};
use crate::learner::{fit_apart, key};
use crate::{Control, Dataset, FitTask, LearnError, Learner, Params, Shared, StopReason};
use provost_domain::config::Pruning;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Out-of-fold predictions that are kept for the choice; those of a winner that were not are computed again.
const KEPT_BYTES: usize = 256 << 20;
/// Trials that race together: few at first, so that complete ones exist early; then as many as keep all threads busy, which
/// also shows a good leader sooner.
const FIRST_BLOCK: usize = 4;
const RACING_BLOCK: usize = 23;
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
    /// Candidates of one family are grown together, and fits on one fold share its tables; the answers are the same.
    pub sharing: bool,
}

/// What a search found.
#[derive(Debug, Default)]
pub struct StudyEnd {
    /// By index; with those of the journal.
    pub trials: Vec<TrialResult>,
    /// Predictions for the held rows of each fold, of complete trials, as far as they were kept.
    pub predictions: BTreeMap<u32, Vec<Arc<[f64]>>>,
    /// The time limit ended it early.
    pub cut: bool,
}

/// What stays the same from rung to rung of a block.
struct Race<'r> {
    later: &'r [Later<'r>],
    ahead: &'r Ahead,
    shared: &'r [Shared],
    journal: &'r dyn Journal,
    meter: &'r Arc<Meter>,
    control: &'r Control,
}

impl Study<'_> {
    /// Cross-validates what `sampler` proposes; trials that `journal` has finished are not fitted again, and the end is
    /// the same as without an interruption. Ends early, and says so, when the time limit trips; any other stop is an error.
    pub fn run(
        &self,
        sampler: &mut dyn Sampler,
        journal: &dyn Journal,
        meter: &Arc<Meter>,
        control: &Control,
    ) -> Result<StudyEnd, LearnError> {
        let mut known = self.journaled(journal);
        let mut end = StudyEnd::default();
        let shared: Vec<Shared> = self.folds.iter().map(|_| Shared::default()).collect();
        let ahead = Ahead::default();
        let (mut at, mut block) = (0, 0);
        loop {
            let candidates = sampler.next(&end.trials, self.block(block));
            if candidates.is_empty() {
                break;
            }
            let next = at + candidates.len();
            let lanes = candidates.iter().enumerate().map(|(i, params)| {
                let index = (at + i) as u32;
                self.lane(index, params, known.remove(&index).filter(|t| t.params == *params))
            });
            let lanes = Mutex::new(lanes.collect::<Vec<_>>());
            let later = self.later(sampler.upcoming(), next, &known);
            let race = Race { later: &later, ahead: &ahead, shared: &shared, journal, meter, control };
            let outcome = self.race(&lanes, &end.trials, &race);
            for lane in lanes.into_inner().unwrap_or_else(PoisonError::into_inner) {
                let predictions = lane.predictions(self.folds.len());
                // A block cut short gives its journaled trials back as they were.
                let Some(trial) = lane.finished.or(lane.journaled) else { continue };
                if trial.status == TrialStatus::Complete && predictions.len() == self.folds.len() {
                    end.predictions.insert(trial.index, predictions);
                }
                end.trials.push(trial);
            }
            self.forget(&mut end);
            match outcome {
                Err(LearnError::Stopped(StopReason::TimeLimit)) => {
                    end.cut = true;
                    // Trials that the journal has of later blocks count too.
                    let upcoming = sampler.upcoming().iter().enumerate();
                    let later = upcoming
                        .filter_map(|(i, params)| known.remove(&((next + i) as u32)).filter(|t| t.params == *params));
                    end.trials.extend(later);
                    break;
                }
                other => other?,
            }
            (at, block) = (next, block + 1);
        }
        Ok(end)
    }

    /// The journal's trials that belong to what `sampler` proposes.
    pub fn replay(&self, sampler: &mut dyn Sampler, journal: &dyn Journal) -> Vec<TrialResult> {
        let mut known = self.journaled(journal);
        let (mut trials, mut at, mut block) = (Vec::new(), 0, 0);
        loop {
            let candidates = sampler.next(&trials, self.block(block));
            let listed = !sampler.upcoming().is_empty();
            let mut missing = false;
            for (i, params) in candidates.iter().enumerate() {
                match known.remove(&((at + i) as u32)).filter(|t| t.params == *params) {
                    Some(trial) => trials.push(trial),
                    None => missing = true,
                }
            }
            // What is proposed next may hang on what is missing.
            if candidates.is_empty() || (missing && !listed) {
                return trials;
            }
            (at, block) = (at + candidates.len(), block + 1);
        }
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

    /// The journal's sound trials by index.
    fn journaled(&self, journal: &dyn Journal) -> BTreeMap<u32, TrialResult> {
        let sound = |t: &TrialResult| {
            let complete = t.folds.len() == self.folds.len() && t.fold_scores.len() == self.folds.len();
            complete || (t.status == TrialStatus::Pruned && t.folds.len() < self.folds.len())
        };
        journal.finished().into_iter().filter(sound).map(|t| (t.index, t.exact())).collect()
    }

    /// Predictions for the held rows of each fold.
    pub fn predictions(
        &self,
        params: &Params,
        meter: &Arc<Meter>,
        control: &Control,
    ) -> Result<Vec<Arc<[f64]>>, LearnError> {
        workers::run(self.folds.len(), |fold| {
            let predictions = self.grow(&[params], fold, None, meter, control)?;
            Ok(predictions.into_iter().next().unwrap_or_default().into())
        })
    }

    fn lane<'p>(&self, index: u32, params: &'p Params, journaled: Option<TrialResult>) -> Lane<'p> {
        let known = journaled.iter().flat_map(|t| &t.folds).cloned().collect();
        let key = key(params, self.learner.idle());
        Lane { index, params, key, journaled, known, scored: vec![None; self.folds.len()], finished: None }
    }

    /// Later candidates that a growth of this block may serve: none where their predictions would fill the memory.
    fn later<'p>(&self, upcoming: &'p [Params], from: usize, known: &BTreeMap<u32, TrialResult>) -> Vec<Later<'p>> {
        let rows: usize = self.folds.iter().map(|f| f.held.len()).sum();
        if !self.sharing || upcoming.len() * rows * 8 > KEPT_BYTES {
            return Vec::new();
        }
        let later = upcoming.iter().enumerate().map(|(i, params)| Later {
            index: (from + i) as u32,
            params,
            key: key(params, self.learner.idle()),
        });
        later.filter(|l| known.get(&l.index).is_none_or(|t| t.params != *l.params)).collect()
    }

    /// Folds that every candidate sees.
    fn first_rung(&self) -> usize {
        if self.pruning == Pruning::Racing { self.folds.len().min(2) } else { self.folds.len() }
    }

    /// One block through all folds, rung by rung.
    fn race(&self, lanes: &Mutex<Vec<Lane<'_>>>, earlier: &[TrialResult], race: &Race<'_>) -> Result<(), LearnError> {
        let k = self.folds.len();
        let mut alive: Vec<usize> = (0..lock(lanes).len()).collect();
        let mut rung = 0..self.first_rung();
        loop {
            self.rung(lanes, &alive, rung.clone(), race)?;
            if rung.end == k {
                break;
            }
            let losers = self.losers(&lock(lanes), &alive, earlier, rung.end);
            for index in losers {
                let lane = &mut lock(lanes)[index];
                alive.retain(|i| *i != index);
                race.meter.skip((k - rung.end) as u64);
                let trial = match lane.journaled.take_if(|t| t.folds.len() == rung.end) {
                    Some(trial) => trial,
                    None => {
                        let trial = self.result(lane, rung.end, TrialStatus::Pruned);
                        record(race.journal, &trial)?;
                        trial
                    }
                };
                lane.finished = Some(trial);
            }
            // Who is alone has nobody to lose to: the rest side by side.
            let alone = alive.len() == 1 && earlier.iter().all(|t| t.status != TrialStatus::Complete);
            rung = rung.end..if alone { k } else { rung.end + 1 };
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
        let out = hopeless(self.rule, (seen, self.folds.len()), &runners, &finished);
        alive.iter().copied().filter(|i| out.contains(&lanes[*i].index)).collect()
    }

    /// All missing fits of `alive` up to the rung's end, the longest growth first.
    fn rung(
        &self,
        lanes: &Mutex<Vec<Lane<'_>>>,
        alive: &[usize],
        rung: Range<usize>,
        race: &Race<'_>,
    ) -> Result<(), LearnError> {
        let mut growths: Vec<Growth<'_>> = Vec::new();
        let mut places = BTreeMap::new();
        let mut ready = Vec::new();
        for (index, lane) in lock(lanes).iter().enumerate().filter(|(i, _)| alive.contains(i)) {
            if lane.known.len() >= rung.end {
                race.meter.skip(rung.len() as u64);
                continue;
            }
            for fold in (0..rung.end).filter(|f| lane.scored[*f].is_none()) {
                if let Some(scored) = lock(race.ahead).remove(&(lane.index, fold)) {
                    ready.push((index, fold, scored));
                    continue;
                }
                let family = self.family(lane.params, &lane.key, fold);
                let growth = *places.entry((family, fold)).or_insert_with(|| {
                    growths.push(Growth { fold, members: Vec::new(), of: Vec::new() });
                    growths.len() - 1
                });
                growths[growth].add(lane.params, &lane.key, For::Lane(index));
            }
        }
        for later in race.later {
            for fold in 0..rung.end {
                let known = || lock(race.ahead).contains_key(&(later.index, fold));
                let growth = places.get(&(self.family(later.params, &later.key, fold), fold));
                if let Some(growth) = growth.filter(|_| !known()) {
                    growths[*growth].add(later.params, &later.key, For::Later(later.index));
                }
            }
        }
        for (index, fold, scored) in ready {
            race.meter.skip(1);
            self.arrived(lanes, index, fold, scored, race.journal)?;
        }
        // Stable: growths keep their order among equals.
        growths.sort_by(|a, b| b.cost().total_cmp(&a.cost()));
        workers::run(growths.len(), |at| {
            let growth = &growths[at];
            let started = Instant::now();
            let members: Vec<&Params> = growth.members.iter().map(|(params, _)| *params).collect();
            let shared = self.sharing.then(|| &race.shared[growth.fold]);
            let predictions = self.grow(&members, growth.fold, shared, race.meter, race.control)?;
            let seconds = started.elapsed().as_secs_f64() / growth.of.len().max(1) as f64;
            let y = self.labels(growth.fold);
            let scored: Vec<Scored> = predictions
                .into_iter()
                .map(|p| Scored { result: FoldResult::of(self.rule, &y, &p, seconds), predictions: p.into() })
                .collect();
            let mut served = 0;
            for (whom, member) in &growth.of {
                match whom {
                    For::Lane(index) => {
                        served += 1;
                        self.arrived(lanes, *index, growth.fold, scored[*member].clone(), race.journal)?;
                    }
                    For::Later(index) => {
                        lock(race.ahead).insert((*index, growth.fold), scored[*member].clone());
                    }
                }
            }
            race.meter.skip(u64::saturating_sub(served, 1));
            Ok(())
        })?;
        Ok(())
    }

    /// What one growth serves, on a fold's columns.
    fn family(&self, params: &Params, key: &str, fold: usize) -> String {
        if !self.sharing {
            return key.to_owned();
        }
        self.learner.family(params, self.learner.width(self.data, &self.folds[fold].columns))
    }

    /// Writes down what was found; a trial that it completes is recorded.
    fn arrived(
        &self,
        lanes: &Mutex<Vec<Lane<'_>>>,
        index: usize,
        fold: usize,
        scored: Scored,
        journal: &dyn Journal,
    ) -> Result<(), LearnError> {
        let complete = {
            let lane = &mut lock(lanes)[index];
            lane.scored[fold] = Some(scored);
            lane.scored.iter().all(Option::is_some).then(|| {
                let trial = self.result(lane, self.folds.len(), TrialStatus::Complete);
                lane.finished = Some(trial.clone());
                trial
            })
        };
        complete.map_or(Ok(()), |trial| record(journal, &trial))
    }

    /// Each member's predictions for a fold's held rows.
    fn grow(
        &self,
        members: &[&Params],
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
            data: self.data,
            columns: &fold.columns,
            train: &fold.train,
            validation: &[],
            params: first,
            seed: self.seed,
            early_stopping_rounds: 0,
            scale: self.scale,
            shared,
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

    fn result(&self, lane: &Lane<'_>, folds: usize, status: TrialStatus) -> TrialResult {
        let labels: Vec<Vec<u8>> = (0..folds).map(|f| self.labels(f)).collect();
        let predictions = lane.predictions(folds);
        let held: Vec<(&[u8], &[f64])> = labels.iter().zip(&predictions).map(|(y, p)| (&y[..], &p[..])).collect();
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

#[cfg(test)]
mod tests;
