//! Seconds and working memory of one fit on synthetic rows:
//!
//! ```sh
//! cargo run --release -p provost-learn --example scale -- gradient_boosting 500000 --trees 200 --depth 5
//! ```
//!
//! One JSON line. With `--predict 1` also how many rows a second one thread predicts, all in one call, and the time of a call for
//! one row. `working_bytes` is the highest allocation during the fit, less what there was before it (the feature matrix) and
//! less the model that it leaves, counted by the allocator and so exact.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a tool for people who measure: any fault ends it

#[path = "../benches/synthetic/mod.rs"]
mod synthetic;

use provost_domain::Algorithm;
use provost_learn::{Dataset, Predictor};
use serde_json::{Value, json};
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use synthetic::{all, data, fit};

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

/// The fastest of several calls.
fn predicting(data: &Dataset, model: &Predictor) -> Value {
    let (columns, rows) = ((0..data.x().width()).collect::<Vec<_>>(), all(data));
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let seconds = |rows: &[u32], times: usize| {
        let call = |_| {
            let began = std::time::Instant::now();
            black_box(one.install(|| model.predict(data.x(), &columns, rows)));
            began.elapsed().as_secs_f64()
        };
        (0..times).map(call).fold(f64::INFINITY, f64::min)
    };
    json!({ "rows_per_second": rows.len() as f64 / seconds(&rows, 7), "one_row_seconds": seconds(&rows[..1], 1000) })
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let algorithm: Algorithm = serde_json::from_value(json!(args[1])).expect("an algorithm");
    let rows: usize = args[2].parse().expect("a number of rows");
    let mut given = json!({ "n_estimators": option("--trees", 100) });
    if let depth @ 1.. = option("--depth", 0) {
        given["max_depth"] = json!(depth);
    }
    let data = data(rows);
    let train = all(&data);
    let workers = rayon::ThreadPoolBuilder::new().num_threads(option("--threads", 2) as usize).build().unwrap();
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let began = std::time::Instant::now();
    let fitted = workers.install(|| fit(algorithm, &data, &train, &given));
    let seconds = began.elapsed().as_secs_f64();
    let (peak, with_model) = (PEAK.load(Relaxed), LIVE.load(Relaxed));
    let predicting = (option("--predict", 0) > 0).then(|| predicting(&data, &fitted.predictor));
    drop(fitted);
    let model = with_model - LIVE.load(Relaxed);
    let working = peak - before - model;
    println!(
        "{}",
        json!({
            "algorithm": algorithm, "rows": rows, "params": given, "seconds": seconds, "model_bytes": model,
            "working_bytes": working, "working_bytes_per_row": working as f64 / rows as f64, "predicting": predicting,
        })
    );
}
