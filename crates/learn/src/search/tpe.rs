//! The tree-structured Parzen estimator (Bergstra et al. 2011) over a grid.

use super::draws::drawn;
use super::sampler::Sampler;
use super::space::Space;
use super::trial::{TrialResult, TrialStatus};
use crate::error::LearnError;
use crate::learner::Learner;
use crate::learner::key;
use crate::params::{CheckedParams, Params};
use crate::stats::normal_cdf;
use provost_domain::rng::SplitMix64;
use provost_predict::control::Control;
use serde_json::Value;
use std::collections::HashSet;

const STREAM: u64 = 0x7470_6500;
/// Random candidates before the first estimate.
const STARTUP: usize = 10;
/// Candidates from one estimate: they can be fitted side by side, and no result depends on which of them finishes
/// first.
const BLOCK: usize = 4;
/// Points drawn from the density of the good points; the best of them is proposed.
const DRAWS: usize = 24;
/// Rounds of draws. Where all drawn points are known already, a random candidate is proposed.
const ROUNDS: usize = 8;
/// Values of a density between two checks of the stop token.
const LOOK: usize = 1 << 12;

/// An axis of the grid: the values of one parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    /// Number of values.
    pub values: usize,
    /// Whether the values have an order, so that neighbouring ones lead to similar scores.
    pub ordered: bool,
}

/// Densities of the good points and of the others, per axis and value.
#[derive(Debug)]
pub struct Estimator {
    good: Vec<Density>,
    other: Vec<Density>,
}

impl Estimator {
    /// Estimates the densities from points, the best first; a point has a place on each of `axes`. The best tenth (at
    /// most 25) count as good.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub fn new(axes: &[Axis], best_first: &[Vec<usize>], control: &Control) -> Result<Self, LearnError> {
        let good = best_first.len().div_ceil(10).min(25);
        let (good, other) = best_first.split_at(good);
        let densities = |points: &[Vec<usize>]| {
            let of = |(at, axis): (usize, &Axis)| Density::new(*axis, points.iter().map(|p| p[at]).collect(), control);
            axes.iter().enumerate().map(of).collect::<Result<_, _>>()
        };
        Ok(Self { good: densities(good)?, other: densities(other)? })
    }

    /// The point with the greatest expected improvement among the drawn points that are not `known`; None where all
    /// are.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub fn propose(
        &self,
        random: &mut SplitMix64,
        known: impl Fn(&[usize]) -> bool,
        control: &Control,
    ) -> Result<Option<Vec<usize>>, LearnError> {
        for _ in 0..ROUNDS {
            let mut best: Option<(f64, Vec<usize>)> = None;
            for _ in 0..DRAWS {
                let mut point = Vec::with_capacity(self.good.len());
                for density in &self.good {
                    control.check()?;
                    point.push(density.draw(random.unit()));
                }
                let ratio = |(at, value): (usize, &usize)| (self.good[at].of[*value] / self.other[at].of[*value]).ln();
                let gain: f64 = point.iter().enumerate().map(ratio).sum();
                if best.as_ref().is_none_or(|(g, _)| gain > *g) && !known(&point) {
                    best = Some((gain, point));
                }
            }
            if let Some((_, point)) = best {
                return Ok(Some(point));
            }
        }
        Ok(None)
    }
}

/// A density over the values of one axis, and its sum.
#[derive(Debug)]
struct Density {
    of: Vec<f64>,
    total: f64,
}

impl Density {
    /// Parzen's estimate with a uniform prior that weighs as much as one point. On an ordered axis each point is a
    /// normal kernel cut at the ends of the axis, the wider the farther the neighbouring points are; on other axes
    /// points are counted.
    fn new(axis: Axis, mut points: Vec<usize>, control: &Control) -> Result<Self, LearnError> {
        let n = axis.values;
        let share = 1.0 / (points.len() + 1) as f64;
        let mut density = vec![share / n as f64; n];
        points.sort_unstable();
        let mut cells = Vec::new();
        for (at, point) in points.iter().enumerate() {
            if !axis.ordered || n < 2 {
                density[*point] += share;
                continue;
            }
            // The kernel's width: the greater distance to a neighbouring point, at most the length of the axis and at
            // least a share of it that falls with the number of points.
            let below = if at == 0 { *point as f64 + 0.5 } else { (*point - points[at - 1]) as f64 };
            let above = points.get(at + 1).map_or((n - point) as f64 - 0.5, |next| (next - point) as f64);
            let spread = below.max(above).clamp(n as f64 / (points.len() + 1).min(100) as f64, n as f64);
            cells.clear();
            for value in 0..n {
                if value % LOOK == 0 {
                    control.check()?;
                }
                let z = |edge: f64| normal_cdf((edge - *point as f64) / spread);
                cells.push(z(value as f64 + 0.5) - z(value as f64 - 0.5));
            }
            let inside: f64 = cells.iter().sum();
            density.iter_mut().zip(&cells).for_each(|(d, cell)| *d += share * cell / inside);
        }
        let total = density.iter().sum::<f64>();
        Ok(Self { of: density, total })
    }

    fn draw(&self, unit: f64) -> usize {
        let mut left = unit * self.total;
        for (value, d) in self.of.iter().enumerate() {
            left -= d;
            if left < 0.0 {
                return value;
            }
        }
        self.of.len() - 1
    }
}

/// `bayesian` tuning: first random candidates, then those of which an [`Estimator`] fitted to the results so far
/// expects most. No two candidates lead to the same model.
pub struct Bayesian<'a> {
    learner: &'a dyn Learner,
    names: Vec<String>,
    values: Vec<Vec<Value>>,
    axes: Vec<Axis>,
    /// The candidates that random search would try: used at the start, and where the estimator proposes nothing new.
    random: Vec<CheckedParams>,
    seed: u64,
    proposed: usize,
    /// The points of the proposed candidates, by index; None where a value is not on its axis.
    points: Vec<Option<Vec<usize>>>,
    known: HashSet<String>,
}

/// The values, and whether they have an order: numbers in ascending order, null ("no limit") last, and true; other
/// values as they are, and false.
fn in_order(values: &[Value]) -> (Vec<Value>, bool) {
    let ordered = values.iter().all(|v| v.is_number() || v.is_null()) && values.iter().any(Value::is_number);
    if !ordered {
        return (values.to_vec(), false);
    }
    let number = |v: &Value| v.as_f64().unwrap_or(f64::INFINITY);
    let mut order: Vec<(f64, usize)> = values.iter().enumerate().map(|(at, v)| (number(v), at)).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    (order.into_iter().map(|(_, at)| values[at].clone()).collect(), true)
}

impl<'a> Bayesian<'a> {
    /// Proposes up to `iterations` candidates of `space`.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub fn new(space: &Space<'a>, iterations: u32, seed: u64, control: &Control) -> Result<Self, LearnError> {
        let random = drawn(space, iterations, seed, control)?;
        let (mut names, mut values, mut axes) = (Vec::new(), Vec::new(), Vec::new());
        for parameter in space.parameters.iter().filter(|p| !p.idle) {
            control.check()?;
            let (sorted, ordered) = in_order(&parameter.distinct);
            axes.push(Axis { values: sorted.len(), ordered });
            names.push(parameter.name.clone());
            values.push(sorted);
        }
        let learner = space.learner;
        Ok(Self { learner, names, values, axes, random, seed, proposed: 0, points: Vec::new(), known: HashSet::new() })
    }

    /// The candidate at a point: one value per parameter, each of which the learner has accepted.
    fn params(&self, point: &[usize]) -> Option<CheckedParams> {
        let first = self.random.first().cloned()?;
        let set = |params: CheckedParams, (at, value): (usize, &usize)| {
            params.with_accepted(&self.names[at], self.values[at][*value].clone())
        };
        Some(point.iter().enumerate().fold(first, set))
    }

    fn key(&self, params: &Params) -> String {
        key(params, self.learner.idle())
    }

    fn point(&self, params: &Params, control: &Control) -> Result<Option<Vec<usize>>, LearnError> {
        let mut point = Vec::with_capacity(self.names.len());
        for (values, name) in self.values.iter().zip(&self.names) {
            control.check()?;
            let Some(at) = params.get(name).and_then(|value| values.iter().position(|v| v == value)) else {
                return Ok(None);
            };
            point.push(at);
        }
        Ok(Some(point))
    }

    /// The points of finished trials, the best first: complete trials by score, then pruned ones by the number of folds
    /// that they saw and their score.
    fn best_first(&self, finished: &[TrialResult]) -> Vec<Vec<usize>> {
        let mut trials: Vec<&TrialResult> = finished.iter().collect();
        trials.sort_by(|a, b| {
            let complete = |t: &TrialResult| t.status == TrialStatus::Complete;
            let rank = |t: &TrialResult| (complete(t), t.folds.len());
            rank(b).cmp(&rank(a)).then(b.score.total_cmp(&a.score)).then(a.index.cmp(&b.index))
        });
        trials.into_iter().filter_map(|t| self.points.get(t.index as usize).cloned().flatten()).collect()
    }

    fn estimated(&self, estimator: &Estimator, control: &Control) -> Result<Option<CheckedParams>, LearnError> {
        let mut random = SplitMix64::keyed(self.seed, &[STREAM, self.proposed as u64]);
        let known = |p: &[usize]| self.params(p).is_none_or(|params| self.known.contains(&self.key(&params)));
        Ok(estimator.propose(&mut random, known, control)?.and_then(|point| self.params(&point)))
    }

    /// The first random candidate that was not proposed yet.
    fn unknown(&self, control: &Control) -> Result<Option<CheckedParams>, LearnError> {
        for params in &self.random {
            control.check()?;
            if !self.known.contains(&self.key(params)) {
                return Ok(Some(params.clone()));
            }
        }
        Ok(None)
    }
}

impl Sampler for Bayesian<'_> {
    fn next(
        &mut self,
        finished: &[TrialResult],
        most: usize,
        control: &Control,
    ) -> Result<Vec<CheckedParams>, LearnError> {
        let start = STARTUP.min(self.random.len());
        let end = match self.proposed {
            at if at < start => (at + most).min(start),
            at => (at + most.min(BLOCK)).min(self.random.len()),
        };
        let estimator = if self.proposed >= start && end > start {
            Some(Estimator::new(&self.axes, &self.best_first(finished), control)?)
        } else {
            None
        };
        let mut block = Vec::new();
        while self.proposed < end {
            let estimated = match &estimator {
                Some(estimator) => self.estimated(estimator, control)?,
                None => None,
            };
            let params = match estimated {
                Some(params) => params,
                None => match self.unknown(control)? {
                    Some(params) => params,
                    None => break,
                },
            };
            self.known.insert(self.key(&params));
            self.points.push(self.point(&params, control)?);
            self.proposed += 1;
            block.push(params);
        }
        Ok(block)
    }

    fn settled(&self) -> usize {
        STARTUP.min(self.random.len()).saturating_sub(self.proposed)
    }

    fn peek(&self, ahead: usize) -> Option<CheckedParams> {
        if ahead < self.settled() { self.random.get(self.proposed + ahead).cloned() } else { None }
    }
}

#[cfg(test)]
mod tests;
