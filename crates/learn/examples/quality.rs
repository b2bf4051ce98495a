//! AUC on held-out rows of a file of data points, and the coverage of the sets of plausible outcomes, by algorithm and of their
//! ensemble, over several splits:
//!
//! ```sh
//! cargo run --release -p provost-learn --example quality -- points.jsonl --features extended --split random --splits 5
//! ```
//!
//! One JSON line per split and a last one with the means. Models have their default parameters, or with `--iterations 12` those
//! that so many draws from their grids, raced on five folds of the training part, found (`--tune xgboost,random_forest`: of these
//! only; `--grids grids.json`: from these, by algorithm); the test rows are scored once. `--algorithms gradient_boosting` leaves the others out.
//!
//! `--split random` and `grouped` are the service's, which both keep nearly all rows of an applicant on one side; `rows` draws
//! rows whatever their applicants are; `years` trains on all years before each of the last five and tests on that year.
//! `--first 4` begins with the fourth split: those before chose `config/extended.toml`.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a tool for people who measure: any fault ends it

use provost_domain::config::{FeatureSelection, Grid, Pruning, SplitKind, Tuning};
use provost_domain::features::FeatureTables;
use provost_domain::rng::SplitMix64;
use provost_domain::snapshot::SnapshotBuilder;
use provost_domain::{AdmissionDataPoint, Algorithm, Snapshot, TargetMetric};
use provost_learn::ensemble::combine;
use provost_learn::metrics::{auc, set_coverage};
use provost_learn::split::{Parts, SplitRows, split};
use provost_learn::train::{NoJournal, TrainSpec, Trained, train};
use provost_learn::{Control, Dataset, Matrix};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::BufRead;
use std::ops::RangeInclusive;

fn option(name: &str) -> Option<String> {
    let args: Vec<String> = std::env::args().collect();
    args.iter().position(|a| a == name).and_then(|at| args.get(at + 1)).cloned()
}

fn read(path: &str, extended: bool) -> Snapshot {
    let (tables, mut rows) = (FeatureTables::default(), SnapshotBuilder::new());
    for line in std::io::BufReader::new(std::fs::File::open(path).expect("a file of data points")).lines() {
        let point = AdmissionDataPoint::from_json(line.unwrap().as_bytes()).expect("a data point");
        rows.add(&point, &tables.row(&point), extended.then(|| tables.extended(&point)));
    }
    rows.finish()
}

/// Of one split: how often the sets of plausible outcomes hold a row's own, by algorithm, and the accepted and rejected test rows.
struct Covered {
    sets: Map<String, Value>,
    rows: [usize; 2],
}

impl Covered {
    /// By class and algorithm, the mean coverage of the splits; and by class the mean number of test rows.
    fn means(splits: &[Self]) -> Value {
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        let of_class = |(at, class): (usize, &str)| {
            let of = |name: &String| {
                let of_splits = splits.iter().filter_map(|split| split.sets[name][class].as_f64()).collect();
                (name.clone(), json!(mean(of_splits)))
            };
            let by_algorithm: Map<String, Value> = splits[0].sets.keys().map(of).collect();
            let rows = mean(splits.iter().map(|split| split.rows[at] as f64).collect());
            (class.to_owned(), json!({ "coverage": by_algorithm, "rows": rows }))
        };
        let classes: Map<String, Value> = ["accepted", "rejected"].into_iter().enumerate().map(of_class).collect();
        json!({ "asked": splits[0].sets.values().next().map(|sets| sets["asked"].clone()), "classes": classes })
    }
}

/// The parts of each split: one for each of `seeds`, or for each of the last years.
fn splits(snapshot: &Snapshot, kind: &str, seeds: RangeInclusive<u64>) -> Vec<(String, Parts)> {
    let rows = SplitRows {
        labels: &snapshot.labels,
        applicants: &snapshot.applicants,
        row_ids: &snapshot.row_ids,
        years: &snapshot.years,
    };
    if kind == "years" {
        let test = |year: i32| -> Vec<u32> {
            (0..snapshot.rows() as u32).filter(|r| snapshot.years[*r as usize] == year).collect()
        };
        let years = (2000..2030).rev().filter(|year| test(*year).len() >= 1000).take(5);
        let parts = |year: i32| {
            let earlier = (0..snapshot.rows() as u32).filter(|r| snapshot.years[*r as usize] < year);
            // A validation part that is only for early stopping: every seventh row.
            let (validation, train): (Vec<u32>, Vec<u32>) = earlier.partition(|r| r % 7 == 0);
            (year.to_string(), Parts { train, validation, test: test(year), groups: None, latest: None })
        };
        return years.map(parts).collect();
    }
    if kind == "rows" {
        let parts = |seed: u64| {
            let mut rows: Vec<u32> = (0..snapshot.rows() as u32).collect();
            SplitMix64::new(seed).shuffle(&mut rows);
            let (test, rest) = rows.split_at(rows.len() * 15 / 100);
            let (validation, train) = rest.split_at(rows.len() * 15 / 100);
            let sorted = |rows: &[u32]| {
                let mut rows = rows.to_vec();
                rows.sort_unstable();
                rows
            };
            let parts =
                Parts { train: sorted(train), validation: sorted(validation), test: sorted(test), ..Parts::default() };
            (seed.to_string(), parts)
        };
        return seeds.map(parts).collect();
    }
    let kind = if kind == "grouped" { SplitKind::Grouped } else { SplitKind::Random };
    let parts = |salt: u64| (salt.to_string(), split(&rows, kind, 0.15, 0.15, salt, 42).unwrap());
    seeds.map(parts).map(|(name, parts)| (name, Parts { latest: None, ..parts })).collect()
}

fn main() {
    let path = std::env::args().nth(1).expect("a file of data points");
    let features = option("--features").unwrap_or_else(|| "base".to_owned());
    let kind = option("--split").unwrap_or_else(|| "random".to_owned());
    let count: u64 = option("--splits").map_or(3, |n| n.parse().expect("a number of splits"));
    let first: u64 = option("--first").map_or(1, |n| n.parse().expect("the number of a split"));
    let iterations = option("--iterations").map_or(0, |n| n.parse().expect("a number of draws"));
    let patience = option("--patience").map_or(10, |n| n.parse().expect("a number of rounds"));
    let asked =
        |list: &str, a: Algorithm| option(list).is_none_or(|names| names.split(',').any(|name| name == a.as_str()));
    let grids: Option<BTreeMap<Algorithm, Grid>> = option("--grids")
        .map(|file| serde_json::from_str(&std::fs::read_to_string(file).expect("a file of grids")).expect("grids"));
    let snapshot = read(&path, features == "extended");
    let parts = splits(&snapshot, &kind, first..=first + count - 1);
    let x = Matrix::new(snapshot.feature_names.clone(), snapshot.columns.clone()).unwrap();
    let data = Dataset::new(x, snapshot.labels.clone()).unwrap();
    let (mut all, mut covered): (Vec<Map<String, Value>>, Vec<Covered>) = Default::default();
    for (name, parts) in parts {
        let spec = |algorithm| TrainSpec {
            algorithm,
            tuning: if iterations > 0 && asked("--tune", algorithm) { Tuning::RandomSearch } else { Tuning::None },
            iterations,
            folds: 5,
            metric: TargetMetric::AucRoc,
            seed: 42,
            feature_selection: FeatureSelection::Auto,
            selected_features: None,
            scale: true,
            early_stopping_rounds: patience,
            pruning: Pruning::Racing,
            grid: grids.as_ref().and_then(|g| g.get(&algorithm)).cloned(),
        };
        let control = Control::default();
        let y: Vec<u8> = parts.test.iter().map(|r| data.y()[*r as usize]).collect();
        let single: Vec<Trained> = Algorithm::BASE
            .into_iter()
            .filter(|a| asked("--algorithms", *a))
            .map(|a| train(&data, &parts, &spec(a), &NoJournal, &control).unwrap())
            .collect();
        let together =
            combine(&data, &parts, &spec(Algorithm::Ensemble), &single.iter().collect::<Vec<_>>(), &control).unwrap();
        let of_train: Vec<u8> = parts.train.iter().map(|r| data.y()[*r as usize]).collect();
        let out_of_fold: Map<String, Value> = single
            .iter()
            .chain([&together])
            .map(|t| (t.model.algorithm.to_string(), json!(auc(&of_train, &t.oof))))
            .collect();
        let (mut line, mut sets) = (Map::new(), Map::new());
        for t in single.iter().chain([&together]) {
            let p = t.model.predict_proba(data.x(), &parts.test).unwrap();
            line.insert(t.model.algorithm.to_string(), json!(auc(&y, &p)));
            sets.insert(t.model.algorithm.to_string(), json!(set_coverage(&t.model, &y, &p)));
        }
        let accepted = y.iter().filter(|label| **label == 1).count();
        covered.push(Covered { sets: sets.clone(), rows: [accepted, y.len() - accepted] });
        let params: Map<String, Value> =
            single.iter().map(|t| (t.model.algorithm.to_string(), json!([t.iterations, t.params]))).collect();
        println!(
            "{}",
            json!({ "split": name, "params": params, "train": parts.train.len(), "test": y.len(), "auc": line, "out_of_fold": out_of_fold, "sets": sets })
        );
        all.push(line);
    }
    let mean = |name: &String| {
        let values: Vec<f64> = all.iter().filter_map(|line| line[name].as_f64()).collect();
        (name.clone(), json!(values.iter().sum::<f64>() / values.len() as f64))
    };
    let means: Map<String, Value> = all[0].keys().map(mean).collect();
    println!(
        "{}",
        json!({ "file": path, "features": features, "split": kind, "splits": all.len(),
        "iterations": iterations, "mean": means, "sets": Covered::means(&covered) })
    );
}
