//! The network's matrix products, computed tile by tile, so that the sums of a tile stay in registers. Matrices are
//! row-major and dense.
//!
//! Every element is summed in the order of the inner index, whatever its tile and the number of rows, so that results
//! do not depend on either. Only a single column of outputs is summed in lanes.

use super::activation::Activation;
use super::elementwise::{multiply_add, tanh};
use multiversion::{multiversion, target::target_cfg_f};

/// Columns of the narrowest tile, for the last few columns.
const NARROW: usize = 8;
/// Rows that are completed while they are in the cache.
const BLOCK: usize = 100;

/// `out = activation(input · weights + biases)`
pub struct Forward<'a> {
    /// Rows × inputs.
    pub input: &'a [f32],
    /// Columns of `input`.
    pub inputs: usize,
    /// Inputs × outputs.
    pub weights: &'a [f32],
    /// One per output.
    pub biases: &'a [f32],
    /// None for the output layer.
    pub activation: Option<Activation>,
}

/// `out = (delta · turned) ∘ slope of the activation that gave values`
pub struct Back<'a> {
    /// Rows × outputs.
    pub delta: &'a [f32],
    /// Columns of `delta`.
    pub outputs: usize,
    /// The transposed weights: outputs × inputs.
    pub turned: &'a [f32],
    /// Columns of the product.
    pub inputs: usize,
    /// Activation function of the layer below.
    pub activation: Activation,
    /// Activations of the layer below: rows × inputs.
    pub values: &'a [f32],
}

/// `out = inputᵀ · delta + decay · weights`
pub struct Gradient<'a> {
    /// Rows × inputs.
    pub input: &'a [f32],
    /// Columns of `input`.
    pub inputs: usize,
    /// Rows × outputs.
    pub delta: &'a [f32],
    /// Columns of `delta`.
    pub outputs: usize,
    /// Factor of the weights.
    pub decay: f32,
    /// Inputs × outputs.
    pub weights: &'a [f32],
}

/// Computes the product into `out` (rows × outputs).
pub fn forward(product: &Forward<'_>, out: &mut [f32]) {
    match (product.biases, product.activation) {
        ([bias], None) if product.inputs > 0 => dots(product.input, product.weights, *bias, out),
        _ => forward_tiles(product, out),
    }
}

/// Calls `sweep` with tile sizes for the kind of processor: as many sums as its registers hold, found by measurement.
macro_rules! sweep {
    ($product:expr, $out:expr) => {
        if target_cfg_f!(target_feature = "avx512f") {
            sweep::<_, 5, 48, 16, 10, true>($product, $out)
        } else if target_cfg_f!(target_feature = "fma") || cfg!(target_arch = "aarch64") {
            sweep::<_, 4, 16, 8, 8, true>($product, $out)
        } else {
            sweep::<_, 4, 8, 8, 4, false>($product, $out)
        }
    };
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx2+fma", "x86_64+avx2+fma"))]
fn forward_tiles(product: &Forward<'_>, out: &mut [f32]) {
    sweep!(product, out);
}

/// Computes the product into `out` (rows × inputs).
#[multiversion(targets("x86_64+avx512f+avx512vl+avx2+fma", "x86_64+avx2+fma"))]
pub fn back(product: &Back<'_>, out: &mut [f32]) {
    sweep!(product, out);
}

/// Computes the product into `out` (inputs × outputs).
#[multiversion(targets("x86_64+avx512f+avx512vl+avx2+fma", "x86_64+avx2+fma"))]
pub fn gradient(product: &Gradient<'_>, out: &mut [f32]) {
    sweep!(product, out);
}

trait Product {
    fn columns(&self) -> usize;
    /// The sums of `R` rows and `C` columns, beginning at `row` and `column`.
    fn tile<const R: usize, const C: usize, const FUSED: bool>(&self, row: usize, column: usize) -> [[f32; C]; R];
    /// Applies the function that follows the sums to whole rows, beginning at `row`.
    fn finish<const FUSED: bool>(&self, _row: usize, _out: &mut [f32]) {}
}

/// Computes all tiles, in blocks of rows. Tiles have `WIDE` columns while so many are left, then `MIDDLE`, then
/// `NARROW` columns (with `TALL` rows). At the last rows or columns, a tile overlaps elements that are already
/// computed.
#[inline(always)]
fn sweep<P: Product, const R: usize, const WIDE: usize, const MIDDLE: usize, const TALL: usize, const FUSED: bool>(
    product: &P,
    out: &mut [f32],
) {
    let columns = product.columns();
    for (block, out) in out.chunks_mut(BLOCK * columns).enumerate() {
        let row = block * BLOCK;
        let mut at = 0;
        while at < columns {
            let left = columns - at;
            at = if left >= WIDE {
                stripe::<P, R, WIDE, FUSED>(product, row, at, out)
            } else if left > NARROW && columns >= MIDDLE {
                stripe::<P, R, MIDDLE, FUSED>(product, row, at, out)
            } else if columns >= NARROW {
                stripe::<P, TALL, NARROW, FUSED>(product, row, at, out)
            } else {
                stripe::<P, R, 1, FUSED>(product, row, at, out)
            };
        }
        product.finish::<FUSED>(row, out);
    }
}

/// Computes `C` columns, including that at `column`, of the rows from `from` on. Returns the index after the last of
/// these columns.
#[inline(always)]
fn stripe<P: Product, const R: usize, const C: usize, const FUSED: bool>(
    product: &P,
    from: usize,
    column: usize,
    out: &mut [f32],
) -> usize {
    let width = product.columns();
    let rows = out.len() / width;
    let column = column.min(width - C);
    if rows < R {
        for row in 0..rows {
            store(product.tile::<1, C, FUSED>(from + row, column), row, column, width, out);
        }
    } else {
        for row in (0..rows).step_by(R) {
            let row = row.min(rows - R);
            store(product.tile::<R, C, FUSED>(from + row, column), row, column, width, out);
        }
    }
    column + C
}

#[inline(always)]
fn store<const R: usize, const C: usize>(
    tile: [[f32; C]; R],
    row: usize,
    column: usize,
    width: usize,
    out: &mut [f32],
) {
    for (r, values) in tile.iter().enumerate() {
        out[(row + r) * width + column..][..C].copy_from_slice(values);
    }
}

#[inline(always)]
fn load<const C: usize>(values: &[f32], at: usize) -> [f32; C] {
    let mut line = [0.0; C];
    line.copy_from_slice(&values[at..at + C]);
    line
}

/// Adds to `sums` the products of `R` rows of `a` (each `inner` long) and `C` columns of `b`.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // all rows are walked at once
fn rows_times<const R: usize, const C: usize, const FUSED: bool>(
    mut sums: [[f32; C]; R],
    (a, inner): (&[f32], usize),
    row: usize,
    (b, width): (&[f32], usize),
    column: usize,
) -> [[f32; C]; R] {
    let mut rows = [a; R];
    for (r, values) in rows.iter_mut().enumerate() {
        *values = &a[(row + r) * inner..][..inner];
    }
    for k in 0..inner {
        let line: [f32; C] = load(b, k * width + column);
        for r in 0..R {
            let a = rows[r][k];
            for c in 0..C {
                sums[r][c] = multiply_add::<FUSED>(a, line[c], sums[r][c]);
            }
        }
    }
    sums
}

impl Product for Forward<'_> {
    #[inline(always)]
    fn columns(&self) -> usize {
        self.biases.len()
    }

    #[inline(always)]
    fn tile<const R: usize, const C: usize, const FUSED: bool>(&self, row: usize, column: usize) -> [[f32; C]; R] {
        let biases = [load(self.biases, column); R];
        let (a, b) = ((self.input, self.inputs), (self.weights, self.columns()));
        rows_times::<R, C, FUSED>(biases, a, row, b, column)
    }

    #[inline(always)]
    fn finish<const FUSED: bool>(&self, _row: usize, out: &mut [f32]) {
        match self.activation {
            Some(Activation::Relu) => out.iter_mut().for_each(|v| *v = v.max(0.0)),
            Some(Activation::Tanh) => out.iter_mut().for_each(|v| *v = tanh::<FUSED>(*v)),
            None => (),
        }
    }
}

impl Product for Back<'_> {
    #[inline(always)]
    fn columns(&self) -> usize {
        self.inputs
    }

    #[inline(always)]
    fn tile<const R: usize, const C: usize, const FUSED: bool>(&self, row: usize, column: usize) -> [[f32; C]; R] {
        let (a, b) = ((self.delta, self.outputs), (self.turned, self.inputs));
        rows_times::<R, C, FUSED>([[0.0; C]; R], a, row, b, column)
    }

    #[inline(always)]
    fn finish<const FUSED: bool>(&self, row: usize, out: &mut [f32]) {
        let out = out.iter_mut().zip(&self.values[row * self.inputs..]);
        match self.activation {
            // A multiplication, since a condition would compile to a slow masked store.
            Activation::Relu => out.for_each(|(v, o)| *v *= f32::from(*o > 0.0)),
            Activation::Tanh => out.for_each(|(v, o)| *v *= 1.0 - o * o),
        }
    }
}

impl Product for Gradient<'_> {
    #[inline(always)]
    fn columns(&self) -> usize {
        self.outputs
    }

    #[inline(always)]
    fn tile<const R: usize, const C: usize, const FUSED: bool>(&self, row: usize, column: usize) -> [[f32; C]; R] {
        let mut sums = [[0.0; C]; R];
        for (r, line) in sums.iter_mut().enumerate() {
            *line = load(self.weights, (row + r) * self.outputs + column);
            line.iter_mut().for_each(|w| *w *= self.decay);
        }
        let count = self.delta.len() / self.outputs;
        for k in 0..count {
            let values: [f32; R] = load(self.input, k * self.inputs + row);
            let line: [f32; C] = load(self.delta, k * self.outputs + column);
            for r in 0..R {
                for c in 0..C {
                    sums[r][c] = multiply_add::<FUSED>(values[r], line[c], sums[r][c]);
                }
            }
        }
        sums
    }
}

/// `input · weights + bias` for a single column of weights.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx2+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn dots(input: &[f32], weights: &[f32], bias: f32, out: &mut [f32]) {
    let (chunks, rest) = weights.as_chunks::<16>();
    for (row, out) in input.chunks_exact(weights.len()).zip(out) {
        let mut lanes = [0.0f32; 16];
        let (values, others) = row.as_chunks::<16>();
        for (v, w) in values.iter().zip(chunks) {
            for k in 0..16 {
                lanes[k] += v[k] * w[k];
            }
        }
        let others: f32 = others.iter().zip(rest).map(|(v, w)| v * w).sum();
        let mut half = 8;
        while half > 0 {
            for k in 0..half {
                lanes[k] += lanes[k + half];
            }
            half /= 2;
        }
        *out = lanes[0] + others + bias;
    }
}

#[cfg(test)]
mod tests;
