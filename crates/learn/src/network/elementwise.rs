//! Loops over all units of a batch, compiled for the processor's vectors.

pub const LANES: usize = 8;

#[multiversion::multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub fn relu(values: &mut [f32]) {
    for v in values {
        *v = v.max(0.0);
    }
}

/// Zeroes the gradient where the unit was off.
#[multiversion::multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub fn relu_back(gradient: &mut [f32], outputs: &[f32]) {
    for (g, o) in gradient.iter_mut().zip(outputs) {
        *g = if *o > 0.0 { *g } else { 0.0 };
    }
}

/// `1 − 2 / (e^2x + 1)`, within 2e-7 of the true value.
#[multiversion::multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub fn tanh(values: &mut [f32]) {
    for v in values {
        // Beyond ±9 tanh is ±1 in f32.
        let x = 2.0 * v.clamp(-9.0, 9.0);
        // e^x = 2^k · e^r with |r| ≤ ln 2 / 2; adding and taking away 1.5 · 2^23 rounds to a whole number.
        let k = (x * std::f32::consts::LOG2_E + 12_582_912.0) - 12_582_912.0;
        let r = (x - k * 0.693_359_4) + k * 2.121_944_4e-4;
        let series = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r / 720.0)))));
        let power = f32::from_bits(((k as i32 + 127) << 23) as u32);
        *v = 1.0 - 2.0 / (series * power + 1.0);
    }
}

#[multiversion::multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub fn tanh_back(gradient: &mut [f32], outputs: &[f32]) {
    for (g, o) in gradient.iter_mut().zip(outputs) {
        *g *= 1.0 - o * o;
    }
}

/// `sums` = the sum of the rows of `values`, whose width is that of `sums`.
#[multiversion::multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub fn column_sums(values: &[f32], sums: &mut [f32]) {
    sums.fill(0.0);
    for row in values.chunks_exact(sums.len()) {
        for (s, v) in sums.iter_mut().zip(row) {
            *s += v;
        }
    }
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

/// One step of Adam (Kingma and Ba 2015) with `rate` corrected for the moments' bias.
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
    fn tanh_is_tanh() {
        let x: Vec<f32> = (-3000..=3000).map(|i| i as f32 / 200.0).chain([0.0, 1e-6, 1e30, -1e30]).collect();
        let mut y = x.clone();
        tanh(&mut y);
        let worst = x.iter().zip(&y).map(|(x, y)| (f64::from(*x).tanh() - f64::from(*y)).abs()).fold(0.0, f64::max);
        assert!(worst < 2e-7, "{worst}");
    }

    #[test]
    fn sums() {
        let values: Vec<f32> = (0..21).map(|i| i as f32).collect();
        let mut columns = [1.0; 3];
        column_sums(&values, &mut columns);
        assert_eq!(columns, [63.0, 70.0, 77.0]);
        assert_eq!(squares(&values), 2870.0);
    }
}
