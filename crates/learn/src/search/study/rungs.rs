//! One block of candidates through the folds: rung by rung, each rung's missing fits side by side.

use super::{Study, Widths};
use crate::search::lanes::{Ahead, For, Growth, Lane, Scored, lock};
use crate::search::pruner::{Runner, hopeless};
use crate::search::trial::{FoldResult, Journal, TrialResult, TrialStatus};
use crate::search::window::Later;
use crate::search::workers::{self, Meter};
use crate::{Control, LearnError, Params, Shared};
use provost_domain::config::Pruning;
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

/// Growths by family, for each fold before `end`.
fn by_fold(places: &HashMap<(String, usize), usize>, end: usize) -> Vec<HashMap<&str, usize>> {
    let mut by_fold: Vec<HashMap<&str, usize>> = vec![HashMap::new(); end];
    for ((family, fold), growth) in places {
        by_fold[*fold].insert(family, *growth);
    }
    by_fold
}

impl Study<'_> {
    /// Folds that every candidate sees.
    fn first_rung(&self) -> usize {
        if self.pruning == Pruning::Racing { self.folds.len().min(2) } else { self.folds.len() }
    }

    /// One block through all folds, rung by rung.
    pub(super) fn race(
        &self,
        lanes: &Mutex<Vec<Lane<'_>>>,
        earlier: &[TrialResult],
        race: &Race<'_>,
    ) -> Result<(), LearnError> {
        let k = self.folds.len();
        let mut alive: Vec<usize> = (0..lock(lanes).len()).collect();
        let mut rung = 0..self.first_rung();
        loop {
            self.rung(lanes, &alive, rung.clone(), race)?;
            if rung.end == k {
                break;
            }
            let losers = self.losers(&lock(lanes), &alive, earlier, rung.end, race.control)?;
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
    fn losers(
        &self,
        lanes: &[Lane<'_>],
        alive: &[usize],
        earlier: &[TrialResult],
        seen: usize,
        control: &Control,
    ) -> Result<Vec<usize>, LearnError> {
        let folds: Vec<Vec<FoldResult>> = alive.iter().map(|i| lanes[*i].results(seen)).collect();
        let runners: Vec<Runner<'_>> =
            alive.iter().zip(&folds).map(|(i, folds)| Runner { index: lanes[*i].index, folds }).collect();
        let finished: Vec<Runner<'_>> = earlier
            .iter()
            .filter(|t| t.status == TrialStatus::Complete)
            .map(|t| Runner { index: t.index, folds: &t.folds })
            .collect();
        let out = hopeless(self.rule, (seen, self.folds.len()), &runners, &finished, control)?;
        Ok(alive.iter().copied().filter(|i| out.contains(&lanes[*i].index)).collect())
    }

    /// All missing fits of `alive` up to the rung's end, the longest growth first.
    fn rung(
        &self,
        lanes: &Mutex<Vec<Lane<'_>>>,
        alive: &[usize],
        rung: Range<usize>,
        race: &Race<'_>,
    ) -> Result<(), LearnError> {
        // Of the lanes, whose keys and parameters the growths borrow while the lanes themselves are written to.
        let named: Vec<(usize, &Params, String)> = {
            let lanes = lock(lanes);
            alive.iter().map(|at| (*at, lanes[*at].params, lanes[*at].key.clone())).collect()
        };
        let mut growths: Vec<Growth<'_>> = Vec::new();
        let mut places: HashMap<(String, usize), usize> = HashMap::new();
        let mut ready = Vec::new();
        for (index, params, key) in &named {
            let missing: Vec<usize> = {
                let lane = &lock(lanes)[*index];
                if lane.known.len() >= rung.end {
                    race.meter.skip(rung.len() as u64);
                    continue;
                }
                (0..rung.end).filter(|f| lane.scored[*f].is_none()).collect()
            };
            let own = lock(lanes)[*index].index;
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
                growths[growth].add(params, key, For::Lane(*index));
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
            self.arrived(lanes, index, fold, scored, race.journal)?;
        }
        // Stable: growths keep their order among equals.
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

    /// What one growth serves, on so many columns.
    fn family(&self, params: &Params, key: &str, width: usize) -> String {
        if self.sharing { self.learner.family(params, width) } else { key.to_owned() }
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
}

fn record(journal: &dyn Journal, trial: &TrialResult) -> Result<(), LearnError> {
    journal.record(trial).map_err(LearnError::Journal)
}
