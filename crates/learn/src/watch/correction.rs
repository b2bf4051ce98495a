//! The correction for many tests.

/// q-values of Benjamini and Hochberg (1995), in the order of the p-values: the smallest false-discovery rate at which
/// the test is rejected, min over all larger p of p·m/rank. As statsmodels' `multipletests(method="fdr_bh")`.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut q = vec![1.0; p.len()];
    let mut least = 1.0f64;
    for (rank, at) in order.iter().enumerate().rev() {
        // This factor is at least 1 also after rounding, so no q-value is below its p-value.
        least = least.min(p[*at] * (p.len() as f64 / (rank + 1) as f64));
        q[*at] = least;
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_q_value_is_below_its_p_value() {
        for tests in 1..13 {
            for k in 1..2_000 {
                let p = f64::from(k) / 2_000.0;
                let q = benjamini_hochberg(&vec![p; tests]);
                assert!(q.iter().all(|q| *q >= p && *q <= 1.0), "{tests} of {p}: {q:?}");
            }
        }
    }
}
