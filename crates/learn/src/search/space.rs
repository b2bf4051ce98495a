//! A search space: the parameters of a grid and how many candidates they make. Candidates are counted by multiplication
//! and built one at a time from their index, so that time and memory grow with the lists, not with their product.

use crate::error::LearnError;
use crate::learner::Learner;
use crate::params::CheckedParams;
use provost_domain::config::{Grid, Tuning};
use provost_domain::limits::GRID_CANDIDATES;
use provost_domain::{Fault, Faults};
use provost_predict::control::Control;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Most faults of one grid that are named; the others are counted.
const MOST_FAULTS: usize = 100;

/// One parameter of the grid and the values to try.
#[derive(Debug)]
pub struct Parameter {
    /// The learner's name of the parameter.
    pub name: String,
    /// Whether the parameter is recorded but has no effect on a model.
    pub idle: bool,
    /// The values as given, repeats included.
    given: Vec<Value>,
    /// For each given value its place in `distinct`.
    places: Vec<u32>,
    /// The different values as the learner writes them, in the order of their first appearance.
    pub distinct: Vec<Value>,
}

impl Parameter {
    /// Number of values that lead to different models.
    fn choices(&self) -> usize {
        if self.idle { 1 } else { self.distinct.len() }
    }
}

/// The candidates of a search: all combinations of one value per parameter.
pub struct Space<'a> {
    /// The learner whose parameters the candidates are.
    pub learner: &'a dyn Learner,
    /// How candidates are chosen.
    pub tuning: Tuning,
    /// In the order of their names; empty without tuning, where the learner's defaults are the only candidate.
    pub parameters: Vec<Parameter>,
}

impl<'a> Space<'a> {
    /// Checks every value of `grid`, or of the learner's own grid.
    ///
    /// # Errors
    ///
    /// `Params` with the bad names and values, at most 100 of them; `SearchSpace` for a grid search over more than
    /// 100,000 candidates; `Stopped`.
    pub fn new(
        learner: &'a dyn Learner,
        tuning: Tuning,
        grid: Option<&Grid>,
        control: &Control,
    ) -> Result<Self, LearnError> {
        let mut space = Self { learner, tuning, parameters: Vec::new() };
        if tuning == Tuning::None {
            return Ok(space);
        }
        let own;
        let grid = match grid {
            Some(grid) => grid,
            None => {
                own = learner.grid();
                &own
            }
        };
        space.parameters = read(learner, grid, control)?;
        let candidates = space.candidates();
        if tuning == Tuning::GridSearch && candidates > GRID_CANDIDATES as u128 {
            return Err(LearnError::SearchSpace { algorithm: learner.algorithm(), candidates });
        }
        Ok(space)
    }

    /// Number of combinations of the given values, those that lead to the same model included; None where it does not
    /// fit into a u128.
    pub fn points(&self) -> Option<u128> {
        self.parameters.iter().try_fold(1u128, |n, p| n.checked_mul(p.given.len() as u128))
    }

    /// Number of candidates that lead to different models; `u128::MAX` stands for any larger number.
    pub fn candidates(&self) -> u128 {
        self.parameters.iter().fold(1u128, |n, p| n.saturating_mul(p.choices() as u128))
    }

    /// Number of candidates that the search tries at most.
    pub fn most(&self, iterations: u32) -> usize {
        let tried = match self.tuning {
            Tuning::None | Tuning::GridSearch => self.candidates(),
            Tuning::RandomSearch | Tuning::Bayesian => self.candidates().min(u128::from(iterations)),
        };
        usize::try_from(tried).unwrap_or(usize::MAX)
    }

    /// Candidate `index` of all that lead to different models; the last parameter changes fastest. Where several points
    /// lead to the same model, the candidate is the first of them.
    ///
    /// # Errors
    ///
    /// `Params` where the learner refuses the combination of values.
    pub fn candidate(&self, index: u128) -> Result<CheckedParams, LearnError> {
        let places = decode(index, self.parameters.iter().map(Parameter::choices));
        self.complete(&places, |parameter| &parameter.distinct)
    }

    /// Point `index` of all combinations of the given values: for each parameter a place in its list.
    pub fn point(&self, index: u128) -> Vec<usize> {
        decode(index, self.parameters.iter().map(|p| p.given.len()))
    }

    /// Lengths of the given lists.
    pub fn lengths(&self) -> impl ExactSizeIterator<Item = usize> {
        self.parameters.iter().map(|p| p.given.len())
    }

    /// A key that is equal for points that lead to the same model.
    pub fn model(&self, point: &[usize]) -> Vec<u32> {
        let parameters = self.parameters.iter().zip(point).filter(|(p, _)| !p.idle);
        parameters.map(|(p, at)| p.places[*at]).collect()
    }

    /// The complete parameters at a point.
    ///
    /// # Errors
    ///
    /// `Params` where the learner refuses the combination of values.
    pub fn params(&self, point: &[usize]) -> Result<CheckedParams, LearnError> {
        self.complete(point, |parameter| &parameter.given)
    }

    fn complete(&self, places: &[usize], of: impl Fn(&Parameter) -> &Vec<Value>) -> Result<CheckedParams, LearnError> {
        let chosen = self.parameters.iter().zip(places).map(|(p, at)| (p.name.clone(), of(p)[*at].clone()));
        self.learner.check(&Map::from_iter(chosen)).map_err(LearnError::Params)
    }
}

/// The digits of `index` in the mixed-radix system with these bases, the least significant digit last.
fn decode(mut index: u128, bases: impl DoubleEndedIterator<Item = usize>) -> Vec<usize> {
    let digit = |base: usize| {
        let base = base as u128;
        let digit = (index % base) as usize;
        index /= base;
        digit
    };
    let mut digits: Vec<usize> = bases.rev().map(digit).collect();
    digits.reverse();
    digits
}

fn read(learner: &dyn Learner, grid: &Grid, control: &Control) -> Result<Vec<Parameter>, LearnError> {
    let base = format!("/grids/{}", learner.algorithm());
    let mut faults = Told::default();
    if grid.is_empty() {
        faults.push(base.clone(), "an empty grid: nothing to try".to_owned());
    }
    let mut parameters = Vec::with_capacity(grid.len());
    for (name, values) in grid {
        if values.is_empty() {
            faults.push(format!("{base}/{name}"), "no values: give at least one to try".to_owned());
        }
        let idle = learner.idle().contains(&name.as_str());
        let (mut places, mut distinct) = (Vec::with_capacity(values.len()), Vec::new());
        let mut known: HashMap<String, u32> = HashMap::new();
        for (at, value) in values.iter().enumerate() {
            control.check()?;
            match learner.check(&Map::from_iter([(name.clone(), value.clone())])) {
                Ok(complete) => {
                    let value = complete.into_map().remove(name).unwrap_or_default();
                    let place = *known.entry(value.to_string()).or_insert(distinct.len() as u32);
                    if place as usize == distinct.len() {
                        distinct.push(value);
                    }
                    places.push(place);
                }
                Err(Faults(found)) => {
                    found.into_iter().for_each(|f| faults.push(format!("{base}/{name}/{at}"), f.message));
                }
            }
        }
        parameters.push(Parameter { name: name.clone(), idle, given: values.clone(), places, distinct });
    }
    faults.none(base)?;
    Ok(parameters)
}

#[derive(Default)]
struct Told {
    faults: Vec<Fault>,
    untold: usize,
}

impl Told {
    fn push(&mut self, pointer: String, message: String) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(Fault { pointer, message });
        } else {
            self.untold += 1;
        }
    }

    fn none(mut self, base: String) -> Result<(), LearnError> {
        if self.faults.is_empty() {
            return Ok(());
        }
        if self.untold > 0 {
            self.faults.push(Fault { pointer: base, message: format!("and {} more faults", self.untold) });
        }
        Err(LearnError::Params(Faults(self.faults)))
    }
}

#[cfg(test)]
mod tests;
