//! Fits imputation, presence indicators and standardisation on training rows, for learners that do not take missing
//! values.

use crate::error::LearnError;
use provost_predict::control::Control;
use provost_predict::matrix::Matrix;
use provost_predict::preprocess::{Affine, Column, Preprocessor};
use rayon::prelude::*;

/// Rows per task when a design matrix is filled.
const CHUNK: usize = 2_048;

/// Which outputs get mean 0 and standard deviation 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standardise {
    /// None.
    Nothing,
    /// The features, not their indicators.
    Features,
    /// Features and indicators.
    Everything,
}

/// Fits on `rows`, which must not be empty. The sums of one column are computed by one thread, so that the result does
/// not depend on the number of threads.
///
/// # Errors
///
/// `Stopped`.
pub fn fit(
    x: &Matrix,
    columns: &[usize],
    rows: &[u32],
    indicators: bool,
    standardise: Standardise,
    control: &Control,
) -> Result<Preprocessor, LearnError> {
    let fit_one = |c: &usize| fit_column(x.column(*c), rows, indicators, standardise, control);
    Ok(Preprocessor::new(columns.par_iter().map(fit_one).collect::<Result<_, LearnError>>()?))
}

/// The design matrix of `rows`, row-major with `stride` (at least `width`) numbers a row; the rest of a row is 0.
///
/// # Errors
///
/// `Stopped`.
pub fn design(
    preprocessor: &Preprocessor,
    x: &Matrix,
    columns: &[usize],
    rows: &[u32],
    stride: usize,
    control: &Control,
) -> Result<Vec<f64>, LearnError> {
    let mut out = vec![0.0; rows.len() * stride];
    if stride > 0 {
        let chunks = out.par_chunks_mut(CHUNK * stride).zip(rows.par_chunks(CHUNK));
        chunks.try_for_each(|(out, rows)| {
            control.check()?;
            preprocessor.fill(x, columns, rows, stride, out);
            Ok::<(), LearnError>(())
        })?;
    }
    Ok(out)
}

fn fit_column(
    values: &[f32],
    rows: &[u32],
    indicators: bool,
    standardise: Standardise,
    control: &Control,
) -> Result<Column, LearnError> {
    let mut present: Vec<f32> = Vec::with_capacity(rows.len());
    control.in_blocks(rows, |rows| {
        present.extend(rows.iter().map(|r| values[*r as usize]).filter(|v| !v.is_nan()));
    })?;
    let (n, filled) = (rows.len() as f64, present.len() as f64);
    if present.is_empty() {
        return Ok(Column { median: 0.0, value: Affine { shift: 0.0, factor: 0.0 }, present: None });
    }
    let raw = Affine { shift: 0.0, factor: 1.0 };
    let mut value = raw;
    let sum: f64 = present.iter().map(|v| f64::from(*v)).sum();
    // Reorders the values, and their squares are added in the new order: another algorithm for the median would change
    // the last bits of a model.
    let median = median(&mut present, control)?;
    control.check()?;
    if standardise != Standardise::Nothing {
        // Mean and deviation are those of the imputed column, as in a pipeline of imputer and scaler.
        let missing = n - filled;
        let mean = (sum + missing * median) / n;
        let squares: f64 = present.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum();
        let deviation = ((squares + missing * (median - mean).powi(2)) / n).sqrt();
        value = affine(mean, deviation, present.iter().all(|v| *v == present[0]));
    }
    let indicator = (indicators && filled < n).then(|| {
        let share = filled / n;
        let spread = (share * (1.0 - share)).sqrt();
        if standardise == Standardise::Everything { affine(share, spread, false) } else { raw }
    });
    Ok(Column { median, value, present: indicator })
}

/// A constant column has deviation 1 (its mean may be off by rounding, so its deviation need not be 0).
fn affine(mean: f64, deviation: f64, constant: bool) -> Affine {
    let factor = if constant || deviation <= 0.0 || !deviation.is_finite() { 1.0 } else { deviation.recip() };
    Affine { shift: mean, factor }
}

/// The median: the mean of the two middle values where the number of values is even. Reorders `values`, which must not
/// be empty.
fn median(values: &mut [f32], control: &Control) -> Result<f64, LearnError> {
    let middle = values.len() / 2;
    let odd = values.len() % 2 == 1;
    control.check()?;
    let (below, at, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
    let upper = f64::from(*at);
    if odd {
        return Ok(upper);
    }
    let lower = below.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    Ok((upper + f64::from(lower)) / 2.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use provost_predict::preprocess::Output;

    const N: f32 = f32::NAN;

    fn matrix(columns: Vec<Vec<f32>>) -> Matrix {
        Matrix::new((0..columns.len()).map(|i| format!("c{i}")).collect(), columns).unwrap()
    }

    #[test]
    fn imputes_the_median_and_standardises_as_scikit_learn() {
        let x = matrix(vec![vec![1.0, N, 3.0, 8.0, 100.0], vec![N, N, N, N, 5.0], vec![0.1, 0.1, 0.1, 0.1, 7.0]]);
        let control = Control::default();
        let p = fit(&x, &[0, 1, 2], &[0, 1, 2, 3], true, Standardise::Features, &control).unwrap();
        assert_eq!(p.width(), 4);
        let d = design(&p, &x, &[0, 1, 2], &[0, 1, 4], 5, &control).unwrap();
        // Of 1, 3, 3, 8: mean 3.75, deviation 2.5860201081971503.
        let z = |v: f64| (v - 3.75) / 2.586_020_108_197_150_3;
        let expected = [z(1.0), 0.0, 0.0, 1.0, 0.0, z(3.0), 0.0, 0.0, 0.0, 0.0, z(100.0), 0.0, 6.9, 1.0, 0.0];
        assert!(d.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{d:?}");
        assert_eq!(p.outputs()[3], Output { column: 0, indicator: true, unit: 1.0 });
    }

    #[test]
    fn raw_values_and_standardised_indicators() {
        let x = matrix(vec![vec![1e30, N, -3e38, N]]);
        let control = Control::default();
        let fitted = |indicators, standardise| fit(&x, &[0], &[0, 1, 2, 3], indicators, standardise, &control).unwrap();
        let raw = fitted(false, Standardise::Nothing);
        assert_eq!(design(&raw, &x, &[0], &[0], 1, &control).unwrap(), [f64::from(1e30f32)]);
        let all = fitted(true, Standardise::Everything);
        let d = design(&all, &x, &[0], &[0, 1], 2, &control).unwrap();
        assert_eq!((d[1], d[3]), (1.0, -1.0));
        assert!(d.iter().all(|v| v.is_finite()) && all.check(1).is_ok() && all.check(2).is_err());
    }
}
