//! The log of predictions, and the selection of shadow models, which predict beside the active model.
//!
//! An entry holds the features that the model got and its answer. It never holds an applicant's name, nationality or
//! gender: [`LoggedFeatures`] leaves such columns out.

use crate::ids::ModelId;
use crate::limits;
use crate::record::Decision;
use chrono::{DateTime, Utc};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;
use utoipa::ToSchema;

/// Columns that are never logged, whatever model has them.
pub const NEVER_LOGGED: [&str; 3] = ["nationality", "gender", "name"];

/// Maximum number of features of one entry: more than any model has.
const FEATURES_MOST: usize = 200;

/// The features of a logged prediction: names, which many entries share, and values in their order; NaN is missing. As
/// JSON it is an object whose missing values are null.
#[derive(Debug, Clone)]
pub struct LoggedFeatures {
    names: Arc<[String]>,
    values: Vec<f64>,
}

impl PartialEq for LoggedFeatures {
    fn eq(&self, other: &Self) -> bool {
        let same = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
        self.names == other.names
            && self.values.len() == other.values.len()
            && self.values.iter().zip(&other.values).all(same)
    }
}

impl LoggedFeatures {
    /// Names with their values; a missing value is None. Columns of [`NEVER_LOGGED`] are left out.
    pub fn new<N: Into<String>>(features: impl IntoIterator<Item = (N, Option<f64>)>) -> Self {
        let named = features.into_iter().map(|(name, value)| (name.into(), value.unwrap_or(f64::NAN)));
        let (names, values): (Vec<String>, Vec<f64>) =
            named.filter(|(name, _)| !NEVER_LOGGED.contains(&name.as_str())).unzip();
        Self { names: names.into(), values }
    }

    /// Values of columns whose names are known, as the store reads them: None if the lengths differ.
    pub fn of_columns(names: Arc<[String]>, values: Vec<f64>) -> Option<Self> {
        (names.len() == values.len()).then_some(Self { names, values })
    }

    /// The names, in the order of the values.
    pub fn names(&self) -> &Arc<[String]> {
        &self.names
    }

    /// The values; NaN is missing.
    pub fn values(&self) -> &[f64] {
        &self.values
    }
}

impl Serialize for LoggedFeatures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.values.len()))?;
        for (name, value) in self.names.iter().zip(&self.values) {
            map.serialize_entry(name, &(!value.is_nan()).then_some(value))?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for LoggedFeatures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = LoggedFeatures;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of numbers")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LoggedFeatures, A::Error> {
                let mut features: Vec<(String, Option<f64>)> = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    features.push(entry);
                }
                Ok(LoggedFeatures::new(features))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// A prediction in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PredictionRecord {
    /// Unique in the log for each model; ids sort by time if their maker lets them.
    pub prediction_id: String,
    /// When the model answered.
    pub predicted_at: DateTime<Utc>,
    /// The model that answered.
    pub model_id: ModelId,
    /// The application's id, if the client gave one: a point with it that arrives later brings the outcome.
    pub data_point_id: Option<String>,
    /// Predicted probability of acceptance.
    pub probability: f64,
    /// `accepted` or `rejected`, at the model's threshold.
    pub predicted_outcome: Decision,
    /// The real outcome, once it is known.
    pub outcome: Option<Decision>,
    /// What the model saw; empty for a model in the shadow.
    #[schema(value_type = Object)]
    pub features: LoggedFeatures,
    /// Only for a model in the shadow: what the serving model answered to the same application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<ServingAnswer>,
    /// Who asked: the id of an API key, or another name for those who ask without one. Each caller has a share of the log; no
    /// answer shows it.
    #[serde(skip)]
    pub caller: Arc<str>,
}

/// What the serving model answered to an application that a model in the shadow predicted as well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServingAnswer {
    /// The serving model.
    pub model_id: ModelId,
    /// Its predicted probability.
    pub probability: f64,
    /// Its predicted outcome.
    pub predicted_outcome: Decision,
}

impl PredictionRecord {
    /// Checks what the store relies on.
    ///
    /// # Errors
    /// A sentence that names the member, its value and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        let id = &self.prediction_id;
        if id.is_empty() || !limits::fits(id, limits::ID) {
            let shown: String = id.chars().take(80).collect();
            return Err(format!("prediction_id `{shown}` must have 1 to {} characters", limits::ID));
        }
        if !limits::fits(&self.caller, limits::ID) {
            return Err(format!("the caller of prediction {id} must have at most {} characters", limits::ID));
        }
        if let Some(point) = &self.data_point_id
            && (point.is_empty() || !limits::fits(point, limits::POINT_ID))
        {
            return Err(format!("data_point_id of prediction {id} must have 1 to {} characters", limits::POINT_ID));
        }
        let serving = self.serving.as_ref();
        for probability in std::iter::once(self.probability).chain(serving.map(|s| s.probability)) {
            if !(0.0..=1.0).contains(&probability) {
                return Err(format!("a probability of prediction {id} is {probability}; 0 to 1 is allowed"));
            }
        }
        let answers = std::iter::once(self.predicted_outcome).chain(serving.map(|s| s.predicted_outcome));
        if let Some(outcome) = answers.chain(self.outcome).find(|outcome| outcome.label().is_none()) {
            return Err(format!("an outcome of prediction {id} is `{outcome}`; accepted and rejected are allowed"));
        }
        if self.features.names.len() > FEATURES_MOST
            || self.features.names.iter().any(|name| !limits::fits(name, limits::POINT_ID))
        {
            return Err(format!(
                "prediction {id} has {} features; up to {} with names of up to {} characters are allowed",
                self.features.names.len(),
                FEATURES_MOST,
                limits::POINT_ID
            ));
        }
        Ok(())
    }
}

/// The models that predict in the shadow of the active one: their answers are logged and compared, and given to nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShadowSelection {
    /// At most three, no repeats.
    pub model_ids: Vec<ModelId>,
    /// When they were selected: comparisons begin here.
    pub since: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn record() -> PredictionRecord {
        PredictionRecord {
            prediction_id: "p-1".to_owned(),
            predicted_at: DateTime::UNIX_EPOCH,
            model_id: ModelId::new(crate::algorithm::Algorithm::RandomForest, DateTime::UNIX_EPOCH, 1),
            data_point_id: None,
            probability: 0.5,
            predicted_outcome: Decision::Accepted,
            outcome: None,
            features: LoggedFeatures::new([("gpa", Some(3.5)), ("toefl", None)]),
            serving: None,
            caller: Arc::default(),
        }
    }

    #[test]
    fn features_come_back_in_their_order_with_missing_values() {
        let record = record();
        let json = serde_json::to_string(&record).unwrap();
        assert!(json.contains(r#""features":{"gpa":3.5,"toefl":null}"#), "{json}");
        assert_eq!(serde_json::from_str::<PredictionRecord>(&json).unwrap(), record);
    }

    #[test]
    fn nationality_and_gender_are_never_logged() {
        let features = LoggedFeatures::new([("gender", Some(1.0)), ("gpa", Some(2.0)), ("nationality", Some(3.0))]);
        assert_eq!(features, LoggedFeatures::new([("gpa", Some(2.0))]));
    }

    #[test]
    fn what_could_not_be_stored_is_named() {
        record().check().unwrap();
        let bad = |change: fn(&mut PredictionRecord)| {
            let mut record = record();
            change(&mut record);
            record.check().unwrap_err()
        };
        assert!(bad(|r| r.prediction_id.clear()).contains("prediction_id"));
        assert!(bad(|r| r.probability = f64::NAN).contains("NaN"));
        assert!(bad(|r| r.predicted_outcome = Decision::Waitlisted).contains("waitlisted"));
        assert!(bad(|r| r.data_point_id = Some("x".repeat(201))).contains("data_point_id"));
        assert!(bad(|r| r.caller = "x".repeat(101).into()).contains("caller"));
        assert!(
            bad(|r| r.features = LoggedFeatures::new((0..201).map(|i| (i.to_string(), None)))).contains("201 features")
        );
    }
}
