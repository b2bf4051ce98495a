//! The statistics without rows, with one row, with one class and with nothing but missing values: a defined answer or an error
//! that says what is missing, never a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use provost_domain::config::{FeatureSelection, Pruning, SplitKind, Tuning};
use provost_domain::model::TemporalFigures;
use provost_domain::{Algorithm, TargetMetric};
use provost_learn::bootstrap::clustered_bootstrap;
use provost_learn::calibration;
use provost_learn::counts::Counts;
use provost_learn::drift::{performance_drop, shifts, windows};
use provost_learn::ensemble::combine;
use provost_learn::gate::{above_chance, improvement, verdict, verdict_without_champion};
use provost_learn::importance::permutation;
use provost_learn::metrics::{
    auc, best_threshold, brier, calibration_bins, classification_report, log_loss, mean_std, metric, roc_curve, scores,
    tiers, training_metrics,
};
use provost_learn::preprocess::{self, Standardise};
use provost_learn::ranks::Ranks;
use provost_learn::select::Selection;
use provost_learn::split::{Parts, SplitRows, grouped_folds, split, stratified_folds, without};
use provost_learn::stats::{auc_with_error, delong, log_loss_with_error, mcnemar};
use provost_learn::temporal::LastYears;
use provost_learn::train::{NoJournal, TrainSpec, finish, train};
use provost_learn::weights::class_weights;
use provost_learn::{Calibration, Control, Dataset, LearnError, Matrix, Predictor};

const METRICS: [TargetMetric; 5] = [
    TargetMetric::Accuracy,
    TargetMetric::Precision,
    TargetMetric::Recall,
    TargetMetric::F1Score,
    TargetMetric::AucRoc,
];

/// Labels and probabilities: no row, one row of either class, two rows of one class, one row of each class.
fn cases() -> Vec<(Vec<u8>, Vec<f64>)> {
    vec![
        (vec![], vec![]),
        (vec![0], vec![0.3]),
        (vec![1], vec![1.0]),
        (vec![0, 0], vec![0.0, 0.9]),
        (vec![1, 1], vec![0.5, 0.5]),
        (vec![0, 1], vec![0.5, 0.5]),
    ]
}

#[test]
fn metrics_are_finite_whatever_the_rows() {
    for (y, p) in cases() {
        let s = scores(&y, &p, 0.5);
        for value in [s.accuracy, s.precision, s.recall, s.f1_score, s.auc_roc, s.brier, s.log_loss] {
            assert!(value.is_finite() && value >= 0.0, "{y:?}: {s:?}");
        }
        assert_eq!(Counts::of(&y, &p, 0.5).total(), y.len() as u64);
        assert!(brier(&y, &p).is_finite() && log_loss(&y, &p).is_finite() && (0.0..=1.0).contains(&auc(&y, &p)));
        assert_eq!(roc_curve(&y, &p).is_empty(), !(y.contains(&0) && y.contains(&1)));
        assert_eq!(calibration_bins(&y, &p).iter().map(|b| b.count).sum::<u64>(), y.len() as u64);
        assert_eq!(tiers(&y, &p, 0.5).values().map(|t| t.n).sum::<u64>(), y.len() as u64);
        assert!(classification_report(&y, &p, 0.5)["macro avg"]["f1-score"].as_f64().unwrap().is_finite());
        let all = training_metrics(&y, &p, 0.5, &[], 0.0, 0);
        assert_eq!((all.cv_mean, all.cv_std), (0.0, 0.0));
        for target in METRICS {
            let (threshold, score) = best_threshold(target, &y, &p);
            assert!((0.0..=1.0).contains(&threshold) && score.is_finite(), "{target} of {y:?}");
            assert!(metric(target, &y, &p, threshold).is_finite());
        }
    }
    assert_eq!((mean_std(&[]), mean_std(&[0.4])), ((0.0, 0.0), (0.4, 0.0)));
}

#[test]
fn tests_between_models_find_no_evidence_in_too_few_rows() {
    for (y, p) in cases() {
        let m = mcnemar(&y, &p, 0.5, &p, 0.6);
        assert!((0.0..=1.0).contains(&m.p_value), "{m:?}");
        let d = delong(&y, &p, &p);
        assert_eq!((d.difference, d.interval_95, d.p_value), (0.0, [-1.0, 1.0], 1.0), "{y:?}");
        let enough = y.iter().filter(|l| **l == 0).count() > 1 && y.iter().filter(|l| **l == 1).count() > 1;
        assert_eq!(auc_with_error(&y, &p).is_some(), enough);
        assert_eq!(log_loss_with_error(&y, &p).is_some(), y.len() > 1);
        let clusters = vec![7; y.len()];
        for target in METRICS {
            let b = clustered_bootstrap(target, &y, &p, 0.5, &p, 0.5, &clusters, 1, 50);
            assert_eq!((b.difference, b.interval_95, b.p_value), (0.0, [-1.0, 1.0], 1.0), "{target} of {y:?}");
            // As many clusters as rows, and no draw at all.
            let apart: Vec<u64> = (0..y.len() as u64).collect();
            let none = clustered_bootstrap(target, &y, &p, 0.5, &p, 0.5, &apart, 1, 0);
            assert_eq!(none.p_value, 1.0);
            let some = clustered_bootstrap(target, &y, &p, 0.5, &p, 0.5, &apart, 1, 20);
            assert!(some.interval_95.iter().all(|v| v.is_finite()), "{some:?}");
            let found = improvement(target, &y, (&p, 0.5), (&p, 0.5), &clusters, 0.05, 1);
            assert_eq!((found.lower_bound, found.draws), (-1.0, 0));
            assert!(!verdict(target, &found, 0.0, true).passed);
        }
        let chance = above_chance(&y, &p, &clusters, 0.05, 1);
        assert!(!verdict_without_champion(&chance).passed);
    }
    // Clusters enough, but one class in all of them: no draw is usable.
    let (y, p, clusters) = (vec![1u8; 40], vec![0.5; 40], (0..40).collect::<Vec<u64>>());
    let found = above_chance(&y, &p, &clusters, 0.05, 1);
    assert_eq!((found.clusters, found.draws, found.lower_bound), (40, 0, -1.0));
}

fn reference(auc: f64) -> TemporalFigures {
    TemporalFigures { year: 2019, rows: 300, positives: 100, auc, auc_error: 0.02, log_loss: 0.6, log_loss_error: 0.02 }
}

#[test]
fn a_watch_over_no_rows_tests_nothing_and_says_so() {
    for figures in [reference(0.8), reference(f64::NAN)] {
        let none = performance_drop(&figures, &[], &[]);
        assert!(!none.dropped && none.windows == 0 && none.latest.is_empty());
        assert!(none.reason.contains("no new rows"), "{}", none.reason);
        for (y, p) in cases().into_iter().skip(1) {
            assert!(windows(&y).is_empty() && shifts(&figures, &y, &p).is_none());
            let few = performance_drop(&figures, &y, &p);
            assert!(!few.dropped && few.reason.contains("0 complete windows"), "{}", few.reason);
        }
        let one_class = performance_drop(&figures, &[1; 2000], &[0.5; 2000]);
        assert!(!one_class.dropped && one_class.windows == 0);
    }
}

#[test]
fn calibration_of_too_little_changes_nothing() {
    for (y, p) in cases() {
        let calibration = calibration::fit(&p, &y, &Control::default()).unwrap();
        let both = y.contains(&0) && y.contains(&1);
        assert!(both || calibration == Calibration::None, "{calibration:?}");
        for q in [0.0, 0.5, 1.0] {
            assert!((0.0..=1.0).contains(&calibration.apply(q)));
        }
    }
    let many: Vec<u8> = (0..3_000).map(|i| u8::from(i == 0)).collect();
    let flat = calibration::fit(&vec![0.5; 3_000], &many, &Control::default()).unwrap();
    assert!((0.0..=1.0).contains(&flat.apply(0.5)));
}

fn named(columns: Vec<Vec<f32>>, y: Vec<u8>) -> Dataset {
    let names = (0..columns.len()).map(|c| format!("c{c}")).collect();
    Dataset::new(Matrix::new(names, columns).unwrap(), y).unwrap()
}

fn is_data<T: std::fmt::Debug>(result: Result<T, LearnError>) {
    assert!(matches!(result, Err(LearnError::Data(_))), "{result:?}");
}

#[test]
fn selection_names_what_is_missing() {
    let kinds = [FeatureSelection::Auto, FeatureSelection::Rfe, FeatureSelection::Lasso, FeatureSelection::TreeBased];
    let varying: Vec<f32> = (0..40).map(|i| (i % 7) as f32).collect();
    let two = named(vec![varying.clone(), varying.iter().map(|v| -v).collect()], vec![1; 40]);
    let all: Vec<u32> = (0..40).collect();
    for kind in kinds {
        let columns = |data: &Dataset, rows: &[u32]| {
            Selection { kind, features: None, seed: 1 }.columns(data, rows, &Control::default())
        };
        is_data(columns(&named(vec![], vec![]), &[]));
        is_data(columns(&named(vec![vec![], vec![]], vec![]), &[]));
        is_data(columns(&two, &[]));
        is_data(columns(&two, &[3]));
        is_data(columns(&named(vec![vec![f32::NAN; 40]; 2], vec![1; 40]), &all));
        match columns(&two, &all) {
            // One class: what looks at labels says so, the others keep what varies.
            Err(LearnError::Data(why)) => assert!(why.contains("class") || why.contains("rejected"), "{why}"),
            kept => assert_eq!(kept.unwrap(), [0, 1]),
        }
    }
}

#[test]
fn splits_and_folds_name_the_class_that_is_missing() {
    for n in [0usize, 1, 3, 9] {
        for label in [0u8, 1] {
            let (labels, applicants, row_ids, years) = (vec![label; n], vec![1; n], vec![1; n], vec![i32::MIN; n]);
            let rows = SplitRows { labels: &labels, applicants: &applicants, row_ids: &row_ids, years: &years };
            for kind in [SplitKind::Random, SplitKind::Grouped, SplitKind::Temporal] {
                is_data(split(&rows, kind, 0.2, 0.2, 1, 1));
            }
            let all: Vec<u32> = (0..n as u32).collect();
            is_data(stratified_folds(&labels, &all, 3, 1, &Control::default()));
            is_data(stratified_folds(&labels, &all, 0, 1, &Control::default()));
            is_data(grouped_folds(&labels, &all, &vec![1; n], 3, 1, &Control::default()));
            assert_eq!(LastYears::of(&rows, &all, &[]), None);
        }
    }
    assert!(without(&[], &[]).is_empty() && without(&[], &[1]).is_empty());
    assert!(matches!(class_weights(&[], &[], true), Err(LearnError::Data(_))));
}

#[test]
fn preparation_takes_columns_without_values() {
    let control = Control::default();
    assert!(Ranks::new(&[]).values().is_empty() && Ranks::new(&[f32::NAN]).codes() == [0]);
    let x = Matrix::new(vec!["a".into(), "b".into()], vec![vec![f32::NAN, f32::NAN], vec![1.0, f32::NAN]]).unwrap();
    for rows in [vec![0u32, 1], vec![0], vec![1]] {
        let p = preprocess::fit(&x, &[0, 1], &rows, true, Standardise::Everything, &control).unwrap();
        let stride = p.width();
        assert!(preprocess::design(&p, &x, &[0, 1], &[], stride, &control).unwrap().is_empty());
        assert!(preprocess::design(&p, &x, &[0, 1], &[0, 1], stride, &control).unwrap().iter().all(|v| v.is_finite()));
    }
    assert_eq!(preprocess::fit(&x, &[], &[0], true, Standardise::Nothing, &control).unwrap().width(), 0);
    let data = named(vec![vec![], vec![]], vec![]);
    let half = Predictor::Constant(0.5);
    assert_eq!(permutation(&half, &data, &[0, 1], &[], 1, 2, &Control::default()).unwrap(), [0.0, 0.0]);
    assert!(permutation(&half, &data, &[], &[], 1, 2, &Control::default()).unwrap().is_empty());
}

#[test]
fn training_on_too_little_is_an_error_that_says_so() {
    let varying: Vec<f32> = (0..40).map(|i| (i % 7) as f32).collect();
    let one_class = named(vec![varying.clone()], vec![1; 40]);
    let few = named(vec![varying.clone()], (0..40).map(|i| u8::from(i < 2)).collect());
    let missing = named(vec![vec![f32::NAN; 40]], (0..40).map(|i| u8::from(i % 2 == 0)).collect());
    let empty = named(vec![vec![]], vec![]);
    let none = named(vec![], vec![]);
    for algorithm in Algorithm::ALL {
        for tuning in [Tuning::None, Tuning::RandomSearch, Tuning::Bayesian] {
            let spec = TrainSpec {
                algorithm,
                tuning,
                iterations: 2,
                folds: 3,
                metric: TargetMetric::F1Score,
                seed: 42,
                feature_selection: FeatureSelection::Auto,
                selected_features: None,
                scale: true,
                early_stopping_rounds: 10,
                pruning: Pruning::Racing,
                grid: None,
            };
            let control = Control::default();
            for (data, train_rows) in
                [(&empty, 0), (&none, 0), (&one_class, 1), (&one_class, 40), (&few, 40), (&missing, 40)]
            {
                let parts = Parts { train: (0..train_rows).collect(), ..Parts::default() };
                is_data(train(data, &parts, &spec, &NoJournal, &control).map(|_| ()));
                is_data(finish(data, &parts, &spec, &NoJournal, &control).map(|_| ()));
                is_data(combine(data, &parts, &spec, &[], &control).map(|_| ()));
            }
        }
    }
}
