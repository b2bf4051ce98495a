//! The answer as clients see it: the body of `POST /predict`, and the data of the event of the same meaning.

use super::request::RowError;
use super::service::{Answered, Predictions};
use chrono::{DateTime, Utc};
use provost_domain::{Algorithm, ModelId};
use provost_predict::outcome::Outcome;
use provost_predict::serving::{Contribution, Counterfactual, Explanation, Prediction, Unavailable};
use serde::Serialize;
use serde_json::{Value, json};

/// Factors that a statement names.
const FACTORS: usize = 3;

/// `{model_id, algorithm, predicted_at, threshold, coverage, predictions, errors}`.
#[derive(Debug, Clone, Serialize)]
pub struct PredictAnswer {
    pub model_id: ModelId,
    pub algorithm: Algorithm,
    pub predicted_at: DateTime<Utc>,
    pub threshold: f64,
    pub coverage: f64,
    pub predictions: Vec<RowAnswer>,
    pub errors: Vec<RowError>,
}

/// The answer to one application.
#[derive(Debug, Clone, Serialize)]
pub struct RowAnswer {
    pub row: usize,
    pub prediction_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_point_id: Option<String>,
    #[serde(flatten)]
    pub prediction: Prediction,
    /// What an estimate below the threshold means for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// Null with a code where there is none: see `explanation_code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Option<Explanation>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterfactual: Option<Option<Counterfactual>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterfactual_code: Option<&'static str>,
}

fn parts<T>(asked: Option<Result<T, Unavailable>>) -> (Option<Option<T>>, Option<&'static str>) {
    match asked {
        None => (None, None),
        Some(Ok(found)) => (Some(Some(found)), None),
        Some(Err(why)) => (Some(None), Some(why.code())),
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
    let named: Vec<&str> = lowering.iter().take(FACTORS).map(|part| part.feature.as_str()).collect();
    let factors = if named.is_empty() { String::new() } else { format!(" Main factors: {}.", named.join(", ")) };
    Some(format!("Estimated below the threshold; a person decides.{factors}"))
}

impl RowAnswer {
    pub fn new(row: usize, answered: Answered) -> Self {
        let Answered { prediction_id, data_point_id, prediction, explanation, counterfactual } = answered;
        let statement = statement(prediction.predicted_outcome, explanation.as_ref().and_then(|e| e.as_ref().ok()));
        let (explanation, explanation_code) = parts(explanation);
        let (counterfactual, counterfactual_code) = parts(counterfactual);
        Self {
            row,
            prediction_id,
            data_point_id,
            prediction,
            statement,
            explanation,
            explanation_code,
            counterfactual,
            counterfactual_code,
        }
    }
}

impl PredictAnswer {
    /// `rows` are the places of the applications that were answered, in order.
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
