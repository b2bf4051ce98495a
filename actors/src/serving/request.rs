//! What is asked for: the body of `POST /predict`, and the data of the event of the same meaning.

use super::service::PredictOptions;
use provost_domain::{Fault, Faults, ModelId, json, limits};
use provost_predict::application::Application;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Coverages that may be asked for.
pub const COVERAGE: std::ops::RangeInclusive<f64> = 0.5..=0.999;
/// Nearest rows of each outcome that may be asked for.
pub const MOST_SIMILAR: usize = 20;

/// How many applications one request may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestBounds {
    pub rows: usize,
    /// With explanations, counterfactuals or similar rows.
    pub explained: usize,
}

/// A fault of one application, with its place in the request.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RowError {
    pub row: usize,
    pub code: &'static str,
    /// Into the application.
    pub pointer: String,
    pub message: String,
}

/// A request that was read: one bad application costs no other its answer.
#[derive(Debug, Clone)]
pub struct PredictRequest {
    /// Applications with their places in the request.
    pub rows: Vec<(usize, Application)>,
    pub errors: Vec<RowError>,
    pub options: PredictOptions,
    pub similar: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(borrow)]
    applications: Vec<&'a RawValue>,
    #[serde(default)]
    model_id: Option<String>,
    #[serde(default)]
    explain: bool,
    #[serde(default)]
    similar: Option<usize>,
    #[serde(default)]
    counterfactual: bool,
    #[serde(default)]
    coverage: Option<f64>,
    /// Of an event: part of its answer's routing key. It is read with the envelope.
    #[serde(default, rename = "replykey")]
    _reply_key: Option<String>,
}

fn fault(pointer: &str, message: String) -> Faults {
    Faults(vec![Fault { pointer: pointer.to_owned(), message }])
}

impl PredictRequest {
    /// Reads `{"applications": [...], "model_id"?, "explain"?, "similar"?, "counterfactual"?, "coverage"?}`.
    ///
    /// # Errors
    /// What is wrong with the request as a whole. Faults of applications are in `errors`.
    pub fn from_json(bytes: &[u8], bounds: RequestBounds) -> Result<Self, Faults> {
        let wire: Wire<'_> = json::from_slice(bytes).map_err(|e| fault("", e.to_string()))?;
        let mut options =
            PredictOptions { explain: wire.explain, counterfactual: wire.counterfactual, ..Default::default() };
        if let Some(coverage) = wire.coverage {
            if !COVERAGE.contains(&coverage) {
                let allowed = format!("{coverage}; {} to {} is allowed", COVERAGE.start(), COVERAGE.end());
                return Err(fault("/coverage", allowed));
            }
            options.coverage = coverage;
        }
        if let Some(text) = wire.model_id {
            let id = ModelId::parse(&text).map_err(|e| fault("/model_id", e.to_string()))?;
            options.model = Some(id);
        }
        if let Some(similar) = wire.similar.filter(|k| !(1..=MOST_SIMILAR).contains(k)) {
            return Err(fault("/similar", format!("{similar}; 1 to {MOST_SIMILAR} is allowed")));
        }
        let explained = wire.explain || wire.counterfactual || wire.similar.is_some();
        let most = if explained { bounds.explained } else { bounds.rows };
        if wire.applications.is_empty() || wire.applications.len() > most {
            let (found, with) = (wire.applications.len(), if explained { " with explanations" } else { "" });
            return Err(fault("/applications", format!("{found} applications; 1 to {most} are allowed{with}")));
        }
        let mut request = Self {
            rows: Vec::with_capacity(wire.applications.len()),
            errors: Vec::new(),
            options,
            similar: wire.similar,
        };
        for (row, text) in wire.applications.iter().enumerate() {
            match Application::from_json(text.get().as_bytes()) {
                Ok(application) => request.rows.push((row, application)),
                Err(faults) => {
                    let named =
                        if request.errors.len() < limits::PREDICT_FAULTS { limits::PREDICT_ROW_FAULTS } else { 1 };
                    request.errors.extend(row_errors(row, faults).take(named));
                }
            }
        }
        Ok(request)
    }
}

/// The faults of one application.
pub fn row_errors(row: usize, faults: Faults) -> impl Iterator<Item = RowError> {
    let error = move |fault: Fault| RowError { row, code: "bad_value", pointer: fault.pointer, message: fault.message };
    faults.0.into_iter().map(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BOUNDS: RequestBounds = RequestBounds { rows: 3, explained: 1 };
    const ROW: &str = r#"{"profile": {}, "program": {}}"#;

    fn read(body: String) -> Result<PredictRequest, Faults> {
        PredictRequest::from_json(body.as_bytes(), BOUNDS)
    }

    #[test]
    fn a_bad_row_costs_no_other_its_place() {
        let request =
            read(format!(r#"{{"applications": [{ROW}, {{"profile": 1}}, {ROW}], "coverage": 0.8}}"#)).unwrap();
        assert_eq!(request.rows.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [0, 2]);
        assert!(request.errors.iter().all(|error| error.row == 1) && !request.errors.is_empty());
        assert_eq!(request.options.coverage, 0.8);
    }

    #[test]
    fn what_is_wrong_with_the_whole_is_told_by_its_pointer() {
        for (body, pointer) in [
            (r#"{"applications": []}"#.to_owned(), "/applications"),
            (format!(r#"{{"applications": [{ROW}, {ROW}, {ROW}, {ROW}]}}"#), "/applications"),
            (format!(r#"{{"applications": [{ROW}, {ROW}], "explain": true}}"#), "/applications"),
            (format!(r#"{{"applications": [{ROW}], "coverage": 1.0}}"#), "/coverage"),
            (format!(r#"{{"applications": [{ROW}], "similar": 21}}"#), "/similar"),
            (format!(r#"{{"applications": [{ROW}], "model_id": "no id"}}"#), "/model_id"),
            (format!(r#"{{"applications": [{ROW}], "explian": true}}"#), ""),
            ("no JSON".to_owned(), ""),
        ] {
            let faults = read(body.clone()).unwrap_err();
            assert_eq!(faults.0[0].pointer, pointer, "{body}: {faults}");
        }
    }
}
