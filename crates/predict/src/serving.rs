//! A model that answers: what it says of applications that have no outcome yet, how sure it is, and why.

mod answer;
mod warnings;

pub use answer::{
    Abilities, Change, Contribution, Counterfactual, Explanation, OpenError, Prediction, RowFault, Unavailable, Warning,
};

use crate::application::{Application, features};
use crate::conformal::ConformalSets;
pub use crate::counterfactual::DEFAULT_CHANGEABLE;
use crate::counterfactual::Search;
use crate::groups::{Group, groups};
use crate::matrix::Matrix;
use crate::model::Model;
use crate::outcome::Outcome;
use crate::shapley;
use crate::venn_abers::VennAbers;
use provost_domain::features::{CATEGORY_RULE, EXTENDED, FEATURES, FeatureTables, older_codes};
use provost_domain::{AdmissionDataPoint, Algorithm};
use serde_json::{Map, Value, json};

/// The coverage of conformal sets unless the caller names one.
pub const DEFAULT_COVERAGE: f64 = 0.9;
/// The lowest and the highest coverage that a caller may name.
pub const COVERAGES: (f64, f64) = (0.5, 0.999);

/// The feature that moves with `gre_quant_percentile`, by so much of it.
const QUANT: (&str, &str, f32) = ("gre_quant_percentile", "test_score_vs_avg", 0.01);

/// An opened model with all that answering needs, worked out once. It may be shared between threads.
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
    /// For each feature of the model its place among all that an application has.
    places: Vec<usize>,
    extended: bool,
    intervals: Option<VennAbers>,
    sets: Option<ConformalSets>,
    groups: Vec<Group>,
    /// What the model gives each background row.
    background: Vec<f64>,
}

/// One row as the model sees it.
struct Row<'a> {
    /// In the order of the model's features; NaN is missing.
    values: Vec<f32>,
    /// For each whether it comes from the application rather than from a default.
    present: Vec<bool>,
    point: Option<&'a AdmissionDataPoint>,
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

    /// As `open`, of a model that is read already.
    ///
    /// # Errors
    ///
    /// `Features`.
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

    /// What trained it.
    pub fn algorithm(&self) -> Algorithm {
        self.model.algorithm
    }

    /// A probability of at least this is an acceptance.
    pub fn threshold(&self) -> f64 {
        self.model.threshold
    }

    /// The features of a row, in order.
    pub fn feature_names(&self) -> &[String] {
        &self.model.feature_names
    }

    /// What it can say beside the probability; an artifact of before cannot say all.
    pub fn abilities(&self) -> Abilities {
        Abilities {
            intervals: self.intervals.is_some(),
            sets: self.sets.is_some(),
            explanations: !self.background.is_empty(),
            ranges: self.model.evidence.is_some(),
        }
    }

    /// What it says of each row, in order. `coverage`, of the conformal sets, is taken as the nearest within [`COVERAGES`].
    pub fn predict(&self, rows: &[Application], coverage: f64) -> Vec<Prediction> {
        let rows: Vec<Row<'_>> = rows.iter().map(|row| self.row(row)).collect();
        self.answers(&rows.iter().collect::<Vec<_>>(), coverage)
    }

    /// As `predict`, of rows of feature values in the order of `feature_names`; NaN is missing. A row's fault costs no other row
    /// its answer.
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

    /// The Shapley values of the probability of an application.
    ///
    /// # Errors
    ///
    /// `OlderArtifact`, `NoBackground`.
    pub fn explain(&self, application: &Application) -> Result<Explanation, Unavailable> {
        self.explanation(&self.row(application))
    }

    /// As `explain`, of feature values in the order of `feature_names`.
    ///
    /// # Errors
    ///
    /// As `explain`; `BadRow`.
    pub fn explain_features(&self, values: &[f32]) -> Result<Explanation, Unavailable> {
        self.explanation(&self.row_of_features(values).map_err(Unavailable::BadRow)?)
    }

    /// The smallest change found of the `changeable` features that turns a rejection. Verified: the changed row was predicted.
    ///
    /// # Errors
    ///
    /// `OlderArtifact`, `AlreadyAccepted`, `NothingChangeable` where the model uses none of these features, `NoneFound`.
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
        let row = self.row(application);
        let value = |v: f32| Some(v).filter(|v| !v.is_nan()).map(decimal);
        self.feature_names().iter().cloned().zip(row.values.into_iter().map(value)).collect()
    }

    fn row<'a>(&self, application: &'a Application) -> Row<'a> {
        let (mut all, present) = features(application, &self.tables, self.extended);
        let point = application.point();
        if self.extended && self.model.category_rule != CATEGORY_RULE {
            older_codes(point).into_iter().for_each(|(at, code)| all[FEATURES.len() + at] = code);
        }
        let values: Vec<f32> = self.places.iter().map(|place| all[*place]).collect();
        let given =
            |place: &usize| if *place < FEATURES.len() { present >> place & 1 == 1 } else { !all[*place].is_nan() };
        Row { present: self.places.iter().map(given).collect(), values, point: Some(point) }
    }

    fn row_of_features(&self, values: &[f32]) -> Result<Row<'static>, RowFault> {
        let names = self.feature_names();
        if values.len() != names.len() {
            return Err(RowFault {
                code: "bad_width",
                pointer: String::new(),
                message: format!("{} values for the {} features {}", values.len(), names.len(), names.join(", ")),
            });
        }
        if let Some(at) = values.iter().position(|v| v.is_infinite()) {
            return Err(RowFault {
                code: "bad_value",
                pointer: format!("/{}", names[at]),
                message: format!("{}: the value is beyond ±3.4e38", names[at]),
            });
        }
        Ok(Row { values: values.to_vec(), present: values.iter().map(|v| !v.is_nan()).collect(), point: None })
    }

    /// The calibrated probabilities of rows in the order of the model's features.
    fn probabilities<'r>(&self, rows: impl IntoIterator<Item = &'r [f32]>) -> Vec<f64> {
        let mut used: Vec<Vec<f32>> = vec![Vec::new(); self.model.columns.len()];
        let mut count = 0u32;
        for row in rows {
            count += 1;
            used.iter_mut().zip(&self.model.columns).for_each(|(used, column)| used.push(row[*column as usize]));
        }
        // A model without columns predicts from the number of rows alone.
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
                warnings: warnings::of(&self.model, row),
            }
        };
        rows.iter().zip(p).map(answer).collect()
    }

    fn explanation(&self, row: &Row<'_>) -> Result<Explanation, Unavailable> {
        if self.model.evidence.is_none() {
            return Err(Unavailable::OlderArtifact);
        }
        let background: Vec<(&[f32], f64)> = self.background_rows().zip(self.background.iter().copied()).collect();
        let p = self.probabilities([row.values.as_slice()]).first().copied();
        let Some(p) = p.filter(|_| !background.is_empty()) else { return Err(Unavailable::NoBackground) };
        let shares = shapley::shares(&self.model, &row.values, p, &background, &self.groups);
        let contribution = |(group, contribution): (&Group, f64)| Contribution {
            feature: group.name.clone(),
            value: self.shown(group, row),
            contribution,
        };
        let contributions = self.groups.iter().zip(shares.contributions).map(contribution).collect();
        Ok(Explanation { base: shares.base, contributions })
    }

    /// The values of a group: of a single feature its value, of several an object.
    fn shown(&self, group: &Group, row: &Row<'_>) -> Value {
        let name = |at: &usize| self.feature_names()[*at].as_str();
        let value = |at: &usize| shown(name(at), row.values[*at], row.point);
        match &group.columns[..] {
            [one] => value(one),
            all => Value::Object(Map::from_iter(all.iter().map(|at| (name(at).to_owned(), value(at))))),
        }
    }
}

/// The number that the shortest text of an f32 stands for: 0.9 and not 0.8999999761581421.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// A feature's value, categories by their names where they are known.
fn shown(name: &str, value: f32, point: Option<&AdmissionDataPoint>) -> Value {
    let named = point.and_then(|point| match name {
        "university" => Some(json!(point.program.university_name)),
        "program" => Some(json!(point.program.program_name)),
        "university_program" => Some(json!([point.program.university_name, point.program.program_name])),
        "undergraduate_university" => Some(json!(point.profile.undergraduate_university)),
        "undergraduate_major" => Some(json!(point.profile.undergraduate_major)),
        _ => None,
    });
    named.unwrap_or_else(|| if value.is_nan() { Value::Null } else { json!(decimal(value)) })
}

#[cfg(test)]
mod tests;
