//! Seconds and working memory of one fit on synthetic rows:
//!
//! ```sh
//! cargo run --release -p provost-learn --example scale -- gradient_boosting 500000 --trees 200 --depth 5
//! ```
//!
//! One JSON line. `working_bytes` is the highest allocation during the fit, less what there was before it (the feature matrix) and
//! less the model that it leaves, counted by the allocator and so exact.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a tool for people who measure: any fault ends it

use provost_domain::Algorithm;
use provost_domain::rng::SplitMix64;
use provost_learn::learners::learner;
use provost_learn::{Control, Dataset, FitTask, Matrix};
use serde_json::json;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, counting what is allocated and its maximum.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grown(by: usize) {
    let live = LIVE.fetch_add(by, Relaxed) + by;
    PEAK.fetch_max(live, Relaxed);
}

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // As if moved, which is what it may be.
        grown(size);
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn option(name: &str, default: u32) -> u32 {
    let args: Vec<String> = std::env::args().collect();
    let given = args.iter().position(|a| a == name).and_then(|at| args.get(at + 1));
    given.map_or(default, |text| text.parse().expect("a whole number"))
}

/// Twelve continuous columns, a tenth of three of them missing, and a label that they half explain.
fn data(rows: usize) -> Dataset {
    let mut r = SplitMix64::new(7);
    let mut columns: Vec<Vec<f32>> = std::iter::repeat_with(|| Vec::with_capacity(rows)).take(12).collect();
    let mut y = Vec::with_capacity(rows);
    for _ in 0..rows {
        let v: [f64; 12] = std::array::from_fn(|_| r.normal());
        let z = 1.2 * v[0] - 0.8 * v[1] * v[1] + v[2] * v[3] + 0.5 * (3.0 * v[4]).sin() + 0.4 * v[5] - 0.5;
        y.push(u8::from(r.unit() < 1.0 / (1.0 + (-z).exp())));
        for (at, column) in columns.iter_mut().enumerate() {
            let gone = (6..9).contains(&at) && r.unit() < 0.1;
            column.push(if gone { f32::NAN } else { v[at] as f32 });
        }
    }
    let names = (0..12).map(|i| format!("f{i}")).collect();
    Dataset::new(Matrix::new(names, columns).unwrap(), y).unwrap()
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let algorithm: Algorithm = serde_json::from_value(json!(args[1])).expect("an algorithm");
    let rows: usize = args[2].parse().expect("a number of rows");
    let learner = learner(algorithm).expect("an algorithm that learns from rows");
    let mut given = json!({ "n_estimators": option("--trees", 100) });
    if let depth @ 1.. = option("--depth", 0) {
        given["max_depth"] = json!(depth);
    }
    let params = learner.check(given.as_object().unwrap()).unwrap();
    let data = data(rows);
    let (columns, train): (Vec<usize>, Vec<u32>) = ((0..12).collect(), (0..rows as u32).collect());
    let task = FitTask {
        data: &data,
        columns: &columns,
        train: &train,
        validation: &[],
        params: &params,
        seed: 42,
        early_stopping_rounds: 0,
        scale: true,
        shared: None,
    };
    let workers = rayon::ThreadPoolBuilder::new().num_threads(option("--threads", 2) as usize).build().unwrap();
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let began = std::time::Instant::now();
    let fit = workers.install(|| learner.fit(&task, &Control::default())).unwrap();
    let seconds = began.elapsed().as_secs_f64();
    let (peak, with_model) = (PEAK.load(Relaxed), LIVE.load(Relaxed));
    drop(fit);
    let model = with_model - LIVE.load(Relaxed);
    let working = peak - before - model;
    println!(
        "{}",
        json!({
            "algorithm": algorithm, "rows": rows, "params": given, "seconds": seconds, "model_bytes": model,
            "working_bytes": working, "working_bytes_per_row": working as f64 / rows as f64,
        })
    );
}
