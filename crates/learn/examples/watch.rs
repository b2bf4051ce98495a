//! How often watching errs, on resamples of files of data points, or of the sample without any:
//!
//! ```sh
//! cargo run --release -p provost-learn --example watch -- a.jsonl b.jsonl --pairs 1.0 --dump folder
//! ```
//!
//! JSON lines. `clean`: pairs of windows drawn from the same rows as their reference, by whole applicants, and how many of them
//! have an alarm. `shift`: pairs of windows of 500 rows in which one feature is shifted by .3 deviations. `performance`: the
//! expected and the realised metrics of windows of 500 rows, of years after those that the model was trained on. `time`: seconds
//! of one comparison. `--pairs` multiplies the numbers of pairs. With `--dump` some of the windows are written for other tools:
//! `clean-*.csv` (a reference and pairs of windows), `performance-*.csv`.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a tool for people who measure: any fault ends it

use provost_domain::config::{FeatureSelection, Pruning, Tuning};
use provost_domain::features::{FeatureTables, is_category, tells_time};
use provost_domain::rng::SplitMix64;
use provost_domain::snapshot::SnapshotBuilder;
use provost_domain::watch::{DriftWindow, FeatureDrift, PerformanceMetrics, WindowKind};
use provost_domain::{AdmissionDataPoint, Algorithm, Snapshot, TargetMetric, sample};
use provost_learn::split::Parts;
use provost_learn::train::{NoJournal, TrainSpec, train};
use provost_learn::watch::{PredictedRows, Reference, WatchedRows, cycles, performance};
use provost_learn::{Control, Dataset, Matrix};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Rows of a reference.
const REFERENCE: usize = 10_000;
/// Rows of each window, and the pairs that are tried of each width, for one file.
const SIZES: [(usize, usize); 4] = [(50, 300), (500, 200), (5_000, 70), (50_000, 30)];
const WIDTHS: [usize; 3] = [12, 30, 60];
/// References that the pairs of one size and width share.
const REFERENCES: usize = 5;
/// Pairs of one size that are dumped, at most; of the middle width.
const DUMPED: usize = 15;

fn option(name: &str) -> Option<String> {
    let args: Vec<String> = std::env::args().collect();
    args.iter().position(|a| a == name).and_then(|at| args.get(at + 1)).cloned()
}

fn read(path: Option<&str>) -> Snapshot {
    let (tables, mut rows) = (FeatureTables::default(), SnapshotBuilder::new());
    let mut add = |point: &AdmissionDataPoint| rows.add(point, &tables.row(point), Some(tables.extended(point)));
    match path {
        Some(path) => {
            let file = std::fs::File::open(path).expect("a file of data points");
            for line in std::io::BufReader::new(file).lines() {
                add(&AdmissionDataPoint::from_json(line.unwrap().as_bytes()).expect("a data point"));
            }
        }
        None => sample::draw(40_000, 22).for_each(|drawn| {
            add(&drawn.point);
        }),
    }
    rows.finish()
}

/// Rows to draw from, and which of them each applicant has.
struct Population {
    name: String,
    snapshot: Snapshot,
    cycles: Vec<i32>,
    applicants: Vec<Vec<u32>>,
    /// Columns after those of the snapshot: values of other rows.
    others: Vec<(String, Vec<f32>)>,
}

impl Population {
    fn new(path: Option<&str>) -> Self {
        let snapshot = read(path);
        let mut applicants: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for (applicant, row) in snapshot.applicants.iter().zip(0..) {
            applicants.entry(*applicant).or_default().push(row);
        }
        let mut others = Vec::new();
        let columns = || snapshot.feature_names.iter().zip(&snapshot.columns).filter(|(name, _)| !is_category(name));
        for (copy, (name, column)) in (0u64..).zip(columns().chain(columns()).chain(columns())) {
            let mut shuffled = column.clone();
            SplitMix64::keyed(22, &[copy]).shuffle(&mut shuffled);
            others.push((format!("{name}_{copy}"), shuffled));
        }
        let name =
            path.and_then(|p| Path::new(p).file_stem()).map_or("sample".into(), |s| s.to_string_lossy().into_owned());
        Self { name, cycles: cycles(&snapshot), applicants: applicants.into_values().collect(), others, snapshot }
    }

    /// Rows of applicants drawn with replacement until there are `n`, each draw a new applicant; or of single rows.
    fn drawn(&self, n: usize, by_applicant: bool, random: &mut SplitMix64) -> (Vec<u32>, Vec<u64>) {
        let (mut rows, mut applicants) = (Vec::new(), Vec::new());
        while rows.len() < n {
            let applicant = random.next_u64();
            if by_applicant {
                let of = &self.applicants[random.below(self.applicants.len() as u32) as usize];
                rows.extend(of.iter().take(n - rows.len()));
            } else {
                rows.push(random.below(self.snapshot.rows() as u32));
            }
            applicants.resize(rows.len(), applicant);
        }
        (rows, applicants)
    }

    /// So many columns of these rows, none that only tells the time.
    fn matrix(&self, rows: &[u32], width: usize) -> Matrix {
        let own = self.snapshot.feature_names.iter().zip(&self.snapshot.columns).filter(|(name, _)| !tells_time(name));
        let all = own.chain(self.others.iter().map(|(name, column)| (name, column))).take(width);
        let gather = |column: &Vec<f32>| rows.iter().map(|row| column[*row as usize]).collect();
        let (names, columns) = all.map(|(name, column)| (name.clone(), gather(column))).unzip();
        Matrix::new(names, columns).unwrap()
    }

    fn window(&self, n: usize, width: usize, by_applicant: bool, random: &mut SplitMix64) -> WatchedRows {
        let (rows, applicants) = self.drawn(n, by_applicant, random);
        WatchedRows::new(self.matrix(&rows, width), applicants, None).unwrap()
    }

    fn reference(&self, width: usize, random: &mut SplitMix64) -> (Reference, WatchedRows) {
        let (rows, applicants) = self.drawn(REFERENCE, true, random);
        let of = |values: &[i32]| -> Vec<i32> { rows.iter().map(|row| values[*row as usize]).collect() };
        let watched = WatchedRows::new(self.matrix(&rows, width), applicants, None).unwrap();
        let (cycles, years) = (of(&self.cycles), of(&self.snapshot.years));
        (Reference::new(&watched, &cycles, &years, 0.5, 1, &Control::default()).unwrap(), watched)
    }
}

fn compared(reference: &Reference, rows: &WatchedRows, seed: u64, before: Option<&DriftWindow>) -> DriftWindow {
    let drift = reference.compare_features(rows, seed, &Control::default()).unwrap();
    drift.into_window(seed.to_string(), WindowKind::Points, Default::default(), before)
}

fn is_over(feature: &FeatureDrift) -> bool {
    feature.over || feature.missing.over
}

fn write_csv(folder: &Path, name: &str, rows: &WatchedRows) {
    let x = rows.x();
    let mut text = x.names().join(",");
    for row in 0..x.rows() {
        for column in 0..x.width() {
            let (value, end) = (x.value(row, column), if column == 0 { "\n" } else { "," });
            text.push_str(end);
            if !value.is_nan() {
                write!(text, "{value}").unwrap();
            }
        }
    }
    std::fs::write(folder.join(name), text + "\n").unwrap();
}

fn clean(population: &Population, times: f64, dump: Option<&Path>) {
    for width in WIDTHS {
        let references: Vec<(Reference, WatchedRows)> =
            (0..REFERENCES as u64).map(|i| population.reference(width, &mut SplitMix64::keyed(1, &[i]))).collect();
        for (rows, pairs) in SIZES {
            let pairs = ((pairs as f64 * times).ceil() as usize).max(1);
            let (mut alarms, mut windows, mut over) = (0, 0, 0);
            let mut seconds = Vec::new();
            let mut verdicts = Vec::new();
            for pair in 0..pairs {
                let at = pair % REFERENCES;
                let mut random = SplitMix64::keyed(2, &[width as u64, rows as u64, pair as u64]);
                let mut draw = || population.window(rows, width, true, &mut random);
                let (first, second) = (draw(), draw());
                let began = Instant::now();
                let before = compared(&references[at].0, &first, 2 * pair as u64, None);
                seconds.push(began.elapsed().as_secs_f64());
                let some = before.features.iter().any(is_over);
                windows += 1;
                over += u32::from(some);
                // Without anything over in the first window the second cannot have an alarm.
                let alarm = some && compared(&references[at].0, &second, 2 * pair as u64 + 1, Some(&before)).alarm;
                alarms += u32::from(alarm);
                if let Some(folder) = dump.filter(|_| width == WIDTHS[1] && rows <= 5_000 && pair < DUMPED) {
                    let name = |part: &str| format!("clean-{}-{rows}-{pair}-{part}.csv", population.name);
                    write_csv(folder, &format!("clean-{}-reference-{at}.csv", population.name), &references[at].1);
                    write_csv(folder, &name("first"), &first);
                    write_csv(folder, &name("second"), &second);
                    verdicts.push(alarm);
                }
            }
            seconds.sort_by(f64::total_cmp);
            let line = json!({ "kind": "clean", "data": population.name, "rows": rows, "features": width, "pairs": pairs,
                "alarms": alarms, "windows": windows, "over": over, "seconds": seconds[pairs / 2], "dumped": verdicts });
            println!("{line}");
        }
    }
}

/// The same rows with one feature shifted by so many deviations of the reference.
fn shifted(rows: &WatchedRows, feature: &str, by: f64) -> WatchedRows {
    let column = rows.x().names().iter().position(|name| name == feature).unwrap();
    let cells = (0..rows.rows()).map(|row| (row, column, (f64::from(rows.x().value(row, column)) + by) as f32));
    WatchedRows::new(rows.x().with_cells(cells), rows.applicants().to_vec(), None).unwrap()
}

fn shift(population: &Population, times: f64) {
    let width = WIDTHS[0];
    let (reference, rows) = population.reference(width, &mut SplitMix64::keyed(3, &[]));
    let trials = ((40.0 * times).ceil() as u64).max(1);
    let of_itself = compared(&reference, &rows, 0, None);
    for (name, feature) in rows.x().names().iter().zip(&of_itself.features) {
        let column = rows.x().column(rows.x().names().iter().position(|n| n == name).unwrap());
        let present: Vec<f64> = column.iter().filter(|v| !v.is_nan()).map(|v| f64::from(*v)).collect();
        let mean = present.iter().sum::<f64>() / present.len() as f64;
        let deviation = (present.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / present.len() as f64).sqrt();
        let share = present.len() as f64 / column.len() as f64;
        let mut found = BTreeMap::new();
        for by_applicant in [false, true] {
            let mut alarms = 0;
            for trial in 0..if deviation > 0.0 { trials } else { 0 } {
                let mut random = SplitMix64::keyed(4, &[trial, u64::from(by_applicant)]);
                let mut draw =
                    || shifted(&population.window(500, width, by_applicant, &mut random), name, 0.3 * deviation);
                let before = compared(&reference, &draw(), 2 * trial, None);
                let after = compared(&reference, &draw(), 2 * trial + 1, Some(&before));
                alarms += u64::from(after.features.iter().any(|f| f.feature == *name && f.alarm));
            }
            found.insert(if by_applicant { "applicants" } else { "rows" }, alarms);
        }
        let line = json!({ "kind": "shift", "data": population.name, "feature": name, "floor": feature.floor,
            "share": share, "deviation": deviation, "trials": trials, "found": found });
        println!("{line}");
    }
}

fn metrics(of: &PerformanceMetrics) -> Value {
    serde_json::to_value(of).unwrap()
}

/// Windows of the last years, by a model of the years before each.
fn years(population: &Population, dump: Option<&Path>) {
    let snapshot = &population.snapshot;
    let width = WIDTHS[0];
    let all: Vec<u32> = (0..snapshot.rows() as u32).collect();
    let data = Dataset::new(population.matrix(&all, width), snapshot.labels.clone()).unwrap();
    let of = |year: i32| -> Vec<u32> { all.iter().copied().filter(|r| snapshot.years[*r as usize] == year).collect() };
    let before =
        |year: i32| all.iter().copied().filter(move |r| (i32::MIN + 1..year).contains(&snapshot.years[*r as usize]));
    let years = (2000..2040).rev().filter(|year| of(*year).len() >= 1_000 && before(*year).count() >= 2_000).take(5);
    for year in years {
        let train_rows: Vec<u32> = before(year).collect();
        let groups = train_rows.iter().map(|row| snapshot.applicants[*row as usize]).collect();
        let parts = Parts { train: train_rows, groups: Some(groups), ..Parts::default() };
        let spec = TrainSpec {
            algorithm: Algorithm::GradientBoosting,
            tuning: Tuning::None,
            iterations: 1,
            folds: 5,
            metric: TargetMetric::AucRoc,
            seed: 42,
            feature_selection: FeatureSelection::Auto,
            selected_features: None,
            scale: true,
            early_stopping_rounds: 0,
            pruning: Pruning::None,
            grid: None,
        };
        let trained = train(&data, &parts, &spec, &NoJournal, &Control::default()).unwrap();
        let threshold = trained.model.threshold;
        let mut rows = of(year);
        // Applicants stay together, in an order that says nothing.
        rows.sort_by_key(|row| SplitMix64::keyed(5, &[snapshot.applicants[*row as usize]]).next_u64());
        let (mut text, header) = (String::new(), "part,p,predicted,outcome\n");
        let mut line =
            |part: &str, p: f64, y: u8| writeln!(text, "{part},{p},{},{y}", u8::from(p >= threshold)).unwrap();
        for (p, row) in trained.oof.iter().zip(&parts.train) {
            line("reference", *p, snapshot.labels[*row as usize]);
        }
        for (number, window) in (0u64..).zip(rows.chunks_exact(500)) {
            let p = trained.model.predict_proba(data.x(), window).unwrap();
            let outcomes: Vec<Option<bool>> = window.iter().map(|r| Some(snapshot.labels[*r as usize] == 1)).collect();
            let applicants: Vec<u64> = window.iter().map(|r| snapshot.applicants[*r as usize]).collect();
            let predicted = PredictedRows { probabilities: &p, outcomes: &outcomes, applicants: &applicants };
            let found = performance(&predicted, threshold, number, &Control::default()).unwrap();
            p.iter().zip(window).for_each(|(p, r)| line(&number.to_string(), *p, snapshot.labels[*r as usize]));
            let line = json!({ "kind": "performance", "data": population.name, "year": year, "window": number,
                "estimated": metrics(&found.estimated), "realised": found.realised.as_ref().map(metrics),
                "holds": found.calibration_holds });
            println!("{line}");
        }
        if let Some(folder) = dump {
            let name = format!("performance-{}-{year}.csv", population.name);
            std::fs::write(folder.join(name), header.to_owned() + &text).unwrap();
        }
    }
}

/// One comparison with everything, of the largest kind.
fn time(population: &Population) {
    for (rows, width) in [(500, 12), (500, 60), (50_000, 60)] {
        let (reference, _) = population.reference(width, &mut SplitMix64::keyed(6, &[]));
        let window = population.window(rows, width, true, &mut SplitMix64::keyed(7, &[]));
        let began = Instant::now();
        let drift = reference.compare(&window, 1, &Control::default()).unwrap();
        let seconds = began.elapsed().as_secs_f64();
        let line = json!({ "kind": "time", "data": population.name, "rows": rows, "features": width, "seconds": seconds,
            "permutations": drift.permutations, "domain_auc": drift.domain_auc });
        println!("{line}");
    }
}

fn main() {
    let files: Vec<String> = std::env::args().skip(1).take_while(|a| !a.starts_with("--")).collect();
    let times = option("--pairs").map_or(1.0, |n| n.parse().expect("a factor"));
    let dump = option("--dump").map(PathBuf::from);
    let given: Vec<Option<&str>> =
        if files.is_empty() { vec![None] } else { files.iter().map(|f| Some(&**f)).collect() };
    // As many pairs in all, whatever the number of files.
    let times = times * 2.0 / given.len() as f64;
    for path in given {
        let population = Population::new(path);
        time(&population);
        years(&population, dump.as_deref());
        shift(&population, times);
        clean(&population, times, dump.as_deref());
    }
}
