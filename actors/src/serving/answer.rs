//! The answer as clients see it: the body of `POST /predict`, and the data of the event of the same meaning.

use super::request::RowError;
use super::service::{Answered, Predictions};
use super::similar::{NoSimilarRows, SimilarRows};
use chrono::{DateTime, Utc};
use provost_domain::check::brief;
use provost_domain::{Algorithm, ModelId};
use provost_predict::outcome::Outcome;
use provost_predict::serving::{Contribution, Counterfactual, Explanation, Prediction, Unavailable};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Factors that a statement names.
const FACTORS: usize = 3;

/// The answer to a request.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PredictAnswer {
    pub model_id: ModelId,
    pub algorithm: Algorithm,
    pub predicted_at: DateTime<Utc>,
    /// The outcome is `accepted` from this probability on.
    pub threshold: f64,
    /// Coverage of `plausible_outcomes`.
    pub coverage: f64,
    pub predictions: Vec<RowAnswer>,
    /// The rows that could not be read.
    pub errors: Vec<RowError>,
}

/// The prediction for one row.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RowAnswer {
    /// The row's number in the request, from 0.
    pub row: usize,
    pub prediction_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_point_id: Option<String>,
    #[serde(flatten)]
    pub prediction: Prediction,
    /// What the estimate means for a person, where it lies below the threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// With `explain`: Shapley values of the probability; null where there is none, and `explanation_code` says why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Explanation>)]
    pub explanation: Option<Option<Explanation>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation_code: Option<&'static str>,
    /// With `similar`: the nearest training rows of each outcome; null where there are none to show, and `similar_code` says why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<SimilarRows>)]
    pub similar: Option<Option<SimilarRows>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similar_code: Option<&'static str>,
    /// With `counterfactual`: the smallest change that turns a rejection; null where there is none, and `counterfactual_code`
    /// says why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Counterfactual>)]
    pub counterfactual: Option<Option<Counterfactual>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterfactual_code: Option<&'static str>,
}

fn parts<T, E>(asked: Option<Result<T, E>>, code: fn(&E) -> &'static str) -> (Option<Option<T>>, Option<&'static str>) {
    match asked {
        None => (None, None),
        Some(Ok(found)) => (Some(Some(found)), None),
        Some(Err(why)) => (Some(None), Some(code(&why))),
    }
}

/// An adverse answer in words: it is an estimate, a person decides, and these factors lowered it most.
fn statement(outcome: Outcome, explanation: Option<&Explanation>) -> Option<String> {
    if outcome == Outcome::Accepted {
        return None;
    }
    let all = explanation.map(|explanation| explanation.contributions.as_slice()).unwrap_or_default();
    let mut lowering: Vec<&Contribution> = all.iter().filter(|part| part.contribution < 0.0).collect();
    lowering.sort_by(|a, b| a.contribution.total_cmp(&b.contribution));
    let named: Vec<_> = lowering.iter().take(FACTORS).map(|part| brief(&part.feature, 60)).collect();
    let factors = if named.is_empty() { String::new() } else { format!(" Main factors: {}.", named.join(", ")) };
    Some(format!("Estimated below the threshold; a person decides.{factors}"))
}

impl RowAnswer {
    pub fn new(row: usize, answered: Answered) -> Self {
        let Answered { prediction_id, data_point_id, prediction, explanation, similar, counterfactual } = answered;
        let statement = statement(prediction.predicted_outcome, explanation.as_ref().and_then(|e| e.as_ref().ok()));
        let (explanation, explanation_code) = parts(explanation, Unavailable::code);
        let (similar, similar_code) = parts(similar, NoSimilarRows::code);
        let (counterfactual, counterfactual_code) = parts(counterfactual, Unavailable::code);
        Self {
            row,
            prediction_id,
            data_point_id,
            prediction,
            statement,
            explanation,
            explanation_code,
            similar,
            similar_code,
            counterfactual,
            counterfactual_code,
        }
    }
}

impl PredictAnswer {
    /// `rows` are the numbers of the applications that were answered, in order.
    pub fn new(predictions: Predictions, rows: &[usize], coverage: f64, errors: Vec<RowError>) -> Self {
        let Predictions { model, predicted_at, rows: answered, .. } = predictions;
        Self {
            model_id: model.model_id.clone(),
            algorithm: model.algorithm,
            predicted_at,
            threshold: model.model.threshold(),
            coverage,
            predictions: rows.iter().zip(answered).map(|(row, answered)| RowAnswer::new(*row, answered)).collect(),
            errors,
        }
    }

    /// As JSON. Plain structs of texts, numbers and lists always serialise.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_else(|_| json!({}))
    }
}
