//! The significance level of a window.

/// The false-discovery rate of a window.
pub(super) const LEVEL: f64 = 0.05;
/// Up to this share of common variance, two windows are nearly independent.
const SMALL_SHARE: f64 = 0.25;
/// The level where two windows have all their variance in common: two alarms are then wrong as often as one.
const LEAST_LEVEL: f64 = 0.0005;

/// The level of a window of so many applicants, compared with a reference of so many. Two windows in a row are compared
/// with the same reference and share its sampling error: of the variance of their differences, 1/reference is common to
/// both and 1/window is of each alone. Up to a quarter in common, two windows at the level 0.05 both report the same
/// feature by chance in less than one of 1,000 pairs; beyond, the level falls geometrically to 0.0005, which bounds the
/// rate of a single window. (By the bivariate normal distribution, for 24 tests, the level could be 0.018 at one half
/// in common, where this gives 0.011.)
pub(super) fn level(reference: usize, window: usize) -> f64 {
    if reference == 0 || window == 0 {
        return LEVEL;
    }
    let shared = window as f64 / (window + reference) as f64;
    let beyond = ((shared - SMALL_SHARE) / (1.0 - SMALL_SHARE)).max(0.0);
    LEVEL * (LEAST_LEVEL / LEVEL).powf(beyond)
}

#[cfg(test)]
mod tests {
    use super::level;

    #[test]
    fn the_level_falls_where_the_reference_is_small() {
        assert_eq!((level(10_000, 500), level(1_500, 500), level(0, 9)), (0.05, 0.05, 0.05));
        assert!((level(500, 500) - 0.0108).abs() < 1e-4, "{}", level(500, 500));
        assert!(level(1, 1_000_000) < 0.000_51);
    }
}
