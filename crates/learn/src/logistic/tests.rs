#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::dataset::Dataset;
use crate::preprocess::design;
use crate::testing;
use provost_predict::matrix::Matrix;

/// 400 rows of smooth functions of the row number, so that Python makes the same (numpy, float32):
/// x0 = sin(.7 i), x1 = 2 cos(1.3 i), x2 = (37 i mod 101) / 10, x3 = x0 + x1 / 2 + sin(5.1 i) / 10,
/// y = x0 − x1 / 2 + x2 / 10 + 3 sin(12.9898 i) > 1.2.
fn waves() -> Dataset {
    let columns = |i: u32| {
        let i = f64::from(i);
        let (x0, x1) = ((i * 0.7).sin(), 2.0 * (i * 1.3).cos());
        [x0, x1, (i * 37.0) % 101.0 / 10.0, x0 + 0.5 * x1 + 0.1 * (i * 5.1).sin()]
    };
    let label = |i: u32| {
        let [x0, x1, x2, _] = columns(i);
        u8::from(x0 - 0.5 * x1 + 0.1 * x2 + 3.0 * (f64::from(i) * 12.9898).sin() > 1.2)
    };
    let x = (0..4).map(|c| (0..400).map(|i| columns(i)[c] as f32).collect()).collect();
    testing::dataset(x, (0..400).map(label).collect())
}

fn model(data: &Dataset, params: Value, scale: bool) -> LogisticModel {
    let params = LogisticRegression.check(params.as_object().unwrap()).unwrap();
    let fit = testing::fit(&LogisticRegression, data, &params, |task| task.scale = scale).unwrap();
    let Predictor::Logistic(model) = fit.predictor else { panic!("not logistic") };
    model
}

type Peer = (bool, &'static str, f64, bool, [f64; 4], f64);

/// scikit-learn 1.9.1, LogisticRegression(tol=1e-10) with newton-cholesky (l2) and saga (l1), with and without
/// StandardScaler: (scaled, penalty, C, balanced, coefficients, intercept). Where all coefficients are 0 the intercept
/// is the log-odds of the (weighted) prior, which saga misses.
#[rustfmt::skip]
const PEER: &[Peer] = &[
    (true, "l2", 0.01, false, [0.193866, -0.184182, 0.096117, 0.006015], -0.308242),
    (true, "l2", 0.01, true, [0.196209, -0.186626, 0.097245, 0.005963], -0.012360),
    (true, "l2", 1.0, false, [0.411515, -0.390496, 0.208584, 0.003924], -0.328252),
    (true, "l2", 1.0, true, [0.410732, -0.393381, 0.208664, 0.005744], -0.026480),
    (true, "l2", 100.0, false, [0.430509, -0.381332, 0.211314, -0.015887], -0.328872),
    (true, "l2", 100.0, true, [0.422811, -0.391012, 0.211329, -0.004397], -0.026818),
    (true, "l1", 0.01, false, [0.000000, 0.000000, 0.000000, 0.000000], -0.302281),
    (true, "l1", 0.01, true, [0.000000, 0.000000, 0.000000, 0.000000], 0.000000),
    (true, "l1", 1.0, false, [0.406785, -0.379873, 0.199153, 0.000000], -0.327168),
    (true, "l1", 1.0, true, [0.407446, -0.381632, 0.199415, 0.000000], -0.025881),
    (true, "l1", 100.0, false, [0.419255, -0.392500, 0.211208, 0.000000], -0.328862),
    (true, "l1", 100.0, true, [0.419644, -0.394047, 0.211234, 0.000000], -0.026812),
    (false, "l2", 0.01, false, [0.162988, -0.195206, 0.060419, 0.064642], -0.613634),
    (false, "l2", 0.01, true, [0.165100, -0.197469, 0.060749, 0.065644], -0.318798),
    (false, "l2", 1.0, false, [0.421527, -0.356300, 0.072114, 0.162067], -0.692579),
    (false, "l2", 1.0, true, [0.420809, -0.358168, 0.072139, 0.163559], -0.390921),
    (false, "l2", 100.0, false, [0.599903, -0.274012, 0.072381, -0.006490], -0.694582),
    (false, "l2", 100.0, true, [0.589227, -0.280740, 0.072387, 0.004736], -0.392560),
    (false, "l1", 0.01, false, [0.000000, 0.000000, 0.000000, 0.000000], -0.302281),
    (false, "l1", 0.01, true, [0.000000, 0.000000, 0.000000, 0.000000], 0.000000),
    (false, "l1", 1.0, false, [0.569732, -0.270675, 0.070728, 0.000000], -0.684586),
    (false, "l1", 1.0, true, [0.570766, -0.271870, 0.070780, 0.000000], -0.383514),
    (false, "l1", 100.0, false, [0.593312, -0.277225, 0.072365, 0.000000], -0.694494),
    (false, "l1", 100.0, true, [0.593864, -0.278317, 0.072374, 0.000000], -0.392491),
];

#[test]
fn coefficients_equal_scikit_learns() {
    let data = waves();
    for (scale, penalty, c, balanced, coefficients, intercept) in PEER {
        let weight = if *balanced { json!("balanced") } else { Value::Null };
        let m = model(&data, json!({"C": c, "penalty": penalty, "class_weight": weight}), *scale);
        // Ours are on the standardised scale throughout.
        let outputs = m.preprocessor().outputs();
        let mut got: Vec<f64> = m.coefficients().to_vec();
        let mut zero = m.intercept();
        if !scale {
            let origin = Matrix::new(data.x().names().to_vec(), vec![vec![0.0]; 4]).unwrap();
            let shift = design(m.preprocessor(), &origin, &[0, 1, 2, 3], &[0], 4, &Control::default()).unwrap();
            zero += shift.iter().zip(&got).map(|(s, c)| s * c).sum::<f64>();
            got.iter_mut().zip(&outputs).for_each(|(c, o)| *c /= o.unit);
        }
        let close = got.iter().zip(coefficients).all(|(a, b)| (a - b).abs() < 1e-3) && (zero - intercept).abs() < 1e-3;
        assert!(
            close,
            "{penalty} C {c} scale {scale} balanced {balanced}: {got:?} {zero}, expected {coefficients:?} {intercept}"
        );
    }
}

/// An implementation that shares no code with ours.
#[test]
fn l2_coefficients_equal_linfas() {
    use linfa::traits::Fit as _;
    let data = waves();
    let m = model(&data, json!({"C": 0.5}), true);
    let rows: Vec<u32> = (0..400).collect();
    let design = design(m.preprocessor(), data.x(), &[0, 1, 2, 3], &rows, 4, &Control::default()).unwrap();
    let records = ndarray::Array2::from_shape_vec((400, 4), design).unwrap();
    let targets = ndarray::Array1::from_iter(data.y().iter().map(|y| *y == 1));
    let other = linfa_logistic::LogisticRegression::default()
        .alpha(2.0)
        .gradient_tolerance(1e-8)
        .max_iterations(1_000)
        .fit(&linfa::Dataset::new(records, targets))
        .unwrap();
    // linfa chooses itself which class is positive.
    let sign = other.params()[0].signum() * m.coefficients()[0].signum();
    for (ours, theirs) in m.coefficients().iter().zip(other.params()) {
        assert!((ours - sign * theirs).abs() < 1e-4, "{ours} {theirs}");
    }
}

#[test]
fn never_diverges() {
    let n = 200usize;
    let ramp: Vec<f32> = (0..n).map(|i| i as f32).collect();
    let huge: Vec<f32> = (0..n).map(|i| if i % 3 == 0 { 3e38 } else { -1e30 }).collect();
    let tiny: Vec<f32> = ramp.iter().map(|v| v * 1e-44).collect();
    let data = testing::dataset(vec![ramp.clone(), ramp, huge, tiny], (0..n).map(|i| u8::from(i >= 100)).collect());
    let rows: Vec<u32> = (0..n as u32).collect();
    for penalty in ["l1", "l2"] {
        for c in [1e-3, 1.0, 1e12] {
            for scale in [true, false] {
                let m = model(&data, json!({"C": c, "penalty": penalty}), scale);
                let p = m.predict(data.x(), &[0, 1, 2, 3], &rows, &Control::default()).unwrap();
                assert!(p.iter().all(|p| (0.0..=1.0).contains(p)), "{penalty} {c} {scale}");
                m.check(4).unwrap();
                if c >= 1.0 && scale {
                    assert!(p[0] < 0.2 && p[199] > 0.8, "{penalty} {c}: {} {}", p[0], p[199]);
                }
            }
        }
    }
}

#[test]
fn a_missing_value_tells_through_its_indicator() {
    let n = 400usize;
    let column: Vec<f32> = (0..n).map(|i| if i % 4 == 0 { f32::NAN } else { (i % 7) as f32 }).collect();
    let data = testing::dataset(vec![column], (0..n).map(|i| u8::from(i % 4 == 0)).collect());
    let m = model(&data, json!({}), true);
    let p = m.predict(data.x(), &[0], &[0, 1], &Control::default()).unwrap();
    assert!(p[0] > 0.9 && p[1] < 0.1, "{p:?}");
}

/// Near the minimum of many rows the rounding of their sum hides any decrease: no step may be spent on it.
#[test]
fn ends_where_rounding_begins() {
    let n = 30_000u32;
    let value = |i: u32, step: f64| if i.is_multiple_of(3) { f32::NAN } else { (f64::from(i) * step).sin() as f32 };
    let x = vec![(0..n).map(|i| value(i, 0.7)).collect(), (0..n).map(|i| value(i, 1.3)).collect()];
    let label = |i: u32| u8::from((f64::from(i) * 0.7).sin() + 2.0 * (f64::from(i) * 12.9898).sin() > 0.0);
    let data = testing::dataset(x, (0..n).map(label).collect());
    for penalty in ["l1", "l2"] {
        let params = json!({"penalty": penalty});
        let params = LogisticRegression.check(params.as_object().unwrap()).unwrap();
        let fit = testing::fit(&LogisticRegression, &data, &params, |task| task.scale = true).unwrap();
        assert!((2..=15).contains(&fit.iterations), "{penalty}: {} steps", fit.iterations);
    }
}
