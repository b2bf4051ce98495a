//! One feature of the reference, prepared for comparisons.

use super::measure::{ascending, deviation};
use super::rows::WatchedRows;
use super::spread::spread;
use provost_domain::features::{is_category, tells_time};
use provost_domain::watch::{DriftTest, PROBABILITY, SHARE_ACCEPTED};
use std::borrow::Cow;

/// Effects of numeric features up to this never raise an alarm; in standard deviations of the reference.
const FLOOR_DEVIATIONS: f64 = 0.1;
/// Effects of shares and proportions up to this never raise an alarm.
const FLOOR_PROPORTION: f64 = 0.05;

/// A feature that is compared, and where its values come from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Compared {
    pub name: String,
    pub test: DriftTest,
    source: Source,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Source {
    /// A column of the rows.
    Feature,
    /// The predicted probability.
    Probability,
    /// Whether the probability reaches this threshold.
    Accepted(f64),
}

impl Compared {
    /// The features of these rows, except those that tell the time; then the predictions, where there are any.
    pub(super) fn of(rows: &WatchedRows, threshold: f64) -> Vec<Self> {
        let feature = |name: &String| Self {
            name: name.clone(),
            test: if is_category(name) { DriftTest::ChiSquared } else { DriftTest::KolmogorovSmirnov },
            source: Source::Feature,
        };
        let predictions = [
            (PROBABILITY, DriftTest::KolmogorovSmirnov, Source::Probability),
            (SHARE_ACCEPTED, DriftTest::Proportion, Source::Accepted(threshold)),
        ];
        let predictions = predictions.map(|(name, test, source)| Self { name: name.to_owned(), test, source });
        let features = rows.x().names().iter().filter(|name| !tells_time(name)).map(feature);
        features.chain(predictions.into_iter().filter(|_| rows.probabilities().is_some())).collect()
    }

    /// Whether this is a feature of the rows and not a prediction. A row without a value then counts as missing; a row
    /// without a prediction does not count at all.
    pub(super) fn is_feature(&self) -> bool {
        self.source == Source::Feature
    }

    /// The value of each row; NaN is missing. A feature that these rows do not have is missing in all of them.
    pub(super) fn values<'r>(&self, rows: &'r WatchedRows) -> Cow<'r, [f32]> {
        let none = || Cow::Owned(vec![f32::NAN; rows.rows()]);
        let predictions =
            |value: &dyn Fn(f64) -> f32| rows.probabilities().map(|p| p.iter().map(|p| value(*p)).collect());
        match self.source {
            Source::Feature => rows.feature(&self.name).map_or_else(none, Cow::Borrowed),
            Source::Probability => predictions(&|p| p as f32).map_or_else(none, Cow::Owned),
            Source::Accepted(threshold) => {
                let accepted = |p: f64| if p.is_nan() { f32::NAN } else { f32::from(u8::from(p >= threshold)) };
                predictions(&accepted).map_or_else(none, Cow::Owned)
            }
        }
    }
}

/// One feature of the reference, prepared.
#[derive(Debug, Clone)]
pub(super) struct FeatureReference {
    pub compared: Compared,
    /// The present values, ascending.
    pub values: Vec<f32>,
    /// Their standard deviation.
    pub deviation: f64,
    /// Number of missing values among the rows that count.
    pub missing: u64,
    /// Number of rows that count.
    pub rows: u64,
    /// Effects up to this never raise an alarm; in the unit of the test's effect.
    pub floor: f64,
    /// Changes of the share of missing values up to this never raise an alarm.
    pub missing_floor: f64,
}

impl FeatureReference {
    /// `sample`: rows that the spread between cycles is computed on; `cycles`: the cycle of each row.
    pub(super) fn new(compared: Compared, rows: &WatchedRows, sample: &[u32], cycles: &[i32]) -> Self {
        let all = compared.values(rows);
        let values = ascending(all.iter().copied());
        let deviation = deviation(&values);
        let counted = if compared.is_feature() { all.len() } else { values.len() };
        let sampled: (Vec<f32>, Vec<i32>) =
            sample.iter().filter_map(|row| Some((*all.get(*row as usize)?, *cycles.get(*row as usize)?))).unzip();
        let (of_values, of_missing) = spread(compared.test, &sampled.0, &sampled.1, deviation);
        let in_deviations = compared.test == DriftTest::KolmogorovSmirnov && deviation > 0.0;
        let least = if in_deviations { FLOOR_DEVIATIONS } else { FLOOR_PROPORTION };
        Self {
            missing: (counted - values.len()) as u64,
            rows: counted as u64,
            floor: least.max(of_values),
            missing_floor: FLOOR_PROPORTION.max(if compared.is_feature() { of_missing } else { 0.0 }),
            compared,
            values,
            deviation,
        }
    }
}
