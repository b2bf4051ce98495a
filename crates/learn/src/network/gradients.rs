//! The initial parameters of a network, and the gradient of its loss.

use super::elementwise;
use provost_domain::rng::SplitMix64;
use provost_predict::network::activation::Activation;
use provost_predict::network::layers::{Buffers, Layers};
use provost_predict::network::product::{self, Back, Gradient};

/// Key of the random stream that draws the initial parameters.
const STREAM: u64 = 1;

/// The uniform initialisation of Glorot and Bengio (2010), of the biases too, as in scikit-learn.
pub fn initial(inputs: usize, hidden: &[usize], activation: Activation, seed: u64) -> Layers {
    let units = std::iter::once(inputs).chain(hidden.iter().copied()).chain([1]);
    let sizes: Vec<u32> = units.map(|n| n as u32).collect();
    let layout = Layers::new(sizes.clone(), activation, Vec::new()).layout();
    let mut random = SplitMix64::keyed(seed, &[STREAM]);
    let mut parameters = Vec::new();
    for layer in layout {
        let bound = (6.0 / (layer.inputs + layer.outputs) as f64).sqrt();
        let draw = || ((2.0 * random.unit() - 1.0) * bound) as f32;
        parameters.extend(std::iter::repeat_with(draw).take(layer.end - layer.weights));
    }
    Layers::new(sizes, activation, parameters)
}

/// Activations and gradients of one batch, per layer rows × outputs; reused from batch to batch.
pub struct Workspace {
    /// Filled by `Layers::forward`.
    pub buffers: Buffers,
    deltas: Vec<Vec<f32>>,
    /// One layer's weights, transposed.
    turned: Vec<f32>,
    ones: Vec<f32>,
}

impl Workspace {
    /// For batches of up to `rows` rows.
    pub fn new(layers: &Layers, rows: usize) -> Self {
        let deltas = layers.sizes()[1..].iter().map(|n| vec![0.0; rows * *n as usize]).collect();
        Self { buffers: Buffers::new(layers, rows), deltas, turned: Vec::new(), ones: vec![1.0; rows] }
    }
}

/// To be called after `forward` of the same `x`. Sets `gradient` to the gradient of the batch's mean loss plus `½ ·
/// alpha / rows · ‖weights‖²`, in the parameters' order. Returns the batch's mean loss, the penalty included.
pub fn backward(
    layers: &Layers,
    x: &[f32],
    labels: &[f32],
    alpha: f32,
    workspace: &mut Workspace,
    gradient: &mut [f32],
) -> f64 {
    let Workspace { buffers, deltas, turned, ones } = workspace;
    let layout = layers.layout();
    let rows = labels.len();
    let last = layout.len() - 1;
    let logits = &buffers.values()[last][..rows];
    let loss = elementwise::log_loss(logits, labels, &mut deltas[last][..rows]);
    let decay = alpha / rows as f32;
    let mut squares = 0.0;
    for (at, layer) in layout.iter().enumerate().rev() {
        let (before, after) = deltas.split_at_mut(at);
        let delta = &after[0][..rows * layer.outputs];
        let input = if at == 0 { x } else { &buffers.values()[at - 1][..rows * layer.inputs] };
        let (to_weights, to_biases) = gradient[layer.weights..layer.end].split_at_mut(layer.inputs * layer.outputs);
        let weights = &layers.parameters()[layer.weights..layer.biases];
        squares += f64::from(elementwise::squares(weights));
        let (a, b) = ((input, layer.inputs), (delta, layer.outputs));
        // With one output, the column of weights is a row in memory: the two factors change places.
        let (a, b) = if layer.outputs == 1 { (b, a) } else { (a, b) };
        let product = Gradient { input: a.0, inputs: a.1, delta: b.0, outputs: b.1, decay, weights };
        product::gradient(&product, to_weights);
        // A bias is the weight of an input of 1.
        let product = Gradient {
            input: &ones[..rows],
            inputs: 1,
            delta,
            outputs: layer.outputs,
            decay: 0.0,
            weights: &layers.parameters()[layer.biases..layer.end],
        };
        product::gradient(&product, to_biases);
        if let Some(back) = before.last_mut() {
            if turned.len() < weights.len() {
                turned.resize(weights.len(), 0.0);
            }
            let turned = &mut turned[..weights.len()];
            turn(weights, layer.outputs, turned);
            let product = Back {
                delta,
                outputs: layer.outputs,
                turned,
                inputs: layer.inputs,
                activation: layers.activation(),
                values: input,
            };
            product::back(&product, &mut back[..rows * layer.inputs]);
        }
    }
    loss / rows as f64 + 0.5 * f64::from(decay) * squares
}

/// Writes `values`, transposed, to `out`.
fn turn(values: &[f32], width: usize, out: &mut [f32]) {
    let height = values.len() / width;
    for (at, row) in values.chunks_exact(width).enumerate() {
        for (column, v) in row.iter().enumerate() {
            out[column * height + at] = *v;
        }
    }
}
