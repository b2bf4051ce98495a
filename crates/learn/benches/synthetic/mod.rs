//! Synthetic rows, and a fit on them, for what measures.

use provost_domain::Algorithm;
use provost_domain::rng::SplitMix64;
use provost_learn::learners::learner;
use provost_learn::{Control, Dataset, Fit, FitTask, Matrix};
use serde_json::Value;

/// Twelve continuous columns, a tenth of three of them missing, and a label that they half explain.
pub fn data(rows: usize) -> Dataset {
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

/// Every row.
pub fn all(data: &Dataset) -> Vec<u32> {
    (0..data.rows() as u32).collect()
}

/// On all columns.
pub fn fit(algorithm: Algorithm, data: &Dataset, train: &[u32], given: &Value) -> Fit {
    let learner = learner(algorithm).unwrap();
    let params = learner.check(given.as_object().unwrap()).unwrap();
    let columns: Vec<usize> = (0..data.x().width()).collect();
    let task = FitTask { seed: 42, scale: true, ..FitTask::new(data, &columns, train, &params) };
    learner.fit(&task, &Control::default()).unwrap()
}
