//! What training leaves behind, and its bytes between processes.

use crate::artifact::{self, Format};
use crate::{LearnError, Model, Params};
use serde::{Deserialize, Serialize};

const FORMAT: Format = Format { magic: *b"PROVOSTT", version: 1 };

/// A trained model with all that registering it, and combining it with others, needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    pub model: Model,
    /// The chosen ones; of an ensemble, its members with their weights.
    pub params: Params,
    /// In the target metric, one per fold, out of fold and at the model's threshold.
    pub cv_scores: Vec<f64>,
    /// Calibrated out-of-fold probabilities, aligned with the training part.
    pub oof: Vec<f64>,
    /// All features, unused ones 0, the highest first.
    pub importance: Vec<(String, f64)>,
    /// Trees, rounds, Newton steps or epochs of the final fit.
    pub iterations: u64,
    /// Finished trials, pruned ones included.
    pub trials: u32,
    pub warnings: Vec<String>,
    /// Wall-clock time of this process's share of the work.
    pub seconds: f64,
}

/// The bytes' layout: the model in its own checked format, parameters as JSON text.
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

impl Trained {
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
        // postcard fails only on a short buffer or a sequence of unknown length; neither is here
        let payload = postcard::to_allocvec(&wire).expect("a training result serialises");
        artifact::seal(FORMAT, &payload)
    }

    /// Errors: `Artifact` for bytes that are truncated, altered, or of a newer format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LearnError> {
        let (_, payload) = artifact::open(FORMAT, bytes)?;
        let fault = |what: String| LearnError::Artifact(format!("training result: {what}"));
        let wire: Wire = postcard::from_bytes(payload).map_err(|e| fault(e.to_string()))?;
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
        })
    }
}
