//! Bands of values: a number is shown as the band that it is in, a fifth of the rows, and only where enough rows are in
//! that band.

use serde::Serialize;

/// Number of bands of one feature.
const BANDS: usize = 5;
/// A band with fewer rows is not shown.
pub const FEWEST_ROWS: u32 = 5;

/// The band that a value is in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Band {
    /// The least value of the band; None for the lowest band and for missing values.
    pub low: Option<f32>,
    /// The value that the next band begins with; None for the highest band and for missing values.
    pub high: Option<f32>,
}

/// The bands of one feature, with the number of rows in each.
#[derive(Debug, Clone, PartialEq)]
pub struct Bands {
    /// The values that the second and later bands begin with, ascending.
    edges: Vec<f32>,
    /// Rows in each band; one entry more than `edges`.
    rows: Vec<u32>,
    missing: u32,
}

impl Bands {
    /// Bands that each have about a fifth of the values; NaN is missing.
    pub fn of(values: impl Iterator<Item = f32>) -> Self {
        let (missing, mut present): (Vec<f32>, Vec<f32>) = values.partition(|v| v.is_nan());
        present.sort_unstable_by(f32::total_cmp);
        let edge = |band: usize| present.get(band * present.len() / BANDS).copied();
        let mut edges: Vec<f32> = (1..BANDS).filter_map(edge).collect();
        edges.dedup();
        let mut bands = Self { rows: vec![0; edges.len() + 1], edges, missing: missing.len() as u32 };
        for value in present {
            let at = bands.place(value);
            bands.rows[at] += 1;
        }
        bands
    }

    fn place(&self, value: f32) -> usize {
        self.edges.partition_point(|edge| *edge <= value)
    }

    /// The band of a value; None where fewer than [`FEWEST_ROWS`] rows are in it.
    pub fn band(&self, value: f32) -> Option<Band> {
        if value.is_nan() {
            return (self.missing >= FEWEST_ROWS).then_some(Band { low: None, high: None });
        }
        let at = self.place(value);
        let band = Band { low: at.checked_sub(1).map(|at| self.edges[at]), high: self.edges.get(at).copied() };
        (self.rows[at] >= FEWEST_ROWS).then_some(band)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_as_the_fifth_of_the_rows_that_it_is_in() {
        let bands = Bands::of((0..100).map(|v| v as f32));
        assert_eq!(bands.band(-1.0), Some(Band { low: None, high: Some(20.0) }));
        assert_eq!(bands.band(20.0), Some(Band { low: Some(20.0), high: Some(40.0) }));
        assert_eq!(bands.band(1e9), Some(Band { low: Some(80.0), high: None }));
        assert_eq!(bands.band(f32::NAN), None, "no row lacks it");
    }

    #[test]
    fn a_band_of_few_rows_is_not_shown() {
        let bands = Bands::of([0.0; 50].into_iter().chain([9.0; 4]).chain([f32::NAN; 5]));
        assert!(bands.band(0.0).is_some() && bands.band(f32::NAN).is_some());
        let few = Bands::of([1.0, 2.0, 3.0].into_iter());
        assert!([1.0, 2.0, 3.0, 7.0].iter().all(|v| few.band(*v).is_none()));
        assert_eq!(Bands::of(std::iter::empty()).band(1.0), None);
    }
}
