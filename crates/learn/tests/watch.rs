//! The statistics of watching against scipy and statsmodels (see fixtures/make_watch.py).
#![allow(clippy::unwrap_used, clippy::expect_used)]

use provost_domain::watch::{DriftTest, FeatureDrift};
use provost_learn::watch::{
    PredictedRows, Reference, WatchedRows, benjamini_hochberg, chi_squared, kolmogorov_smirnov_and_wasserstein,
    performance, two_proportions,
};
use provost_learn::{Control, Matrix};
use serde_json::Value;

fn cases(name: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("fixtures/watch.json")).unwrap();
    let cases = all[name].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

fn floats(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn singles(v: &Value) -> Vec<f32> {
    floats(v).into_iter().map(|v| v as f32).collect()
}

fn counts(v: &Value) -> Vec<u64> {
    v.as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect()
}

#[track_caller]
fn close(got: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!((got - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{got}, and the library has {expected}");
}

#[test]
fn distances_are_scipys() {
    for case in cases("distances") {
        let (ks, wasserstein) = kolmogorov_smirnov_and_wasserstein(&singles(&case["a"]), &singles(&case["b"]));
        close(ks, &case["ks"]);
        close(wasserstein, &case["wasserstein"]);
        let (b, a) = (singles(&case["b"]), singles(&case["a"]));
        assert_eq!(kolmogorov_smirnov_and_wasserstein(&b, &a), (ks, wasserstein));
    }
    assert_eq!(kolmogorov_smirnov_and_wasserstein(&[], &[1.0]), (0.0, 0.0));
}

#[test]
fn chi_squared_is_scipys() {
    for case in cases("chi_squared") {
        let (before, now) = (counts(&case["before"]), counts(&case["now"]));
        let all: u64 = before.iter().sum();
        let categories: Vec<(u64, f64)> =
            now.iter().zip(&before).map(|(now, before)| (*now, *before as f64 / all as f64)).collect();
        close(chi_squared(&categories), &case["statistic"]);
        // A category that the reference does not have is counted apart.
        let with_new = [categories, vec![(9, 0.0)]].concat();
        close(chi_squared(&with_new), &case["statistic"]);
    }
    assert_eq!((chi_squared(&[]), chi_squared(&[(0, 0.5), (0, 0.5)])), (0.0, 0.0));
}

#[test]
fn proportions_are_statsmodels() {
    for case in cases("proportions") {
        let (a, b) = (counts(&case["a"]), counts(&case["b"]));
        close(two_proportions((a[0], a[1]), (b[0], b[1])), &case["z"]);
    }
    assert_eq!(two_proportions((0, 0), (1, 2)), 0.0);
    assert_eq!(two_proportions((3, 3), (2, 2)), 0.0);
}

#[test]
fn corrected_p_values_are_statsmodels() {
    for case in cases("corrected") {
        let q = benjamini_hochberg(&floats(&case["p"]));
        for (got, expected) in q.iter().zip(case["q"].as_array().unwrap()) {
            close(*got, expected);
        }
    }
    assert!(benjamini_hochberg(&[]).is_empty());
}

/// The comparison of a column with another, one row an applicant.
fn compared(name: &str, before: Vec<f32>, now: Vec<f32>) -> FeatureDrift {
    let rows = |values: Vec<f32>, from: u64| {
        let applicants = (from..from + values.len() as u64).collect();
        WatchedRows::new(Matrix::new(vec![name.to_owned()], vec![values]).unwrap(), applicants, None).unwrap()
    };
    let unknown = vec![i32::MIN; before.len()];
    let control = Control::default();
    let reference = Reference::new(&rows(before, 0), &unknown, &unknown, 0.5, 1, &control).unwrap();
    reference.compare(&rows(now, 1_000_000), 2, &control).unwrap().features.remove(0)
}

/// Both sides are estimates from some thousand permutations.
#[track_caller]
fn near(got: f64, expected: f64) {
    let error = 4.0 * (expected * (1.0 - expected) / 1_500.0).sqrt() + 0.001;
    assert!((got - expected).abs() < error, "{got}, and the library has {expected}");
}

#[test]
fn permuted_p_values_are_scipys() {
    for case in cases("permuted") {
        let (ks, wasserstein) = (case["ks"].as_f64().unwrap(), case["wasserstein"].as_f64().unwrap());
        let found = compared("gpa", singles(&case["a"]), singles(&case["b"]));
        assert_eq!(found.test, DriftTest::KolmogorovSmirnov);
        // Of the larger of the two distances, so that it lies between the smaller of their p-values and twice that.
        let (p, least) = (found.p.unwrap(), ks.min(wasserstein));
        near(p.clamp(least, (2.0 * least).min(1.0)), p);

        let with_missing = |values: &Value, missing: u64| {
            let values = singles(values);
            let column = values.iter().enumerate().map(|(i, v)| if (i as u64) < missing { f32::NAN } else { *v });
            column.collect::<Vec<f32>>()
        };
        let missing = counts(&case["missing"]);
        let found = compared("gpa", with_missing(&case["a"], missing[0]), with_missing(&case["b"], missing[1]));
        near(found.missing.p.unwrap(), case["missing_p"].as_f64().unwrap());

        let kinds = |counts: &[u64]| -> Vec<f32> {
            counts.iter().enumerate().flat_map(|(kind, n)| std::iter::repeat_n(kind as f32, *n as usize)).collect()
        };
        let both: Vec<Vec<u64>> = case["kinds"].as_array().unwrap().iter().map(counts).collect();
        let found = compared("university", kinds(&both[0]), kinds(&both[1]));
        assert_eq!((found.test, found.new_categories), (DriftTest::ChiSquared, Some(0.0)));
        near(found.p.unwrap(), case["kinds_p"].as_f64().unwrap());
    }
}

#[test]
fn expected_metrics_are_those_of_their_definitions() {
    for case in cases("expected") {
        let p = floats(&case["p"]);
        let applicants: Vec<u64> = (0..p.len() as u64).collect();
        let rows = PredictedRows { probabilities: &p, outcomes: &vec![None; p.len()], applicants: &applicants };
        let found = performance(&rows, case["threshold"].as_f64().unwrap(), 1, &Control::default()).unwrap();
        assert_eq!((found.realised, found.calibration_holds, found.outcomes), (None, None, 0));
        for (name, found) in [
            ("auc_roc", found.estimated.auc_roc),
            ("f1_score", found.estimated.f1_score),
            ("accuracy", found.estimated.accuracy),
            ("brier_score", found.estimated.brier_score),
        ] {
            let found = found.unwrap();
            close(found.value, &case[name]);
            assert!(
                found.low <= found.value && found.value <= found.high && found.low < found.high,
                "{name} {found:?}"
            );
        }
    }
}
