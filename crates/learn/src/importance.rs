//! How much a model relies on each feature.

use crate::metrics::auc;
use crate::{Control, Dataset, LearnError, Matrix, Predictor};
use provost_domain::rng::SplitMix64;
use rayon::prelude::*;

const PERMUTATION_STREAM: u64 = 0x7065_726d;

/// Permutation importance (Breiman 2001): the mean fall of the AUC on `rows` when one column is shuffled among them,
/// over `repeats` shuffles; per entry of `columns`, never negative, summing to 1 or all 0.
pub fn permutation(
    predictor: &Predictor,
    data: &Dataset,
    columns: &[usize],
    rows: &[u32],
    seed: u64,
    repeats: u32,
    control: &Control,
) -> Result<Vec<f64>, LearnError> {
    let y: Vec<u8> = rows.iter().map(|r| data.y()[*r as usize]).collect();
    let gather = |c: &usize| -> Vec<f32> { rows.iter().map(|r| data.x().value(*r as usize, *c)).collect() };
    let gathered: Vec<Vec<f32>> = columns.iter().map(gather).collect();
    let names: Vec<String> = columns.iter().map(|c| data.x().names()[*c].clone()).collect();
    let own: Vec<usize> = (0..columns.len()).collect();
    let all: Vec<u32> = (0..rows.len() as u32).collect();
    let score = |columns: Vec<Vec<f32>>| -> Result<f64, LearnError> {
        let x = Matrix::new(names.clone(), columns)?;
        Ok(auc(&y, &predictor.predict(&x, &own, &all)))
    };
    let base = score(gathered.clone())?;
    let fall = |column: usize| -> Result<f64, LearnError> {
        let mut sum = 0.0;
        for repeat in 0..repeats {
            control.check()?;
            let mut shuffled = gathered.clone();
            SplitMix64::keyed(seed, &[PERMUTATION_STREAM, column as u64, u64::from(repeat)])
                .shuffle(&mut shuffled[column]);
            sum += base - score(shuffled)?;
        }
        Ok((sum / f64::from(repeats.max(1))).max(0.0))
    };
    let falls: Vec<f64> = own.par_iter().map(|c| fall(*c)).collect::<Result<_, _>>()?;
    Ok(normalised(falls))
}

/// To a sum of 1, where there is anything to share.
pub(crate) fn normalised(mut values: Vec<f64>) -> Vec<f64> {
    let sum: f64 = values.iter().sum();
    if sum > 0.0 {
        values.iter_mut().for_each(|v| *v /= sum);
    }
    values
}

/// All `names` with their share, unused ones 0; the highest first, equal ones in the order of `names`.
pub(crate) fn ranked(names: &[String], shares: impl IntoIterator<Item = (usize, f64)>) -> Vec<(String, f64)> {
    let mut all = vec![0.0; names.len()];
    for (column, share) in shares {
        all[column] += share;
    }
    let mut ranked: Vec<(String, f64)> = names.iter().cloned().zip(all).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked
}
