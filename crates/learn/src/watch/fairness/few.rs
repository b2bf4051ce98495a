//! Intervals of two independent shares with few rows on one side, from Wilson's interval of each.

use super::figures::Share;
use crate::intervals::wilson;

/// The 95 % interval of the difference a − b (Newcombe 1998, method 10).
pub fn difference_interval(a: Share, b: Share) -> Option<[f64; 2]> {
    let (x, y) = (a.value()?, b.value()?);
    let ([low_a, high_a], [low_b, high_b]) = (wilson(a.part, a.whole)?, wilson(b.part, b.whole)?);
    Some([x - y - (x - low_a).hypot(high_b - y), x - y + (high_a - x).hypot(y - low_b)])
}

/// The 95 % interval of the ratio a / b (Donner and Zou 2012, equation 9). None where b is 0, or its interval reaches
/// 0.
pub fn ratio_interval(a: Share, b: Share) -> Option<[f64; 2]> {
    let (x, y) = (a.value()?, b.value()?);
    let ([low_a, high_a], [low_b, high_b]) = (wilson(a.part, a.whole)?, wilson(b.part, b.whole)?);
    if y <= 0.0 || low_b <= 0.0 {
        return None;
    }
    let product = x * y;
    let root =
        |of_a: f64, of_b: f64| (product * product - of_a * of_b * (2.0 * x - of_a) * (2.0 * y - of_b)).max(0.0).sqrt();
    let low = (product - root(low_a, high_b)) / (high_b * (2.0 * y - high_b));
    let high = (product + root(high_a, low_b)) / (low_b * (2.0 * y - low_b));
    (low.is_finite() && high.is_finite()).then_some([low.max(0.0), high])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_ratio_lies_in_its_interval_and_none_is_made_of_nothing() {
        let share = |part, whole| Share { part, whole };
        for (a, b) in [((3, 40), (90, 300)), ((0, 40), (90, 300)), ((40, 40), (90, 300)), ((9, 40), (12, 60))] {
            let (a, b) = (share(a.0, a.1), share(b.0, b.1));
            let [low, high] = ratio_interval(a, b).unwrap();
            let ratio = a.value().unwrap() / b.value().unwrap();
            assert!(low >= 0.0 && low <= ratio && ratio <= high, "{a:?} {b:?}: {low} {ratio} {high}");
        }
        assert_eq!(ratio_interval(share(3, 40), share(0, 300)), None);
        assert_eq!(difference_interval(share(0, 0), share(1, 2)), None);
    }
}
