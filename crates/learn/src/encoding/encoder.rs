//! Rates of acceptance by category: of strictly earlier years, and of all training rows (for a training row: of those that
//! are not in its part, after Micci-Barreca 2001 with the cross-fitting of later work). Both lean on the overall rate
//! where there are few rows, and a third column says how many there are.

use super::standards::{self, Standards, Training};
use super::{YEAR, is_category};
use crate::sorting::sort_by;
use crate::{Control, Dataset, LearnError, Matrix};
use provost_domain::rng::SplitMix64;
use serde::{Deserialize, Serialize};

/// Columns that one category becomes.
pub const PER_CATEGORY: usize = 3;
/// Parts of the training rows; a row's own part does not count for it.
const PARTS: usize = 5;
const STREAM: u64 = 0x656e_636f;
/// Rows that the overall rate weighs as much as.
const WEIGHT: f64 = 10.0;

/// Of a value's rows up to and in a year.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Tally {
    /// Infinite for rows of unknown year, which come last.
    year: f32,
    rows: u32,
    ones: u32,
}

/// Ascending years, cumulative counts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct History(Vec<Tally>);

impl History {
    /// Adds rows of one year, which is none before the last one's.
    fn add(&mut self, year: f32, one: u8) {
        let before = self.0.last().copied().unwrap_or(Tally { year: f32::NEG_INFINITY, rows: 0, ones: 0 });
        let after = Tally { year, rows: before.rows + 1, ones: before.ones + u32::from(one) };
        match self.0.last_mut() {
            Some(last) if last.year == year => *last = after,
            _ => self.0.push(after),
        }
    }
    /// Rows and ones of years strictly before; of none where the year is not known.
    fn before(&self, year: f32) -> (f64, f64) {
        if year.is_nan() {
            return (0.0, 0.0);
        }
        let end = self.0.partition_point(|t| t.year < year && t.year.is_finite());
        self.0[..end].last().map_or((0.0, 0.0), |t| (f64::from(t.rows), f64::from(t.ones)))
    }
    fn all(&self) -> (f64, f64) {
        self.0.last().map_or((0.0, 0.0), |t| (f64::from(t.rows), f64::from(t.ones)))
    }
    fn check(&self) -> bool {
        let grows = |w: &[Tally]| w[0].year < w[1].year && w[0].rows <= w[1].rows && w[0].ones <= w[1].ones;
        self.0.windows(2).all(grows) && self.0.iter().all(|t| !t.year.is_nan() && t.ones <= t.rows)
    }
}

/// Towards `prior`, as if that had been seen so many times.
fn rate((rows, ones): (f64, f64), prior: f64) -> f32 {
    ((ones + WEIGHT * prior) / (rows + WEIGHT)) as f32
}

/// One half where nothing is known.
fn overall((rows, ones): (f64, f64)) -> f64 {
    (ones + 1.0) / (rows + 2.0)
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Category {
    column: u32,
    /// Ascending.
    values: Vec<f32>,
    histories: Vec<History>,
}

/// Fitted on training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Encoder {
    width: u32,
    /// Columns that stay as they are.
    plain: Vec<u32>,
    year: Option<u32>,
    categories: Vec<Category>,
    overall: History,
    /// Their columns come last.
    standards: Vec<Standards>,
    names: Vec<String>,
}

impl Encoder {
    /// The encoder, and the encoded training rows as columns; with `keep` the categories as they are, too.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub(crate) fn fit(
        data: &Dataset,
        columns: &[usize],
        names: &[&str],
        train: &[u32],
        seed: u64,
        keep: bool,
        control: &Control,
    ) -> Result<(Self, Vec<Vec<f32>>), LearnError> {
        let x = data.x();
        let place = |found: bool| (0..columns.len() as u32).filter(move |at| is_category(names[*at as usize]) == found);
        let year = x.names().iter().position(|name| name == YEAR).filter(|c| columns.contains(c));
        let of_year = |row: u32| year.map_or(f32::NAN, |c| x.value(row as usize, c));
        let mut by_year: Vec<u32> = (0..train.len() as u32).collect();
        let known = |at: &u32| Some(of_year(train[*at as usize])).filter(|y| !y.is_nan()).unwrap_or(f32::INFINITY);
        sort_by(&mut by_year, |a, b| known(a).total_cmp(&known(b)), control)?;
        let label = |at: u32| data.y()[train[at as usize] as usize];
        let mut all = History::default();
        control.in_blocks(&by_year, |rows| rows.iter().for_each(|at| all.add(known(at), label(*at))))?;
        let mut random = SplitMix64::keyed(seed, &[STREAM]);
        let part: Vec<usize> = train.iter().map(|_| random.below(PARTS as u32) as usize).collect();
        let mut of_parts = [(0.0, 0.0); PARTS];
        for (at, part) in part.iter().enumerate() {
            of_parts[*part].0 += 1.0;
            of_parts[*part].1 += f64::from(label(at as u32));
        }

        let plain: Vec<u32> = place(false).chain(place(true).filter(|_| keep)).collect();
        let mut encoded: Vec<Vec<f32>> = plain
            .iter()
            .map(|at| train.iter().map(|row| x.value(*row as usize, columns[*at as usize])).collect())
            .collect();
        let mut categories = Vec::new();
        for at in place(true) {
            let (distinct, codes) = data
                .with_ranks(columns[at as usize], control, |ranks| (ranks.values().to_vec(), ranks.codes().to_vec()))?;
            let value = |row: u32| codes[row as usize];
            let n = distinct.len();
            let mut histories = vec![History::default(); n];
            let mut in_part = vec![[(0u32, 0u32); PARTS]; n];
            control.in_blocks(&by_year, |positions| {
                for position in positions {
                    let value = value(train[*position as usize]) as usize;
                    if value < n {
                        histories[value].add(known(position), label(*position));
                        let tally = &mut in_part[value][part[*position as usize]];
                        *tally = (tally.0 + 1, tally.1 + u32::from(label(*position)));
                    }
                }
            })?;
            let rates = |position: usize| {
                let row = train[position];
                let history = histories.get(value(row) as usize)?;
                let year = of_year(row);
                let own = part[position];
                let less = |(rows, ones): (f64, f64), own: (f64, f64)| (rows - own.0, ones - own.1);
                let (rows, ones) = in_part[value(row) as usize][own];
                let elsewhere = less(history.all(), (f64::from(rows), f64::from(ones)));
                let prior = overall(less(all.all(), of_parts[own]));
                // As many as a row that was not trained on would see.
                let seen = elsewhere.0 * PARTS as f64 / (PARTS - 1) as f64;
                let earlier = rate(history.before(year), overall(all.before(year)));
                Some([earlier, rate(elsewhere, prior), seen.ln_1p() as f32])
            };
            let mut triples: Vec<[f32; PER_CATEGORY]> = Vec::with_capacity(train.len());
            control.in_blocks(train, |rows| {
                let positions = triples.len()..triples.len() + rows.len();
                triples.extend(positions.map(|position| rates(position).unwrap_or([f32::NAN; PER_CATEGORY])));
            })?;
            encoded.extend((0..PER_CATEGORY).map(|which| triples.iter().map(|triple| triple[which]).collect()));
            let seen: Vec<usize> = (0..n).filter(|v| !histories[*v].0.is_empty()).collect();
            categories.push(Category {
                column: at,
                values: seen.iter().map(|v| distinct[*v]).collect(),
                histories: seen.iter().map(|v| std::mem::take(&mut histories[*v])).collect(),
            });
        }
        let (by, of) = standards::places(names);
        let training = Training { x, y: data.y(), columns, rows: train, part: &part, parts: PARTS };
        let mut compared = Vec::new();
        for at in by {
            let (standards, columns) = data.with_ranks(columns[at as usize], control, |ranks| {
                let codes = ranks.codes();
                Standards::fit(&training, at, &of, ranks.values(), |row| codes[row as usize] as usize)
            })?;
            compared.push(standards);
            encoded.extend(columns);
        }
        let own = |at: &u32| names[*at as usize].to_owned();
        let rates =
            |at: u32| ["earlier years", "training rows", "how many"].map(|of| format!("{}, {of}", names[at as usize]));
        let encoder = Self {
            width: columns.len() as u32,
            year: year.and_then(|c| columns.iter().position(|own| *own == c)).map(|at| at as u32),
            names: plain
                .iter()
                .map(own)
                .chain(place(true).flat_map(rates))
                .chain(compared.iter().flat_map(|s| s.names(names)))
                .collect(),
            standards: compared,
            plain,
            categories,
            overall: all,
        };
        Ok((encoder, encoded))
    }

    /// Rows that were not trained on, as columns.
    pub(crate) fn encode(&self, x: &Matrix, columns: &[usize], rows: &[u32]) -> Vec<Vec<f32>> {
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

    pub(crate) fn outputs(&self) -> usize {
        let compared: usize = self.standards.iter().map(Standards::width).sum();
        self.plain.len() + PER_CATEGORY * self.categories.len() + compared
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Shares of the encoded columns, added up per source column; a comparison counts for both of its sources.
    pub(crate) fn of_sources(&self, shares: &[f64]) -> Vec<f64> {
        let mut sources = vec![0.0; self.width as usize];
        let alone = self.plain.iter().copied().chain(self.categories.iter().flat_map(|c| [c.column; PER_CATEGORY]));
        let compared = self.standards.iter().flat_map(Standards::sources);
        for ((one, other), share) in alone.map(|source| (source, source)).chain(compared).zip(shares) {
            sources[one as usize] += share / 2.0;
            sources[other as usize] += share / 2.0;
        }
        sources
    }

    /// Of a decoded artifact: everything that `encode` relies on.
    pub(crate) fn check(&self, width: usize) -> Result<(), String> {
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
