//! Estimates how long a job will take, from the times of similar past jobs.

use crate::options::JobsResources;
use crate::plan;
use provost_domain::{Algorithm, ModelVersion, TrainingConfig};
use provost_store::StoreError;
use std::collections::BTreeMap;

/// How many registered models are considered.
const LOOK_BACK: u32 = 100;

/// Seconds of one fit per 1,000 rows, for algorithms without past fits: a rough figure for a small machine.
fn prior(algorithm: Algorithm) -> f64 {
    match algorithm {
        Algorithm::RandomForest => 0.05,
        Algorithm::Xgboost => 0.05,
        Algorithm::GradientBoosting => 0.04,
        Algorithm::LogisticRegression => 0.002,
        Algorithm::NeuralNetwork => 0.2,
        Algorithm::Ensemble => 0.001,
    }
}

/// Number of fits times thousands of rows; the time of a unit of work is taken to be proportional to this.
fn size(config: &TrainingConfig, algorithm: Algorithm, rows: f64, resources: &JobsResources) -> f64 {
    let fits = match algorithm {
        Algorithm::Ensemble => 1,
        _ => plan::candidates(config, algorithm, &resources.grids) * u64::from(config.cross_validation_folds) + 1,
    };
    fits as f64 * rows.max(1.0) / 1000.0
}

/// The weight of each unit in a job's progress: roughly its share of the time, for any number of rows.
pub fn weights(config: &TrainingConfig, resources: &JobsResources) -> Vec<f64> {
    let weight = |unit: &plan::Unit| prior(unit.algorithm) * size(config, unit.algorithm, 1000.0, resources);
    plan::units(config).iter().map(weight).collect()
}

/// The minutes that a job on `usable_rows` rows will run, by the median rate of each algorithm in past jobs.
pub async fn minutes(config: &TrainingConfig, usable_rows: u64, resources: &JobsResources) -> Result<f64, StoreError> {
    let past = resources.models.list_models(false, None, LOOK_BACK).await?.items;
    let mut rates = rates(&past, resources);
    let train = usable_rows as f64 * (1.0 - config.test_size - config.validation_size);
    let seconds: f64 = plan::units(config)
        .iter()
        .map(|unit| {
            let rate =
                rates.get_mut(&unit.algorithm).and_then(|rates| median(rates)).unwrap_or_else(|| prior(unit.algorithm));
            rate * size(config, unit.algorithm, train, resources)
        })
        .sum();
    let most = f64::from(config.max_training_time_minutes).min(resources.soft_limit.as_secs_f64() / 60.0);
    // Rounded to a hundredth of a minute; more digits would be meaningless.
    Ok(((seconds / 60.0).min(most) * 100.0).round().max(1.0) / 100.0)
}

/// The seconds that a job will run yet, from how far it came in `running` seconds; its search ends at the limit, in seconds.
pub fn seconds_left(running: f64, percent: f64, limit: f64) -> f64 {
    (running * (100.0 - percent) / percent).min(limit - running).max(0.0)
}

fn rates(past: &[ModelVersion], resources: &JobsResources) -> BTreeMap<Algorithm, Vec<f64>> {
    let mut rates: BTreeMap<Algorithm, Vec<f64>> = BTreeMap::new();
    for model in past {
        let rows = model.training_samples as f64;
        let rate = model.metrics.training_time_seconds / size(&model.training_config, model.algorithm, rows, resources);
        if rate.is_finite() && rate > 0.0 {
            rates.entry(model.algorithm).or_default().push(rate);
        }
    }
    rates
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_ends_with_the_jobs_limit() {
        for (running, percent, limit, left) in [
            (60.0, 25.0, 3600.0, 180.0),
            (60.0, 25.0, 120.0, 60.0),
            (130.0, 25.0, 120.0, 0.0),
            (60.0, 100.0, 120.0, 0.0),
        ] {
            assert_eq!(seconds_left(running, percent, limit), left, "{running} s at {percent} %");
        }
    }
}
