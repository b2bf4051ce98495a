//! Loops over all units of a batch, compiled for vector instructions.

use provost_predict::network::elementwise::exp;

const LANES: usize = 8;

/// Returns the summed loss of the rows; sets `slopes` to each row's share of the gradient of the mean loss. Labels are
/// 0 or 1. At most 1,000 rows, so that the product of their factors 1 + e^−|z| fits into an f64.
#[multiversion::multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub fn log_loss(logits: &[f32], labels: &[f32], slopes: &mut [f32]) -> f64 {
    let share = 1.0 / logits.len() as f32;
    let one = |z: f32, y: f32, slope: &mut f32| {
        let small = exp::<false>((-z.abs()).max(-87.0));
        let (near, far) = (1.0 / (1.0 + small), small / (1.0 + small));
        let wrong = if (z >= 0.0) == (y > 0.5) { far } else { near };
        *slope = share * if y > 0.5 { -wrong } else { wrong };
        (f64::from(z.max(0.0) - z * y), 1.0 + f64::from(small))
    };
    let (mut sums, mut factors) = ([0.0f64; LANES], [1.0f64; LANES]);
    let ((z, last_z), (y, last_y)) = (logits.as_chunks::<LANES>(), labels.as_chunks::<LANES>());
    let (slopes, last_slopes) = slopes.as_chunks_mut::<LANES>();
    for ((z, y), slopes) in z.iter().zip(y).zip(&mut *slopes) {
        for k in 0..LANES {
            let (linear, factor) = one(z[k], y[k], &mut slopes[k]);
            sums[k] += linear;
            factors[k] *= factor;
        }
    }
    for ((z, y), slope) in last_z.iter().zip(last_y).zip(last_slopes) {
        let (linear, factor) = one(*z, *y, slope);
        sums[0] += linear;
        factors[0] *= factor;
    }
    sums.iter().sum::<f64>() + factors.iter().product::<f64>().ln()
}

#[multiversion::multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub fn squares(values: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let whole = values.chunks_exact(LANES);
    let rest: f32 = whole.remainder().iter().map(|v| v * v).sum();
    for chunk in whole {
        for k in 0..LANES {
            lanes[k] += chunk[k] * chunk[k];
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// One step of Adam (Kingma and Ba 2015); `rate` is already corrected for the bias of the moments.
#[multiversion::multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub fn adam(parameters: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32], rate: f32) {
    let moments = first.iter_mut().zip(second.iter_mut());
    for ((p, g), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
        *m = 0.9 * *m + 0.1 * g;
        *v = 0.999 * *v + 0.001 * g * g;
        *p -= rate * *m / (v.sqrt() + 1e-8);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn losses_and_slopes() {
        let mut z: Vec<f32> = (-900..=900).map(|i| i as f32 / 10.0).collect();
        z.extend([1e-20, -1e-20, 1e30, -1e30]);
        for chunk in z.chunks(13) {
            for label in [0.0f32, 1.0] {
                let mut slopes = vec![0.0; chunk.len()];
                let loss = log_loss(chunk, &vec![label; chunk.len()], &mut slopes);
                let against = |z: &f32| f64::from(if label > 0.5 { -*z } else { *z });
                let truth: f64 = chunk.iter().map(|z| against(z).max(0.0) + (-against(z).abs()).exp().ln_1p()).sum();
                assert!((loss - truth).abs() <= 3e-7 * truth.max(1.0), "{loss} for {truth}");
                for (z, slope) in chunk.iter().zip(&slopes) {
                    let truth = (1.0 - 2.0 * f64::from(label)) / (1.0 + (-against(z)).exp()) / chunk.len() as f64;
                    assert!(
                        (f64::from(*slope) - truth).abs() <= 1e-6 * truth.abs() + 1e-36,
                        "{z}: {slope} for {truth}"
                    );
                }
            }
        }
        for z in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut slopes = [0.0; 2];
            assert!([0.0, 1.0].iter().any(|y| !log_loss(&[0.0, z], &[0.0, *y], &mut slopes).is_finite()), "{z}");
        }
    }

    #[test]
    fn squares_of_all() {
        let values: Vec<f32> = (0..21).map(|i| i as f32).collect();
        assert_eq!(squares(&values), 2870.0);
    }
}
