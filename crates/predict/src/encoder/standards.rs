//! How an applicant compares with those whom a university, or a program of one, has admitted and rejected: a measured column
//! less its mean over the training rows of that outcome. What a university asks for differs between universities more than
//! applicants do, and a tree needs many splits to find a difference of two columns.

use crate::matrix::Matrix;
use serde::{Deserialize, Serialize};

/// Rejected and admitted.
pub const OUTCOMES: usize = 2;

/// Of a mean, or of a category's value.
const LARGEST: f32 = 1e9;

/// The standards of one category, fitted on training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standards {
    /// The column of the category.
    pub category: u32,
    /// The measured columns.
    pub of: Vec<u32>,
    /// Of the category, ascending.
    pub values: Vec<f32>,
    /// By value, measured column and outcome: rejected, admitted.
    pub means: Vec<f32>,
    /// Where the value is not known.
    pub overall: Vec<f32>,
}

impl Standards {
    /// Rows that were not trained on.
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

    /// Of what each column is made: its category and the measured column.
    pub(super) fn sources(&self) -> impl Iterator<Item = (u32, u32)> {
        self.of.iter().flat_map(|of| [(self.category, *of); OUTCOMES])
    }

    /// Of the encoded columns; `names` are those of the raw ones.
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

    /// Of a decoded artifact.
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
