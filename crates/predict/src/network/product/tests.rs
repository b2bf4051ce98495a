#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use provost_domain::rng::SplitMix64;

fn normal(r: &mut SplitMix64, n: usize) -> Vec<f32> {
    (0..n).map(|_| r.normal() as f32).collect()
}

/// For each kind of processor, and as this one chooses.
fn each<P: Product>(product: &P, chosen: impl Fn(&P, &mut [f32]), len: usize) -> [Vec<f32>; 4] {
    let mut outs = std::array::from_fn(|_| vec![f32::NAN; len]);
    sweep::<_, 5, 48, 16, 10, true>(product, &mut outs[0]);
    sweep::<_, 4, 16, 8, 8, true>(product, &mut outs[1]);
    sweep::<_, 4, 8, 8, 4, false>(product, &mut outs[2]);
    chosen(product, &mut outs[3]);
    outs
}

fn assert_close(outs: &[Vec<f32>; 4], at: usize, truth: f64, shape: (usize, usize, usize)) {
    for (kind, out) in outs.iter().enumerate() {
        let error = (f64::from(out[at]) - truth).abs();
        assert!(error < 1e-4, "kind {kind}, {shape:?}: {} for {truth}", out[at]);
    }
    assert_eq!(outs[0][at].to_bits(), outs[1][at].to_bits(), "{shape:?}");
}

/// All three products against plain sums, over shapes on both sides of every tile's edge.
#[test]
fn products_equal_plain_sums() {
    let mut r = SplitMix64::new(4);
    let dot = |n: usize, a: &dyn Fn(usize) -> f32, b: &dyn Fn(usize) -> f32| {
        (0..n).map(|k| f64::from(a(k)) * f64::from(b(k))).sum::<f64>()
    };
    let widths = [1, 2, 7, 8, 9, 15, 17, 24, 50, 63, 100];
    for rows in [1, 3, 5, 9, 101, 160] {
        for (inputs, outputs) in widths.iter().zip(widths.iter().rev()).chain([(&0, &3), (&12, &50), (&50, &50)]) {
            let (inputs, outputs, shape) = (*inputs, *outputs, (rows, *inputs, *outputs));
            let (input, delta) = (normal(&mut r, rows * inputs), normal(&mut r, rows * outputs));
            let (weights, biases) = (normal(&mut r, inputs * outputs), normal(&mut r, outputs));
            for activation in [None, Some(Activation::Relu), Some(Activation::Tanh)] {
                let product = Forward { input: &input, inputs, weights: &weights, biases: &biases, activation };
                let outs = each(&product, forward_tiles, rows * outputs);
                for at in 0..rows * outputs {
                    let (row, to) = (at / outputs, at % outputs);
                    let sum = dot(inputs, &|k| input[row * inputs + k], &|k| weights[k * outputs + to]);
                    let z = sum + f64::from(biases[to]);
                    let truth = match activation {
                        Some(Activation::Relu) => z.max(0.0),
                        Some(Activation::Tanh) => z.tanh(),
                        None => z,
                    };
                    assert_close(&outs, at, truth, shape);
                }
            }
            // The input layer passes nothing back.
            for activation in [Activation::Relu, Activation::Tanh].into_iter().filter(|_| inputs > 0) {
                let (turned, values) = (normal(&mut r, outputs * inputs), normal(&mut r, rows * inputs));
                let product = Back { delta: &delta, outputs, turned: &turned, inputs, activation, values: &values };
                let outs = each(&product, back, rows * inputs);
                for (at, value) in values.iter().enumerate() {
                    let (row, to) = (at / inputs, at % inputs);
                    let sum = dot(outputs, &|k| delta[row * outputs + k], &|k| turned[k * inputs + to]);
                    let slope = match activation {
                        Activation::Relu => f64::from(u8::from(*value > 0.0)),
                        Activation::Tanh => 1.0 - f64::from(*value).powi(2),
                    };
                    assert_close(&outs, at, sum * slope, shape);
                }
            }
            let product = Gradient { input: &input, inputs, delta: &delta, outputs, decay: 0.25, weights: &weights };
            let outs = each(&product, gradient, inputs * outputs);
            for (at, weight) in weights.iter().enumerate() {
                let (from, to) = (at / outputs, at % outputs);
                let sum = dot(rows, &|k| input[k * inputs + from], &|k| delta[k * outputs + to]);
                assert_close(&outs, at, sum + 0.25 * f64::from(*weight), shape);
            }
        }
    }
}

#[test]
fn without_inputs_the_biases_remain() {
    for biases in [&[0.5][..], &[0.5, -1.0]] {
        let mut out = vec![0.0; 3 * biases.len()];
        forward(&Forward { input: &[], inputs: 0, weights: &[], biases, activation: None }, &mut out);
        assert_eq!(out, biases.repeat(3));
    }
}

/// What a row is given depends on no other row.
#[test]
fn rows_alone_equal_rows_together() {
    let mut r = SplitMix64::new(5);
    for outputs in [1, 3, 50, 100] {
        let (input, weights) = (normal(&mut r, 23 * 12), normal(&mut r, 12 * outputs));
        let biases = normal(&mut r, outputs);
        let of = |input: &[f32]| {
            let mut out = vec![0.0; input.len() / 12 * outputs];
            let activation = Some(Activation::Tanh);
            forward(&Forward { input, inputs: 12, weights: &weights, biases: &biases, activation }, &mut out);
            out
        };
        let alone: Vec<f32> = input.chunks(12).flat_map(of).collect();
        assert_eq!(of(&input), alone);
    }
}
