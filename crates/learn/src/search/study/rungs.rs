//! Takes one block of candidates through the folds, rung by rung (a rung is a range of folds), with each rung's missing
//! fits side by side.

use super::{Study, Widths};
use crate::error::LearnError;
use crate::params::{CheckedParams, Params};
use crate::search::pruner::{Runner, hopeless};
use crate::search::race_entry::{Ahead, For, Growth, RaceEntry, Scored, lock};
use crate::search::trial::{FoldResult, Journal, TrialResult, TrialStatus};
use crate::search::window::Later;
use crate::search::workers::{self, Meter};
use crate::shared::Shared;
use provost_domain::config::Pruning;
use provost_predict::control::Control;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What stays the same from rung to rung of a block.
pub(super) struct Race<'r> {
    pub later: &'r VecDeque<Later>,
    pub widths: &'r Widths,
    pub ahead: &'r Ahead,
    pub shared: &'r [Shared],
    pub journal: &'r dyn Journal,
    pub meter: &'r Arc<Meter>,
    pub control: &'r Control,
}

/// For each fold before `end`, the growths by family.
fn by_fold(places: &HashMap<(String, usize), usize>, end: usize) -> Vec<HashMap<&str, usize>> {
    let mut by_fold: Vec<HashMap<&str, usize>> = vec![HashMap::new(); end];
    for ((family, fold), growth) in places {
        by_fold[*fold].insert(family, *growth);
    }
    by_fold
}

impl Study<'_> {
    /// Number of folds that every candidate sees.
    fn first_rung(&self) -> usize {
        if self.pruning == Pruning::Racing { self.folds.len().min(2) } else { self.folds.len() }
    }

    /// Takes one block through all folds, rung by rung.
    pub(super) fn race(
        &self,
        entries: &Mutex<Vec<RaceEntry<'_>>>,
        earlier: &[TrialResult],
        race: &Race<'_>,
    ) -> Result<(), LearnError> {
        let k = self.folds.len();
        let mut alive: Vec<usize> = (0..lock(entries).len()).collect();
        let mut rung = 0..self.first_rung();
        loop {
            self.rung(entries, &alive, rung.clone(), race)?;
            if rung.end == k {
                break;
            }
            let losers = self.losers(&lock(entries), &alive, earlier, rung.end, race.control)?;
            for index in losers {
                let entry = &mut lock(entries)[index];
                alive.retain(|i| *i != index);
                race.meter.skip((k - rung.end) as u64);
                let trial = match entry.journaled.take_if(|t| t.folds.len() == rung.end) {
                    Some(trial) => trial,
                    None => {
                        let trial = self.result(entry, rung.end, TrialStatus::Pruned);
                        record(race.journal, &trial)?;
                        trial
                    }
                };
                entry.finished = Some(trial);
            }
            // A single candidate that nothing is compared with cannot be dropped: its other folds are fitted side by
            // side.
            let alone = alive.len() == 1 && earlier.iter().all(|t| t.status != TrialStatus::Complete);
            rung = rung.end..if alone { k } else { rung.end + 1 };
        }
        for index in alive {
            let entry = &mut lock(entries)[index];
            if entry.finished.is_none() {
                entry.finished = entry.journaled.take();
            }
        }
        Ok(())
    }

    /// Positions of the entries to drop after `seen` folds.
    fn losers(
        &self,
        entries: &[RaceEntry<'_>],
        alive: &[usize],
        earlier: &[TrialResult],
        seen: usize,
        control: &Control,
    ) -> Result<Vec<usize>, LearnError> {
        let folds: Vec<Vec<FoldResult>> = alive.iter().map(|i| entries[*i].results(seen)).collect();
        let runners: Vec<Runner<'_>> =
            alive.iter().zip(&folds).map(|(i, folds)| Runner { index: entries[*i].index, folds }).collect();
        let finished: Vec<Runner<'_>> = earlier
            .iter()
            .filter(|t| t.status == TrialStatus::Complete)
            .map(|t| Runner { index: t.index, folds: &t.folds })
            .collect();
        let out = hopeless(self.rule, (seen, self.folds.len()), &runners, &finished, control)?;
        Ok(alive.iter().copied().filter(|i| out.contains(&entries[*i].index)).collect())
    }

    /// Runs all missing fits of `alive` up to the rung's end, the longest growth first.
    fn rung(
        &self,
        entries: &Mutex<Vec<RaceEntry<'_>>>,
        alive: &[usize],
        rung: Range<usize>,
        race: &Race<'_>,
    ) -> Result<(), LearnError> {
        // The growths borrow these parameters and keys while the entries themselves are changed.
        let named: Vec<(usize, &CheckedParams, String)> = {
            let entries = lock(entries);
            alive.iter().map(|at| (*at, entries[*at].params, entries[*at].key.clone())).collect()
        };
        let mut growths: Vec<Growth<'_>> = Vec::new();
        let mut places: HashMap<(String, usize), usize> = HashMap::new();
        let mut ready = Vec::new();
        for (index, params, key) in &named {
            let missing: Vec<usize> = {
                let entry = &lock(entries)[*index];
                if entry.known.len() >= rung.end {
                    race.meter.skip(rung.len() as u64);
                    continue;
                }
                (0..rung.end).filter(|f| entry.scored[*f].is_none()).collect()
            };
            let own = lock(entries)[*index].index;
            for fold in missing {
                if let Some(scored) = lock(race.ahead).remove(&(own, fold)) {
                    ready.push((*index, fold, scored));
                    continue;
                }
                let family = self.family(params, key, race.widths.of(fold));
                let growth = *places.entry((family, fold)).or_insert_with(|| {
                    growths.push(Growth::new(fold));
                    growths.len() - 1
                });
                growths[growth].add(params, key, For::Entry(*index));
            }
        }
        if !growths.is_empty() {
            let by_fold = by_fold(&places, rung.end);
            for later in race.later {
                race.control.check()?;
                for (fold, places) in by_fold.iter().enumerate() {
                    let growth = places.get(later.families[race.widths.places[fold]].as_str());
                    let known = || lock(race.ahead).contains_key(&(later.index, fold));
                    if let Some(growth) = growth.map(|at| &mut growths[*at]).filter(|g| g.has_room() && !known()) {
                        growth.add(&later.params, &later.key, For::Later(later.index));
                    }
                }
            }
        }
        for (index, fold, scored) in ready {
            race.meter.skip(1);
            self.arrived(entries, index, fold, scored, race.journal)?;
        }
        // The sort is stable: growths of equal cost keep their order.
        growths.sort_by(|a, b| b.cost().total_cmp(&a.cost()));
        workers::run(growths.len(), |at| {
            let growth = &growths[at];
            let started = Instant::now();
            let shared = self.sharing.then(|| &race.shared[growth.fold]);
            let predictions = self.grow(&growth.members, growth.fold, shared, race.meter, race.control)?;
            let seconds = started.elapsed().as_secs_f64() / growth.of.len().max(1) as f64;
            let y = self.labels(growth.fold);
            let score = |p: Vec<f64>| {
                race.control.check()?;
                Ok(Scored { result: FoldResult::of(self.rule, &y, &p, seconds), predictions: p.into() })
            };
            let scored: Vec<Scored> = predictions.into_iter().map(score).collect::<Result<_, LearnError>>()?;
            let mut served = 0;
            for (whom, member) in &growth.of {
                match whom {
                    For::Entry(index) => {
                        served += 1;
                        self.arrived(entries, *index, growth.fold, scored[*member].clone(), race.journal)?;
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

    /// Candidates with the same family are served by one growth; `width`: number of columns.
    fn family(&self, params: &Params, key: &str, width: usize) -> String {
        if self.sharing { self.learner.family(params, width) } else { key.to_owned() }
    }

    /// Stores the result of a fold; a trial that is complete with it is recorded.
    fn arrived(
        &self,
        entries: &Mutex<Vec<RaceEntry<'_>>>,
        index: usize,
        fold: usize,
        scored: Scored,
        journal: &dyn Journal,
    ) -> Result<(), LearnError> {
        let complete = {
            let entry = &mut lock(entries)[index];
            entry.scored[fold] = Some(scored);
            entry.scored.iter().all(Option::is_some).then(|| {
                let trial = self.result(entry, self.folds.len(), TrialStatus::Complete);
                entry.finished = Some(trial.clone());
                trial
            })
        };
        complete.map_or(Ok(()), |trial| record(journal, &trial))
    }
}

fn record(journal: &dyn Journal, trial: &TrialResult) -> Result<(), LearnError> {
    journal.record(trial).map_err(LearnError::Journal)
}
