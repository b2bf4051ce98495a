//! Shares of a whole.

/// Each value divided by the sum of all; all 0 where the sum is 0.
pub(crate) fn normalised(mut values: Vec<f64>) -> Vec<f64> {
    let total: f64 = values.iter().sum();
    if total > 0.0 {
        values.iter_mut().for_each(|g| *g /= total);
    } else {
        values.fill(0.0);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::normalised;

    #[test]
    fn shares_sum_to_one_and_nothing_has_no_shares() {
        assert_eq!(normalised(vec![1.0, 3.0]), [0.25, 0.75]);
        assert_eq!(normalised(vec![0.0, 0.0]), [0.0, 0.0]);
    }
}
