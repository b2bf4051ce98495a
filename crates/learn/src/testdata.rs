//! Data sets for tests of the tree learners.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::dataset::Dataset;
use crate::learner::{Fit, FitTask, Learner};
use crate::params::CheckedParams;
use crate::shared::Shared;
use crate::testing::dataset;
use provost_domain::rng::SplitMix64;
use provost_predict::control::Control;
use serde_json::Value;

/// Six columns: two that count, one of few values that counts, one of noise, one constant, one with missing values.
pub fn noisy(n: usize, seed: u64) -> Dataset {
    let mut rng = SplitMix64::new(seed);
    let (mut columns, mut y) = (vec![Vec::new(); 6], Vec::new());
    for _ in 0..n {
        let (a, b, c) = (rng.normal(), rng.normal(), f64::from(rng.below(5)));
        let gone = rng.unit() < 0.2;
        let z = 1.5 * a - b * b + 0.5 * c + if gone { 1.0 } else { 0.0 };
        y.push(u8::from(rng.unit() < 1.0 / (1.0 + (-z).exp())));
        let row = [a, b, c, rng.unit(), 7.0, if gone { f64::NAN } else { rng.normal() }];
        columns.iter_mut().zip(row).for_each(|(column, v)| column.push(v as f32));
    }
    dataset(columns, y)
}

pub fn params(learner: &dyn Learner, given: Value) -> CheckedParams {
    learner.check(given.as_object().unwrap()).unwrap()
}

/// A fit on all columns, with these rows and parameters.
pub fn fit(learner: &dyn Learner, data: &Dataset, train: &[u32], validation: &[u32], given: Value) -> Fit {
    let (params, columns) = (params(learner, given), columns(data));
    let task =
        FitTask { validation, seed: 11, early_stopping_rounds: 5, ..FitTask::new(data, &columns, train, &params) };
    learner.fit(&task, &Control::default()).unwrap()
}

pub fn columns(data: &Dataset) -> Vec<usize> {
    (0..data.x().width()).collect()
}

pub fn rows(data: &Dataset) -> Vec<u32> {
    (0..data.rows() as u32).collect()
}

/// Share of pairs of unlike labels that the scores order rightly; quadratic.
pub fn auc(data: &Dataset, rows: &[u32], p: &[f64]) -> f64 {
    let (mut right, mut pairs) = (0.0, 0.0);
    for (i, _) in rows.iter().enumerate().filter(|(_, r)| data.y()[**r as usize] == 1) {
        for (j, _) in rows.iter().enumerate().filter(|(_, r)| data.y()[**r as usize] == 0) {
            pairs += 1.0;
            right += if p[i] > p[j] {
                1.0
            } else if p[i] == p[j] {
                0.5
            } else {
                0.0
            };
        }
    }
    right / pairs
}

pub fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

/// That the members of one family, grown together, predict what fits apart do, in whatever order they are given, with
/// early stopping and without, and with what earlier fits share. True if all predict differently.
pub fn family_equals_fits_apart(learner: &dyn Learner, members: &[Value]) {
    let data = noisy(600, 21);
    let members: Vec<CheckedParams> = members.iter().map(|given| params(learner, given.clone())).collect();
    let columns = columns(&data);
    let mut given: Vec<&CheckedParams> = members.iter().collect();
    let families: Vec<String> = given.iter().map(|params| learner.family(params, columns.len())).collect();
    assert!(families.iter().all(|f| *f == families[0]), "{families:?}");
    let (train, held): (Vec<u32>, Vec<u32>) = rows(&data).into_iter().partition(|r| r % 3 > 0);
    let shared = Shared::default();
    for validation in [&held[..0], &held[..]] {
        let task = FitTask {
            validation,
            seed: 5,
            early_stopping_rounds: 4,
            scale: true,
            ..FitTask::new(&data, &columns, &train, &members[0])
        };
        let apart = crate::learner::fit_apart(learner, &task, &given, &held, &Control::default()).unwrap();
        for shared in [None, Some(&shared), Some(&shared)] {
            let task = FitTask { shared, ..task };
            let together = learner.fit_family(&task, &given, &held, &Control::default()).unwrap();
            assert!(together == apart, "{}", learner.algorithm());
            let again = crate::learner::fit_apart(learner, &task, &given, &held, &Control::default()).unwrap();
            assert!(again == apart, "{} with what is shared", learner.algorithm());
        }
        if validation.is_empty() {
            for (i, one) in apart.iter().enumerate() {
                assert!(apart[..i].iter().all(|other| other != one), "member {i} is as one before it");
            }
        }
        given.reverse();
    }
    assert!(
        learner
            .fit_family(
                &FitTask { seed: 5, scale: true, ..FitTask::new(&data, &columns, &train, &members[0]) },
                &[],
                &held,
                &Control::default()
            )
            .unwrap()
            .is_empty()
    );
}
