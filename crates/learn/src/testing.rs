//! What the learners' tests share.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::dataset::Dataset;
use crate::error::LearnError;
use crate::learner::{Fit, FitTask, Learner};
use crate::params::{CheckedParams, Params};
use crate::search::{TrialResult, TrialStatus};
use provost_predict::control::Control;
use provost_predict::matrix::Matrix;

/// Columns named c0, c1…
pub fn dataset(columns: Vec<Vec<f32>>, y: Vec<u8>) -> Dataset {
    let names = (0..columns.len()).map(|i| format!("c{i}")).collect();
    Dataset::new(Matrix::new(names, columns).unwrap(), y).unwrap()
}

/// A finished trial on one fold; every third is pruned.
pub fn trial(index: u32, params: Params, score: f64) -> TrialResult {
    TrialResult {
        index,
        status: if index % 3 == 2 { TrialStatus::Pruned } else { TrialStatus::Complete },
        params,
        fold_scores: vec![score],
        score,
        threshold: 0.5,
        log_loss: 0.5,
        one_way: 0.5,
        folds: Vec::new(),
        seconds: 0.0,
    }
}

/// A task without validation rows.
pub fn task<'a>(data: &'a Dataset, columns: &'a [usize], train: &'a [u32], params: &'a CheckedParams) -> FitTask<'a> {
    FitTask { seed: 42, scale: true, ..FitTask::new(data, columns, train, params) }
}

/// Fits all columns on all rows, unless `change` says otherwise.
pub fn fit(
    learner: &dyn Learner,
    data: &Dataset,
    params: &CheckedParams,
    change: impl for<'a> FnOnce(&mut FitTask<'a>),
) -> Result<Fit, LearnError> {
    let columns: Vec<usize> = (0..data.x().width()).collect();
    let train: Vec<u32> = (0..data.rows() as u32).collect();
    let mut task = task(data, &columns, &train, params);
    change(&mut task);
    learner.fit(&task, &Control::default())
}
