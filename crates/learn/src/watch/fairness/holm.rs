//! Holm's adjustment of p-values (1979): the chance of any false finding stays below the level.

/// Adjusted p-values in the order of the given ones: the largest of `(m − i) · p(i)` up to each one's rank, at most 1.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let (mut adjusted, mut highest) = (vec![1.0; p.len()], 0.0f64);
    for (rank, at) in order.into_iter().enumerate() {
        highest = highest.max((p.len() - rank) as f64 * p[at]);
        adjusted[at] = highest.min(1.0);
    }
    adjusted
}
