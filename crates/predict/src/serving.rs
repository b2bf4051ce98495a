//! A model that is opened for serving: its predictions for applications that have no outcome yet, with intervals,
//! warnings and explanations.

mod answer;
mod explanation;
mod row;
mod warnings;

pub use answer::{
    Abilities, Change, Contribution, Counterfactual, Explanation, OpenError, Prediction, RowFault, Unavailable, Warning,
};

use crate::application::Application;
use crate::conformal::ConformalSets;
pub use crate::counterfactual::DEFAULT_CHANGEABLE;
use crate::counterfactual::Search;
use crate::groups::{Group, groups};
use crate::matrix::Matrix;
use crate::model::Model;
use crate::outcome::Outcome;
use crate::venn_abers::VennAbers;
use provost_domain::Algorithm;
use provost_domain::features::{EXTENDED, FEATURES, FeatureTables};
use row::Row;

/// The coverage of conformal sets unless the caller names one.
pub const DEFAULT_COVERAGE: f64 = 0.9;
/// The lowest and the highest coverage that a caller may name.
pub const COVERAGES: (f64, f64) = (0.5, 0.999);

/// A feature, another feature that depends on it, and by how much the second changes per unit of the first.
const QUANT: (&str, &str, f32) = ("gre_quant_percentile", "test_score_vs_avg", 0.01);

/// An opened model with everything that is computed once for all answers. It may be shared between threads.
///
/// ```
/// use provost_domain::Algorithm;
/// use provost_domain::features::{CATEGORY_RULE, FEATURES, FeatureTables};
/// use provost_predict::application::Application;
/// use provost_predict::serving::{DEFAULT_COVERAGE, ServingModel};
/// use provost_predict::{Calibration, Model, Predictor};
///
/// let model = Model {
///     algorithm: Algorithm::LogisticRegression,
///     feature_names: FEATURES.map(str::to_owned).to_vec(),
///     columns: vec![0],
///     predictor: Predictor::Constant(0.64),
///     calibration: Calibration::None,
///     threshold: 0.5,
///     category_rule: CATEGORY_RULE,
///     evidence: None,
/// };
/// let serving = ServingModel::open(&model.to_bytes(), FeatureTables::default()).unwrap();
/// let application = Application::from_json(br#"{"profile": {"gpa": 3.6}, "program": {}}"#).unwrap();
/// let answer = &serving.predict(&[application], DEFAULT_COVERAGE)[0];
/// assert_eq!((answer.probability, answer.predicted_outcome.as_str()), (0.64, "accepted"));
/// ```
#[derive(Debug)]
pub struct ServingModel {
    model: Model,
    tables: FeatureTables,
    /// For each feature of the model, its index among all features of an application.
    places: Vec<usize>,
    extended: bool,
    intervals: Option<VennAbers>,
    sets: Option<ConformalSets>,
    groups: Vec<Group>,
    /// The model's probability of each background row.
    background: Vec<f64>,
}

impl ServingModel {
    /// Opens an artifact. `tables` are the configured feature tables, which must be those of training.
    ///
    /// # Errors
    ///
    /// `Artifact` for bytes that are no model; `Features` for a model of columns that no application has.
    pub fn open(bytes: &[u8], tables: FeatureTables) -> Result<Self, OpenError> {
        Self::new(Model::from_bytes(bytes)?, tables)
    }

    /// As `open`, for a model that is already decoded.
    ///
    /// # Errors
    ///
    /// `Features` for a model with a column that no application has.
    pub fn new(model: Model, tables: FeatureTables) -> Result<Self, OpenError> {
        let place = |name: &String| FEATURES.iter().chain(&EXTENDED).position(|known| known == name);
        let unknown = |name: &&String| place(name).is_none();
        if let Some(name) = model.feature_names.iter().find(unknown) {
            return Err(OpenError::Features(name.clone()));
        }
        let places: Vec<usize> = model.feature_names.iter().filter_map(place).collect();
        let evidence = model.evidence.as_deref();
        let mut opened = Self {
            extended: places.iter().any(|place| *place >= FEATURES.len()),
            intervals: evidence.map(|evidence| VennAbers::new(&evidence.scores)),
            sets: evidence.map(|evidence| ConformalSets::new(&evidence.scores)),
            groups: groups(&model.feature_names),
            background: Vec::new(),
            places,
            tables,
            model,
        };
        opened.background = opened.probabilities(opened.background_rows());
        Ok(opened)
    }

    /// The model itself.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The algorithm that trained the model.
    pub fn algorithm(&self) -> Algorithm {
        self.model.algorithm
    }

    /// Decision threshold: a probability of at least this is an acceptance.
    pub fn threshold(&self) -> f64 {
        self.model.threshold
    }

    /// The features of a row, in order.
    pub fn feature_names(&self) -> &[String] {
        &self.model.feature_names
    }

    /// What the model can answer beside the probability; a model of an older artifact cannot answer all of it.
    pub fn abilities(&self) -> Abilities {
        Abilities {
            intervals: self.intervals.is_some(),
            sets: self.sets.is_some(),
            explanations: !self.background.is_empty(),
            ranges: self.model.evidence.is_some(),
        }
    }

    /// The prediction for each row, in order. `coverage` of the conformal sets is limited to [`COVERAGES`].
    pub fn predict(&self, rows: &[Application], coverage: f64) -> Vec<Prediction> {
        let rows: Vec<Row<'_>> = rows.iter().map(|row| self.row(row)).collect();
        self.answers(&rows.iter().collect::<Vec<_>>(), coverage)
    }

    /// As `predict`, for rows of feature values in the order of `feature_names`; NaN is missing. A fault of one row
    /// does not affect the other rows.
    pub fn predict_features(&self, rows: &[Vec<f32>], coverage: f64) -> Vec<Result<Prediction, RowFault>> {
        let read: Vec<Result<Row<'_>, RowFault>> = rows.iter().map(|row| self.row_of_features(row)).collect();
        let sound: Vec<&Row<'_>> = read.iter().filter_map(|row| row.as_ref().ok()).collect();
        let mut answers = self.answers(&sound, coverage).into_iter();
        read.into_iter()
            .filter_map(|row| match row {
                Ok(_) => answers.next().map(Ok),
                Err(fault) => Some(Err(fault)),
            })
            .collect()
    }

    /// The smallest change of the `changeable` features that was found to turn a rejection into an acceptance. The
    /// result is verified: the changed row was predicted.
    ///
    /// # Errors
    ///
    /// `OlderArtifact`, `AlreadyAccepted`, `NothingChangeable` if the model uses none of these features, or
    /// `NoneFound`.
    pub fn counterfactual(
        &self,
        application: &Application,
        changeable: &[&str],
    ) -> Result<Counterfactual, Unavailable> {
        let evidence = self.model.evidence.as_deref().ok_or(Unavailable::OlderArtifact)?;
        let row = self.row(application);
        let names = self.feature_names();
        let place = |name: &str| names.iter().position(|known| known == name);
        let used = |at: &usize| self.model.columns.contains(&(*at as u32));
        let changeable: Vec<usize> = changeable.iter().filter_map(|name| place(name)).filter(used).collect();
        if self.probabilities([row.values.as_slice()]).first().is_some_and(|p| *p >= self.threshold()) {
            return Err(Unavailable::AlreadyAccepted);
        }
        if changeable.is_empty() {
            return Err(Unavailable::NothingChangeable);
        }
        let quant = place(QUANT.0).zip(place(QUANT.1)).filter(|(_, gap)| row.present[*gap]);
        let predict = |rows: &[Vec<f32>]| {
            let follow = |changed: &Vec<f32>| {
                let mut changed = changed.clone();
                if let Some((quant, gap)) = quant {
                    changed[gap] += (changed[quant] - row.values[quant]) * QUANT.2;
                }
                changed
            };
            let rows: Vec<Vec<f32>> = rows.iter().map(follow).collect();
            self.probabilities(rows.iter().map(Vec::as_slice))
        };
        let search = Search {
            row: &row.values,
            changeable: &changeable,
            ranges: &evidence.ranges,
            threshold: self.threshold(),
            predict: &predict,
        };
        let (changes, probability) = search.run().ok_or(Unavailable::NoneFound)?;
        let change = |(feature, to): (usize, f32)| Change {
            feature: names[feature].clone(),
            from: Some(row.values[feature]).filter(|v| !v.is_nan()).map(decimal),
            to: decimal(to),
        };
        Ok(Counterfactual { probability, changes: changes.into_iter().map(change).collect() })
    }

    /// The features of an application by name; None is missing.
    pub fn features(&self, application: &Application) -> Vec<(String, Option<f64>)> {
        self.named(&self.row(application).values)
    }

    /// Feature values in the order of `feature_names` with their names; NaN is missing.
    pub fn named(&self, values: &[f32]) -> Vec<(String, Option<f64>)> {
        let value = |v: &f32| Some(*v).filter(|v| !v.is_nan()).map(decimal);
        self.feature_names().iter().cloned().zip(values.iter().map(value)).collect()
    }

    /// The calibrated probabilities of rows whose values are in the order of the model's features.
    fn probabilities<'r>(&self, rows: impl IntoIterator<Item = &'r [f32]>) -> Vec<f64> {
        let mut used: Vec<Vec<f32>> = vec![Vec::new(); self.model.columns.len()];
        let mut count = 0u32;
        for row in rows {
            count += 1;
            used.iter_mut().zip(&self.model.columns).for_each(|(used, column)| used.push(row[*column as usize]));
        }
        // A model that uses no column needs only the number of rows.
        let own: Vec<usize> = (0..used.len()).collect();
        let all: Vec<u32> = (0..count).collect();
        let mut p = self.model.predictor.predict(&Matrix::of_finite(Vec::new(), used), &own, &all);
        p.iter_mut().for_each(|p| *p = self.model.calibration.apply(*p));
        p
    }

    fn background_rows(&self) -> impl Iterator<Item = &[f32]> {
        self.model.evidence.iter().flat_map(|evidence| evidence.background.iter().map(Vec::as_slice))
    }

    fn answers(&self, rows: &[&Row<'_>], coverage: f64) -> Vec<Prediction> {
        let coverage = if coverage.is_nan() { DEFAULT_COVERAGE } else { coverage.clamp(COVERAGES.0, COVERAGES.1) };
        let p = self.probabilities(rows.iter().map(|row| row.values.as_slice()));
        let answer = |(row, p): (&&Row<'_>, f64)| {
            let pair = self.intervals.as_ref().map(|intervals| intervals.pair(p));
            Prediction {
                probability: p,
                probability_low: pair.map(|(low, _)| low.min(p)),
                probability_high: pair.map(|(_, high)| high.max(p)),
                predicted_outcome: Outcome::at(p, self.threshold()),
                plausible_outcomes: self.sets.as_ref().map(|sets| sets.plausible(p, coverage)),
                warnings: warnings::of(&self.model, row, &self.tables),
            }
        };
        rows.iter().zip(p).map(answer).collect()
    }
}

/// The f64 with the same shortest decimal text as an f32: 0.9 and not 0.8999999761581421.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

#[cfg(test)]
mod tests;
