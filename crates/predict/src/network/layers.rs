//! The network's parameters, and the forward pass from its inputs to its output.

use super::activation::Activation;
use super::product::{self, Forward};
use serde::{Deserialize, Serialize};

/// Maximum number of layers of a decoded artifact, with the input.
const MAX_LAYERS: usize = 16;

/// Fully connected layers. All parameters are in one list: for each layer the weights (inputs × outputs, row-major),
/// then the biases. The output unit is the log-odds of class 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layers {
    /// Units of the input, each hidden layer and the output (1).
    sizes: Vec<u32>,
    activation: Activation,
    parameters: Vec<f32>,
}

/// The shape of one layer, and the indices of its parameters.
#[derive(Debug, Clone, Copy)]
pub struct Layer {
    /// Units of the layer before.
    pub inputs: usize,
    /// Units of this layer.
    pub outputs: usize,
    /// Index of its first weight.
    pub weights: usize,
    /// Index of its first bias; the weights end there.
    pub biases: usize,
    /// Index after its last bias.
    pub end: usize,
}

/// Activations of one batch: for each layer rows × outputs, row-major. Reused from batch to batch.
pub struct Buffers {
    values: Vec<Vec<f32>>,
}

impl Buffers {
    /// Buffers for batches of up to `rows` rows.
    pub fn new(layers: &Layers, rows: usize) -> Self {
        Self { values: layers.sizes[1..].iter().map(|n| vec![0.0; rows * *n as usize]).collect() }
    }

    /// The activations after each layer, those of the output last.
    pub fn values(&self) -> &[Vec<f32>] {
        &self.values
    }
}

impl Layers {
    /// `sizes` are the units of the input, each hidden layer and the output (1).
    pub fn new(sizes: Vec<u32>, activation: Activation, parameters: Vec<f32>) -> Self {
        Self { sizes, activation, parameters }
    }

    /// Units of the input, each hidden layer and the output.
    pub fn sizes(&self) -> &[u32] {
        &self.sizes
    }

    /// Activation function of the hidden layers.
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// All parameters: for each layer the weights (inputs × outputs, row-major), then the biases.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// All parameters, as `parameters`, to be changed.
    pub fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// Units of the input.
    pub fn inputs(&self) -> usize {
        self.sizes[0] as usize
    }

    /// For each layer, its shape and the indices of its parameters.
    pub fn layout(&self) -> Vec<Layer> {
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

    /// The log-odds of the first `rows` rows of `x` (row-major). There may be at most as many rows as the buffers are
    /// for. The activations of the hidden layers stay in the buffers.
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

    /// Checks layers of a decoded artifact. `inputs` is the number of the preprocessor's outputs.
    ///
    /// # Errors
    ///
    /// A description of the first fault.
    pub fn check(&self, inputs: usize) -> Result<(), String> {
        let sizes = &self.sizes;
        if sizes.len() < 2 || sizes.len() > MAX_LAYERS || sizes.last() != Some(&1) || sizes[1..].contains(&0) {
            return Err(format!(
                "the network's layers have {sizes:?} units; 2 to {MAX_LAYERS} layers are allowed, none empty and the last with one unit"
            ));
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
