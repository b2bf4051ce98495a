//! The network's parameters, and the products that run through them.

use super::elementwise;
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
}

impl Buffers {
    /// For batches of up to `rows`.
    pub fn new(layers: &Layers, rows: usize) -> Self {
        let zeros = || layers.sizes[1..].iter().map(|n| vec![0.0; rows * *n as usize]).collect();
        Self { values: zeros(), deltas: zeros() }
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
            let biases = &self.parameters[layer.biases..layer.end];
            out.chunks_exact_mut(layer.outputs).for_each(|row| row.copy_from_slice(biases));
            let weights = &self.parameters[layer.weights..layer.biases];
            let shape = Shape { rows, inner: layer.inputs, columns: layer.outputs };
            product(shape, Operand::plain(input, layer.inputs), Operand::plain(weights, layer.outputs), 1.0, out);
            if at + 1 < layout.len() {
                match self.activation {
                    Activation::Relu => elementwise::relu(out),
                    Activation::Tanh => elementwise::tanh(out),
                }
            }
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
        let mut loss = 0.0;
        for ((delta, z), y) in buffers.deltas[last].iter_mut().zip(logits).zip(labels) {
            let (z, y) = (f64::from(*z), f64::from(*y));
            let small = (-z.abs()).exp();
            loss += z.max(0.0) - z * y + small.ln_1p();
            let p = if z >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
            *delta = ((p - y) / rows as f64) as f32;
        }
        let decay = alpha / rows as f32;
        let mut squares = 0.0;
        for (at, layer) in layout.iter().enumerate().rev() {
            let (before, after) = buffers.deltas.split_at_mut(at);
            let delta = &after[0][..rows * layer.outputs];
            let input = if at == 0 { x } else { &buffers.values[at - 1][..rows * layer.inputs] };
            let (to_weights, to_biases) = gradient[layer.weights..layer.end].split_at_mut(layer.inputs * layer.outputs);
            let weights = &self.parameters[layer.weights..layer.biases];
            for (g, w) in to_weights.iter_mut().zip(weights) {
                *g = decay * w;
            }
            squares += f64::from(elementwise::squares(weights));
            let shape = Shape { rows: layer.inputs, inner: rows, columns: layer.outputs };
            product(
                shape,
                Operand::transposed(input, layer.inputs),
                Operand::plain(delta, layer.outputs),
                1.0,
                to_weights,
            );
            elementwise::column_sums(delta, to_biases);
            if let Some(back) = before.last_mut() {
                let back = &mut back[..rows * layer.inputs];
                let shape = Shape { rows, inner: layer.outputs, columns: layer.inputs };
                let turned = Operand::transposed(weights, layer.outputs);
                product(shape, Operand::plain(delta, layer.outputs), turned, 0.0, back);
                match self.activation {
                    Activation::Relu => elementwise::relu_back(back, input),
                    Activation::Tanh => elementwise::tanh_back(back, input),
                }
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

#[derive(Debug, Clone, Copy)]
struct Shape {
    rows: usize,
    inner: usize,
    columns: usize,
}

/// A matrix in memory: the distance between rows and between columns.
#[derive(Clone, Copy)]
struct Operand<'a> {
    values: &'a [f32],
    by_row: usize,
    by_column: usize,
}

impl<'a> Operand<'a> {
    fn plain(values: &'a [f32], width: usize) -> Self {
        Self { values, by_row: width, by_column: 1 }
    }

    fn transposed(values: &'a [f32], width: usize) -> Self {
        Self { values, by_row: 1, by_column: width }
    }

    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0 || columns == 0 || (rows - 1) * self.by_row + (columns - 1) * self.by_column < self.values.len()
    }
}

/// `out = a · b + keep · out`, `out` row-major and dense; on this thread.
fn product(shape: Shape, a: Operand<'_>, b: Operand<'_>, keep: f32, out: &mut [f32]) {
    let Shape { rows, inner, columns } = shape;
    assert!(a.holds(rows, inner) && b.holds(inner, columns) && out.len() == rows * columns, "operands of {shape:?}");
    // SAFETY: the assertion above keeps every address that sgemm reads or writes inside the three slices, and `out` is
    // borrowed mutably, so it overlaps neither operand. Strides of slices in memory fit isize.
    unsafe {
        matrixmultiply::sgemm(
            rows,
            inner,
            columns,
            1.0,
            a.values.as_ptr(),
            a.by_row as isize,
            a.by_column as isize,
            b.values.as_ptr(),
            b.by_row as isize,
            b.by_column as isize,
            keep,
            out.as_mut_ptr(),
            columns as isize,
            1,
        );
    }
}
