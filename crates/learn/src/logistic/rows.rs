//! Loss, gradient and Hessian summed over rows, in fixed chunks that are added in a fixed order.

use crate::error::LearnError;
use crate::learner::FitTask;
use crate::preprocess::design;
use provost_predict::control::BLOCK;
use provost_predict::control::Control;
use provost_predict::preprocess::Preprocessor;
use rayon::prelude::*;

/// Rows that a thread sums at a time; a constant, so that the order of additions does not depend on the number of
/// threads.
const CHUNK: usize = 1_024;
/// The rows of the design matrix are padded to a multiple of this many numbers.
const LANES: usize = 4;

/// The standardised training rows with a last column of ones for the intercept.
pub struct Rows {
    /// Row-major, `stride` numbers a row, with zeros after the last column.
    design: Vec<f64>,
    stride: usize,
    /// Per row: its label as +1 or −1, and its weight.
    targets: Vec<(f64, f64)>,
    /// Number of coefficients, the intercept included.
    pub width: usize,
}

/// The weighted loss at some coefficients, and its derivatives. The Hessian is row-major, `width` × `width`.
#[derive(Debug, Clone)]
pub struct Sums {
    pub loss: f64,
    pub gradient: Vec<f64>,
    pub hessian: Vec<f64>,
}

impl Rows {
    /// The training rows of `task`; `weights` by class.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub fn new(
        preprocessor: &Preprocessor,
        task: &FitTask<'_>,
        weights: [f64; 2],
        control: &Control,
    ) -> Result<Self, LearnError> {
        let ones = preprocessor.width();
        let width = ones + 1;
        let stride = width.next_multiple_of(LANES);
        let mut design = design(preprocessor, task.data.x(), task.columns, task.train, stride, control)?;
        for rows in design.chunks_mut(BLOCK * stride) {
            control.check()?;
            rows.chunks_exact_mut(stride).for_each(|row| row[ones] = 1.0);
        }
        let y = task.data.y();
        let target = |row: &u32| {
            let label = y[*row as usize];
            (if label == 1 { 1.0 } else { -1.0 }, weights[usize::from(label)])
        };
        let mut targets = Vec::with_capacity(task.train.len());
        control.in_blocks(task.train, |rows| targets.extend(rows.iter().map(target)))?;
        Ok(Self { design, stride, targets, width })
    }

    /// The sums at `coefficients`, of which there are `width`.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub fn sums(&self, coefficients: &[f64], control: &Control) -> Result<Sums, LearnError> {
        let stride = self.stride;
        let mut padded = coefficients.to_vec();
        padded.resize(stride, 0.0);
        let chunks: Vec<Sums> = self
            .design
            .par_chunks(CHUNK * stride)
            .zip(self.targets.par_chunks(CHUNK))
            .map(|(design, targets)| {
                control.check()?;
                let mut sums = Sums { loss: 0.0, gradient: vec![0.0; stride], hessian: vec![0.0; stride * stride] };
                add(design, targets, &padded, &mut sums.loss, &mut sums.gradient, &mut sums.hessian);
                Ok(sums)
            })
            .collect::<Result<_, LearnError>>()?;
        let (mut loss, mut gradient, mut hessian) = (0.0, vec![0.0; stride], vec![0.0; stride * stride]);
        for chunk in chunks {
            loss += chunk.loss;
            gradient.iter_mut().zip(&chunk.gradient).for_each(|(a, b)| *a += b);
            hessian.iter_mut().zip(&chunk.hessian).for_each(|(a, b)| *a += b);
        }
        let width = self.width;
        gradient.truncate(width);
        let hessian = (0..width).flat_map(|i| hessian[i * stride..i * stride + width].to_vec()).collect();
        Ok(Sums { loss, gradient, hessian })
    }
}

/// Adds the rows' loss and derivatives to the sums; `design` has whole rows of `coefficients.len()` numbers, a multiple
/// of `LANES`.
#[multiversion::multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn add(
    design: &[f64],
    targets: &[(f64, f64)],
    coefficients: &[f64],
    loss: &mut f64,
    gradient: &mut [f64],
    hessian: &mut [f64],
) {
    let stride = coefficients.len();
    for (row, (sign, weight)) in design.chunks_exact(stride).zip(targets) {
        let mut lanes = [0.0; LANES];
        for (r, c) in row.chunks_exact(LANES).zip(coefficients.chunks_exact(LANES)) {
            for k in 0..LANES {
                lanes[k] += r[k] * c[k];
            }
        }
        // With m = z for class 1 and m = −z for class 0: loss ln(1 + e^−m), slope ∓1/(1 + e^m).
        let margin = sign * ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]));
        let small = (-margin.abs()).exp();
        *loss += weight * ((-margin).max(0.0) + small.ln_1p());
        let likely = 1.0 / (1.0 + small);
        let wrong = if margin >= 0.0 { small * likely } else { likely };
        let slope = -sign * weight * wrong;
        let curve = weight * small * likely * likely;
        for (g, r) in gradient.iter_mut().zip(row) {
            *g += slope * r;
        }
        for (h, r) in hessian.chunks_exact_mut(stride).zip(row) {
            let scaled = curve * r;
            for (h, r) in h.iter_mut().zip(row) {
                *h += scaled * r;
            }
        }
    }
}
