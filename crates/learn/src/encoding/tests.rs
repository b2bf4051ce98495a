#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::boosting::GradientBoosting;
use crate::forest::RandomForest;
use crate::learners::learner;
use crate::metrics::auc;
use crate::params::{CheckedParams, Params};
use crate::testdata::{columns, on_threads, params, rows};
use crate::testing::task;
use provost_domain::features::YEAR;
use provost_domain::rng::SplitMix64;
use serde_json::json;

/// Universities of 30 rates of acceptance over eight years, a program without any influence, and a number that counts.
fn applications(n: usize, seed: u64) -> Dataset {
    let mut r = SplitMix64::new(seed);
    let names = ["research_score", YEAR, "university", "program"].map(String::from).to_vec();
    let (mut columns, mut y) = (vec![Vec::new(); 4], Vec::new());
    for _ in 0..n {
        let (gpa, year, university) = (r.unit(), r.below(8), r.below(30));
        let z = 3.0 * (gpa - 0.5) + 4.0 * (SplitMix64::keyed(9, &[university.into()]).unit() - 0.5);
        y.push(u8::from(r.unit() < 1.0 / (1.0 + (-z).exp())));
        let code = |v: u32| (v * 7919 % 1000) as f32;
        let year = if r.unit() < 0.05 { f32::NAN } else { 2010.0 + year as f32 };
        let university = if r.unit() < 0.05 { f32::NAN } else { code(university) };
        let row = [gpa as f32, year, university, code(r.below(400))];
        columns.iter_mut().zip(row).for_each(|(column, v)| column.push(v));
    }
    Dataset::new(Matrix::new(names, columns).unwrap(), y).unwrap()
}

/// Of an encoded training row: by counting, as slowly as it can be.
fn by_hand(data: &Dataset, train: &[u32], row: u32, column: usize) -> f32 {
    let (x, y) = (data.x(), data.y());
    let (year, value) = (x.value(row as usize, 1), x.value(row as usize, column));
    if value.is_nan() {
        return f32::NAN;
    }
    let earlier = |r: &&u32| x.value(**r as usize, 1) < year;
    let count = |rows: Vec<&u32>| (rows.len() as f64, rows.iter().filter(|r| y[***r as usize] == 1).count() as f64);
    let (n, ones) = count(train.iter().filter(earlier).collect());
    let prior = (ones + 1.0) / (n + 2.0);
    let (n, ones) = count(train.iter().filter(earlier).filter(|r| x.value(**r as usize, column) == value).collect());
    ((ones + 10.0 * prior) / (n + 10.0)) as f32
}

#[test]
fn earlier_years_are_strictly_earlier_and_of_training_rows() {
    let data = applications(900, 1);
    let (all, columns) = (rows(&data), columns(&data));
    let (train, held): (Vec<u32>, Vec<u32>) = all.into_iter().partition(|r| r % 4 > 0);
    let names: Vec<&str> = data.x().names().iter().map(String::as_str).collect();
    let (encoder, encoded) = encoder::fit(&data, &columns, &names, &train, 5, false, &Control::default()).unwrap();
    assert_eq!(encoder.names()[..2], ["research_score", YEAR].map(String::from));
    assert_eq!(encoder.names()[2], "university, earlier years");
    let later = encoder.encode(data.x(), &columns, &held);
    let same = |a: f32, b: f32| (a - b).abs() < 1e-6 || (a.is_nan() && b.is_nan());
    for (at, row) in train.iter().enumerate() {
        assert!(same(encoded[2][at], by_hand(&data, &train, *row, 2)), "row {row}");
        assert!(same(encoded[5][at], by_hand(&data, &train, *row, 3)), "row {row}");
    }
    for (at, row) in held.iter().enumerate() {
        assert!(same(later[2][at], by_hand(&data, &train, *row, 2)), "row {row}");
    }
    // A value never seen gets the overall rate; a missing one stays missing.
    let odd = Matrix::new(
        data.x().names().to_vec(),
        vec![vec![0.5; 2], vec![2017.0; 2], vec![123_456.0, f32::NAN], vec![0.0; 2]],
    );
    let odd = encoder.encode(&odd.unwrap(), &columns, &[0, 1]);
    let ones = train.iter().filter(|r| data.y()[**r as usize] == 1).count() as f32;
    assert!((odd[3][0] - ones / train.len() as f32).abs() < 0.01, "{}", odd[3][0]);
    assert!((2..5).all(|c| odd[c][1].is_nan()) && odd[4][0] == 0.0);
    // Counts are on one scale, trained on or not.
    let mean = |v: &[f32]| {
        let known: Vec<f32> = v.iter().copied().filter(|v| !v.is_nan()).collect();
        known.iter().sum::<f32>() / known.len() as f32
    };
    assert!((mean(&encoded[4]) - mean(&later[4])).abs() < 0.05);
}

/// The first column is one that universities are compared in.
fn compared(data: &Dataset) -> Dataset {
    let names = ["gpa_normalized", YEAR, "university", "program"].map(String::from).to_vec();
    let columns = (0..4).map(|c| data.x().column(c).to_vec()).collect();
    Dataset::new(Matrix::new(names, columns).unwrap(), data.y().to_vec()).unwrap()
}

#[test]
fn a_number_is_compared_with_its_means_over_the_same_university() {
    let data = compared(&applications(900, 8));
    let (x, y, columns) = (data.x(), data.y(), columns(&data));
    let (train, held): (Vec<u32>, Vec<u32>) = rows(&data).into_iter().partition(|r| r % 4 > 0);
    let names: Vec<&str> = x.names().iter().map(String::as_str).collect();
    let (encoder, encoded) = encoder::fit(&data, &columns, &names, &train, 5, false, &Control::default()).unwrap();
    assert_eq!(encoder.outputs(), 10);
    assert_eq!(encoder.names()[8], "gpa_normalized, less the rejected of the same university");
    assert!((8..10).all(|c| encoded[c].len() == train.len() && encoded[c].iter().all(|v| v.is_finite())));
    let later = encoder.encode(x, &columns, &held);
    for (at, row) in held.iter().enumerate() {
        let university = x.value(*row as usize, 2);
        for (outcome, column) in later[8..].iter().enumerate() {
            let of = |r: &&u32| usize::from(y[**r as usize]) == outcome;
            let sum = |rows: Vec<&u32>| {
                (rows.len() as f64, rows.iter().map(|r| f64::from(x.value(**r as usize, 0))).sum::<f64>())
            };
            let (n, all) = sum(train.iter().filter(of).collect());
            let (m, own) = sum(train.iter().filter(of).filter(|r| x.value(**r as usize, 2) == university).collect());
            let mean = (own + 10.0 * all / n) / (m + 10.0);
            let by_hand = f64::from(x.value(*row as usize, 0)) - mean;
            assert!((f64::from(column[at]) - by_hand).abs() < 1e-5, "row {row}: {} {by_hand}", column[at]);
        }
    }
    // Shares of a comparison are its sources'.
    let shares = encoder.of_sources(&[vec![0.0; 8], vec![0.5; 2]].concat());
    assert_eq!(shares, [0.5, 0.0, 0.5, 0.0]);
}

#[test]
fn no_label_of_a_row_or_of_its_future_reaches_what_is_held_out_or_earlier() {
    let data = compared(&applications(600, 2));
    let (train, columns) = (rows(&data), columns(&data));
    let names: Vec<&str> = data.x().names().iter().map(String::as_str).collect();
    let encode =
        |data: &Dataset| encoder::fit(data, &columns, &names, &train, 5, false, &Control::default()).unwrap().1;
    let before = encode(&data);
    for row in [3usize, 77, 410] {
        let mut y = data.y().to_vec();
        y[row] = 1 - y[row];
        let x = Matrix::new(data.x().names().to_vec(), (0..4).map(|c| data.x().column(c).to_vec()).collect());
        let after = encode(&Dataset::new(x.unwrap(), y).unwrap());
        let year = data.x().value(row, 1);
        for column in 0..before.len() {
            // Its own encodings do not move, whatever its label is.
            assert_eq!(before[column][row].to_bits(), after[column][row].to_bits(), "{}", column);
            for other in 0..data.rows() {
                let moved = before[column][other].to_bits() != after[column][other].to_bits();
                let earlier_column = column == 2 || column == 5;
                let past = data.x().value(other, 1) <= year || year.is_nan() || data.x().value(other, 1).is_nan();
                assert!(!(moved && earlier_column && past), "row {other} by the label of {row}");
            }
        }
    }
}

#[test]
fn categories_raise_every_learner_and_what_counts_comes_before_noise() {
    let data = applications(3000, 3);
    let columns = columns(&data);
    let (train, held): (Vec<u32>, Vec<u32>) = rows(&data).into_iter().partition(|r| r % 3 > 0);
    let y: Vec<u8> = held.iter().map(|r| data.y()[*r as usize]).collect();
    for algorithm in Algorithm::BASE {
        let learner = learner(algorithm).unwrap();
        // Trees of full depth split on noise until every leaf is pure, and each of these splits counts as gain.
        let shallow = [("max_depth".to_owned(), json!(4))].into_iter().collect();
        let given = learner.check(&shallow).or_else(|_| learner.check(&Params::new())).unwrap();
        let score = |columns: &[usize]| {
            let fit = learner.fit(&task(&data, columns, &train, &given), &Control::default()).unwrap();
            (auc(&y, &fit.predictor.predict(data.x(), columns, &held)), fit)
        };
        let (without, _) = score(&columns[..2]);
        let (with, fit) = score(&columns);
        assert!(with > without + 0.04, "{algorithm}: {without} {with}");
        if let Some(importance) = fit.importance {
            assert_eq!(importance.len(), 4);
            assert!((importance.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            assert!(importance[2] > 1.5 * importance[3], "{algorithm}: {importance:?}");
        }
    }
}

#[test]
fn shuffled_labels_teach_nothing() {
    let data = applications(3000, 4);
    let mut y = data.y().to_vec();
    SplitMix64::new(1).shuffle(&mut y);
    let x = Matrix::new(data.x().names().to_vec(), (0..4).map(|c| data.x().column(c).to_vec()).collect()).unwrap();
    let data = Dataset::new(x, y).unwrap();
    let columns = columns(&data);
    let (train, held): (Vec<u32>, Vec<u32>) = rows(&data).into_iter().partition(|r| r % 2 > 0);
    let y: Vec<u8> = held.iter().map(|r| data.y()[*r as usize]).collect();
    for algorithm in Algorithm::BASE {
        let learner = learner(algorithm).unwrap();
        let given = learner.check(&Params::new()).unwrap();
        let fit =
            learner.fit(&FitTask { seed: 5, ..task(&data, &columns, &train, &given) }, &Control::default()).unwrap();
        let score = auc(&y, &fit.predictor.predict(data.x(), &columns, &held));
        assert!((score - 0.5).abs() < 0.04, "{algorithm}: {score}");
    }
}

#[test]
fn families_share_the_encoding_and_answer_as_fits_apart_at_any_number_of_threads() {
    let data = applications(700, 6);
    let columns = columns(&data);
    let (train, held): (Vec<u32>, Vec<u32>) = rows(&data).into_iter().partition(|r| r % 3 > 0);
    let forest = Encoding(RandomForest);
    let members = [json!({"n_estimators": 6, "max_depth": 4}), json!({"n_estimators": 9})].map(|p| params(&forest, p));
    let members: Vec<&CheckedParams> = members.iter().collect();
    // Of eight columns the square root and the logarithm differ, of the four given they do not.
    assert_eq!(forest.width(&data, &columns), 8);
    let of = |word: &str| forest.family(&params(&forest, json!({"max_features": word})), 8);
    assert_ne!(of("sqrt"), of("log2"));
    let apart = crate::learner::fit_apart(
        &forest,
        &task(&data, &columns, &train, members[0]),
        &members,
        &held,
        &Control::default(),
    )
    .unwrap();
    for threads in [1, 3] {
        let shared = Shared::default();
        for shared in [None, Some(&shared), Some(&shared)] {
            let together = on_threads(threads, || {
                let task = FitTask { shared, ..task(&data, &columns, &train, members[0]) };
                forest.fit_family(&task, &members, &held, &Control::default()).unwrap()
            });
            assert_eq!(together, apart);
        }
        // Other held rows on the same shelf.
        let task = FitTask { shared: Some(&shared), ..task(&data, &columns, &train, members[0]) };
        let fewer = forest.fit_family(&task, &members, &held[..50], &Control::default()).unwrap();
        assert_eq!(fewer[1], apart[1][..50]);
    }
}

/// Universities of two kinds, half of each: one takes those of high, the other those of low numbers, so that no rate
/// says a thing. A tenth of the universities are rare.
fn two_minds(n: usize, seed: u64) -> Dataset {
    let mut r = SplitMix64::new(seed);
    let names = ["research_score", YEAR, "university", "program"].map(String::from).to_vec();
    let (mut columns, mut y) = (vec![Vec::new(); 4], Vec::new());
    for _ in 0..n {
        let number = r.unit();
        let university = if r.unit() < 0.1 { 40 + r.below(900) } else { r.below(40) };
        let high = SplitMix64::keyed(3, &[university.into()]).unit() < 0.5;
        y.push(u8::from((number > 0.5) == high && r.unit() < 0.9));
        let row = [number as f32, 2012.0, (university * 7919 % 10_007) as f32, r.below(3) as f32];
        columns.iter_mut().zip(row).for_each(|(column, v)| column.push(v));
    }
    Dataset::new(Matrix::new(names, columns).unwrap(), y).unwrap()
}

#[test]
fn sets_of_categories_find_what_rates_cannot_tell() {
    let data = two_minds(12_000, 1);
    let columns = columns(&data);
    let (train, held): (Vec<u32>, Vec<u32>) = rows(&data).into_iter().partition(|r| r % 3 > 0);
    let y: Vec<u8> = held.iter().map(|r| data.y()[*r as usize]).collect();
    let score = |learner: &dyn Learner| {
        let given = params(learner, json!({"n_estimators": 60, "max_depth": 4}));
        let fit = learner.fit(&task(&data, &columns, &train, &given), &Control::default()).unwrap();
        (auc(&y, &fit.predictor.predict(data.x(), &columns, &held)), fit)
    };
    let (of_boosting, fit) = score(&Encoding(GradientBoosting));
    let (of_xgboost, _) = score(&Encoding(crate::xgboost::Xgboost));
    assert!(of_boosting > 0.85 && of_xgboost < 0.8, "{of_boosting} {of_xgboost}");
    let importance = fit.importance.unwrap();
    assert!(importance[2] > 0.3 && importance[3] < 0.05, "{importance:?}");
    // Categories that were never seen, and missing ones, are answered too.
    let odd = [vec![0.9; 3], vec![2012.0; 3], vec![99_999.0, f32::NAN, -1.0], vec![1.0; 3]];
    let odd = Matrix::new(data.x().names().to_vec(), odd.to_vec()).unwrap();
    let p = fit.predictor.predict(&odd, &columns, &[0, 1, 2]);
    assert!(p.iter().all(|p| (0.1..0.9).contains(p)), "{p:?}");
}

#[test]
fn sets_are_the_same_on_any_threads_in_families_and_in_bytes() {
    let data = two_minds(2000, 2);
    let columns = columns(&data);
    let (train, held): (Vec<u32>, Vec<u32>) = rows(&data).into_iter().partition(|r| r % 3 > 0);
    let learner = Encoding(GradientBoosting);
    let members = [9, 25].map(|n| params(&learner, json!({"n_estimators": n, "max_depth": 4, "subsample": 0.8})));
    let members: Vec<&CheckedParams> = members.iter().collect();
    assert_eq!(learner.width(&data, &columns), 10, "two numbers, two categories, three columns for each");
    let fit = |threads, validation| {
        let task =
            FitTask { validation, early_stopping_rounds: 5, seed: 5, ..task(&data, &columns, &train, members[1]) };
        on_threads(threads, || learner.fit(&task, &Control::default()).unwrap())
    };
    for validation in [&held[..0], &held[..]] {
        let one = fit(1, validation);
        let Predictor::Encoded(model) = &one.predictor else { panic!("{:?}", one.predictor) };
        assert!(matches!(model.predictor(), Predictor::CategoryBoosting(_)));
        let bytes = postcard::to_allocvec(&one.predictor).unwrap();
        assert_eq!(postcard::to_allocvec(&fit(3, validation).predictor).unwrap(), bytes);
        assert_eq!(postcard::from_bytes::<Predictor>(&bytes).unwrap(), one.predictor);
    }
    let task = task(&data, &columns, &train, members[0]);
    let apart = crate::learner::fit_apart(&learner, &task, &members, &held, &Control::default()).unwrap();
    let shared = Shared::default();
    for shared in [None, Some(&shared), Some(&shared)] {
        let task = FitTask { shared, ..task };
        assert_eq!(learner.fit_family(&task, &members, &held, &Control::default()).unwrap(), apart);
    }
    // Many rows at once, or each alone.
    let all = rows(&data);
    let model = fit(1, &[]).predictor;
    let predict = |rows: &[u32]| model.predict(data.x(), &columns, rows);
    let together = predict(&all);
    assert!(all.iter().all(|r| predict(&[*r])[0] == together[*r as usize]));
}

#[test]
fn damaged_encoders_are_refused() {
    let data = compared(&applications(300, 7));
    let (columns, train) = (columns(&data), rows(&data));
    let names: Vec<&str> = data.x().names().iter().map(String::as_str).collect();
    let (encoder, _) = encoder::fit(&data, &columns, &names, &train, 5, false, &Control::default()).unwrap();
    let model = EncodedModel::new(encoder, Box::new(Predictor::Constant(0.5)));
    assert_eq!(model.check(4), Ok(()));
    assert!(model.check(3).is_err());
    let bytes = postcard::to_allocvec(&model).unwrap();
    assert_eq!(postcard::from_bytes::<EncodedModel>(&bytes).unwrap(), model);
    let nested = EncodedModel::new(model.encoder().clone(), Box::new(Predictor::Encoded(model.clone())));
    assert!(nested.check(4).is_err());
    assert!(postcard::from_bytes::<EncodedModel>(&postcard::to_allocvec(&nested).unwrap()).is_err());
    assert!(postcard::from_bytes::<EncodedModel>(&bytes).is_ok(), "a refusal leaves nothing behind");
    damage(&model, &data, 3);
    let learner = Encoding(GradientBoosting);
    let data = two_minds(900, 7);
    let (columns, train) = (crate::testdata::columns(&data), rows(&data));
    let given = params(&learner, json!({"n_estimators": 3}));
    let fit = learner.fit(&task(&data, &columns, &train, &given), &Control::default()).unwrap();
    let Predictor::Encoded(model) = fit.predictor else { panic!("{:?}", fit.predictor) };
    damage(&model, &data, 1);
}

/// Whatever a byte of it becomes: an error, or a model that predicts without harm.
fn damage(model: &EncodedModel, data: &Dataset, step: usize) {
    let bytes = postcard::to_allocvec(model).unwrap();
    let mut refused = 0;
    for at in (0..bytes.len()).step_by(step) {
        for bits in [0x55, 0x80] {
            let mut damaged = bytes.clone();
            damaged[at] ^= bits;
            match postcard::from_bytes::<EncodedModel>(&damaged) {
                Ok(model) if model.check(4).is_ok() => {
                    let p = model.predict(data.x(), &columns(data), &rows(data)[..200], &Control::default()).unwrap();
                    assert!(p.iter().all(|p| p.is_finite()));
                }
                _ => refused += 1,
            }
        }
    }
    assert!(refused > 10, "{refused}");
}
