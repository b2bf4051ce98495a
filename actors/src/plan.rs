//! Derives the units of work from a configuration, in the order in which they are done.

use crate::error::SubmitError;
use provost_domain::config::{self as configuration, Grid, Tuning, too_many_candidates};
use provost_domain::limits::GRID_CANDIDATES;
use provost_domain::{Algorithm, Fault, Faults, TrainingConfig};
use provost_learn::learners::learner;
use provost_learn::search::Space;
use provost_learn::train::TrainSpec;
use provost_learn::{Control, LearnError};
use std::collections::BTreeMap;

/// One algorithm of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    pub algorithm: Algorithm,
    /// False for a member that is trained only for the ensemble: it is not registered.
    pub registered: bool,
}

/// The units in the configured order, the ensemble last; a configuration of only the ensemble gets all five others as
/// members.
pub fn units(config: &TrainingConfig) -> Vec<Unit> {
    let listed = |a: &Algorithm| *a != Algorithm::Ensemble;
    let mut units: Vec<Unit> = config
        .algorithms
        .iter()
        .copied()
        .filter(listed)
        .map(|algorithm| Unit { algorithm, registered: true })
        .collect();
    if config.algorithms.contains(&Algorithm::Ensemble) {
        if units.is_empty() {
            units.extend(Algorithm::BASE.map(|algorithm| Unit { algorithm, registered: false }));
        }
        units.push(Unit { algorithm: Algorithm::Ensemble, registered: true });
    }
    units
}

/// The specification of a fit of this algorithm. `configured`: the service's own grids.
pub fn spec(config: &TrainingConfig, algorithm: Algorithm, configured: &BTreeMap<Algorithm, Grid>) -> TrainSpec {
    let own = config.grids.as_ref().and_then(|g| g.get(&algorithm));
    TrainSpec {
        algorithm,
        tuning: config.hyperparameter_tuning,
        iterations: config.tuning_iterations,
        folds: config.cross_validation_folds,
        metric: config.target_metric,
        seed: config.random_state,
        feature_selection: config.feature_selection,
        selected_features: config.selected_features.clone(),
        scale: config.scale_features,
        early_stopping_rounds: config.early_stopping_rounds,
        pruning: config.pruning,
        grid: own.or_else(|| configured.get(&algorithm)).cloned(),
    }
}

/// Threads per fit; 0 is the whole core budget.
pub fn threads(config: &TrainingConfig) -> usize {
    usize::try_from(config.n_jobs).unwrap_or(0)
}

/// The product of the lengths of the lists in a search of this algorithm.
fn in_grid(config: &TrainingConfig, algorithm: Algorithm, configured: &BTreeMap<Algorithm, Grid>) -> u64 {
    let own = config.grids.as_ref().and_then(|g| g.get(&algorithm));
    match own.or_else(|| configured.get(&algorithm)) {
        Some(grid) => configuration::candidates(grid).max(1),
        None => learner(algorithm).map_or(1, |l| configuration::candidates(&l.grid())),
    }
}

/// The most candidates in a search of this algorithm, from the lengths of the grid's lists. `configured`: the service's
/// own grids.
pub fn candidates(config: &TrainingConfig, algorithm: Algorithm, configured: &BTreeMap<Algorithm, Grid>) -> u64 {
    let all = in_grid(config, algorithm, configured);
    match config.hyperparameter_tuning {
        Tuning::None => 1,
        // A search over more candidates is refused.
        Tuning::GridSearch => all.min(GRID_CANDIDATES as u64),
        Tuning::RandomSearch | Tuning::Bayesian => all.min(u64::from(config.tuning_iterations)),
    }
}

/// Refuses values that the algorithms cannot be fitted with, and a `grid_search` over too many candidates. The lists'
/// lengths were checked when the configuration was read; `configured`, the operator's grids, are checked here. With the
/// most values that a configuration may have this takes some hundredths of a second.
pub fn check_spaces(config: &TrainingConfig, configured: &BTreeMap<Algorithm, Grid>) -> Result<(), SubmitError> {
    let searched = units(config).into_iter().map(|unit| unit.algorithm).filter(|a| *a != Algorithm::Ensemble);
    let mut faults = Vec::new();
    for algorithm in searched {
        let found = in_grid(config, algorithm, configured);
        if config.hyperparameter_tuning == Tuning::GridSearch && found > GRID_CANDIDATES as u64 {
            let message = too_many_candidates(algorithm, found);
            faults.push(Fault { pointer: format!("/grids/{algorithm}"), message });
            continue;
        }
        let own = config.grids.as_ref().and_then(|g| g.get(&algorithm)).or_else(|| configured.get(&algorithm));
        // A learner's own grid is valid.
        let (Some(learner), Some(grid)) = (learner(algorithm), own) else { continue };
        let space = Space::new(learner, config.hyperparameter_tuning, Some(grid), &Control::default());
        if let Err(LearnError::Params(Faults(bad))) = space {
            faults.extend(bad);
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(SubmitError::Config(Faults(faults))) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn the_ensemble_comes_last_and_alone_trains_the_others_unregistered() {
        use Algorithm::*;
        let of = |algorithms: &[Algorithm]| {
            let config = TrainingConfig { algorithms: algorithms.to_vec(), ..TrainingConfig::default() };
            units(&config).into_iter().map(|u| (u.algorithm, u.registered)).collect::<Vec<_>>()
        };
        assert_eq!(of(&[Ensemble, Xgboost, RandomForest]), [(Xgboost, true), (RandomForest, true), (Ensemble, true)]);
        let alone = of(&[Ensemble]);
        assert_eq!(alone.len(), 6);
        assert!(alone[..5].iter().all(|(a, registered)| *a != Ensemble && !registered));
        assert_eq!(alone[5], (Ensemble, true));
    }

    #[test]
    fn values_that_an_algorithm_cannot_take_are_refused_with_their_places() {
        let pointers = |tuning, grids: serde_json::Value, configured: serde_json::Value| -> Vec<String> {
            let config = TrainingConfig {
                algorithms: vec![Algorithm::Xgboost, Algorithm::NeuralNetwork],
                hyperparameter_tuning: tuning,
                grids: Some(serde_json::from_value(grids).unwrap()),
                ..TrainingConfig::default()
            };
            match check_spaces(&config, &serde_json::from_value(configured).unwrap()) {
                Ok(()) => Vec::new(),
                Err(SubmitError::Config(Faults(faults))) => faults.into_iter().map(|fault| fault.pointer).collect(),
                Err(other) => panic!("{other:?}"),
            }
        };
        let bad = serde_json::json!({
            "xgboost": {"n_estimators": [100, 1_000_000_000], "max_depth": [64]},
            "neural_network": {"hidden_layer_sizes": [[1_000_000_000], [10]], "colour": ["red"]},
        });
        let places = [
            "/grids/xgboost/max_depth/0",
            "/grids/xgboost/n_estimators/1",
            "/grids/neural_network/colour/0",
            "/grids/neural_network/hidden_layer_sizes/0",
        ];
        let none = || serde_json::json!({});
        for tuning in [Tuning::GridSearch, Tuning::RandomSearch, Tuning::Bayesian] {
            assert_eq!(pointers(tuning, bad.clone(), none()), places, "{tuning:?}");
        }
        assert_eq!(pointers(Tuning::None, bad.clone(), none()), [""; 0], "it is not looked at");
        assert_eq!(pointers(Tuning::Bayesian, none(), bad), places, "the operator's");
    }

    #[test]
    fn candidates_are_counted_from_the_lengths_of_the_lists() {
        let cube = |values: i64| -> Grid {
            ["a", "b", "c", "d", "e", "f", "g"]
                .map(|name| (name.to_owned(), (0..values).map(Into::into).collect()))
                .into()
        };
        let of = |values, hyperparameter_tuning| {
            let grids = Some(BTreeMap::from([(Algorithm::Xgboost, cube(values))]));
            let config = TrainingConfig { hyperparameter_tuning, grids, ..TrainingConfig::default() };
            candidates(&config, Algorithm::Xgboost, &BTreeMap::new())
        };
        assert_eq!(of(2, Tuning::GridSearch), 128);
        assert_eq!(of(2_000, Tuning::GridSearch), GRID_CANDIDATES as u64);
        assert_eq!(of(2_000, Tuning::RandomSearch), 50);
        assert_eq!(of(1, Tuning::Bayesian), 1);
        assert_eq!(of(2_000, Tuning::None), 1);
        let own = TrainingConfig { hyperparameter_tuning: Tuning::GridSearch, ..TrainingConfig::default() };
        assert_eq!(candidates(&own, Algorithm::Xgboost, &BTreeMap::new()), 6_912);
        assert_eq!(candidates(&own, Algorithm::Xgboost, &BTreeMap::from([(Algorithm::Xgboost, cube(3))])), 2_187);
    }
}
