//! The statistics of two samples that are compared.

/// The Kolmogorov-Smirnov statistic (the largest difference of the two empirical distribution functions) and the
/// Wasserstein distance of order 1 (the area between them, in the unit of the values). Both samples ascending, without
/// NaN; 0 and 0 where one is empty.
pub fn kolmogorov_smirnov_and_wasserstein(a: &[f32], b: &[f32]) -> (f64, f64) {
    let (na, nb) = (a.len() as f64, b.len() as f64);
    let (mut i, mut j, mut largest, mut area) = (0, 0, 0.0f64, 0.0);
    let (Some(first), false) = (a.iter().chain(b.first()).copied().reduce(f32::min), a.is_empty() || b.is_empty())
    else {
        return (0.0, 0.0);
    };
    let mut value = first;
    loop {
        i += a[i..].iter().take_while(|v| **v <= value).count();
        j += b[j..].iter().take_while(|v| **v <= value).count();
        let gap = (i as f64 / na - j as f64 / nb).abs();
        largest = largest.max(gap);
        let next = match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) => x.min(*y),
            (Some(x), None) => *x,
            (None, Some(y)) => *y,
            (None, None) => return (largest, area),
        };
        area += gap * (f64::from(next) - f64::from(value));
        value = next;
    }
}

/// Pearson's chi-squared statistic of counts against proportions, each pair a category: Σ (n − N·p)²/(N·p) with N the
/// sum of the counts and p the proportions, divided by their sum. Categories of proportion 0 are left out; 0 where
/// nothing is left.
pub fn chi_squared(categories: &[(u64, f64)]) -> f64 {
    let known = || categories.iter().filter(|(_, proportion)| *proportion > 0.0);
    let n: f64 = known().map(|(count, _)| *count as f64).sum();
    let whole: f64 = known().map(|(_, proportion)| proportion).sum();
    if n == 0.0 {
        return 0.0;
    }
    let term = |(count, proportion): &(u64, f64)| {
        let expected = n * proportion / whole;
        (*count as f64 - expected).powi(2) / expected
    };
    known().map(term).sum()
}

/// z of the difference of two shares, `part` of `whole` rows each, the second minus the first, with the pooled
/// variance. 0 where a side has no rows, or where no row or every row has the property.
pub fn two_proportions((part_a, a): (u64, u64), (part_b, b): (u64, u64)) -> f64 {
    if a == 0 || b == 0 {
        return 0.0;
    }
    let (a, b) = (a as f64, b as f64);
    let pooled = (part_a + part_b) as f64 / (a + b);
    let variance = pooled * (1.0 - pooled) * (1.0 / a + 1.0 / b);
    if variance > 0.0 { (part_b as f64 / b - part_a as f64 / a) / variance.sqrt() } else { 0.0 }
}
