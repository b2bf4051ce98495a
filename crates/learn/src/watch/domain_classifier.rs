//! The domain classifier: how well all features together tell the rows of a window from those of the reference
//! (Lopez-Paz and Oquab 2017).

use super::reference::Tested;
use crate::bootstrap::{Resampled, quantile};
use crate::dataset::Dataset;
use crate::error::LearnError;
use crate::learner::FitTask;
use crate::learners::learner;
use crate::metrics::auc;
use crate::params::Params;
use crate::split::{grouped_folds, without};
use provost_domain::Algorithm;
use provost_domain::watch::Interval;
use provost_predict::control::Control;
use provost_predict::matrix::Matrix;
use serde_json::json;

/// Most rows of a side, and most rows of a side for each row of the other.
const MOST_ROWS: usize = 4_000;
const MOST_RATIO: usize = 4;
const FOLDS: u32 = 5;
const DRAWS: u32 = 1_000;

/// The area under the ROC curve by which boosting ranks the window's rows above the reference's, out of fold. Folds
/// keep applicants whole, and scores are ranked within their fold, since the scores of the folds' models need not be on
/// one scale. The 95 % interval is by a bootstrap over applicants. `features`: place and name of the columns that are
/// used. None where there are no features, or too few applicants for the folds.
///
/// # Errors
///
/// `Stopped`; `Data` for invalid values of the features.
pub(super) fn domain_auc(
    features: &[(usize, &str)],
    reference: &Tested,
    window: &Tested,
    seed: u64,
    control: &Control,
) -> Result<Option<Interval>, LearnError> {
    let most = |own: &Tested, other: &Tested| {
        let least = (other.applicants.len() * MOST_RATIO).max(MOST_ROWS / MOST_RATIO);
        own.applicants.len().min(least).min(MOST_ROWS)
    };
    let (before, now) = (most(reference, window), most(window, reference));
    // The samples are in the order of a hash of the applicants, so that their first rows are a random sample, too.
    let column = |(at, _): &(usize, &str)| [&reference.columns[*at][..before], &window.columns[*at][..now]].concat();
    let names = features.iter().map(|(_, name)| (*name).to_owned()).collect();
    let x = Matrix::new(names, features.iter().map(column).collect())?;
    let y: Vec<u8> = std::iter::repeat_n(0, before).chain(std::iter::repeat_n(1, now)).collect();
    let applicants = [&reference.applicants[..before], &window.applicants[..now]].concat();
    if features.is_empty() {
        return Ok(None);
    }
    let data = Dataset::new(x, y)?;
    let all: Vec<u32> = (0..data.rows() as u32).collect();
    let folds = match grouped_folds(data.y(), &all, &applicants, FOLDS, seed, control) {
        Ok(folds) => folds,
        Err(LearnError::Stopped(reason)) => return Err(LearnError::Stopped(reason)),
        // Too few applicants on a side.
        Err(_) => return Ok(None),
    };
    let boosting = learner(Algorithm::GradientBoosting)
        .ok_or_else(|| LearnError::Data("gradient boosting is not among the learners".to_owned()))?;
    let given = [("n_estimators", json!(50)), ("min_samples_leaf", json!(10)), ("subsample", json!(0.8))];
    let given: Params = given.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let params = boosting.check(&given).map_err(LearnError::Params)?;
    let columns: Vec<usize> = (0..features.len()).collect();
    let mut ranks = vec![0.0; all.len()];
    for held in &folds {
        let train = without(&all, held);
        let task = FitTask { seed, ..FitTask::new(&data, &columns, &train, &params) };
        let fit = boosting.fit(&task, control)?;
        let p = fit.predictor.predict_with(data.x(), &columns, held, control)?;
        for (row, rank) in held.iter().zip(shares_below(&p)) {
            ranks[*row as usize] = rank;
        }
    }
    control.check()?;
    let drawn = Resampled::auc(data.y(), &ranks, &applicants).draw(seed, DRAWS);
    let value = auc(data.y(), &ranks);
    Ok((!drawn.is_empty()).then(|| Interval {
        value,
        low: quantile(&drawn, 0.025).min(value),
        high: quantile(&drawn, 0.975).max(value),
    }))
}

/// For each score the share of the scores that are below it, equal ones counting half.
fn shares_below(p: &[f64]) -> Vec<f64> {
    let mut sorted = p.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let below = |p: &f64| sorted.partition_point(|other| other < p) + sorted.partition_point(|other| other <= p);
    p.iter().map(|p| below(p) as f64 / (2 * sorted.len()) as f64).collect()
}
