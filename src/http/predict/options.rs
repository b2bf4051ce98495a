//! The options of a prediction request, out of a body or a query.

use crate::http::page::Query;
use crate::http::problem::Problem;
use crate::settings::Predict;
use provost_domain::fields::Fields;
use provost_domain::limits;
use provost_predict::serving::DEFAULT_COVERAGE;

/// The lowest and the highest coverage of conformal sets.
const COVERAGE: (f64, f64) = (0.5, 0.999);

/// What is answered beside the probability, and by which model.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictOptions {
    /// Another model than the active one.
    pub model_id: Option<String>,
    pub explain: bool,
    /// The number of similar applications of each outcome; 0 is none.
    pub similar: usize,
    pub counterfactual: bool,
    /// Of the conformal set of outcomes.
    pub coverage: f64,
}

impl Default for PredictOptions {
    fn default() -> Self {
        Self { model_id: None, explain: false, similar: 0, counterfactual: false, coverage: DEFAULT_COVERAGE }
    }
}

impl PredictOptions {
    /// Reads the members of a body; faults are kept in `fields`.
    pub fn from_fields(fields: &mut Fields<'_>) -> Self {
        let (low, high) = COVERAGE;
        Self {
            model_id: fields.optional_text("model_id", limits::ID),
            explain: fields.flag("explain", false),
            similar: fields.whole("similar", 0, 0, limits::SIMILAR as i128),
            counterfactual: fields.flag("counterfactual", false),
            coverage: fields.real("coverage", DEFAULT_COVERAGE, low, high),
        }
    }

    /// Reads the parameters of a query.
    ///
    /// # Errors
    /// 422 with a fault for each bad parameter.
    pub fn from_query(query: &mut Query) -> Result<Self, Problem> {
        let (low, high) = COVERAGE;
        let options = Self {
            model_id: query.read("model_id", None, |text| Ok(Some(text.to_owned()))),
            explain: query.flag("explain", false),
            similar: query.read("similar", 0, |text| match text.parse() {
                Ok(number) if number <= limits::SIMILAR => Ok(number),
                _ => Err(format!("a whole number from 0 to {} is allowed", limits::SIMILAR)),
            }),
            counterfactual: query.flag("counterfactual", false),
            coverage: query.read("coverage", DEFAULT_COVERAGE, |text| match text.parse::<f64>() {
                Ok(share) if (low..=high).contains(&share) => Ok(share),
                _ => Err(format!("a number from {low} to {high} is allowed")),
            }),
        };
        query.check()?;
        Ok(options)
    }

    /// As the serving actor takes them. `key` is the request's `Idempotency-Key`, which keeps the log from doubling.
    pub fn for_actor(&self, settings: &Predict, key: Option<String>) -> provost_actors::serving::PredictOptions {
        provost_actors::serving::PredictOptions {
            explain: self.explain,
            counterfactual: self.counterfactual,
            changeable: settings.changeable.clone(),
            coverage: self.coverage,
            key,
            ..Default::default()
        }
    }

    /// Whether a row takes much longer than a probability.
    pub fn is_costly(&self) -> bool {
        self.explain || self.similar > 0 || self.counterfactual
    }

    /// The most rows of one request.
    pub fn most_rows(&self) -> usize {
        if self.is_costly() { limits::PREDICT_ROWS_EXPLAINED } else { limits::PREDICT_ROWS }
    }
}
