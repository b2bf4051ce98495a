//! The answer as clients see it: the body of `POST /predict`, and the data of the event of the same meaning.

use super::request::RowError;
use super::service::{Answered, Predictions};
use chrono::{DateTime, Utc};
use provost_domain::{Algorithm, ModelId};
use provost_predict::serving::{Counterfactual, Explanation, Prediction, Unavailable};
use serde::Serialize;
use serde_json::{Value, json};

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
    /// Null with a code where there is none: see `explanation_code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Option<Explanation>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterfactual: Option<Option<Counterfactual>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterfactual_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similar: Option<Value>,
}

fn parts<T>(asked: Option<Result<T, Unavailable>>) -> (Option<Option<T>>, Option<&'static str>) {
    match asked {
        None => (None, None),
        Some(Ok(found)) => (Some(Some(found)), None),
        Some(Err(why)) => (Some(None), Some(why.code())),
    }
}

impl RowAnswer {
    pub fn new(row: usize, answered: Answered) -> Self {
        let Answered { prediction_id, data_point_id, prediction, explanation, counterfactual } = answered;
        let (explanation, explanation_code) = parts(explanation);
        let (counterfactual, counterfactual_code) = parts(counterfactual);
        Self {
            row,
            prediction_id,
            data_point_id,
            prediction,
            explanation,
            explanation_code,
            counterfactual,
            counterfactual_code,
            similar: None,
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
