//! Encoding of categories as rates of acceptance (Micci-Barreca 2001): a rate over strictly earlier years, and a rate
//! over all training rows. Both are shrunk towards the overall rate where a category has few rows. A third column gives
//! the number of rows, as ln(1 + rows).

pub mod standards;

use crate::matrix::Matrix;
use serde::{Deserialize, Serialize};
use standards::Standards;

/// Encoded columns per category.
pub const PER_CATEGORY: usize = 3;
/// Weight of the overall rate, in rows.
const WEIGHT: f64 = 10.0;

/// Cumulative counts of one value's rows up to and including a year.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// The year; infinite for rows of unknown year, which come last.
    pub year: f32,
    /// Rows up to and including that year.
    pub rows: u32,
    /// Those of class 1 among them.
    pub ones: u32,
}

/// Cumulative counts by year, in ascending order of year.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct History(pub Vec<Tally>);

impl History {
    /// Adds a row. Its year must not be before that of the last row; `one` is its label, 0 or 1.
    pub fn add(&mut self, year: f32, one: u8) {
        let before = self.0.last().copied().unwrap_or(Tally { year: f32::NEG_INFINITY, rows: 0, ones: 0 });
        let after = Tally { year, rows: before.rows + 1, ones: before.ones + u32::from(one) };
        match self.0.last_mut() {
            Some(last) if last.year == year => *last = after,
            _ => self.0.push(after),
        }
    }
    /// Rows and rows of class 1 of all years strictly before `year`; (0, 0) if `year` is NaN.
    pub fn before(&self, year: f32) -> (f64, f64) {
        if year.is_nan() {
            return (0.0, 0.0);
        }
        let end = self.0.partition_point(|t| t.year < year && t.year.is_finite());
        self.0[..end].last().map_or((0.0, 0.0), |t| (f64::from(t.rows), f64::from(t.ones)))
    }
    /// Rows and rows of class 1 of all years.
    pub fn all(&self) -> (f64, f64) {
        self.0.last().map_or((0.0, 0.0), |t| (f64::from(t.rows), f64::from(t.ones)))
    }
    /// Whether a history of a decoded artifact is valid.
    fn check(&self) -> bool {
        let grows = |w: &[Tally]| w[0].year < w[1].year && w[0].rows <= w[1].rows && w[0].ones <= w[1].ones;
        self.0.windows(2).all(grows) && self.0.iter().all(|t| !t.year.is_nan() && t.ones <= t.rows)
    }
}

/// The rate of class 1, shrunk towards `prior` as if that rate had been observed in `WEIGHT` more rows.
pub fn rate((rows, ones): (f64, f64), prior: f64) -> f32 {
    ((ones + WEIGHT * prior) / (rows + WEIGHT)) as f32
}

/// The rate of class 1 over all rows with Laplace's correction: one half without rows.
pub fn overall((rows, ones): (f64, f64)) -> f64 {
    (ones + 1.0) / (rows + 2.0)
}

/// Training counts of the categories of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Category {
    /// Index of the column among the model's own columns.
    pub column: u32,
    /// The category codes, ascending.
    pub values: Vec<f32>,
    /// One history per value.
    pub histories: Vec<History>,
}

/// Maps raw columns to encoded ones; fitted on training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Encoder {
    /// Columns before encoding.
    pub width: u32,
    /// Columns that stay as they are.
    pub plain: Vec<u32>,
    /// The column of the application year.
    pub year: Option<u32>,
    /// The columns of categories.
    pub categories: Vec<Category>,
    /// History of all training rows.
    pub overall: History,
    /// Comparisons with standards; their columns come last.
    pub standards: Vec<Standards>,
    /// Names of the encoded columns.
    pub names: Vec<String>,
}

impl Encoder {
    /// Encodes rows that were not trained on. The result has one vector per encoded column, with one value per row.
    /// `columns` maps the encoder's raw columns to the matrix's.
    pub fn encode(&self, x: &Matrix, columns: &[usize], rows: &[u32]) -> Vec<Vec<f32>> {
        let value = |at: u32, row: u32| x.value(row as usize, columns[at as usize]);
        let mut encoded: Vec<Vec<f32>> =
            self.plain.iter().map(|at| rows.iter().map(|row| value(*at, *row)).collect()).collect();
        let of_all = overall(self.overall.all());
        for category in &self.categories {
            let rates = |row: &u32| {
                let (value, year) = (value(category.column, *row), self.year.map_or(f32::NAN, |at| value(at, *row)));
                if value.is_nan() {
                    return [f32::NAN; PER_CATEGORY];
                }
                let found = category.values.binary_search_by(|v| v.total_cmp(&value)).ok();
                let history = found.map(|at| &category.histories[at]);
                let (before, all) = history.map_or(((0.0, 0.0), (0.0, 0.0)), |h| (h.before(year), h.all()));
                [rate(before, overall(self.overall.before(year))), rate(all, of_all), all.0.ln_1p() as f32]
            };
            let triples: Vec<[f32; PER_CATEGORY]> = rows.iter().map(rates).collect();
            encoded.extend((0..PER_CATEGORY).map(|which| triples.iter().map(|triple| triple[which]).collect()));
        }
        encoded.extend(self.standards.iter().flat_map(|s| s.encode(x, columns, rows)));
        encoded
    }

    /// Number of encoded columns.
    pub fn outputs(&self) -> usize {
        let compared: usize = self.standards.iter().map(Standards::width).sum();
        self.plain.len() + PER_CATEGORY * self.categories.len() + compared
    }

    /// Names of the encoded columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The raw columns that each encoded column is made of.
    pub fn sources(&self) -> Vec<Vec<u32>> {
        let of_category = |category: &Category| {
            let sources: Vec<u32> = [category.column].into_iter().chain(self.year).collect();
            std::iter::repeat_n(sources, PER_CATEGORY)
        };
        let plain = self.plain.iter().map(|at| vec![*at]);
        let compared = self.standards.iter().flat_map(Standards::sources).map(|(category, of)| vec![category, of]);
        plain.chain(self.categories.iter().flat_map(of_category)).chain(compared).collect()
    }

    /// Adds shares of the encoded columns up by source column. The share of a comparison is divided equally between its
    /// two sources.
    pub fn of_sources(&self, shares: &[f64]) -> Vec<f64> {
        let mut sources = vec![0.0; self.width as usize];
        let alone = self.plain.iter().copied().chain(self.categories.iter().flat_map(|c| [c.column; PER_CATEGORY]));
        let compared = self.standards.iter().flat_map(Standards::sources);
        for ((one, other), share) in alone.map(|source| (source, source)).chain(compared).zip(shares) {
            sources[one as usize] += share / 2.0;
            sources[other as usize] += share / 2.0;
        }
        sources
    }

    /// Checks an encoder of a decoded artifact for everything that `encode` relies on. `width` is the number of raw
    /// columns.
    ///
    /// # Errors
    ///
    /// A description of the first fault.
    pub fn check(&self, width: usize) -> Result<(), String> {
        if self.width as usize != width {
            return Err(format!("an encoder of {} columns for a model of {width}", self.width));
        }
        let used = self.plain.iter().chain(self.year.iter()).chain(self.categories.iter().map(|c| &c.column));
        if let Some(column) = used.into_iter().find(|c| **c as usize >= width) {
            return Err(format!("encoder: column {column} of {width}"));
        }
        if self.names.len() != self.outputs() {
            return Err(format!("encoder: {} names for {} columns", self.names.len(), self.outputs()));
        }
        let sound = |c: &Category| {
            c.values.len() == c.histories.len()
                && c.values.iter().all(|v| v.is_finite())
                && c.values.is_sorted_by(|a, b| a.total_cmp(b).is_lt())
                && c.histories.iter().all(History::check)
        };
        match self.categories.iter().find(|c| !sound(c)) {
            Some(c) => Err(format!("encoder: the history of column {} is damaged", c.column)),
            None if !self.overall.check() => Err("encoder: the overall history is damaged".to_owned()),
            None => self.standards.iter().try_for_each(|s| s.check(width)),
        }
    }
}
