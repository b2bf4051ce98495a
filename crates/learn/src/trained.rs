//! The result of training, and its bytes between processes.

use crate::error::LearnError;
use crate::params::Params;
use crate::temporal::Temporal;
use provost_domain::model::TemporalFigures;
use provost_predict::artifact::{self, Format};
use provost_predict::model::Model;
use serde::{Deserialize, Serialize};

/// Version 1 has no `temporal`.
const FORMAT: Format = Format { magic: *b"PROVOSTT", version: 2 };

/// A trained model with all that is needed to register it, and to combine it with others.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The model.
    pub model: Model,
    /// The chosen parameters; of an ensemble, its members with their weights.
    pub params: Params,
    /// Scores in the target metric, one per fold, on out-of-fold predictions at the model's threshold.
    pub cv_scores: Vec<f64>,
    /// Calibrated out-of-fold probabilities, aligned with the training part.
    pub oof: Vec<f64>,
    /// The importance of all features, 0 for unused ones, the highest first.
    pub importance: Vec<(String, f64)>,
    /// Trees, rounds, Newton steps or epochs of the final fit.
    pub iterations: u64,
    /// Finished trials, pruned ones included.
    pub trials: u32,
    /// Warnings that the job reports on this training.
    pub warnings: Vec<String>,
    /// Wall-clock seconds of this process's share of the work, without the fit of `temporal`.
    pub seconds: f64,
    /// The temporal reference; `None` where the data has too few rows of a last year or of years before, and in results
    /// of format version 1.
    pub temporal: Option<Temporal>,
}

/// The layout of the bytes: the model in its own checked format, the parameters as JSON text.
#[derive(Serialize, Deserialize)]
struct Wire {
    model: Vec<u8>,
    params: String,
    cv_scores: Vec<f64>,
    oof: Vec<f64>,
    importance: Vec<(String, f64)>,
    iterations: u64,
    trials: u32,
    warnings: Vec<String>,
    seconds: f64,
}

/// Follows `Wire` from version 2 on.
#[derive(Serialize, Deserialize)]
struct WireTemporal {
    rows: Vec<u32>,
    p: Vec<f64>,
    year: i32,
    positives: u64,
    auc: f64,
    auc_error: f64,
    log_loss: f64,
    log_loss_error: f64,
}

impl From<&Temporal> for WireTemporal {
    fn from(t: &Temporal) -> Self {
        let TemporalFigures { year, positives, auc, auc_error, log_loss, log_loss_error, .. } = t.figures;
        Self { rows: t.rows.clone(), p: t.p.clone(), year, positives, auc, auc_error, log_loss, log_loss_error }
    }
}

impl From<WireTemporal> for Temporal {
    fn from(w: WireTemporal) -> Self {
        let WireTemporal { rows, p, year, positives, auc, auc_error, log_loss, log_loss_error } = w;
        let of = rows.len() as u64;
        let figures = TemporalFigures { year, rows: of, positives, auc, auc_error, log_loss, log_loss_error };
        Self { rows, p, figures }
    }
}

impl Trained {
    /// The result in a checked envelope, for another process.
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire = Wire {
            model: self.model.to_bytes(),
            params: serde_json::Value::Object(self.params.clone()).to_string(),
            cv_scores: self.cv_scores.clone(),
            oof: self.oof.clone(),
            importance: self.importance.clone(),
            iterations: self.iterations,
            trials: self.trials,
            warnings: self.warnings.clone(),
            seconds: self.seconds,
        };
        #[allow(clippy::expect_used)]
        // postcard fails only on a short buffer or a sequence of unknown length, and neither occurs here.
        let payload = postcard::to_allocvec(&(wire, self.temporal.as_ref().map(WireTemporal::from)))
            .expect("a training result serialises");
        artifact::seal(FORMAT, &payload)
    }

    /// Reads version 1 too, so that a job that began before an upgrade keeps its results.
    ///
    /// # Errors
    ///
    /// `Artifact` for bytes that are truncated, altered, or of a newer format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LearnError> {
        let (version, payload) = artifact::open(FORMAT, bytes)?;
        let fault = |what: String| LearnError::Artifact(format!("training result: {what}"));
        let (wire, rest): (Wire, &[u8]) = postcard::take_from_bytes(payload).map_err(|e| fault(e.to_string()))?;
        let temporal: Option<WireTemporal> = match version {
            1 => None,
            _ => postcard::from_bytes(rest).map_err(|e| fault(e.to_string()))?,
        };
        if temporal.as_ref().is_some_and(|t| t.rows.len() != t.p.len()) {
            return Err(fault("temporal rows and probabilities differ in number".to_owned()));
        }
        Ok(Self {
            model: Model::from_bytes(&wire.model)?,
            params: serde_json::from_str(&wire.params).map_err(|e| fault(e.to_string()))?,
            cv_scores: wire.cv_scores,
            oof: wire.oof,
            importance: wire.importance,
            iterations: wire.iterations,
            trials: wire.trials,
            warnings: wire.warnings,
            seconds: wire.seconds,
            temporal: temporal.map(Temporal::from),
        })
    }
}

/// As a program of format version 1 wrote it.
#[cfg(test)]
pub(crate) fn as_version_1(bytes: &[u8]) -> Vec<u8> {
    #![allow(clippy::unwrap_used)]
    let (_, payload) = artifact::open(FORMAT, bytes).unwrap();
    let (wire, _): (Wire, &[u8]) = postcard::take_from_bytes(payload).unwrap();
    artifact::seal(Format { version: 1, ..FORMAT }, &postcard::to_allocvec(&wire).unwrap())
}
