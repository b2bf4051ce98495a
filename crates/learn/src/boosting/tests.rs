#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::bins::NarrowTable;
use crate::dataset::Dataset;
use crate::testdata::{auc, columns, family_equals_fits_apart, fit, noisy, on_threads, params, rows};
use crate::testing::dataset;
use provost_predict::control::StopReason;
use serde_json::Value;

fn boosting(fit: &Fit) -> &Boosting {
    match &fit.predictor {
        Predictor::Boosting(boosting) => boosting,
        other => panic!("{other:?}"),
    }
}

fn fitted(data: &Dataset, given: Value) -> Fit {
    fit(&GradientBoosting, data, &rows(data), &[], given)
}

#[test]
fn learns_what_is_there_and_nothing_else() {
    let data = noisy(4000, 1);
    let (train, test): (Vec<u32>, Vec<u32>) = rows(&data).into_iter().partition(|r| r % 4 > 0);
    for given in [json!({}), json!({"subsample": 0.7, "max_depth": 4})] {
        let fit = fit(&GradientBoosting, &data, &train, &[], given);
        let p = fit.predictor.predict(data.x(), &columns(&data), &test);
        let auc = auc(&data, &test, &p);
        assert!(auc > 0.82, "{auc}");
        let importance = fit.importance.as_ref().unwrap();
        assert!((importance.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{importance:?}");
        assert_eq!(importance[4], 0.0);
        assert!(importance[0] > 5.0 * importance[3], "{importance:?}");
        assert_eq!(boosting(&fit).validate(6), Ok(()));
    }
}

#[test]
fn a_stump_is_one_newton_step_from_the_base_rate() {
    let data = dataset(vec![vec![0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]], vec![0, 0, 0, 1, 1, 1, 0, 1]);
    let fit = fitted(&data, json!({"n_estimators": 1, "learning_rate": 0.5}));
    let p = fit.predictor.predict(data.x(), &[0], &[0, 4]);
    // Base rate 1/2: residuals of each side sum to ∓1, their variances to 1.
    for (p, z) in p.iter().zip([-0.5f64, 0.5]) {
        assert!((p - 1.0 / (1.0 + (-z).exp())).abs() < 1e-7, "{p}");
    }
}

#[test]
fn the_root_split_is_the_best_there_is() {
    for (n, min_leaf) in [(12, 1), (60, 3), (250, 1)] {
        for seed in 0..6 {
            let data = noisy(n, seed);
            let base = data.y().iter().map(|y| f64::from(*y)).sum::<f64>() / n as f64;
            assert!(base > 0.0 && base < 1.0);
            let score = |column: &[f32], cut: f32, missing_left: bool| {
                let (mut sum, mut count) = ([0.0; 2], [0; 2]);
                for (v, y) in column.iter().zip(data.y()) {
                    let side = usize::from(!(*v <= cut || (v.is_nan() && missing_left)));
                    sum[side] += f64::from(*y) - base;
                    count[side] += 1;
                }
                let enough = count.iter().all(|c| *c >= min_leaf);
                enough.then(|| (0..2).map(|s| sum[s] * sum[s] / f64::from(count[s])).sum::<f64>())
            };
            let mut best = 0f64;
            for c in 0..6 {
                let column = data.x().column(c);
                for cut in column.iter().filter(|v| !v.is_nan()) {
                    best = [false, true].iter().filter_map(|m| score(column, *cut, *m)).fold(best, f64::max);
                }
            }
            let fit = fitted(&data, json!({"n_estimators": 1, "min_samples_leaf": min_leaf}));
            let (column, threshold, missing_left, _) = boosting(&fit).trees()[0][0].as_split().unwrap();
            let got = score(data.x().column(column), threshold, missing_left).unwrap();
            assert!((got - best).abs() < 1e-6 * best, "n {n} seed {seed}: {got} for {best}");
        }
    }
}

#[test]
fn the_same_model_on_any_number_of_threads() {
    let data = noisy(40_000, 2);
    let given = json!({"n_estimators": 4, "subsample": 0.9, "max_depth": 6});
    let on = |threads| on_threads(threads, || fitted(&data, given.clone()));
    let one = on(1);
    for threads in [2, 3] {
        let other = on(threads);
        assert_eq!(postcard::to_allocvec(&one.predictor).unwrap(), postcard::to_allocvec(&other.predictor).unwrap());
        assert_eq!(one.importance, other.importance);
    }
}

#[test]
fn margins_of_training_agree_with_prediction_for_rows_inside_and_outside_the_sample() {
    // Of many rows several nodes are counted together.
    for n in [900, 40_000] {
        let data = noisy(n, 4);
        let (columns, train) = (columns(&data), rows(&data));
        let given = params(&GradientBoosting, json!({"subsample": 0.6, "max_depth": 5}));
        let (mut settings, ..) = read(&given);
        settings.columns = 6;
        settings.seed = 3;
        let table = NarrowTable::new(&data, &columns, &train, &Control::default()).unwrap();
        let mut grower = Grower::new(&table, data.y(), &settings, 0.25);
        let mut gains = vec![0.0; 6];
        let grown = (1..=20).map(|r| grower.round(r, &mut gains, &Control::default()).unwrap()).collect();
        let model = Boosting::new(0.25, grown);
        let predicted = model.predict(data.x(), &columns, &train, &Control::default()).unwrap();
        for (margin, p) in grower.margins().iter().zip(predicted) {
            assert!((provost_predict::calibration::sigmoid(*margin) - p).abs() < 1e-9, "{margin} {p}");
        }
    }
}

#[test]
fn stops_early_at_the_best_round() {
    let data = noisy(1500, 6);
    let (train, validation): (Vec<u32>, Vec<u32>) = rows(&data).into_iter().partition(|r| r % 3 > 0);
    let given = |rounds: u64| json!({"n_estimators": rounds, "learning_rate": 0.3, "max_depth": 5});
    let stopped = fit(&GradientBoosting, &data, &train, &validation, given(200));
    assert!(stopped.iterations < 60, "{}", stopped.iterations);
    let plain = fit(&GradientBoosting, &data, &train, &[], given(stopped.iterations));
    assert_eq!(boosting(&stopped), boosting(&plain));
    assert_eq!(stopped.importance, plain.importance);
    let loss = |rounds: u64| {
        let fit = fit(&GradientBoosting, &data, &train, &[], given(rounds));
        let p = fit.predictor.predict(data.x(), &columns(&data), &validation);
        let each = p.iter().zip(&validation);
        each.map(|(p, row)| if data.y()[*row as usize] == 1 { -p.ln() } else { -(1.0 - p).ln() }).sum::<f64>()
    };
    let best = loss(stopped.iterations);
    assert!(best <= loss(stopped.iterations + 1) && best <= loss(stopped.iterations - 1));
}

#[test]
fn fewer_rounds_are_a_truncation() {
    let data = noisy(500, 7);
    let long = fitted(&data, json!({"n_estimators": 12, "subsample": 0.8}));
    let short = fitted(&data, json!({"n_estimators": 5, "subsample": 0.8}));
    assert_eq!(boosting(&short).trees(), &boosting(&long).trees()[..5]);
}

#[test]
fn leaves_hold_enough_rows() {
    let data = noisy(400, 9);
    let fit = fitted(&data, json!({"n_estimators": 4, "max_depth": null, "min_samples_leaf": 25}));
    let values = trees::gather(data.x(), &columns(&data), &rows(&data));
    for tree in boosting(&fit).trees() {
        let mut held = vec![0; tree.len()];
        for row in values.chunks(6) {
            let mut at = 0;
            while let Some((column, threshold, missing_left, child)) = tree[at].as_split() {
                let v = row[column];
                at = child + usize::from(!(v <= threshold || (v.is_nan() && missing_left)));
            }
            held[at] += 1;
        }
        assert!(tree.len() > 3);
        assert!(tree.iter().zip(&held).all(|(node, n)| node.as_split().is_some() || *n >= 25), "{held:?}");
    }
}

#[test]
fn odd_data_is_learnt_or_refused() {
    let odd = vec![vec![1e30, -1e30, 0.0, 1e30, 3.4e38], vec![f32::NAN; 5], vec![4.0; 5]];
    let data = dataset(odd.clone(), vec![1, 0, 0, 1, 1]);
    let p = fitted(&data, json!({"max_depth": null})).predictor.predict(data.x(), &[0, 1, 2], &rows(&data));
    assert!(p[0] > 0.9 && p[1] < 0.1 && p[4] > 0.9, "{p:?}");
    let flat = dataset(odd[1..].to_vec(), vec![1, 0, 0, 1, 1]);
    let fit = fitted(&flat, json!({}));
    assert_eq!(fit.importance, Some(vec![0.0; 2]));
    let p = fit.predictor.predict(flat.x(), &[0, 1], &[0]);
    assert!((p[0] - 0.6).abs() < 1e-12);
    let given = params(&GradientBoosting, json!({}));
    let one_class = |task: &mut FitTask<'_>| task.train = &[0, 3];
    let error = crate::testing::fit(&GradientBoosting, &flat, &given, one_class).unwrap_err().to_string();
    assert!(error.contains("all 2 training rows are of class 1"), "{error}");
}

#[test]
fn stops_when_told() {
    let data = noisy(100, 8);
    let (columns, train, given) = (columns(&data), rows(&data), params(&GradientBoosting, json!({})));
    let task = FitTask::new(&data, &columns, &train, &given);
    let mut control = Control::default();
    let token = control.token.clone();
    control.on_progress = Some(std::sync::Arc::new(move |p| {
        assert!(p.done <= 3 && p.of == 100);
        if p.done == 3 {
            token.trip(StopReason::Cancelled);
        }
    }));
    assert!(matches!(GradientBoosting.fit(&task, &control), Err(LearnError::Stopped(StopReason::Cancelled))));
}

#[test]
fn parameters_are_checked_together() {
    let bad = json!({"n_estimators": 10001, "learning_rate": 0, "max_depth": 0, "subsample": 1.1, "eta": 1});
    let faults = GradientBoosting.check(bad.as_object().unwrap()).unwrap_err().0;
    let pointers: Vec<_> = faults.iter().map(|f| f.pointer.as_str()).collect();
    assert_eq!(pointers, ["/n_estimators", "/learning_rate", "/max_depth", "/subsample", "/eta"]);
    assert_eq!(*params(&GradientBoosting, json!({})), GradientBoosting.defaults());
    for (name, values) in GradientBoosting.grid() {
        for value in values {
            params(&GradientBoosting, json!({name.clone(): value}));
        }
    }
}

#[test]
fn one_growth_serves_a_family() {
    family_equals_fits_apart(
        &GradientBoosting,
        &[
            json!({"subsample": 0.8, "n_estimators": 10}),
            json!({"subsample": 0.8, "n_estimators": 40}),
            json!({"subsample": 0.8, "n_estimators": 3}),
        ],
    );
}

#[test]
fn a_split_chooses_from_so_many_columns_that_part_something() {
    let data = noisy(2000, 12);
    let grown = |given: Value| fitted(&data, given);
    let all = json!({"n_estimators": 40, "max_depth": 3});
    let with = |columns: Value| json!({"n_estimators": 40, "max_depth": 3, "max_features": columns});
    assert_eq!(boosting(&grown(with(json!(6)))), boosting(&grown(all.clone())), "of all six");
    // c0 counts most; c4 is constant and never a choice.
    let roots = |fit: &Fit| {
        let mut roots = [0; 6];
        boosting(fit).trees().iter().for_each(|t| roots[t[0].as_split().unwrap().0] += 1);
        roots
    };
    let one = grown(with(json!(1)));
    let roots = roots(&one);
    assert!(roots[4] == 0 && [0, 1, 2, 3, 5].iter().all(|c| roots[*c] > 1), "{roots:?}");
    assert!(boosting(&one).trees().iter().all(|t| t.len() > 3), "a constant column ends no tree");
    let score = |fit: &Fit| auc(&data, &rows(&data), &fit.predictor.predict(data.x(), &columns(&data), &rows(&data)));
    let (few, many) = (score(&grown(with(json!(0.5)))), score(&grown(all)));
    assert!(few > 0.85 && (few - many).abs() < 0.03, "{few} {many}");
    let again = on_threads(3, || grown(with(json!(1))));
    assert_eq!(boosting(&again), boosting(&one));
}

#[test]
fn what_is_held_monotone_never_turns() {
    let data = noisy(1500, 33);
    // c0 rises in truth; c1 counts by its square, c2 rises.
    for (column, direction) in [(0usize, 1i64), (1, 1), (1, -1), (2, -1)] {
        let held = json!({"n_estimators": 60, "max_depth": 4, "monotonic_cst": {format!("c{column}"): direction}});
        let free = fit(&GradientBoosting, &data, &rows(&data), &[], json!({"n_estimators": 60, "max_depth": 4}));
        let found = fit(&GradientBoosting, &data, &rows(&data), &[], held);
        let turns = |fit: &Fit| {
            let mut turns = 0;
            for row in 0..40 {
                let sweep: Vec<Vec<f32>> = (0..6)
                    .map(|c| {
                        (0..50)
                            .map(|i| if c == column { i as f32 / 8.0 - 3.0 } else { data.x().value(row, c) })
                            .collect()
                    })
                    .collect();
                let swept = dataset(sweep, vec![0; 50]);
                let p = fit.predictor.predict(swept.x(), &columns(&swept), &(0..50).collect::<Vec<_>>());
                turns += p.windows(2).filter(|w| (w[1] - w[0]) * direction as f64 + 1e-12 < 0.0).count();
            }
            turns
        };
        assert_eq!(turns(&found), 0, "c{column} {direction}");
        assert!(turns(&free) > 20, "c{column} turns by itself: {}", turns(&free));
    }
    let rising = fit(&GradientBoosting, &data, &rows(&data), &[], json!({"monotonic_cst": {"c0": 1, "c2": 1}}));
    let all = rows(&data);
    assert!(auc(&data, &all, &rising.predictor.predict(data.x(), &columns(&data), &all)) > 0.85);
}

#[test]
fn constraints_are_of_features_and_directions() {
    let bad = json!({"monotonic_cst": {"c0": 2}});
    let faults = GradientBoosting.check(bad.as_object().unwrap()).unwrap_err().0;
    assert!(faults[0].message.contains("an object from feature to -1, 0 or 1, or null"), "{}", faults[0].message);
    let data = noisy(100, 1);
    let (columns, train) = (columns(&data), rows(&data));
    let params = params(&GradientBoosting, json!({"monotonic_cst": {"age": 1}}));
    let task = FitTask::new(&data, &columns, &train, &params);
    let error = GradientBoosting.fit(&task, &Control::default()).unwrap_err().to_string();
    assert!(error.contains("\"age\" is not a feature with an order; those are c0, c1"), "{error}");
}
