//! How much a model relies on each feature.

use crate::dataset::Dataset;
use crate::error::LearnError;
use crate::metrics::auc;
use crate::shares::normalised;
use provost_domain::rng::SplitMix64;
use provost_predict::control::Control;
use provost_predict::matrix::Matrix;
use provost_predict::predictor::Predictor;
use rayon::prelude::*;

const PERMUTATION_STREAM: u64 = 0x7065_726d;

/// Permutation importance (Breiman 2001): the mean fall of the AUC on `rows` when one column is shuffled among them,
/// over `repeats` shuffles; one share per entry of `columns`, never negative, summing to 1 or all 0.
///
/// # Errors
///
/// `Stopped`.
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
        Ok(auc(&y, &predictor.predict_with(&x, &own, &all, control)?))
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

/// All `names` with their shares, 0 for unused ones; the highest share first, equal ones in the order of `names`.
pub(crate) fn ranked(names: &[String], shares: impl IntoIterator<Item = (usize, f64)>) -> Vec<(String, f64)> {
    let mut all = vec![0.0; names.len()];
    for (column, share) in shares {
        all[column] += share;
    }
    let mut ranked: Vec<(String, f64)> = names.iter().cloned().zip(all).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::learners::learner;
    use crate::testdata::{columns, fit, noisy, on_threads, rows};
    use provost_domain::Algorithm;
    use serde_json::json;

    #[test]
    fn what_the_label_hangs_on_falls_most_and_noise_hardly() {
        let data = noisy(800, 2);
        let boosting = learner(Algorithm::GradientBoosting).unwrap();
        let (columns, rows) = (columns(&data), rows(&data));
        let model = fit(boosting, &data, &rows, &[], json!({"n_estimators": 60, "max_depth": 2}));
        let on = |threads| {
            on_threads(threads, || {
                permutation(&model.predictor, &data, &columns, &rows, 5, 3, &Control::default()).unwrap()
            })
        };
        let shares = on(1);
        assert_eq!(shares, on(3));
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        // c0 and c1 count, c3 is noise, c4 constant.
        assert!(shares[0] > 0.3 && shares[1] > 0.1 && shares[3] < 0.05 && shares[4] == 0.0, "{shares:?}");
        let stopped = Control::default();
        stopped.token.trip(provost_predict::control::StopReason::Cancelled);
        assert!(permutation(&model.predictor, &data, &columns, &rows, 5, 3, &stopped).is_err());
    }

    #[test]
    fn ranking_names_every_feature_once() {
        let names: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        let expected = [("c", 0.75), ("a", 0.25), ("b", 0.0)].map(|(n, s)| (n.to_owned(), s));
        assert_eq!(ranked(&names, [(2, 0.5), (0, 0.25), (2, 0.25)]), expected);
    }
}
