//! What the learners' tests share.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::dataset::Dataset;
use crate::error::LearnError;
use crate::learner::{Fit, FitTask, Learner};
use crate::params::CheckedParams;
use provost_predict::control::Control;
use provost_predict::matrix::Matrix;

/// Columns named c0, c1…
pub fn dataset(columns: Vec<Vec<f32>>, y: Vec<u8>) -> Dataset {
    let names = (0..columns.len()).map(|i| format!("c{i}")).collect();
    Dataset::new(Matrix::new(names, columns).unwrap(), y).unwrap()
}

/// Without validation rows.
pub fn task<'a>(data: &'a Dataset, columns: &'a [usize], train: &'a [u32], params: &'a CheckedParams) -> FitTask<'a> {
    FitTask {
        data,
        columns,
        train,
        validation: &[],
        params,
        seed: 42,
        early_stopping_rounds: 0,
        scale: true,
        shared: None,
    }
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
