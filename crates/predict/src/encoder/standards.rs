//! Compares an applicant with those whom a university, or one of its programs, has admitted and rejected: a measured
//! column minus its mean over the training rows with that outcome. Requirements differ more between universities than
//! applicants do, and a tree would need many splits to compute the difference of two columns.

use crate::matrix::Matrix;
use serde::{Deserialize, Serialize};

/// Number of outcomes: rejected and admitted.
pub const OUTCOMES: usize = 2;

/// Largest absolute value of a mean or of a category's code in a decoded artifact.
const LARGEST: f32 = 1e9;

/// The standards of one category, fitted on training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standards {
    /// The column of the category.
    pub category: u32,
    /// The measured columns.
    pub of: Vec<u32>,
    /// Codes of the category, ascending.
    pub values: Vec<f32>,
    /// Means by code, measured column and outcome (rejected, admitted): values × measured columns × 2, row-major.
    pub means: Vec<f32>,
    /// Means over all training rows, for unknown codes: measured columns × 2.
    pub overall: Vec<f32>,
}

impl Standards {
    /// Encodes rows that were not trained on; one vector per encoded column.
    pub(super) fn encode(&self, x: &Matrix, columns: &[usize], rows: &[u32]) -> Vec<Vec<f32>> {
        let width = self.overall.len();
        let category = x.column(columns[self.category as usize]);
        let means: Vec<&[f32]> = rows
            .iter()
            .map(|row| {
                let value = category[*row as usize];
                let found = self.values.binary_search_by(|v| v.total_cmp(&value));
                found.map_or(&self.overall[..], |at| &self.means[at * width..][..width])
            })
            .collect();
        let column_of = |which: usize| {
            let column = x.column(columns[self.of[which / OUTCOMES] as usize]);
            rows.iter().zip(&means).map(|(row, means)| column[*row as usize] - means[which]).collect()
        };
        (0..width).map(column_of).collect()
    }

    /// For each encoded column, its category and its measured column.
    pub(super) fn sources(&self) -> impl Iterator<Item = (u32, u32)> {
        self.of.iter().flat_map(|of| [(self.category, *of); OUTCOMES])
    }

    /// Names of the encoded columns; `names` are those of the raw columns.
    pub fn names<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = String> + 'a {
        let against = |of: &u32, whom: &str| {
            format!("{}, less the {whom} of the same {}", names[*of as usize], names[self.category as usize])
        };
        self.of.iter().flat_map(move |of| [against(of, "rejected"), against(of, "admitted")])
    }

    /// Number of encoded columns.
    pub fn width(&self) -> usize {
        self.overall.len()
    }

    /// Checks standards of a decoded artifact. `width` is the number of raw columns.
    pub(super) fn check(&self, width: usize) -> Result<(), String> {
        let finite = |v: &[f32]| v.iter().all(|v| v.abs() <= LARGEST);
        let sound = self.category < width as u32
            && self.of.iter().all(|of| *of < width as u32)
            && self.overall.len() == self.of.len() * OUTCOMES
            && Some(self.means.len()) == self.values.len().checked_mul(self.overall.len())
            && self.values.is_sorted_by(|a, b| a.total_cmp(b).is_lt())
            && finite(&self.values)
            && finite(&self.means)
            && finite(&self.overall);
        if sound { Ok(()) } else { Err(format!("encoder: the standards by column {} are damaged", self.category)) }
    }
}
