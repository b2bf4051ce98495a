//! The tree-structured Parzen estimator (Bergstra et al. 2011) over a grid.

use super::candidates::candidates;
use super::sampler::Sampler;
use super::trial::{TrialResult, TrialStatus};
use crate::learner::key;
use crate::stats::normal_cdf;
use crate::{LearnError, Learner, Params};
use provost_domain::config::{Grid, Tuning};
use provost_domain::rng::SplitMix64;
use serde_json::Value;
use std::collections::HashSet;

const STREAM: u64 = 0x7470_6500;
/// Random candidates before the first estimate.
const STARTUP: usize = 10;
/// Candidates out of one estimate: they can be fitted side by side, and no answer hangs on who is done first.
const BLOCK: usize = 4;
/// Draws from the good ones' density, of which the best is proposed.
const DRAWS: usize = 24;
/// Rounds of draws before a random candidate is proposed, where all that was drawn is known already.
const ROUNDS: usize = 8;

/// An axis of the grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    pub values: usize,
    /// Neighbouring values do alike.
    pub ordered: bool,
}

/// Densities of the good and of the other points, per axis and value.
#[derive(Debug)]
pub struct Estimator {
    good: Vec<Vec<f64>>,
    other: Vec<Vec<f64>>,
}

impl Estimator {
    /// From points, the best first. The best tenth (at most 25) count as good.
    pub fn new(axes: &[Axis], best_first: &[Vec<usize>]) -> Self {
        let good = best_first.len().div_ceil(10).min(25);
        let (good, other) = best_first.split_at(good);
        let densities = |points: &[Vec<usize>]| {
            let of = |(at, axis): (usize, &Axis)| density(*axis, points.iter().map(|p| p[at]).collect());
            axes.iter().enumerate().map(of).collect()
        };
        Self { good: densities(good), other: densities(other) }
    }

    /// The point with the greatest expected improvement among those drawn that are not `known`.
    pub fn propose(&self, random: &mut SplitMix64, known: impl Fn(&[usize]) -> bool) -> Option<Vec<usize>> {
        for _ in 0..ROUNDS {
            let mut best: Option<(f64, Vec<usize>)> = None;
            for _ in 0..DRAWS {
                let point: Vec<usize> = self.good.iter().map(|density| draw(density, random.unit())).collect();
                let ratio = |(at, value): (usize, &usize)| (self.good[at][*value] / self.other[at][*value]).ln();
                let gain: f64 = point.iter().enumerate().map(ratio).sum();
                if best.as_ref().is_none_or(|(g, _)| gain > *g) && !known(&point) {
                    best = Some((gain, point));
                }
            }
            if let Some((_, point)) = best {
                return Some(point);
            }
        }
        None
    }
}

/// Parzen's estimate with a uniform prior that weighs as much as one point. On an ordered axis each point spreads to its
/// neighbours, as far as the nearer points let it; elsewhere points are counted.
fn density(axis: Axis, mut points: Vec<usize>) -> Vec<f64> {
    let n = axis.values;
    let share = 1.0 / (points.len() + 1) as f64;
    let mut density = vec![share / n as f64; n];
    points.sort_unstable();
    for (at, point) in points.iter().enumerate() {
        if !axis.ordered || n < 2 {
            density[*point] += share;
            continue;
        }
        // The greater distance to a neighbour, kept within the axis and above a share of it that falls with the points.
        let below = if at == 0 { *point as f64 + 0.5 } else { (*point - points[at - 1]) as f64 };
        let above = points.get(at + 1).map_or((n - point) as f64 - 0.5, |next| (next - point) as f64);
        let spread = below.max(above).clamp(n as f64 / (points.len() + 1).min(100) as f64, n as f64);
        let cell = |value: usize| {
            let z = |edge: f64| normal_cdf((edge - *point as f64) / spread);
            z(value as f64 + 0.5) - z(value as f64 - 0.5)
        };
        let inside: f64 = (0..n).map(cell).sum();
        density.iter_mut().enumerate().for_each(|(value, d)| *d += share * cell(value) / inside);
    }
    density
}

fn draw(density: &[f64], unit: f64) -> usize {
    let mut left = unit * density.iter().sum::<f64>();
    for (value, d) in density.iter().enumerate() {
        left -= d;
        if left < 0.0 {
            return value;
        }
    }
    density.len() - 1
}

/// `bayesian` tuning: random candidates first, then those that an [`Estimator`] of what was found expects most of. No two
/// grow the same model.
pub struct Bayesian<'a> {
    learner: &'a dyn Learner,
    names: Vec<String>,
    values: Vec<Vec<Value>>,
    axes: Vec<Axis>,
    /// What random search would try: the start, and where the estimator has nothing new.
    random: Vec<Params>,
    seed: u64,
    proposed: usize,
    known: HashSet<String>,
}

impl<'a> Bayesian<'a> {
    /// Errors: `Params` with every bad name and value of the grid.
    pub fn new(learner: &'a dyn Learner, iterations: u32, grid: Option<&Grid>, seed: u64) -> Result<Self, LearnError> {
        let random = candidates(learner, Tuning::RandomSearch, iterations, grid, seed)?;
        let own = learner.grid();
        let (mut names, mut values, mut axes) = (Vec::new(), Vec::new(), Vec::new());
        for (name, given) in grid.unwrap_or(&own).iter().filter(|(name, _)| !learner.idle().contains(&name.as_str())) {
            let mut checked: Vec<Value> = Vec::new();
            for value in given {
                let one = Params::from_iter([(name.clone(), value.clone())]);
                let value = learner.check(&one).map_err(LearnError::Params)?.remove(name).unwrap_or_default();
                if !checked.contains(&value) {
                    checked.push(value);
                }
            }
            // Numbers, then "no limit".
            let number = |v: &Value| v.as_f64().unwrap_or(f64::INFINITY);
            let ordered = checked.iter().all(|v| v.is_number() || v.is_null()) && checked.iter().any(Value::is_number);
            if ordered {
                checked.sort_by(|a, b| number(a).total_cmp(&number(b)));
            }
            axes.push(Axis { values: checked.len(), ordered });
            names.push(name.clone());
            values.push(checked);
        }
        Ok(Self { learner, names, values, axes, random, seed, proposed: 0, known: HashSet::new() })
    }

    fn params(&self, point: &[usize]) -> Params {
        let mut params = self.random.first().cloned().unwrap_or_default();
        for (at, value) in point.iter().enumerate() {
            params.insert(self.names[at].clone(), self.values[at][*value].clone());
        }
        params
    }

    fn key(&self, params: &Params) -> String {
        key(params, self.learner.idle())
    }

    fn point(&self, params: &Params) -> Option<Vec<usize>> {
        let place = |(at, name): (usize, &String)| {
            let value = params.get(name)?;
            self.values[at].iter().position(|v| v == value)
        };
        self.names.iter().enumerate().map(place).collect()
    }

    /// Complete trials by score, then those that were given up, by the folds that they saw and their score.
    fn best_first(&self, finished: &[TrialResult]) -> Vec<Vec<usize>> {
        let mut trials: Vec<&TrialResult> = finished.iter().collect();
        trials.sort_by(|a, b| {
            let complete = |t: &TrialResult| t.status == TrialStatus::Complete;
            let rank = |t: &TrialResult| (complete(t), t.folds.len());
            rank(b).cmp(&rank(a)).then(b.score.total_cmp(&a.score)).then(a.index.cmp(&b.index))
        });
        trials.into_iter().filter_map(|t| self.point(&t.params)).collect()
    }

    fn estimated(&self, estimator: &Estimator) -> Option<Params> {
        let mut random = SplitMix64::keyed(self.seed, &[STREAM, self.proposed as u64]);
        let point = estimator.propose(&mut random, |p| self.known.contains(&self.key(&self.params(p))))?;
        Some(self.params(&point))
    }
}

impl Sampler for Bayesian<'_> {
    fn next(&mut self, finished: &[TrialResult], most: usize) -> Vec<Params> {
        let start = STARTUP.min(self.random.len());
        let end = match self.proposed {
            at if at < start => (at + most).min(start),
            at => (at + most.min(BLOCK)).min(self.random.len()),
        };
        let estimator =
            (self.proposed >= start && end > start).then(|| Estimator::new(&self.axes, &self.best_first(finished)));
        let mut block = Vec::new();
        while self.proposed < end {
            let estimated = estimator.as_ref().and_then(|e| self.estimated(e));
            let unknown = || self.random.iter().find(|p| !self.known.contains(&self.key(p))).cloned();
            let Some(params) = estimated.or_else(unknown) else { break };
            self.known.insert(self.key(&params));
            self.proposed += 1;
            block.push(params);
        }
        block
    }

    fn upcoming(&self) -> &[Params] {
        let start = STARTUP.min(self.random.len());
        &self.random[self.proposed.min(start)..start]
    }

    fn most(&self) -> usize {
        self.random.len()
    }
}

#[cfg(test)]
mod tests;
