//! The answer of `POST /predict`: a prediction for each row, with what was asked for beside the probability.

use chrono::{DateTime, Utc};
use provost_actors::serving::{Answered, Predictions};
use provost_domain::check::brief;
use provost_domain::{Algorithm, Fault, ModelId};
use provost_predict::outcome::Outcome;
use provost_predict::serving::{Counterfactual, Explanation, Prediction, Unavailable};
use serde::Serialize;
use utoipa::ToSchema;

/// The most factors that a statement names.
const FACTORS: usize = 3;

/// The answer to a request.
#[derive(Serialize, ToSchema)]
pub struct PredictAnswer {
    pub model_id: ModelId,
    pub algorithm: Algorithm,
    pub predicted_at: DateTime<Utc>,
    /// The outcome is `accepted` from this probability on.
    pub threshold: f64,
    /// Coverage of `plausible_outcomes`.
    pub coverage: f64,
    #[schema(value_type = Vec<PredictionAnswer>)]
    pub predictions: Vec<PredictionAnswer>,
    /// The rows that could not be read.
    pub errors: Vec<RowFault>,
}

/// The prediction for one row.
#[derive(Serialize, ToSchema)]
pub struct PredictionAnswer {
    /// The row's number in the request, from 0.
    pub row: usize,
    pub prediction_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_point_id: Option<String>,
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub prediction: Prediction,
    /// What the estimate means for a person, where it lies below the threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// With `explain`: Shapley values of the probability; null where there is none, and `explanation_code` says why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub explanation: Option<Option<Explanation>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation_code: Option<&'static str>,
    /// With `counterfactual`: the smallest change that turns a rejection; null where there is none, and `counterfactual_code` says why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub counterfactual: Option<Option<Counterfactual>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterfactual_code: Option<&'static str>,
}

/// A fault of one row.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RowFault {
    /// The row's number in the request, from 0.
    pub row: usize,
    pub code: &'static str,
    /// Where in the application.
    pub pointer: String,
    pub message: String,
}

impl RowFault {
    pub fn new(row: usize, fault: Fault) -> Self {
        // A fault of the document itself has no place in it.
        let code = if fault.pointer.is_empty() { "unreadable_row" } else { "bad_value" };
        Self { row, code, pointer: fault.pointer, message: fault.message }
    }
}

impl PredictAnswer {
    /// `numbers` are the rows' numbers in the request, as many as there are predictions.
    pub fn new(predicted: Predictions, numbers: &[usize], errors: Vec<RowFault>, coverage: f64) -> Self {
        let Predictions { model, predicted_at, rows, .. } = predicted;
        Self {
            model_id: model.model_id.clone(),
            algorithm: model.algorithm,
            predicted_at,
            threshold: model.model.threshold(),
            coverage,
            predictions: numbers
                .iter()
                .zip(rows)
                .map(|(row, answered)| PredictionAnswer::new(*row, answered))
                .collect(),
            errors,
        }
    }
}

impl PredictionAnswer {
    pub fn new(row: usize, answered: Answered) -> Self {
        let Answered { prediction_id, data_point_id, prediction, explanation, counterfactual } = answered;
        let (explanation, explanation_code) = split(explanation);
        let (counterfactual, counterfactual_code) = split(counterfactual);
        let statement = outcome_statement(prediction.predicted_outcome, explanation.as_ref().and_then(Option::as_ref));
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

/// What was asked for and is there; null with a code where it was asked for and is not.
fn split<T>(asked: Option<Result<T, Unavailable>>) -> (Option<Option<T>>, Option<&'static str>) {
    match asked {
        None => (None, None),
        Some(Ok(found)) => (Some(Some(found)), None),
        Some(Err(why)) => (Some(None), Some(why.code())),
    }
}

/// An adverse estimate in words: that it is one, that a person decides, and the factors that lowered it most.
fn outcome_statement(outcome: Outcome, explanation: Option<&Explanation>) -> Option<String> {
    if outcome != Outcome::Rejected {
        return None;
    }
    let mut lowering: Vec<(&str, f64)> = explanation
        .iter()
        .flat_map(|explanation| &explanation.contributions)
        .filter(|part| part.contribution < 0.0)
        .map(|part| (part.feature.as_str(), part.contribution))
        .collect();
    lowering.sort_by(|a, b| a.1.total_cmp(&b.1));
    let named: Vec<_> = lowering.iter().take(FACTORS).map(|(name, _)| brief(name, 60)).collect();
    let factors = if named.is_empty() { String::new() } else { format!(" Main factors: {}.", named.join(", ")) };
    Some(format!("Estimated below the threshold; a person decides.{factors}"))
}
