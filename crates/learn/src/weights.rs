//! Class weights from the training labels.

use crate::error::LearnError;

/// Weight of class 0 and of class 1: scikit-learn's "balanced" is `n / (2 · rows of the class)`, else 1. `y` has a
/// label, 0 or 1, for each row of the dataset; `rows` are the training rows.
///
/// # Errors
///
/// `Data` without rows, or with rows of a single class, which the text names.
pub fn class_weights(y: &[u8], rows: &[u32], balanced: bool) -> Result<[f64; 2], LearnError> {
    let positives = rows.iter().filter(|r| y[**r as usize] == 1).count();
    let negatives = rows.len() - positives;
    if rows.is_empty() {
        return Err(LearnError::Data("no training rows".to_owned()));
    }
    if positives == 0 || negatives == 0 {
        let class = u8::from(negatives == 0);
        return Err(LearnError::Data(format!(
            "all {} training rows are of class {class}; a model needs rows of both classes",
            rows.len()
        )));
    }
    if !balanced {
        return Ok([1.0, 1.0]);
    }
    let weight = |of: usize| rows.len() as f64 / (2.0 * of as f64);
    Ok([weight(negatives), weight(positives)])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn balances_and_names_a_single_class() {
        let y = [1, 0, 0, 0, 1];
        assert_eq!(class_weights(&y, &[0, 1, 2, 3], true).unwrap(), [4.0 / 6.0, 2.0]);
        assert_eq!(class_weights(&y, &[0, 1], false).unwrap(), [1.0, 1.0]);
        let e = class_weights(&y, &[0, 4], true).unwrap_err().to_string();
        assert!(e.contains("all 2 training rows are of class 1"), "{e}");
        assert!(class_weights(&y, &[], false).is_err());
    }
}
