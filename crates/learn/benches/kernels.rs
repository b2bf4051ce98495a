//! The kernels by themselves: growing, and predicting with what was grown. One thread; rows per second are printed.

#![allow(clippy::unwrap_used, clippy::expect_used)] // no product code

mod synthetic;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use provost_domain::Algorithm;
use serde_json::json;
use std::hint::black_box;
use synthetic::{all, data, fit};

/// On one thread, so that what is measured is the kernel.
fn alone<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(work)
}

fn growing(c: &mut Criterion) {
    let mut group = c.benchmark_group("grow");
    group.sample_size(10);
    let cases = [
        (Algorithm::RandomForest, json!({"n_estimators": 20})),
        (Algorithm::GradientBoosting, json!({"n_estimators": 50, "max_depth": 5})),
        (Algorithm::Xgboost, json!({"n_estimators": 50, "max_depth": 5, "learning_rate": 0.1})),
        (Algorithm::LogisticRegression, json!({})),
        (Algorithm::NeuralNetwork, json!({"max_iter": 2})),
    ];
    for rows in [1_000, 25_000] {
        let data = data(rows);
        let train = all(&data);
        group.throughput(Throughput::Elements(rows as u64));
        for (algorithm, given) in &cases {
            group.bench_function(BenchmarkId::new(algorithm.as_str(), rows), |b| {
                b.iter(|| alone(|| black_box(fit(*algorithm, &data, &train, given))));
            });
        }
    }
    group.finish();
}

fn predicting(c: &mut Criterion) {
    let mut group = c.benchmark_group("predict");
    group.sample_size(10);
    let (learnt, asked) = (data(25_000), data(100_000));
    let (columns, rows): (Vec<usize>, Vec<u32>) = ((0..12).collect(), (0..100_000).collect());
    let cases = [
        ("boosting 300 x 5", Algorithm::GradientBoosting, json!({"n_estimators": 300, "max_depth": 5})),
        ("xgboost 300 x 5", Algorithm::Xgboost, json!({"n_estimators": 300, "max_depth": 5, "learning_rate": 0.1})),
        ("boosting 300 x 7", Algorithm::GradientBoosting, json!({"n_estimators": 300, "max_depth": 7})),
        ("forest 100", Algorithm::RandomForest, json!({"n_estimators": 100})),
        ("network (100)", Algorithm::NeuralNetwork, json!({"max_iter": 2})),
        ("logistic", Algorithm::LogisticRegression, json!({})),
    ];
    for (name, algorithm, given) in cases {
        let model = fit(algorithm, &learnt, &all(&learnt), &given).predictor;
        for batch in [1usize, 100_000] {
            group.throughput(Throughput::Elements(batch as u64));
            group.bench_function(BenchmarkId::new(name, batch), |b| {
                b.iter(|| alone_here(|| black_box(model.predict(asked.x(), &columns, &rows[..batch]))));
            });
        }
    }
    group.finish();
}

thread_local! {
    static POOL: rayon::ThreadPool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
}

/// As `alone`, without making a pool each time: one row takes less than that.
fn alone_here<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    POOL.with(|pool| pool.install(work))
}

criterion_group!(kernels, growing, predicting);
criterion_main!(kernels);
