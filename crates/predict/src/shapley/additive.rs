//! Linear predictors: the log-odds are a sum over columns.

use super::column::Column;
use super::cubes::Cubes;
use crate::logistic::LogisticModel;
use crate::preprocess::Preprocessor;

/// The Möbius transform of one column's contribution by subset of the column's players, so that a coalition's value is
/// the sum of the terms of all its subsets.
pub fn terms(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut terms: Vec<f64> = values.collect();
    let mut bit = 1;
    while bit < terms.len() {
        for at in 0..terms.len() {
            if at & bit != 0 {
                terms[at] -= terms[at ^ bit];
            }
        }
        bit *= 2;
    }
    terms
}

/// The preprocessor's outputs for one value of column `at`: the scaled value, and the scaled indicator of presence if
/// the column has one.
pub fn outputs(preprocessor: &Preprocessor, at: usize, value: f32) -> (f64, Option<f64>) {
    let fitted = &preprocessor.columns()[at];
    let v = f64::from(value);
    let present = fitted.present.map(|present| present.apply(f64::from(u8::from(!value.is_nan()))));
    (fitted.value.apply(if v.is_nan() { fitted.median } else { v }), present)
}

/// For each column, the index of its indicator among the preprocessor's outputs.
pub fn indicators(preprocessor: &Preprocessor) -> Vec<usize> {
    let mut next = preprocessor.columns().len();
    let place = |has: bool| {
        let place = next;
        next += usize::from(has);
        place
    };
    preprocessor.columns().iter().map(|c| c.present.is_some()).map(place).collect()
}

/// The log-odds of each of the `1 << players` coalitions.
pub fn log_odds(model: &LogisticModel, columns: &[Column], players: usize) -> Vec<f64> {
    let (preprocessor, coefficients) = (model.preprocessor(), model.coefficients());
    let mut sums = Cubes::new(players);
    sums.add_up(0, model.intercept());
    for ((at, column), indicator) in columns.iter().enumerate().zip(indicators(preprocessor)) {
        let worth = |value: &f32| {
            let (value, present) = outputs(preprocessor, at, *value);
            coefficients[at] * value + present.map_or(0.0, |present| coefficients[indicator] * present)
        };
        for (index, term) in terms(column.values().iter().map(worth)).into_iter().enumerate() {
            sums.add_up(column.coalition(index), term);
        }
    }
    sums.sums()
}
