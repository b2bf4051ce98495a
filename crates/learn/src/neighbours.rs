//! Finds the nearest rows of each class by standardised features, in a cover tree (Beygelzimer, Kakade and Langford
//! 2006).

pub mod bands;

use crate::Matrix;
use crate::error::LearnError;
use smartcore::algorithm::neighbour::cover_tree::CoverTree;
use smartcore::metrics::distance::Distance;

/// Most rows that are searched.
pub const MOST_ROWS: usize = 200_000;

/// A row near a given one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// Index of the row in the matrix.
    pub row: u32,
    /// Euclidean distance, in standard deviations.
    pub distance: f64,
}

#[derive(Debug, Clone)]
struct Euclidean;

impl Distance<Vec<f32>> for Euclidean {
    fn distance(&self, a: &Vec<f32>, b: &Vec<f32>) -> f64 {
        let square = |(a, b): (&f32, &f32)| {
            let difference = f64::from(a - b);
            difference * difference
        };
        a.iter().zip(b).map(square).sum::<f64>().sqrt()
    }
}

/// How a column is standardised.
#[derive(Debug, Clone, Copy)]
struct Scale {
    mean: f64,
    /// 0 for a column with a single value, which distinguishes no rows.
    inverse_deviation: f64,
}

impl Scale {
    fn of(values: impl Iterator<Item = f32> + Clone) -> Self {
        let present = values.filter(|v| !v.is_nan()).map(f64::from);
        let n = present.clone().count().max(1) as f64;
        let mean = present.clone().sum::<f64>() / n;
        let deviation = (present.map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        Self { mean, inverse_deviation: if deviation > 0.0 { 1.0 / deviation } else { 0.0 } }
    }

    /// A missing value is replaced by the mean, which becomes 0.
    fn apply(self, value: f32) -> f32 {
        if value.is_nan() { 0.0 } else { ((f64::from(value) - self.mean) * self.inverse_deviation) as f32 }
    }
}

/// The rows of one class.
#[derive(Debug)]
struct Class {
    /// Indices in the matrix, by their place in the tree.
    rows: Vec<u32>,
    tree: CoverTree<Vec<f32>, Euclidean>,
    /// The standardised values of a class's only row: the search does not visit the leaf that is the tree of a single
    /// row.
    only: Option<Vec<f32>>,
}

/// An index of rows with their classes.
#[derive(Debug)]
pub struct Neighbours {
    scales: Vec<Scale>,
    classes: [Option<Class>; 2],
}

impl Neighbours {
    /// Indexes these rows of the matrix, each of class 0 or 1 by `y`, which has a label for each row of the matrix. All
    /// columns have the same weight, so none of them should be codes of categories. Of more than [`MOST_ROWS`] rows the
    /// first ones are taken.
    ///
    /// # Errors
    ///
    /// `Data` where the tree cannot be built.
    pub fn new(x: &Matrix, rows: &[u32], y: &[u8]) -> Result<Self, LearnError> {
        let rows = &rows[..rows.len().min(MOST_ROWS)];
        let scale = |column: usize| Scale::of(rows.iter().map(move |row| x.value(*row as usize, column)));
        let scales: Vec<Scale> = (0..x.width()).map(scale).collect();
        let class = |label: u8| -> Result<Option<Class>, LearnError> {
            let rows: Vec<u32> = rows.iter().copied().filter(|row| y[*row as usize] == label).collect();
            if rows.is_empty() {
                return Ok(None);
            }
            let value =
                |row: u32| scales.iter().enumerate().map(move |(c, scale)| scale.apply(x.value(row as usize, c)));
            let data: Vec<Vec<f32>> = rows.iter().map(|row| value(*row).collect()).collect();
            let only = if let [only] = &data[..] { Some(only.clone()) } else { None };
            let tree = CoverTree::new(data, Euclidean).map_err(|e| LearnError::Data(format!("neighbours: {e}")))?;
            Ok(Some(Class { rows, tree, only }))
        };
        Ok(Self { classes: [class(0)?, class(1)?], scales })
    }

    /// The `k` nearest rows of each class, the nearest first; fewer where the class has fewer rows. `row` has a value
    /// for each column of the matrix; NaN is missing.
    ///
    /// # Errors
    ///
    /// `Data` where the row has another width.
    pub fn nearest(&self, row: &[f32], k: usize) -> Result<[Vec<Neighbour>; 2], LearnError> {
        if row.len() != self.scales.len() {
            return Err(LearnError::Data(format!("{} values for {} columns", row.len(), self.scales.len())));
        }
        let row: Vec<f32> = self.scales.iter().zip(row).map(|(scale, value)| scale.apply(*value)).collect();
        let of = |class: &Option<Class>| match class {
            Some(class) => class.nearest(&row, k),
            None => Ok(Vec::new()),
        };
        Ok([of(&self.classes[0])?, of(&self.classes[1])?])
    }
}

impl Class {
    fn nearest(&self, row: &Vec<f32>, k: usize) -> Result<Vec<Neighbour>, LearnError> {
        let k = k.min(self.rows.len());
        if k == 0 {
            return Ok(Vec::new());
        }
        if let Some(only) = &self.only {
            return Ok(vec![Neighbour { row: self.rows[0], distance: Euclidean.distance(row, only) }]);
        }
        let found = self.tree.find(row, k).map_err(|e| LearnError::Data(format!("neighbours: {e}")))?;
        let mut nearest: Vec<Neighbour> =
            found.into_iter().map(|(at, distance, _)| Neighbour { row: self.rows[at], distance }).collect();
        nearest.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row)));
        Ok(nearest)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use provost_domain::rng::SplitMix64;

    fn matrix(rows: usize, width: usize, seed: u64) -> Matrix {
        let mut r = SplitMix64::new(seed);
        let value = |r: &mut SplitMix64| if r.below(10) == 0 { f32::NAN } else { r.below(40) as f32 };
        let columns = (0..width).map(|_| (0..rows).map(|_| value(&mut r)).collect()).collect();
        Matrix::new((0..width).map(|i| format!("c{i}")).collect(), columns).unwrap()
    }

    /// The distance between two rows, by the definition.
    fn distance(index: &Neighbours, a: &[f32], b: &[f32]) -> f64 {
        let standard = |row: &[f32]| index.scales.iter().zip(row).map(|(s, v)| s.apply(*v)).collect::<Vec<f32>>();
        Euclidean.distance(&standard(a), &standard(b))
    }

    proptest! {
        #[test]
        fn the_tree_finds_what_a_search_of_all_rows_finds(seed in 0u64..200, rows in 1usize..80, width in 1usize..5, k in 0usize..12) {
            let x = matrix(rows, width, seed);
            let y: Vec<u8> = (0..rows).map(|row| u8::from(row % 3 == 0)).collect();
            let all: Vec<u32> = (0..rows as u32).collect();
            let index = Neighbours::new(&x, &all, &y).unwrap();
            let of = |row: u32| (0..width).map(|c| x.value(row as usize, c)).collect::<Vec<f32>>();
            let asked = of((seed % rows as u64) as u32);
            let found = index.nearest(&asked, k).unwrap();
            for label in 0..2u8 {
                let of_class = all.iter().filter(|row| y[**row as usize] == label);
                let mut slow: Vec<f64> = of_class.map(|row| distance(&index, &asked, &of(*row))).collect();
                slow.sort_by(f64::total_cmp);
                slow.truncate(k);
                let class = &found[usize::from(label)];
                prop_assert_eq!(class.iter().map(|n| n.distance).collect::<Vec<_>>(), slow);
                prop_assert!(class.iter().all(|n| y[n.row as usize] == label));
            }
        }
    }

    #[test]
    fn no_rows_one_class_and_equal_rows_are_searched() {
        let x = Matrix::new(vec!["a".into(), "b".into()], vec![vec![1.0; 6], vec![f32::NAN; 6]]).unwrap();
        let none = Neighbours::new(&x, &[], &[1; 6]).unwrap();
        assert_eq!(none.nearest(&[1.0, 1.0], 3).unwrap(), [Vec::new(), Vec::new()]);
        let equal = Neighbours::new(&x, &[0, 1, 2, 3, 4, 5], &[1; 6]).unwrap();
        let [rejected, accepted] = equal.nearest(&[7.0, f32::NAN], 4).unwrap();
        assert!(rejected.is_empty() && accepted.len() == 4 && accepted.iter().all(|n| n.distance == 0.0));
        assert!(equal.nearest(&[1.0], 1).is_err());
    }
}
