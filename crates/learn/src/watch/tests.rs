#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::error::LearnError;
use crate::testdata::on_threads;
use proptest::prelude::*;
use provost_domain::rng::SplitMix64;
use provost_domain::watch::{Drift, DriftTest, DriftWindow, PROBABILITY, SHARE_ACCEPTED, WindowKind};
use provost_predict::control::{Control, StopReason, Token};
use provost_predict::matrix::Matrix;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const NAMES: [&str; 6] =
    ["gpa_normalized", "gre_verbal_percentile", "research_score", "is_stem", "university", "application_year"];

/// How rows are drawn.
#[derive(Clone, Copy)]
struct Shape {
    /// Of the first feature, in its deviations.
    shift: f64,
    /// Share of missing values of the second.
    missing: f64,
    /// Share of rows of a university that the reference does not have.
    new: f64,
    /// Rows of an applicant, at most.
    most: u32,
}

const CLEAN: Shape = Shape { shift: 0.0, missing: 0.2, new: 0.0, most: 3 };

/// Applicants with one to `most` rows, which have the first two features in common.
fn drawn(n: usize, shape: Shape, seed: u64) -> WatchedRows {
    let mut r = SplitMix64::new(seed);
    let (mut columns, mut applicants, mut p) = (vec![Vec::new(); NAMES.len()], Vec::new(), Vec::new());
    while applicants.len() < n {
        let applicant = r.next_u64();
        let (gpa, gre) = (r.normal() + shape.shift, if r.unit() < shape.missing { f64::NAN } else { r.normal() });
        for _ in 0..(1 + r.below(shape.most)).min((n - applicants.len()) as u32) {
            let university = if r.unit() < shape.new { 77.0 } else { f64::from(r.below(4) * r.below(12)) };
            let row = [gpa, gre, f64::from(r.below(5)), f64::from(r.below(2)), university, 2015.0];
            columns.iter_mut().zip(row).for_each(|(column, v)| column.push(v as f32));
            applicants.push(applicant);
            p.push(1.0 / (1.0 + (-gpa - 0.5 * r.normal()).exp()));
        }
    }
    let names = NAMES.map(str::to_owned).to_vec();
    WatchedRows::new(Matrix::new(names, columns).unwrap(), applicants, Some(p)).unwrap()
}

fn reference_of(rows: &WatchedRows) -> Reference {
    let unknown = vec![i32::MIN; rows.rows()];
    Reference::new(rows, &unknown, &unknown, 0.5, 7, &Control::default()).unwrap()
}

fn features(reference: &Reference, window: &WatchedRows, seed: u64) -> Drift {
    reference.compare_features(window, seed, &Control::default()).unwrap()
}

fn over(drift: &Drift) -> Vec<&str> {
    drift.features.iter().filter(|f| f.over || f.missing.over).map(|f| f.feature.as_str()).collect()
}

/// The second of two windows of these rows.
fn pair(reference: &Reference, first: &WatchedRows, second: &WatchedRows, seed: u64) -> DriftWindow {
    let window = |rows: &WatchedRows, seed, before: Option<&DriftWindow>| {
        let times = Default::default();
        features(reference, rows, seed).into_window(seed.to_string(), WindowKind::Predictions, times, before)
    };
    let before = window(first, seed, None);
    assert!(!before.alarm, "the first window of all has no alarm");
    window(second, seed + 1, Some(&before))
}

#[test]
fn the_same_at_any_number_of_threads_whatever_the_order_of_the_rows() {
    let (reference, window) = (drawn(700, CLEAN, 1), drawn(300, Shape { shift: 0.2, ..CLEAN }, 2));
    let run = |threads: usize| {
        on_threads(threads, || reference_of(&reference).compare(&window, 5, &Control::default()).unwrap())
    };
    let found = run(1);
    assert_eq!(found, run(3));
    let names: Vec<&str> = found.features.iter().map(|f| f.feature.as_str()).collect();
    assert_eq!(names, [&NAMES[..5], &[PROBABILITY, SHARE_ACCEPTED]].concat());
    assert_eq!(found.not_compared, NAMES[5..]);
    assert!(found.permutations >= 2_000 && found.domain_auc.is_some());
    assert_eq!(found.predictions_moved, found.features[5].statistic);
    let reversed = |rows: &WatchedRows| {
        let columns = (0..rows.x().width()).map(|c| rows.x().column(c).iter().rev().copied().collect()).collect();
        let p = rows.probabilities().unwrap().iter().rev().copied().collect();
        let applicants = rows.applicants().iter().rev().copied().collect();
        WatchedRows::new(Matrix::new(rows.x().names().to_vec(), columns).unwrap(), applicants, Some(p)).unwrap()
    };
    let again = features(&reference_of(&reversed(&reference)), &reversed(&window), 5);
    for (a, b) in found.features.iter().zip(&again.features) {
        assert_eq!((a.p, a.q, a.missing.p), (b.p, b.q, b.missing.p));
    }
}

#[test]
fn clean_windows_are_seldom_over_though_rows_of_an_applicant_go_together() {
    let trials = 150;
    let shape = Shape { most: 8, ..CLEAN };
    let mut windows = 0;
    for trial in 0..trials {
        let reference = reference_of(&drawn(1_500, shape, 10_000 + trial));
        let found = features(&reference, &drawn(400, shape, 20_000 + trial), trial);
        windows += u32::from(!over(&found).is_empty());
    }
    // 5 % by the false-discovery rate; without the floors, and of rows instead of applicants, most would be.
    assert!(windows <= 15, "{windows} of {trials} windows are over");
}

#[test]
fn a_shift_of_three_tenths_is_found_in_two_windows() {
    let (mut found, trials) = (0, 30);
    let shape = Shape { shift: 0.3, most: 1, ..CLEAN };
    for trial in 0..trials {
        let reference = reference_of(&drawn(3_000, Shape { most: 1, ..CLEAN }, 30_000 + trial));
        let window = |seed| drawn(500, shape, 40_000 + 2 * trial + seed);
        let second = pair(&reference, &window(0), &window(1), trial);
        found += u32::from(second.features[0].alarm);
    }
    assert!(found >= 28, "{found} of {trials}");
}

#[test]
fn each_kind_of_change_is_found_where_it_is() {
    let reference = reference_of(&drawn(3_000, CLEAN, 51));
    let found = |shape: Shape| features(&reference, &drawn(600, shape, 52), 53);
    assert_eq!(over(&found(CLEAN)), [] as [&str; 0]);
    let missing = found(Shape { missing: 0.5, ..CLEAN });
    assert_eq!(over(&missing), [NAMES[1]]);
    assert!(missing.features[1].missing.over);
    assert!((missing.features[1].missing.effect - 0.3).abs() < 0.06);
    let new = found(Shape { new: 0.2, ..CLEAN });
    assert_eq!(over(&new), ["university"]);
    assert!((new.features[4].new_categories.unwrap() - 0.2).abs() < 0.05);
    assert!(new.features[4].effect >= new.features[4].new_categories);
    let shifted = found(Shape { shift: 0.8, ..CLEAN });
    assert_eq!(over(&shifted), [NAMES[0], PROBABILITY, SHARE_ACCEPTED]);
    assert!(shifted.predictions_moved.unwrap() > 0.2);
    assert!((shifted.features[0].effect.unwrap() - 0.8).abs() < 0.15, "{:?}", shifted.features[0]);
}

#[test]
fn the_spread_between_cycles_is_no_news() {
    // Cycles that differ by half a deviation, and windows as another of them would be.
    let parts: Vec<WatchedRows> =
        (0..4).map(|i| drawn(800, Shape { shift: f64::from(i % 2), ..CLEAN }, 60 + u64::from(i as u32))).collect();
    let column = |c: usize| parts.iter().flat_map(|rows| rows.x().column(c).iter().copied()).collect();
    let columns = (0..NAMES.len()).map(column).collect();
    let applicants = parts.iter().flat_map(|rows| rows.applicants().iter().copied()).collect();
    let names = NAMES.map(str::to_owned).to_vec();
    let rows = WatchedRows::new(Matrix::new(names, columns).unwrap(), applicants, None).unwrap();
    let years: Vec<i32> = (0..rows.rows()).map(|row| 2010 + (row / 800) as i32).collect();
    let reference = Reference::new(&rows, &years, &years, 0.5, 7, &Control::default()).unwrap();
    assert_eq!(serde_json::to_string(&reference.summary()).unwrap(), r#"{"rows":3200,"from":2010,"to":2013}"#);
    let found = features(&reference, &drawn(500, Shape { shift: 1.0, ..CLEAN }, 66), 67);
    let gpa = &found.features[0];
    assert!(gpa.floor > 0.5 && gpa.floor < 0.8, "{gpa:?}");
    assert!(gpa.q.unwrap() < 0.05 && gpa.effect.unwrap() > 0.3 && !gpa.over, "{gpa:?}");
    assert_eq!(found.features[2].floor, 0.1);
    assert_eq!(found.features.len(), 5, "there are no predictions");
}

/// Windows with a defined answer, and what is over in them.
#[test]
fn windows_with_little_or_nothing_have_defined_answers() {
    let rows = drawn(2_000, CLEAN, 71);
    let reference = reference_of(&rows);
    let quiet = |window: &WatchedRows| {
        let found = reference.compare(window, 1, &Control::default()).unwrap();
        assert!(over(&found).is_empty(), "{:?}", over(&found));
        assert_eq!((found.permutations, found.domain_auc, found.rows_tested), (0, None, 0));
        assert!(found.features.iter().all(|f| f.p.is_none() && f.q.is_none() && f.missing.q.is_none()));
        found
    };
    let outlier = Shape { shift: 50.0, ..CLEAN };
    let none = quiet(&drawn(0, CLEAN, 72));
    assert!(none.features.iter().all(|f| f.statistic.is_none() && f.effect.is_none() && f.missing.effect == 0.0));
    assert_eq!((none.rows, none.predictions_moved), (0, None));
    let one = quiet(&drawn(1, outlier, 72));
    assert!(one.features[0].effect.unwrap() > 40.0);
    quiet(&drawn(9, outlier, 73));
    // Without columns there is nothing but predictions that could be compared.
    let empty = WatchedRows::new(Matrix::new(vec![], vec![]).unwrap(), vec![], None).unwrap();
    quiet(&empty);
    // All rows of one applicant.
    let mut same = drawn(400, outlier, 74);
    same = WatchedRows::new(same.x().clone(), vec![5; 400], None).unwrap();
    quiet(&same);
    // A reference without rows.
    let nothing = reference_of(&drawn(0, CLEAN, 75));
    let found = nothing.compare(&drawn(300, CLEAN, 76), 1, &Control::default()).unwrap();
    assert!(over(&found).is_empty() && found.features.len() == 7);
}

#[test]
fn a_feature_that_vanished_is_missing_and_no_more() {
    let reference = reference_of(&drawn(2_000, CLEAN, 81));
    let window = drawn(500, CLEAN, 82);
    type Change = dyn Fn(&mut Vec<String>, &mut Vec<Vec<f32>>);
    let vanished = |change: &Change| {
        let mut names = window.x().names().to_vec();
        let mut columns: Vec<Vec<f32>> = (0..NAMES.len()).map(|c| window.x().column(c).to_vec()).collect();
        change(&mut names, &mut columns);
        let p = Some(window.probabilities().unwrap().to_vec());
        let rows = WatchedRows::new(Matrix::new(names, columns).unwrap(), window.applicants().to_vec(), p).unwrap();
        features(&reference, &rows, 83)
    };
    let absent = vanished(&|names, columns| {
        names[2] = "another".to_owned();
        columns[2].fill(9.0);
    });
    let all_missing = vanished(&|_, columns| columns[2].fill(f32::NAN));
    assert_eq!(absent, all_missing);
    assert_eq!(over(&absent), ["research_score"]);
    let feature = &absent.features[2];
    assert_eq!((feature.statistic, feature.effect, feature.p, feature.over), (None, None, None, false));
    assert_eq!((feature.missing.reference, feature.missing.window, feature.missing.over), (0.0, 1.0, true));
    let no_category = vanished(&|_, columns| columns[4].fill(f32::NAN));
    assert_eq!(no_category.features[4].new_categories, None);
}

#[test]
fn a_constant_reference_is_compared_by_the_share_that_differs() {
    let rows = |n: usize, others: usize, from: u64| {
        let values: Vec<f32> = (0..n).map(|row| if row < others { 3.0 } else { 2.0 }).collect();
        let x = Matrix::new(vec!["gpa_normalized".to_owned()], vec![values]).unwrap();
        WatchedRows::new(x, (from..from + n as u64).collect(), None).unwrap()
    };
    let reference = reference_of(&rows(1_000, 0, 0));
    let same = features(&reference, &rows(300, 0, 5_000), 1).features.remove(0);
    assert_eq!((same.effect, same.statistic, same.p, same.over), (Some(0.0), Some(0.0), None, false));
    let few = features(&reference, &rows(300, 9, 5_000), 1).features.remove(0);
    assert_eq!((few.effect, few.floor, few.over), (Some(0.03), 0.05, false));
    assert!(few.q.unwrap() < 0.05);
    let many = features(&reference, &rows(300, 60, 5_000), 1).features.remove(0);
    assert_eq!((many.effect, many.over), (Some(0.2), true));
}

#[test]
fn one_class_and_columns_without_values_have_defined_answers() {
    // Every chance is above the threshold, or none is.
    let answered = |seed, p: f64| {
        let rows = drawn(600, CLEAN, seed);
        WatchedRows::new(rows.x().clone(), rows.applicants().to_vec(), Some(vec![p; rows.rows()])).unwrap()
    };
    let reference = reference_of(&answered(151, 0.9));
    let of_predictions = |window: &WatchedRows| -> Vec<(Option<f64>, bool, bool)> {
        let found = features(&reference, window, 1);
        found.features[5..].iter().map(|f| (f.effect, f.p.is_some(), f.over)).collect()
    };
    assert_eq!(of_predictions(&answered(152, 0.9)), [(Some(0.0), false, false); 2]);
    assert_eq!(of_predictions(&answered(153, 0.1)), [(Some(1.0), true, true); 2]);
    // A window whose rows all have one value, of a feature that varies.
    let varied = drawn(600, CLEAN, 154);
    let cells = (0..600).map(|row| (row, 0, 0.0));
    let constant = WatchedRows::new(varied.x().with_cells(cells), varied.applicants().to_vec(), None).unwrap();
    let gpa = features(&reference, &constant, 1).features.remove(0);
    assert!(gpa.over && gpa.effect.is_some_and(|effect| effect > 0.5), "{gpa:?}");

    let without_values = |seed| {
        let rows = drawn(600, CLEAN, seed);
        let columns = vec![vec![f32::NAN; rows.rows()]; NAMES.len()];
        let x = Matrix::new(NAMES.map(str::to_owned).to_vec(), columns).unwrap();
        WatchedRows::new(x, rows.applicants().to_vec(), None).unwrap()
    };
    let (with, without) = (drawn(600, CLEAN, 155), without_values(156));
    let compared = |reference: &WatchedRows, window: &WatchedRows| {
        let found = reference_of(reference).compare(window, 1, &Control::default()).unwrap();
        for feature in &found.features[..5] {
            assert_eq!((feature.statistic, feature.effect, feature.p, feature.over), (None, None, None, false));
        }
        found.features[..5].iter().map(|f| (f.missing.reference, f.missing.window, f.missing.over)).collect::<Vec<_>>()
    };
    let shares = |shares: Vec<(f64, f64, bool)>| shares.into_iter().map(|(a, b, over)| (a > 0.9, b > 0.9, over));
    assert!(shares(compared(&with, &without)).eq([(false, true, true); 5]));
    assert!(shares(compared(&without, &with)).eq([(true, false, true); 5]));
    assert!(shares(compared(&without, &without_values(157))).eq([(true, true, false); 5]));
}

#[test]
fn rows_without_a_prediction_are_left_out() {
    let rows = |seed: u64| {
        let all = drawn(1_000, CLEAN, seed);
        let p = all.probabilities().unwrap().iter().zip(0..).map(|(p, row)| if row % 3 > 0 { f64::NAN } else { *p });
        WatchedRows::new(all.x().clone(), all.applicants().to_vec(), Some(p.collect())).unwrap()
    };
    let reference = reference_of(&rows(91));
    let found = features(&reference, &drawn(500, CLEAN, 92), 93);
    assert!(over(&found).is_empty(), "{:?}", over(&found));
    let accepted = &found.features[6];
    assert_eq!((accepted.test, accepted.missing.p, accepted.missing.reference), (DriftTest::Proportion, None, 0.0));
    assert!(accepted.p.is_some());
    // A window without predictions.
    let window = drawn(500, CLEAN, 94);
    let without = WatchedRows::new(window.x().clone(), window.applicants().to_vec(), None).unwrap();
    let found = features(&reference, &without, 95);
    assert_eq!((found.features[5].statistic, found.features[6].p, found.predictions_moved), (None, None, None));
}

#[test]
fn the_classifier_sees_what_no_single_feature_shows() {
    // Two features that go together in the window only.
    let rows = |n: usize, together: bool, seed: u64| {
        let mut r = SplitMix64::new(seed);
        let a: Vec<f32> = (0..n).map(|_| r.normal() as f32).collect();
        let b: Vec<f32> = a.iter().map(|a| if together { *a } else { r.normal() as f32 }).collect();
        let x = Matrix::new(vec!["gpa_normalized".to_owned(), "gpa_vs_avg".to_owned()], vec![a, b]).unwrap();
        WatchedRows::new(x, (seed * 10_000..seed * 10_000 + n as u64).collect(), None).unwrap()
    };
    let reference = reference_of(&rows(1_500, false, 1));
    let of = |together, seed| reference.compare(&rows(500, together, seed), 4, &Control::default()).unwrap();
    let (same, other) = (of(false, 2), of(true, 3));
    let (clean, changed) = (same.domain_auc.unwrap(), other.domain_auc.unwrap());
    assert!(clean.low < 0.5 && clean.high > 0.5 && clean.high < 0.6, "{clean:?}");
    assert!(changed.low > 0.7, "{changed:?}");
    assert!(over(&other).is_empty());
}

#[test]
fn permutations_go_on_where_they_decide() {
    // Of many rows no clean effect is above its floor.
    let reference = reference_of(&drawn(20_000, CLEAN, 121));
    assert_eq!(features(&reference, &drawn(5_000, CLEAN, 122), 123).permutations, 2_000);
    // Of few rows some shift is near the decision.
    let reference = reference_of(&drawn(1_500, CLEAN, 124));
    let near = |hundredths: u32| {
        let shape = Shape { shift: 0.01 * f64::from(hundredths), ..CLEAN };
        features(&reference, &drawn(400, shape, 125), 126).permutations > 2_000
    };
    assert!((5..60).any(near));
}

#[test]
fn a_large_window_is_sampled_and_says_so() {
    let reference = reference_of(&drawn(30_000, CLEAN, 101));
    let found = features(&reference, &drawn(9_000, Shape { shift: 0.3, ..CLEAN }, 102), 103);
    assert_eq!(found.rows, 9_000);
    assert!((4_990..=5_000).contains(&found.rows_tested), "{}", found.rows_tested);
    assert!((19_990..=20_000).contains(&found.reference_rows_tested), "{}", found.reference_rows_tested);
    assert!(found.features[0].over);
}

#[test]
fn a_cancel_at_any_look_ends_a_comparison() {
    let (reference, window) = (reference_of(&drawn(600, CLEAN, 111)), drawn(200, CLEAN, 112));
    let run = |at: u64| {
        let (looks, token) = (Arc::new(AtomicU64::new(0)), Token::new());
        let (seen, tripped) = (looks.clone(), token.clone());
        let observer = move || {
            if seen.fetch_add(1, Ordering::Relaxed) == at {
                tripped.trip(StopReason::Cancelled);
            }
        };
        let control = Control { token: token.observed_by(Arc::new(observer)), ..Control::default() };
        let found = on_threads(1, || reference.compare(&window, 1, &control));
        (found, looks.load(Ordering::Relaxed))
    };
    let (whole, looks) = run(u64::MAX);
    whole.unwrap();
    assert!(looks > 100);
    for part in 0..8 {
        let (stopped, _) = run(looks * part / 8);
        assert!(matches!(stopped, Err(LearnError::Stopped(StopReason::Cancelled))), "{part}");
    }
}

/// Rows whose outcomes are drawn from probabilities that are off by a factor and an offset in log-odds.
fn predicted(n: usize, slope: f64, offset: f64, seed: u64) -> (Vec<f64>, Vec<Option<bool>>) {
    let mut r = SplitMix64::new(seed);
    let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
    let row = |_| {
        let z = 1.3 * r.normal() - 0.3;
        (sigmoid(z), Some(r.unit() < sigmoid(slope * z + offset)))
    };
    (0..n).map(row).unzip()
}

fn performance_of(p: &[f64], outcomes: &[Option<bool>]) -> provost_domain::watch::Performance {
    let applicants: Vec<u64> = (0..p.len() as u64).collect();
    let rows = PredictedRows { probabilities: p, outcomes, applicants: &applicants };
    performance(&rows, 0.5, 3, &Control::default()).unwrap()
}

#[test]
fn expected_intervals_have_the_realised_values_where_calibration_holds() {
    let (mut inside, mut held, trials) = ([0; 4], 0, 300);
    for trial in 0..trials {
        let (p, outcomes) = predicted(if trial % 2 == 0 { 60 } else { 300 }, 1.0, 0.0, 500 + trial);
        let found = performance_of(&p, &outcomes);
        let realised = found.realised.unwrap();
        let all = |m: provost_domain::watch::PerformanceMetrics| [m.auc_roc, m.f1_score, m.accuracy, m.brier_score];
        for (inside, (expected, realised)) in inside.iter_mut().zip(all(found.estimated).into_iter().zip(all(realised)))
        {
            let (expected, realised) = (expected.unwrap(), realised.unwrap());
            assert!(realised.low <= realised.value && realised.value <= realised.high);
            *inside += u32::from((expected.low..=expected.high).contains(&realised.value));
        }
        held += u32::from(found.calibration_holds.unwrap());
    }
    assert!(inside.iter().all(|n| *n >= 280), "{inside:?} of {trials}");
    // About 264 of them are expected to; a binomial deviation is 5.6.
    assert!((246..=282).contains(&held), "{held} of {trials}");
}

/// Whatever the reason, an estimate that the outcomes contradict is not said to be believable.
#[test]
fn a_realised_value_outside_its_interval_is_said() {
    let (mut missed, mut said) = (0, 0);
    for trial in 0..180 {
        let (slope, offset) = [(1.0, 0.2), (0.8, 0.0), (1.0, 0.0)][trial as usize % 3];
        let (p, outcomes) = predicted(300, slope, offset, 5_000 + trial);
        let found = performance_of(&p, &outcomes);
        let all = |m: provost_domain::watch::PerformanceMetrics| [m.auc_roc, m.f1_score, m.accuracy, m.brier_score];
        let misses =
            all(found.estimated).into_iter().zip(all(found.realised.unwrap())).filter(|(expected, realised)| {
                let (expected, realised) = (expected.unwrap(), realised.unwrap());
                !(expected.low..=expected.high).contains(&realised.value)
            });
        let misses = misses.count();
        missed += misses;
        said += if found.calibration_holds == Some(false) { misses } else { 0 };
    }
    assert!(missed >= 20 && said * 10 >= missed * 9, "{said} of {missed}");
}

#[test]
fn calibration_that_is_lost_is_noticed() {
    for (slope, offset) in [(1.0, 0.8), (1.0, -0.8), (0.3, 0.0), (2.5, 0.0)] {
        let found = (0..20).filter(|seed| {
            let (p, outcomes) = predicted(400, slope, offset, 900 + seed);
            performance_of(&p, &outcomes).calibration_holds == Some(false)
        });
        assert!(found.count() >= 18, "{slope} {offset}");
    }
}

#[test]
fn performance_of_little_or_nothing_is_defined() {
    let none = performance_of(&[], &[]);
    assert_eq!((none.rows, none.realised, none.calibration_holds), (0, None, None));
    assert_eq!(none.estimated, Default::default());
    let one = performance_of(&[0.7], &[Some(true)]);
    assert_eq!((one.estimated.auc_roc, one.calibration_holds), (None, None));
    let accuracy = one.estimated.accuracy.unwrap();
    assert!((accuracy.value - 0.7).abs() < 1e-12 && (accuracy.low, accuracy.high) == (0.0, 1.0));
    let realised = one.realised.unwrap();
    assert_eq!((realised.auc_roc, realised.accuracy.unwrap().value), (None, 1.0));
    // One class: no AUC was realised, and the others were.
    let (p, _) = predicted(200, 1.0, 0.0, 1);
    let rejected = performance_of(&p, &[Some(false); 200]);
    assert_eq!((rejected.realised.unwrap().auc_roc, rejected.calibration_holds), (None, Some(false)));
    // Certain probabilities have nothing to draw.
    let certain = performance_of(&[1.0; 50], &[Some(true); 50]);
    assert_eq!((certain.estimated.auc_roc, certain.calibration_holds), (None, None));
    // One probability for all.
    let same = performance_of(&[0.5; 100], &(0..100).map(|i| Some(i % 2 == 0)).collect::<Vec<_>>());
    assert_eq!((same.estimated.auc_roc.unwrap().value, same.calibration_holds), (0.5, Some(true)));
    // Few outcomes among many rows.
    let (p, mut outcomes) = predicted(300, 1.0, 0.0, 2);
    outcomes.iter_mut().skip(29).for_each(|outcome| *outcome = None);
    let few = performance_of(&p, &outcomes);
    assert_eq!((few.outcomes, few.calibration_holds), (29, None));
    assert!(few.realised.is_some());
    let rows = PredictedRows { probabilities: &[0.5], outcomes: &[], applicants: &[1] };
    assert!(matches!(performance(&rows, 0.5, 1, &Control::default()), Err(LearnError::Data(_))));
    let rows = PredictedRows { probabilities: &[1.5], outcomes: &[None], applicants: &[1] };
    assert!(matches!(performance(&rows, 0.5, 1, &Control::default()), Err(LearnError::Data(_))));
}

#[test]
fn performance_is_the_same_at_any_number_of_threads() {
    let (p, outcomes) = predicted(250, 1.0, 0.0, 5);
    assert_eq!(on_threads(1, || performance_of(&p, &outcomes)), on_threads(3, || performance_of(&p, &outcomes)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn every_answer_is_in_its_range(
        before in prop::collection::vec((prop_oneof![Just(f32::NAN), -9f32..9.0, Just(2.0f32)], 0u64..60), 0..120),
        now in prop::collection::vec((prop_oneof![Just(f32::NAN), -9f32..9.0, Just(2.0f32)], 40u64..90), 0..80),
        name in prop_oneof![Just("gpa_normalized"), Just("university")],
    ) {
        let rows = |rows: Vec<(f32, u64)>| {
            let (values, applicants): (Vec<f32>, Vec<u64>) = rows.into_iter().unzip();
            let p = values.iter().map(|v| if v.is_nan() { f64::NAN } else { f64::from(*v + 9.0) / 18.0 }).collect();
            WatchedRows::new(Matrix::new(vec![name.to_owned()], vec![values]).unwrap(), applicants, Some(p)).unwrap()
        };
        let reference = reference_of(&rows(before));
        let found = features(&reference, &rows(now), 1);
        prop_assert_eq!(found.features.len(), 3);
        for f in &found.features {
            for p in [f.p, f.q, f.missing.p, f.missing.q].into_iter().flatten() {
                prop_assert!(p > 0.0 && p <= 1.0);
            }
            prop_assert!(f.q >= f.p && f.missing.q >= f.missing.p);
            for v in [f.statistic, f.effect].into_iter().flatten() {
                prop_assert!(v.is_finite());
            }
            prop_assert!(f.effect.is_none_or(|e| e >= 0.0));
            prop_assert!((0.0..=1.0).contains(&f.missing.reference) && (0.0..=1.0).contains(&f.missing.window));
            prop_assert!(!f.over || (f.q.unwrap() <= found.level && f.effect.unwrap() > f.floor));
        }
        serde_json::to_string(&found.features).unwrap();
    }
}
