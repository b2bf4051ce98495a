#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::matrix::{clear_constants, gather, matrix, values};
use super::*;
use crate::dataset::Dataset;
use crate::params::CheckedParams;
use crate::testing;
use crate::testing::task;
use provost_domain::rng::SplitMix64;
use serde_json::Value;

fn noisy(rows: usize, seed: u64) -> Dataset {
    let mut r = SplitMix64::new(seed);
    let mut columns = vec![Vec::new(); 4];
    let mut y = Vec::new();
    for _ in 0..rows {
        let v: Vec<f64> = (0..4).map(|_| r.normal()).collect();
        y.push(u8::from(v[0] + 0.5 * v[1] * v[2] + r.normal() > 0.2));
        for (column, v) in columns.iter_mut().zip(&v) {
            column.push(if r.unit() < 0.1 { f32::NAN } else { *v as f32 });
        }
    }
    testing::dataset(columns, y)
}

fn model(fit: &Fit) -> &XgboostModel {
    let Predictor::Xgboost(model) = &fit.predictor else { panic!("not xgboost") };
    model
}

fn params(given: Value) -> CheckedParams {
    Xgboost.check(given.as_object().unwrap()).unwrap()
}

#[test]
fn own_trees_predict_what_the_library_predicts() {
    let data = noisy(3_000, 1);
    let fit = testing::fit(&Xgboost, &data, &params(json!({"subsample": 0.8, "gamma": 0.1})), |_| ()).unwrap();
    let rows: Vec<u32> = (0..3_000).collect();
    let ours = fit.predictor.predict(data.x(), &[0, 1, 2, 3], &rows);
    let booster = Booster::load_buffer(model(&fit).library_bytes()).unwrap();
    let mut dense = vec![0f32; 12_000];
    gather(data.x(), &[0, 1, 2, 3], &rows, &mut dense, &Control::default()).unwrap();
    let theirs = booster.predict(&DMatrix::from_dense(&dense, 3_000).unwrap()).unwrap();
    let worst = ours.iter().zip(&theirs).map(|(a, b)| (a - f64::from(*b)).abs()).fold(0.0, f64::max);
    assert!(worst < 1e-6, "{worst}");
    assert_eq!(booster.get_feature_names().unwrap(), ["c0", "c1", "c2", "c3"]);
    let importance = fit.importance.unwrap();
    assert!(
        (importance.iter().sum::<f64>() - 1.0).abs() < 1e-9 && importance[0] > 0.3 && importance[3] < 0.2,
        "{importance:?}"
    );
}

#[test]
fn equal_bytes_at_any_number_of_threads() {
    // The larger data is enough for four of the library's threads, which the fits take or leave by the clock.
    for (rows, lr, trees) in [(700, 0.3, 40), (140_000, 0.3, 8), (140_000, 0.05, 8)] {
        let data = noisy(rows, 3);
        let p = params(json!({"subsample": 0.8, "colsample_bytree": 0.7, "learning_rate": lr, "n_estimators": trees}));
        let fits: Vec<Fit> = [1, 2, 4]
            .into_iter()
            .map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| testing::fit(&Xgboost, &data, &p, |_| ()).unwrap())
            })
            .collect();
        assert_eq!(model(&fits[0]).library_bytes(), model(&fits[1]).library_bytes(), "{rows} rows, 2 threads");
        assert_eq!(model(&fits[0]).library_bytes(), model(&fits[2]).library_bytes(), "{rows} rows, 4 threads");
    }
}

#[test]
fn neither_cleared_columns_nor_the_rounds_on_several_threads_change_the_bytes() {
    let noise = noisy(9_000, 11);
    let (c, rows) = (|i: usize| noise.x().column(i).to_vec(), 9_000);
    let columns = vec![vec![3.5; rows], c(0), c(1), vec![f32::NAN; rows], vec![-0.0; rows], c(2)];
    let data = testing::dataset(columns, noise.y().to_vec());
    for given in [
        json!({"n_estimators": 30}),
        json!({"n_estimators": 30, "colsample_bytree": 0.5, "subsample": 0.8, "min_child_weight": 0.0}),
    ] {
        let p = params(given);
        let (columns, train): (Vec<usize>, Vec<u32>) = ((0..6).collect(), (0..9_000).collect());
        let task = task(&data, &columns, &train, &p);
        let fit = Xgboost.fit(&task, &Control::default()).unwrap();
        let y: Vec<f32> = data.y().iter().map(|y| f32::from(*y)).collect();
        let all = matrix(&values(&task, &train, &Control::default()).unwrap(), 6, &y).unwrap();
        let mut booster = Booster::new_with_cached_dmats(&BoosterParameters::default(), &[&all]).unwrap();
        configure(&mut booster, &task, &p, f64::from(y.iter().sum::<f32>()) / 9_000.0).unwrap();
        for round in 0..30 {
            booster.set_param("nthread", ["1", "2", "4", "1", "1"][round as usize % 5]).unwrap();
            booster.update(&all, round).unwrap();
        }
        assert!(booster.save_buffer(true).unwrap() == model(&fit).library_bytes());
        let importance = fit.importance.unwrap();
        assert_eq!([0, 3, 4].map(|i| importance[i]), [0.0; 3]);
        assert!(importance[1] > importance[2] && importance[5] > 0.05, "{importance:?}");
    }
}

#[test]
fn constants_are_cleared_where_other_values_are_missing() {
    let n = f32::NAN;
    let cleared = |mut dense: Vec<f32>| {
        clear_constants(&mut dense, 3, &Control::default()).unwrap();
        dense
    };
    assert_eq!(cleared(vec![1.0, 2.0, 3.0, 1.0, 4.0, 5.0]), [1.0, 2.0, 3.0, 1.0, 4.0, 5.0]);
    let some = cleared(vec![1.0, 2.0, 7.0, 1.0, 4.0, n, 1.0, 2.0, 7.0]);
    let expected = [n, 2.0, 7.0, n, 4.0, n, n, 2.0, 7.0];
    assert!(some.iter().zip(&expected).all(|(a, b)| a == b || a.is_nan() && b.is_nan()), "{some:?}");
}

#[test]
fn early_stopping_keeps_the_best_rounds() {
    let data = noisy(2_000, 5);
    let (train, validation): (Vec<u32>, Vec<u32>) = ((0..1_500).collect(), (1_500..2_000).collect());
    let p = params(json!({"n_estimators": 200}));
    let columns = [0, 1, 2, 3];
    let task = |rounds| FitTask {
        validation: &validation,
        seed: 1,
        early_stopping_rounds: rounds,
        scale: true,
        ..FitTask::new(&data, &columns, &train, &p)
    };
    let loss = |f: &Fit| {
        let p = f.predictor.predict(data.x(), &columns, &validation);
        let one = |(p, r): (&f64, &u32)| if data.y()[*r as usize] == 1 { -p.ln() } else { -(1.0 - p).ln() };
        p.iter().zip(&validation).map(one).sum::<f64>()
    };
    let stopped = Xgboost.fit(&task(10), &Control::default()).unwrap();
    let all = Xgboost.fit(&task(0), &Control::default()).unwrap();
    assert_eq!(all.iterations, 200);
    assert!(stopped.iterations < 60, "{}", stopped.iterations);
    assert_eq!(model(&stopped).rounds() as u64, stopped.iterations);
    assert!(loss(&stopped) < loss(&all));
    let next = params(json!({"n_estimators": stopped.iterations + 1}));
    let one_more = Xgboost.fit(&FitTask { params: &next, ..task(0) }, &Control::default()).unwrap();
    assert!(loss(&stopped) <= loss(&one_more));
}

#[test]
fn altered_library_bytes_are_refused_or_harmless() {
    let data = noisy(200, 7);
    let fit = testing::fit(&Xgboost, &data, &params(json!({"n_estimators": 2, "max_depth": 2})), |_| ()).unwrap();
    let good = model(&fit).library_bytes().to_vec();
    let rows: Vec<u32> = (0..200).collect();
    for at in 0..good.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] ^= flip;
            // Either refused, or a model that ends its walks and gives probabilities.
            if let Ok((m, _)) = XgboostModel::read(bytes)
                && m.check(4).is_ok()
            {
                assert!(
                    m.predict(data.x(), &[0, 1, 2, 3], &rows, &Control::default())
                        .unwrap()
                        .iter()
                        .all(|p| (0.0..=1.0).contains(p))
                );
            }
        }
        assert!(XgboostModel::read(good[..at].to_vec()).is_err());
    }
}

#[test]
fn values_at_the_edge_of_f32() {
    let column: Vec<f32> = (0..100).map(|i| if i % 2 == 0 { 3.3e38 } else { f32::NAN }).collect();
    let data = testing::dataset(vec![column], (0..100).map(|i| u8::from(i % 2 == 0)).collect());
    let fit = testing::fit(&Xgboost, &data, &params(json!({"n_estimators": 20})), |_| ()).unwrap();
    let p = fit.predictor.predict(data.x(), &[0], &[0, 1]);
    assert!(p[0] > 0.8 && p[1] < 0.2, "{p:?}");
}

#[test]
fn one_growth_serves_a_family() {
    crate::testdata::family_equals_fits_apart(
        &Xgboost,
        &[
            json!({"n_estimators": 10, "subsample": 0.7, "colsample_bytree": 0.7}),
            json!({"n_estimators": 3, "subsample": 0.7, "colsample_bytree": 0.7}),
            json!({"n_estimators": 40, "subsample": 0.7, "colsample_bytree": 0.7}),
        ],
    );
}

#[test]
fn contributions_add_up_to_the_margin_and_name_what_counts() {
    let data = noisy(400, 8);
    let fit = testing::fit(&Xgboost, &data, &params(json!({"n_estimators": 25, "max_depth": 3})), |_| ()).unwrap();
    let Predictor::Xgboost(model) = &fit.predictor else { panic!("{fit:?}") };
    let (columns, rows) = ([0, 1, 2, 3], (0..data.rows() as u32).collect::<Vec<_>>());
    let shares = library::contributions(model, data.x(), &columns, &rows).unwrap();
    let p = model.predict(data.x(), &columns, &rows, &Control::default()).unwrap();
    let mut mean = [0.0f64; 4];
    for (shares, p) in shares.iter().zip(p) {
        assert_eq!(shares.len(), 5);
        let margin: f64 = shares.iter().map(|s| f64::from(*s)).sum();
        assert!((margin - (p / (1.0 - p)).ln()).abs() < 1e-4);
        mean.iter_mut().zip(shares).for_each(|(m, s)| *m += f64::from(s.abs()) / rows.len() as f64);
    }
    assert!(mean[0] > 2.0 * mean[3], "{mean:?}");
    assert!(library::contributions(model, data.x(), &columns, &[]).unwrap().is_empty());
}

/// With `PROVOST_TEST_PYTHON` naming a Python that has xgboost: it loads what is exported, and predicts the same.
#[test]
fn pythons_xgboost_loads_the_export_and_predicts_the_same() {
    let data = noisy(300, 9);
    let given = json!({"n_estimators": 30, "max_depth": 4, "subsample": 0.8});
    let fit = testing::fit(&Xgboost, &data, &params(given), |_| ()).unwrap();
    let Predictor::Xgboost(model) = &fit.predictor else { panic!("{fit:?}") };
    let text = library::to_json(model).unwrap();
    let json: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(json["learner"]["feature_names"], json!(["c0", "c1", "c2", "c3"]));
    let Ok(python) = std::env::var("PROVOST_TEST_PYTHON") else {
        println!("SKIPPED: PROVOST_TEST_PYTHON names no Python with xgboost");
        return;
    };
    let folder = std::env::temp_dir().join(format!("provost-xgb-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("model.json"), &text).unwrap();
    let rows: Vec<u32> = (0..data.rows() as u32).collect();
    let mut values = Vec::new();
    for row in 0..data.rows() {
        (0..4).for_each(|c| values.extend(data.x().value(row, c).to_le_bytes()));
    }
    std::fs::write(folder.join("rows"), values).unwrap();
    let script = "import sys, numpy as np, xgboost as xgb\n\
        b = xgb.Booster(model_file=sys.argv[1] + '/model.json')\n\
        x = np.fromfile(sys.argv[1] + '/rows', dtype='<f4').reshape(-1, 4)\n\
        p = b.predict(xgb.DMatrix(x, feature_names=['c0', 'c1', 'c2', 'c3']))\n\
        print(' '.join(repr(float(v)) for v in p))";
    let mut command = std::process::Command::new(python);
    command.arg("-c").arg(script).arg(&folder).env("OMP_NUM_THREADS", "1").env_remove("LD_LIBRARY_PATH");
    let out = command.output().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let theirs: Vec<f64> =
        String::from_utf8(out.stdout).unwrap().split_whitespace().map(|v| v.parse().unwrap()).collect();
    let ours = model.predict(data.x(), &[0, 1, 2, 3], &rows, &Control::default()).unwrap();
    assert_eq!(theirs.len(), ours.len());
    assert!(ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-6));
}

/// Columns of few and of many values, some missing, one missing throughout, one constant.
fn mixed(rows: usize, missing: f64, seed: u64) -> Dataset {
    let mut r = SplitMix64::new(seed);
    let mut columns = vec![Vec::new(); 8];
    let mut y = Vec::new();
    for _ in 0..rows {
        let v: Vec<f64> = (0..4).map(|_| r.normal()).collect();
        y.push(u8::from(v[0] + 0.7 * v[1] * v[2] + 0.5 * r.normal() > 0.1));
        let coarse = [f64::from(r.below(3)), (v[0] * 10.0).round() / 10.0, -1.5, f64::NAN];
        for (column, v) in columns.iter_mut().zip(v.iter().chain(&coarse)) {
            column.push(if r.unit() < missing { f32::NAN } else { *v as f32 });
        }
    }
    testing::dataset(columns, y)
}

/// `PROVOST_XGBOOST_CASES=3000` tries more.
#[test]
fn an_own_growth_predicts_what_the_librarys_does() {
    let mut random = SplitMix64::new(19);
    let (mut different, mut own) = (0, 0);
    let cases = std::env::var("PROVOST_XGBOOST_CASES").ok().and_then(|c| c.parse().ok()).unwrap_or(60u64);
    for case in 0..cases {
        let rows = [60, 150, 300, 700, 1_500, 3_000, 4_096][random.below(7) as usize];
        let data = mixed(rows + 200, [0.0, 0.0, 0.15][random.below(3) as usize], case);
        let one_of = |values: &[f64], r: &mut SplitMix64| values[r.below(values.len() as u32) as usize];
        let given = json!({
            "n_estimators": 1 + random.below(40), "max_depth": 1 + random.below(10),
            "learning_rate": one_of(&[0.01, 0.05, 0.1, 0.3, 1.0], &mut random),
            "subsample": one_of(&[0.5, 0.7, 0.8, 0.9, 1.0], &mut random),
            "colsample_bytree": one_of(&[0.3, 0.7, 0.8, 0.9, 1.0], &mut random),
            "gamma": one_of(&[0.0, 0.1, 0.2, 2.0], &mut random),
            "min_child_weight": one_of(&[0.0, 0.3, 1.0, 3.0, 5.0], &mut random),
            "reg_alpha": one_of(&[0.0, 0.0, 0.5], &mut random),
            "reg_lambda": one_of(&[1.0, 1.0, 0.0, 3.0], &mut random),
            "scale_pos_weight": one_of(&[1.0, 1.0, 0.4, 2.5], &mut random),
        });
        let p = params(given.clone());
        let columns: Vec<usize> = (0..8).collect();
        let (train, held): (Vec<u32>, Vec<u32>) = (0..rows as u32 + 200).partition(|row| (*row as usize) < rows);
        let task = FitTask { seed: case, ..task(&data, &columns, &train, &p) };
        let checked = Xgboost::read(&p, &Xgboost.defaults()).unwrap();
        own += u64::from(grow::trees(&task, &checked, &Control::default()).unwrap().is_some());
        let library = Xgboost.fit(&task, &Control::default()).unwrap();
        let all: Vec<u32> = train.iter().chain(&held).copied().collect();
        let theirs = library.predictor.predict(data.x(), &columns, &all);
        let ours = Xgboost.fit_family(&task, &[&p], &all, &Control::default()).unwrap().remove(0);
        let unlike = ours.iter().zip(&theirs).filter(|(a, b)| a != b).count();
        if unlike > 0 {
            different += 1;
            println!("case {case}: {unlike} of {} rows of {rows}, {given}", all.len());
        }
    }
    assert_eq!(different, 0, "of {cases}");
    assert!(own > cases * 3 / 4, "{own}");
}
