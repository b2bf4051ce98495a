#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::gradients::{Workspace, backward};
use super::*;
use crate::testing;
use provost_domain::rng::SplitMix64;
use provost_predict::network::layers::Layers;

/// The analytical gradient against central differences, with both activations and hidden layers of several shapes.
#[test]
fn gradient_equals_differences() {
    let shapes: [&[usize]; 3] = [&[5, 4], &[1], &[3, 1]];
    for (activation, hidden) in [Activation::Relu, Activation::Tanh].into_iter().flat_map(|a| shapes.map(|s| (a, s))) {
        let mut layers = gradients::initial(3, hidden, activation, 9);
        let mut r = SplitMix64::new(1);
        let x: Vec<f32> = (0..30).map(|_| r.normal() as f32).collect();
        let y: Vec<f32> = (0..10).map(|i| (i % 2) as f32).collect();
        let mut workspace = Workspace::new(&layers, 10);
        let mut gradient = vec![0.0; layers.parameters().len()];
        layers.forward(&x, 10, &mut workspace.buffers);
        backward(&layers, &x, &y, 0.5, &mut workspace, &mut gradient);
        let mut spare = gradient.clone();
        let mut loss = |layers: &Layers, workspace: &mut Workspace| {
            layers.forward(&x, 10, &mut workspace.buffers);
            backward(layers, &x, &y, 0.5, workspace, &mut spare)
        };
        for (at, analytical) in gradient.iter().enumerate() {
            let kept = layers.parameters()[at];
            layers.parameters_mut()[at] = kept + 2e-3;
            let above = loss(&layers, &mut workspace);
            layers.parameters_mut()[at] = kept - 2e-3;
            let below = loss(&layers, &mut workspace);
            layers.parameters_mut()[at] = kept;
            let difference = (above - below) / 4e-3;
            assert!(
                (difference - f64::from(*analytical)).abs() < 5e-3,
                "{activation:?} {hidden:?} {at}: {difference} {analytical}"
            );
        }
    }
}

#[test]
fn learns_what_no_linear_model_can() {
    let mut r = SplitMix64::new(3);
    let columns: Vec<Vec<f32>> = (0..2).map(|_| (0..1_000).map(|_| r.normal() as f32).collect()).collect();
    let y = (0..1_000).map(|i| u8::from(columns[0][i] * columns[1][i] > 0.0)).collect();
    let data = testing::dataset(columns, y);
    for activation in ["relu", "tanh"] {
        let params =
            NeuralNetwork.check(json!({"activation": activation, "max_iter": 300}).as_object().unwrap()).unwrap();
        let fit = testing::fit(&NeuralNetwork, &data, &params, |_| ()).unwrap();
        let rows: Vec<u32> = (0..1_000).collect();
        let p = fit.predictor.predict(data.x(), &[0, 1], &rows);
        let right = p.iter().zip(data.y()).filter(|(p, y)| (**p >= 0.5) == (**y == 1)).count();
        assert!(right > 940, "{activation}: {right} of 1000");
    }
}

#[test]
fn raw_extremes_stay_finite() {
    let huge: Vec<f32> = (0..300).map(|i| if i % 3 == 0 { 3e38 } else { -1e30 }).collect();
    let data = testing::dataset(vec![huge], (0..300).map(|i| u8::from(i % 3 == 0)).collect());
    let params = NeuralNetwork.check(json!({"max_iter": 20}).as_object().unwrap()).unwrap();
    for scale in [true, false] {
        let fit = testing::fit(&NeuralNetwork, &data, &params, |t| t.scale = scale).unwrap();
        let p = fit.predictor.predict(data.x(), &[0], &[0, 1, 2]);
        assert!(p.iter().all(|p| (0.0..=1.0).contains(p)) && p[0] > p[1], "{scale} {p:?}");
        fit.predictor.check(1).unwrap();
    }
}

#[test]
fn doctored_layers_are_refused() {
    let good = gradients::initial(2, &[3], Activation::Relu, 0);
    assert!(good.check(2).is_ok() && good.check(3).is_err());
    let mut bytes = postcard::to_allocvec(&good).unwrap();
    assert_eq!(bytes[..4], [3, 2, 3, 1]);
    bytes[2] = 4;
    let wrong: Layers = postcard::from_bytes(&bytes).unwrap();
    assert!(wrong.check(2).unwrap_err().contains("13 parameters for layers of [2, 4, 1]"));
    let mut wild = good;
    wild.parameters_mut()[0] = f32::INFINITY;
    assert!(wild.check(2).is_err());
}

#[test]
fn one_growth_serves_a_family() {
    crate::testdata::family_equals_fits_apart(
        &NeuralNetwork,
        &[
            json!({"max_iter": 6, "hidden_layer_sizes": [8]}),
            json!({"max_iter": 25, "hidden_layer_sizes": [8], "learning_rate": "adaptive"}),
            json!({"max_iter": 2, "hidden_layer_sizes": [8]}),
        ],
    );
}
