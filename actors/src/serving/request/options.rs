//! The options of a request for predictions.

use crate::serving::service::PredictOptions;
use provost_domain::fields::Fields;
use provost_domain::{ModelId, limits};
use provost_predict::serving::{COVERAGES, DEFAULT_COVERAGE};

/// What is answered beside the probability, and by which model.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestOptions {
    /// Another model than the active one.
    pub model_id: Option<String>,
    pub explain: bool,
    /// The number of similar training rows of each outcome; 0 is none.
    pub similar: usize,
    pub counterfactual: bool,
    /// Of the conformal set of outcomes.
    pub coverage: f64,
}

impl Default for RequestOptions {
    fn default() -> Self {
        Self { model_id: None, explain: false, similar: 0, counterfactual: false, coverage: DEFAULT_COVERAGE }
    }
}

impl RequestOptions {
    /// Reads the members of a body; faults are kept in `fields`.
    pub fn from_fields(fields: &mut Fields<'_>) -> Self {
        let (low, high) = COVERAGES;
        Self {
            model_id: fields.optional_text("model_id", limits::ID),
            explain: fields.flag("explain", false),
            similar: fields.whole("similar", 0, 0, limits::SIMILAR as i128),
            counterfactual: fields.flag("counterfactual", false),
            coverage: fields.real("coverage", DEFAULT_COVERAGE, low, high),
        }
    }

    /// As the service takes them, for this caller. `model` is the one that `model_id` names; `key` keeps a repeated request from being
    /// logged twice.
    pub fn for_service(&self, model: Option<ModelId>, key: Option<String>, caller: &str) -> PredictOptions {
        PredictOptions {
            model,
            caller: caller.into(),
            explain: self.explain,
            similar: self.similar,
            counterfactual: self.counterfactual,
            coverage: self.coverage,
            key,
            ..Default::default()
        }
    }

    /// Whether a row takes much longer than a probability.
    pub fn is_costly(&self) -> bool {
        self.explain || self.similar > 0 || self.counterfactual
    }
}
