//! The network's parameters, and the products that run through them.

use super::elementwise;
use super::product::{self, Back, Forward, Gradient};
use provost_domain::rng::SplitMix64;
use serde::{Deserialize, Serialize};

/// Of a decoded artifact.
const MAX_LAYERS: usize = 16;
/// The key of the random stream that initialises.
const STREAM: u64 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    Relu,
    Tanh,
}

/// Fully connected layers; all parameters in one list: per layer the weights (inputs × outputs, row-major), then the
/// biases. The output unit is a log-odds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layers {
    /// Units of the input, each hidden layer and the output (1).
    sizes: Vec<u32>,
    activation: Activation,
    parameters: Vec<f32>,
}

/// One layer's shape and where its parameters are.
#[derive(Debug, Clone, Copy)]
struct Layer {
    inputs: usize,
    outputs: usize,
    weights: usize,
    biases: usize,
    end: usize,
}

/// Activations and gradients of one batch, per layer rows × outputs; reused from batch to batch.
pub struct Buffers {
    values: Vec<Vec<f32>>,
    deltas: Vec<Vec<f32>>,
    /// One layer's weights, transposed; predicting needs none.
    turned: Vec<f32>,
    ones: Vec<f32>,
}

impl Buffers {
    /// For batches of up to `rows`.
    pub fn new(layers: &Layers, rows: usize) -> Self {
        let zeros = || layers.sizes[1..].iter().map(|n| vec![0.0; rows * *n as usize]).collect();
        Self { values: zeros(), deltas: zeros(), turned: Vec::new(), ones: vec![1.0; rows] }
    }
}

impl Layers {
    /// Glorot and Bengio's uniform initialisation (2010), of the biases too, as scikit-learn has it.
    pub fn new(inputs: usize, hidden: &[usize], activation: Activation, seed: u64) -> Self {
        let units = std::iter::once(inputs).chain(hidden.iter().copied()).chain([1]);
        let mut layers = Self { sizes: units.map(|n| n as u32).collect(), activation, parameters: Vec::new() };
        let mut random = SplitMix64::keyed(seed, &[STREAM]);
        for layer in layers.layout() {
            let bound = (6.0 / (layer.inputs + layer.outputs) as f64).sqrt();
            let draw = || ((2.0 * random.unit() - 1.0) * bound) as f32;
            layers.parameters.extend(std::iter::repeat_with(draw).take(layer.end - layer.weights));
        }
        layers
    }

    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    pub fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    pub fn inputs(&self) -> usize {
        self.sizes[0] as usize
    }

    fn layout(&self) -> Vec<Layer> {
        let mut end = 0;
        let pairs = self.sizes.windows(2).map(|w| (w[0] as usize, w[1] as usize));
        pairs
            .map(|(inputs, outputs)| {
                let weights = end;
                let biases = weights + inputs * outputs;
                end = biases + outputs;
                Layer { inputs, outputs, weights, biases, end }
            })
            .collect()
    }

    /// Log-odds of the `rows` rows of `x` (row-major; at most as many as the buffers are for); the hidden activations
    /// stay in the buffers.
    pub fn forward<'b>(&self, x: &[f32], rows: usize, buffers: &'b mut Buffers) -> &'b [f32] {
        let layout = self.layout();
        for (at, layer) in layout.iter().enumerate() {
            let (before, after) = buffers.values.split_at_mut(at);
            let input = before.last().map_or(x, |v| &v[..rows * layer.inputs]);
            let out = &mut after[0][..rows * layer.outputs];
            let product = Forward {
                input,
                inputs: layer.inputs,
                weights: &self.parameters[layer.weights..layer.biases],
                biases: &self.parameters[layer.biases..layer.end],
                activation: (at + 1 < layout.len()).then_some(self.activation),
            };
            product::forward(&product, out);
        }
        let last = buffers.values.len() - 1;
        &buffers.values[last][..rows]
    }

    /// After `forward` of the same `x`: the gradient of the batch's mean loss plus `½ · alpha / rows · ‖weights‖²`, in
    /// the parameters' order. Returns the batch's mean loss, the penalty included.
    pub fn backward(&self, x: &[f32], labels: &[f32], alpha: f32, buffers: &mut Buffers, gradient: &mut [f32]) -> f64 {
        let layout = self.layout();
        let rows = labels.len();
        let last = layout.len() - 1;
        let logits = &buffers.values[last][..rows];
        let loss = elementwise::log_loss(logits, labels, &mut buffers.deltas[last][..rows]);
        let decay = alpha / rows as f32;
        let mut squares = 0.0;
        for (at, layer) in layout.iter().enumerate().rev() {
            let (before, after) = buffers.deltas.split_at_mut(at);
            let delta = &after[0][..rows * layer.outputs];
            let input = if at == 0 { x } else { &buffers.values[at - 1][..rows * layer.inputs] };
            let (to_weights, to_biases) = gradient[layer.weights..layer.end].split_at_mut(layer.inputs * layer.outputs);
            let weights = &self.parameters[layer.weights..layer.biases];
            squares += f64::from(elementwise::squares(weights));
            let (a, b) = ((input, layer.inputs), (delta, layer.outputs));
            // A single column of weights is a row in memory.
            let (a, b) = if layer.outputs == 1 { (b, a) } else { (a, b) };
            let product = Gradient { input: a.0, inputs: a.1, delta: b.0, outputs: b.1, decay, weights };
            product::gradient(&product, to_weights);
            // A bias is the weight of an input of 1.
            let product = Gradient {
                input: &buffers.ones[..rows],
                inputs: 1,
                delta,
                outputs: layer.outputs,
                decay: 0.0,
                weights: &self.parameters[layer.biases..layer.end],
            };
            product::gradient(&product, to_biases);
            if let Some(back) = before.last_mut() {
                if buffers.turned.len() < weights.len() {
                    buffers.turned.resize(weights.len(), 0.0);
                }
                let turned = &mut buffers.turned[..weights.len()];
                turn(weights, layer.outputs, turned);
                let product = Back {
                    delta,
                    outputs: layer.outputs,
                    turned,
                    inputs: layer.inputs,
                    activation: self.activation,
                    values: input,
                };
                product::back(&product, &mut back[..rows * layer.inputs]);
            }
        }
        loss / rows as f64 + 0.5 * f64::from(decay) * squares
    }

    /// Of a decoded artifact.
    pub fn check(&self, inputs: usize) -> Result<(), String> {
        let sizes = &self.sizes;
        if sizes.len() < 2 || sizes.len() > MAX_LAYERS || sizes.last() != Some(&1) || sizes[1..].contains(&0) {
            return Err(format!("layers of {sizes:?} units"));
        }
        if sizes[0] as usize != inputs {
            return Err(format!("{} network inputs for {inputs}", sizes[0]));
        }
        let count = sizes.windows(2).try_fold(0u64, |n, w| {
            (u64::from(w[0]) + 1).checked_mul(u64::from(w[1])).and_then(|layer| layer.checked_add(n))
        });
        if count != Some(self.parameters.len() as u64) {
            return Err(format!("{} parameters for layers of {sizes:?} units", self.parameters.len()));
        }
        match self.parameters.iter().find(|p| !p.is_finite()) {
            Some(p) => Err(format!("a weight of {p}")),
            None => Ok(()),
        }
    }
}

/// `out` = `values`, transposed.
fn turn(values: &[f32], width: usize, out: &mut [f32]) {
    let height = values.len() / width;
    for (at, row) in values.chunks_exact(width).enumerate() {
        for (column, v) in row.iter().enumerate() {
            out[column * height + at] = *v;
        }
    }
}
