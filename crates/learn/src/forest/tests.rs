#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::dataset::Dataset;
use crate::testdata::{auc, columns, family_equals_fits_apart, fit, noisy, on_threads, params, rows};
use crate::testing::{self, dataset};
use provost_domain::rng::SplitMix64;
use provost_predict::control::StopReason;
use provost_predict::trees::Tree;
use serde_json::json;

fn forest(fit: &Fit) -> &Forest {
    match &fit.predictor {
        Predictor::Forest(forest) => forest,
        other => panic!("{other:?}"),
    }
}

#[test]
fn learns_what_is_there_and_nothing_else() {
    let data = noisy(4000, 1);
    let (train, test): (Vec<u32>, Vec<u32>) = rows(&data).into_iter().partition(|r| r % 4 > 0);
    let fit = fit(&RandomForest, &data, &train, &[], json!({"min_samples_leaf": 4, "class_weight": "balanced"}));
    let p = fit.predictor.predict(data.x(), &columns(&data), &test);
    assert!(p.iter().all(|p| (0.0..=1.0).contains(p)));
    let auc = auc(&data, &test, &p);
    assert!(auc > 0.80, "{auc}");
    let importance = fit.importance.unwrap();
    assert!((importance.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{importance:?}");
    assert_eq!(importance[4], 0.0);
    assert!(importance[0] > 2.0 * importance[3], "{importance:?}");
    assert_eq!(forest(&fit_again(&data, &train)).validate(6), Ok(()));
}

fn fit_again(data: &Dataset, train: &[u32]) -> Fit {
    fit(&RandomForest, data, train, &[], json!({"n_estimators": 3}))
}

#[test]
fn the_same_forest_on_any_number_of_threads() {
    let data = noisy(2500, 2);
    for trees in [20, 100] {
        let on = |threads| {
            on_threads(threads, || fit(&RandomForest, &data, &rows(&data), &[], json!({"n_estimators": trees})))
        };
        let one = on(1);
        for threads in [2, 3] {
            let other = on(threads);
            assert_eq!(
                postcard::to_allocvec(&one.predictor).unwrap(),
                postcard::to_allocvec(&other.predictor).unwrap()
            );
            assert_eq!(one.importance, other.importance);
        }
    }
}

/// The upper `depth` levels of both are the same splits.
fn same_top(a: &Tree, b: &Tree, at: (usize, usize), depth: u32) -> bool {
    let (x, y) = (&a[at.0], &b[at.1]);
    match (x.as_split(), y.as_split()) {
        (Some(x), Some(y)) if depth > 0 => {
            x.0 == y.0
                && x.1 == y.1
                && x.2 == y.2
                && (0..2).all(|side| same_top(a, b, (x.3 + side, y.3 + side), depth - 1))
        }
        (None, None) => x == y,
        (None, Some(_)) => depth == 0,
        _ => false,
    }
}

#[test]
fn fewer_trees_and_less_depth_are_truncations() {
    let data = noisy(800, 3);
    let deep = fit(&RandomForest, &data, &rows(&data), &[], json!({"n_estimators": 9}));
    let few = fit(&RandomForest, &data, &rows(&data), &[], json!({"n_estimators": 4}));
    let shallow = fit(&RandomForest, &data, &rows(&data), &[], json!({"n_estimators": 9, "max_depth": 5}));
    assert_eq!(forest(&few).trees(), &forest(&deep).trees()[..4]);
    for (a, b) in forest(&shallow).trees().iter().zip(forest(&deep).trees()) {
        assert!(same_top(a, b, (0, 0), 5));
    }
}

/// The least weighted Gini impurity over all splits of all columns, by trying them.
fn best_by_hand(data: &Dataset, weights: [f64; 2], min_leaf: usize) -> f64 {
    let mut best = f64::INFINITY;
    for c in 0..data.x().width() {
        let column = data.x().column(c);
        for cut in column.iter().filter(|v| !v.is_nan()) {
            for missing_left in [false, true] {
                let (mut mass, mut count) = ([[0.0; 2]; 2], [0; 2]);
                for (v, y) in column.iter().zip(data.y()) {
                    let side = usize::from(!(v <= cut || (v.is_nan() && missing_left)));
                    mass[side][usize::from(*y)] += weights[usize::from(*y)];
                    count[side] += 1;
                }
                if count[0] >= min_leaf && count[1] >= min_leaf {
                    let gini = |[a, b]: [f64; 2]| 2.0 * a * b / (a + b);
                    best = f64::min(best, gini(mass[0]) + gini(mass[1]));
                }
            }
        }
    }
    best
}

#[test]
fn the_root_split_is_the_best_there_is() {
    for (n, min_leaf, balanced) in [(12, 1, false), (20, 3, true), (60, 1, true), (300, 7, false)] {
        for seed in 0..6 {
            let data = noisy(n, seed);
            let Ok(weights) = class_weights(data.y(), &rows(&data), balanced) else { continue };
            let given = json!({"n_estimators": 1, "bootstrap": false, "max_features": null, "max_depth": 1,
                "min_samples_leaf": min_leaf, "class_weight": if balanced { json!("balanced") } else { json!(null) }});
            let fit = fit(&RandomForest, &data, &rows(&data), &[], given);
            let tree = &forest(&fit).trees()[0];
            let (column, threshold, missing_left, _) = tree[0].as_split().unwrap();
            let mut mass = [[0.0; 2]; 2];
            for (v, y) in data.x().column(column).iter().zip(data.y()) {
                let side = usize::from(!(*v <= threshold || (v.is_nan() && missing_left)));
                mass[side][usize::from(*y)] += weights[usize::from(*y)];
            }
            let got: f64 = mass.iter().map(|[a, b]| 2.0 * a * b / (a + b)).sum();
            let want = best_by_hand(&data, weights, min_leaf);
            assert!((got - want).abs() < 1e-9, "n {n} seed {seed}: {got} for {want}");
        }
    }
}

#[test]
fn leaves_hold_enough_rows_and_splits_had_enough() {
    let data = noisy(700, 5);
    let given = json!({"n_estimators": 3, "bootstrap": false, "min_samples_leaf": 9, "min_samples_split": 40});
    let fit = fit(&RandomForest, &data, &rows(&data), &[], given);
    let values = trees::gather(data.x(), &columns(&data), &rows(&data));
    for tree in forest(&fit).trees() {
        let mut held = vec![0; tree.len()];
        for row in values.chunks(6) {
            let mut at = 0;
            held[0] += 1;
            while let Some((column, threshold, missing_left, child)) = tree[at].as_split() {
                let v = row[column];
                at = child + usize::from(!(v <= threshold || (v.is_nan() && missing_left)));
                held[at] += 1;
            }
        }
        for (node, rows) in tree.iter().zip(held) {
            assert!(rows >= if node.as_split().is_some() { 40 } else { 9 }, "{rows}");
        }
    }
}

#[test]
fn missing_values_choose_a_side() {
    let column: Vec<f32> = (0..200).map(|i| if i % 4 == 0 { f32::NAN } else { (i % 7) as f32 }).collect();
    let data = dataset(vec![column.clone()], (0..200).map(|i| u8::from(i % 4 == 0)).collect());
    let fit = fit(&RandomForest, &data, &rows(&data), &[], json!({"n_estimators": 5}));
    let p = fit.predictor.predict(data.x(), &[0], &rows(&data));
    assert!(p.iter().zip(data.y()).all(|(p, y)| *p == f64::from(*y)));
}

#[test]
fn where_nothing_was_missing_missing_goes_with_the_most() {
    let data = dataset(
        vec![(0..10).map(|i| i as f32).chain([f32::NAN]).collect()],
        (0..11).map(|i| u8::from(i >= 7)).collect(),
    );
    let train: Vec<u32> = (0..10).collect();
    let fit = fit(&RandomForest, &data, &train, &[], json!({"n_estimators": 1, "bootstrap": false}));
    assert_eq!(fit.predictor.predict(data.x(), &[0], &[6, 7, 10]), [0.0, 1.0, 0.0]);
}

#[test]
fn odd_data_is_learnt_or_refused() {
    let odd = vec![vec![1e30, -1e30, 0.0, 1e30, 3.4e38], vec![f32::NAN; 5], vec![4.0; 5]];
    let data = dataset(odd.clone(), vec![1, 0, 0, 1, 1]);
    let found = fit(&RandomForest, &data, &rows(&data), &[], json!({"n_estimators": 50}));
    let p = found.predictor.predict(data.x(), &[0, 1, 2], &rows(&data));
    assert!(p[0] > 0.5 && p[1] < 0.5 && p[4] > 0.5, "{p:?}");
    let flat = dataset(odd[1..].to_vec(), vec![1, 0, 0, 1, 1]);
    assert_eq!(fit(&RandomForest, &flat, &rows(&flat), &[], json!({})).importance, Some(vec![0.0; 2]));
    let one = dataset(odd, vec![1; 5]);
    let given = params(&RandomForest, json!({}));
    let task = FitTask::new(&one, &[0], &[0, 1, 2], &given);
    let error = RandomForest.fit(&task, &Control::default()).unwrap_err().to_string();
    assert!(error.contains("all 3 training rows are of class 1"), "{error}");
}

#[test]
fn stops_when_told_and_reports_every_tree() {
    let data = noisy(300, 8);
    let (columns, train, given) = (columns(&data), rows(&data), params(&RandomForest, json!({"n_estimators": 7})));
    let task = FitTask::new(&data, &columns, &train, &given);
    let seen = std::sync::Arc::new(Mutex::new(Vec::new()));
    let mut control = Control::default();
    let (sink, token) = (seen.clone(), control.token.clone());
    control.on_progress = Some(std::sync::Arc::new(move |p| {
        sink.lock().unwrap().push((p.done, p.of));
        if p.done == 3 {
            token.trip(StopReason::Shutdown);
        }
    }));
    assert!(matches!(RandomForest.fit(&task, &control), Err(LearnError::Stopped(StopReason::Shutdown))));
    assert_eq!(*seen.lock().unwrap(), [(1, 7), (2, 7), (3, 7)]);
}

#[test]
fn parameters_are_checked_together() {
    let bad = json!({"n_estimators": 0, "max_depth": "deep", "max_features": 1.5, "class_weight": "heavy", "leaf": 1});
    let faults = RandomForest.check(bad.as_object().unwrap()).unwrap_err().0;
    let pointers: Vec<_> = faults.iter().map(|f| f.pointer.as_str()).collect();
    assert_eq!(pointers, ["/n_estimators", "/max_depth", "/max_features", "/class_weight", "/leaf"]);
    assert_eq!(*params(&RandomForest, json!({})), RandomForest.defaults());
    for (name, values) in RandomForest.grid() {
        for value in values {
            params(&RandomForest, json!({name.clone(): value}));
        }
    }
}

#[test]
fn one_growth_serves_a_family() {
    family_equals_fits_apart(
        &RandomForest,
        &[
            json!({"n_estimators": 9, "max_depth": 6}),
            json!({"n_estimators": 4, "max_features": "log2"}),
            json!({"n_estimators": 12, "max_depth": 6, "max_features": 2}),
            json!({"n_estimators": 12, "max_depth": 3, "min_samples_split": 30}),
            json!({"n_estimators": 7, "min_samples_split": 5}),
            json!({"n_estimators": 12, "max_depth": 1}),
        ],
    );
}

/// One tree on all rows and columns is a plain decision tree: smartcore, which shares no code with ours, decides alike.
#[test]
fn one_plain_tree_decides_as_smartcores() {
    use smartcore::linalg::basic::matrix::DenseMatrix;
    use smartcore::tree::decision_tree_classifier::{DecisionTreeClassifier, DecisionTreeClassifierParameters};
    let mut random = SplitMix64::new(7);
    let rows: Vec<[f32; 3]> = (0..600).map(|_| std::array::from_fn(|_| random.unit() as f32)).collect();
    let y: Vec<u8> =
        rows.iter().map(|r| u8::from(f64::from(r[0] * 2.0 + r[1] * r[1] - r[2]) + 0.6 * random.unit() > 1.3)).collect();
    let (train, held) = rows.split_at(400);
    let ours = |rows: &[[f32; 3]], y: &[u8]| {
        dataset((0..3).map(|c| rows.iter().map(|r| r[c]).collect()).collect(), y.to_vec())
    };
    let theirs = |rows: &[[f32; 3]]| -> DenseMatrix<f64> {
        DenseMatrix::from_2d_vec(&rows.iter().map(|r| r.map(f64::from).to_vec()).collect::<Vec<_>>()).unwrap()
    };
    for depth in [1u16, 2, 4] {
        let params = json!({"n_estimators": 1, "bootstrap": false, "max_features": 3, "max_depth": depth});
        let params = RandomForest.check(params.as_object().unwrap()).unwrap();
        let fit = testing::fit(&RandomForest, &ours(train, &y[..400]), &params, |_| {}).unwrap();
        let held_rows: Vec<u32> = (0..200).collect();
        let p = fit.predictor.predict(ours(held, &y[400..]).x(), &[0, 1, 2], &held_rows);

        // smartcore counts the root as a level.
        let settings = DecisionTreeClassifierParameters::default().with_max_depth(depth + 1);
        let labels: Vec<u32> = y[..400].iter().map(|l| u32::from(*l)).collect();
        let other = DecisionTreeClassifier::fit(&theirs(train), &labels, settings).unwrap();
        let classes: Vec<u32> = other.predict(&theirs(held)).unwrap();
        let same = p.iter().zip(&classes).filter(|(p, class)| (**p > 0.5) == (**class == 1)).count();
        assert!(same >= 198, "depth {depth}: {same} of 200 rows are decided alike");
        let positive = classes.iter().filter(|c| **c == 1).count();
        assert!((40..160).contains(&positive), "{positive} positives of 200 say nothing");
    }
}
