//! What the temporal reference says of real rows, and what it costs: run by hand, on a file that is not in the repository.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use provost_domain::config::{FeatureSelection, Pruning, SplitKind, Tuning};
use provost_domain::rng::mix;
use provost_domain::{Algorithm, TargetMetric};
use provost_learn::ensemble::combine;
use provost_learn::metrics::{auc, log_loss};
use provost_learn::split::{Parts, SplitRows, split};
use provost_learn::train::{NoJournal, TrainSpec, train};
use provost_learn::{Control, Dataset, Matrix, Trained};
use std::time::Instant;

/// The columns that `provost features` writes, and `application_year` beside them.
struct Rows {
    data: Dataset,
    years: Vec<i32>,
}

fn read(path: &str) -> Rows {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let at = |name: &str| head.iter().position(|h| *h == name).unwrap();
    let (label, year) = (at("label"), at("application_year"));
    let features: Vec<usize> = (0..head.len())
        .filter(|i| !["data_point_id", "label", "split", "application_year"].contains(&head[*i]))
        .collect();
    let (mut columns, mut y, mut years) = (vec![Vec::new(); features.len()], Vec::new(), Vec::new());
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        columns.iter_mut().zip(&features).for_each(|(c, i)| c.push(cells[*i].parse().unwrap_or(f32::NAN)));
        y.push(cells[label].parse().unwrap());
        years.push(cells[year].parse().unwrap_or(i32::MIN));
    }
    let names = features.iter().map(|i| head[*i].to_owned()).collect();
    Rows { data: Dataset::new(Matrix::new(names, columns).unwrap(), y).unwrap(), years }
}

fn spec(algorithm: Algorithm) -> TrainSpec {
    TrainSpec {
        algorithm,
        tuning: Tuning::None,
        iterations: 1,
        folds: 5,
        metric: TargetMetric::F1Score,
        seed: 42,
        feature_selection: FeatureSelection::Auto,
        selected_features: None,
        scale: true,
        early_stopping_rounds: 10,
        pruning: Pruning::None,
        grid: None,
    }
}

#[test]
#[ignore = "reads the rows that PROVOST_ROWS names"]
fn the_last_years_are_harder_than_a_random_part() {
    let rows = read(&std::env::var("PROVOST_ROWS").unwrap());
    let n = rows.data.rows() as u64;
    let (applicants, ids): (Vec<u64>, Vec<u128>) = (0..n).map(|i| (mix(i), u128::from(mix(i)))).unzip();
    let of = SplitRows { labels: rows.data.y(), applicants: &applicants, row_ids: &ids, years: &rows.years };
    let parts = split(&of, SplitKind::Random, 0.15, 0.15, 1, 42).unwrap();
    let latest = parts.latest.clone().unwrap();
    println!("{n} rows, {} in training, {} of them from {} on", parts.train.len(), latest.last.len(), latest.from);
    let y: Vec<u8> = parts.test.iter().map(|r| rows.data.y()[*r as usize]).collect();
    // The last years' rows by fits that have seen other rows of these years.
    let at = |r: &u32| parts.train.binary_search(r).unwrap();
    let late: Vec<u8> = latest.last.iter().map(|r| rows.data.y()[*r as usize]).collect();
    let show = |name: &str, t: &Trained, seconds: f64, plain: f64| {
        let p = t.model.predict_proba(rows.data.x(), &parts.test).unwrap();
        let oof: Vec<f64> = latest.last.iter().map(|r| t.oof[at(r)]).collect();
        let f = t.temporal.as_ref().unwrap().figures;
        println!(
            "{name:20} AUC {:.4} on the test part, {:.4} on the last years out of fold, {:.4} ± {:.4} in time; log loss \
             {:.4}, {:.4}, {:.4} ± {:.4}; {seconds:.2} s, {plain:.2} s without",
            auc(&y, &p),
            auc(&late, &oof),
            f.auc,
            f.auc_error,
            log_loss(&y, &p),
            log_loss(&late, &oof),
            f.log_loss,
            f.log_loss_error
        );
        auc(&late, &oof) - f.auc
    };
    let without = Parts { latest: None, ..parts.clone() };
    let run = |parts: &Parts, algorithm| {
        let started = Instant::now();
        let trained = train(&rows.data, parts, &spec(algorithm), &NoJournal, &Control::default()).unwrap();
        (trained, started.elapsed().as_secs_f64())
    };
    let mut members = Vec::new();
    for algorithm in Algorithm::ALL.into_iter().filter(|a| *a != Algorithm::Ensemble) {
        let ((_, plain), (trained, seconds)) = (run(&without, algorithm), run(&parts, algorithm));
        show(algorithm.as_str(), &trained, seconds, plain);
        members.push(trained);
    }
    let members: Vec<&Trained> = members.iter().collect();
    let e = combine(&rows.data, &parts, &spec(Algorithm::Ensemble), &members, &Control::default()).unwrap();
    let gap = show("ensemble", &e, e.seconds, e.seconds);
    assert!(gap > 0.0, "other rows of the last years have told nothing of them: {gap}");
}
