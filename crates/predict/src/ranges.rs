//! The values of each feature in training: the range of numbers, and the categories that occurred.

use crate::control::Control;
use crate::error::PredictError;
use crate::matrix::Matrix;
use provost_domain::features::is_category;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Maximum number of categories of one feature that are kept, those with the lowest codes. Values beyond these count as
/// unknown.
const MOST_CATEGORIES: usize = 1 << 20;

/// The values of one feature in training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FeatureRange {
    /// No training row had a value.
    Never,
    /// The least and the greatest value.
    Numbers {
        /// Least.
        low: f32,
        /// Greatest.
        high: f32,
    },
    /// The codes that occurred, ascending.
    Categories(Vec<u32>),
}

/// How a value relates to the values of training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Standing {
    /// Missing.
    Missing,
    /// A value that occurred in training, or a number within the training range.
    Known,
    /// A category that did not occur in training.
    NewCategory,
    /// A number outside of the training range, which is given as (least, greatest).
    Beyond(f32, f32),
    /// A value of a feature that had no value in training.
    NeverSeen,
}

impl FeatureRange {
    /// The range of one column over the training rows.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub fn of(x: &Matrix, column: usize, rows: &[u32], control: &Control) -> Result<Self, PredictError> {
        let values = x.column(column);
        if is_category(&x.names()[column]) {
            let mut codes = BTreeSet::new();
            control.in_blocks(rows, |rows| {
                codes.extend(rows.iter().map(|row| values[*row as usize]).filter(|v| !v.is_nan()).map(|v| v as u32));
            })?;
            let codes: Vec<u32> = codes.into_iter().take(MOST_CATEGORIES).collect();
            return Ok(if codes.is_empty() { Self::Never } else { Self::Categories(codes) });
        }
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        control.in_blocks(rows, |rows| {
            for row in rows {
                // `min` and `max` ignore NaN, so missing values have no effect.
                (low, high) = (low.min(values[*row as usize]), high.max(values[*row as usize]));
            }
        })?;
        Ok(if low <= high { Self::Numbers { low, high } } else { Self::Never })
    }

    /// How `value` relates to this range; NaN is missing.
    pub fn standing(&self, value: f32) -> Standing {
        match self {
            _ if value.is_nan() => Standing::Missing,
            Self::Never => Standing::NeverSeen,
            Self::Numbers { low, high } if (*low..=*high).contains(&value) => Standing::Known,
            Self::Numbers { low, high } => Standing::Beyond(*low, *high),
            Self::Categories(codes) if codes.binary_search(&(value as u32)).is_ok() => Standing::Known,
            Self::Categories(_) => Standing::NewCategory,
        }
    }

    /// Checks a range of a decoded artifact.
    ///
    /// # Errors
    ///
    /// A description of the first fault.
    pub fn check(&self) -> Result<(), String> {
        let sound = match self {
            Self::Never => true,
            Self::Numbers { low, high } => low.is_finite() && high.is_finite() && low <= high,
            Self::Categories(codes) => codes.is_sorted_by(|a, b| a < b),
        };
        if sound { Ok(()) } else { Err("a training range is damaged".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_stand_within_beyond_or_outside_of_what_training_has_seen() {
        let names = ["gpa_normalized", "university", "gre_writing"].map(String::from).to_vec();
        let columns = vec![vec![0.5, f32::NAN, 0.9, 7.0], vec![8.0, 3.0, 8.0, 1.0], vec![f32::NAN; 4]];
        let x = Matrix::new(names, columns).unwrap();
        let of = |column| FeatureRange::of(&x, column, &[0, 1, 2], &Control::default()).unwrap();
        assert_eq!(of(0), FeatureRange::Numbers { low: 0.5, high: 0.9 });
        assert_eq!(of(1), FeatureRange::Categories(vec![3, 8]));
        assert_eq!(of(2), FeatureRange::Never);
        let found = [0.5, 0.95, f32::NAN].map(|v| of(0).standing(v));
        assert_eq!(found, [Standing::Known, Standing::Beyond(0.5, 0.9), Standing::Missing]);
        assert_eq!([8.0, 1.0].map(|v| of(1).standing(v)), [Standing::Known, Standing::NewCategory]);
        assert_eq!(of(2).standing(3.0), Standing::NeverSeen);
        assert!(FeatureRange::Numbers { low: 2.0, high: 1.0 }.check().is_err());
    }
}
