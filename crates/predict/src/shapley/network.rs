//! Neural networks: the first layer is a sum over columns; the other layers are computed once per coalition.

use super::additive::{indicators, outputs};
use super::column::Column;
use crate::network::activation::Activation;
use crate::network::elementwise::tanh;
use crate::network::product::{self, Forward};
use crate::network::{NetworkModel, bounded};

/// The log-odds of each of the `1 << players` coalitions.
pub fn log_odds(model: &NetworkModel, columns: &[Column], players: usize) -> Vec<f64> {
    let (preprocessor, layers) = (model.preprocessor(), model.layers());
    let layout = layers.layout();
    let parameters = layers.parameters();
    let Some(first) = layout.first() else { return vec![0.0; 1 << players] };
    let units = first.outputs;
    let mut sums = vec![0f32; units << players];
    sums[..units].copy_from_slice(&parameters[first.biases..first.end]);
    for ((at, column), indicator) in columns.iter().enumerate().zip(indicators(preprocessor)) {
        let both = column.values().iter().map(|value| outputs(preprocessor, at, *value));
        let (values, present): (Vec<f32>, Vec<Option<f32>>) =
            both.map(|(value, present)| (bounded(value), present.map(bounded))).unzip();
        let mut add = |input: usize, values: &[f32]| {
            let weights = &parameters[first.weights + input * units..][..units];
            for (index, term) in terms(values).into_iter().enumerate().filter(|(_, term)| *term != 0.0) {
                let of_coalition = &mut sums[column.coalition(index) * units..][..units];
                of_coalition.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += term * weight);
            }
        };
        add(at, &values);
        if let Some(present) = present.into_iter().collect::<Option<Vec<f32>>>() {
            add(indicator, &present);
        }
    }
    add_subsets(&mut sums, units);
    if layout.len() == 1 {
        return sums.into_iter().map(f64::from).collect();
    }
    match layers.activation() {
        Activation::Relu => sums.iter_mut().for_each(|v| *v = v.max(0.0)),
        Activation::Tanh => sums.iter_mut().for_each(|v| *v = tanh::<false>(*v)),
    }
    for (at, layer) in layout.iter().enumerate().skip(1) {
        let mut out = vec![0.0; layer.outputs << players];
        let product = Forward {
            input: &sums,
            inputs: layer.inputs,
            weights: &parameters[layer.weights..layer.biases],
            biases: &parameters[layer.biases..layer.end],
            activation: (at + 1 < layout.len()).then_some(layers.activation()),
        };
        product::forward(&product, &mut out);
        sums = out;
    }
    sums.into_iter().map(f64::from).collect()
}

/// As `additive::terms`, in single precision.
fn terms(values: &[f32]) -> Vec<f32> {
    super::additive::terms(values.iter().map(|v| f64::from(*v))).into_iter().map(|term| term as f32).collect()
}

/// Adds to the units of each coalition those of all its proper subsets.
fn add_subsets(values: &mut [f32], units: usize) {
    let mut size = units;
    while size < values.len() {
        for block in values.chunks_exact_mut(2 * size) {
            let (without, with) = block.split_at_mut(size);
            with.iter_mut().zip(without).for_each(|(with, without)| *with += *without);
        }
        size *= 2;
    }
}
