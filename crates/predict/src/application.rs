//! One application that has no outcome yet.

use provost_domain::features::{EXTENDED, FEATURES, FeatureTables};
use provost_domain::{AdmissionDataPoint, Faults};

/// A decision that stands in for the outcome that is not known; no feature is made of it.
const PLACEHOLDER: &str = "deferred";
/// Stands in for an id that was not given; no feature is made of it.
const NO_ID: &str = "application";

/// An application as `POST /predict` takes it: an [`AdmissionDataPoint`] without outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Application {
    /// The caller's id, if one was given.
    pub data_point_id: Option<String>,
    point: AdmissionDataPoint,
}

impl Application {
    /// Reads one document as leniently and as strictly as an import reads points. Outcomes in it are not looked at.
    ///
    /// # Errors
    ///
    /// All faults, each with its pointer.
    pub fn from_value(mut value: serde_json::Value) -> Result<Self, Faults> {
        let mut data_point_id = None;
        if let Some(members) = value.as_object_mut() {
            for outcome in ["decision_date", "scholarship_amount", "assistantship_offered"] {
                members.remove(outcome);
            }
            members.insert("decision".to_owned(), PLACEHOLDER.into());
            if members.get("data_point_id").is_none_or(serde_json::Value::is_null) {
                members.insert("data_point_id".to_owned(), NO_ID.into());
            } else {
                data_point_id = members["data_point_id"].as_str().map(str::to_owned);
            }
        }
        let point = AdmissionDataPoint::from_value(value)?;
        Ok(Self { data_point_id, point })
    }

    /// As `from_value`, of a document's bytes.
    ///
    /// # Errors
    ///
    /// All faults, each with its pointer; one at the root where the bytes are no JSON.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Faults> {
        match serde_json::from_slice(bytes) {
            Ok(value) => Self::from_value(value),
            Err(error) => {
                let message = format!("not a JSON document: {error}");
                Err(Faults(vec![provost_domain::Fault { pointer: String::new(), message }]))
            }
        }
    }

    /// A point that was read by a mapping; its outcome is not looked at.
    pub fn from_point(point: AdmissionDataPoint) -> Self {
        Self { data_point_id: Some(point.data_point_id.clone()), point }
    }

    /// The application as a data point, whose outcome means nothing.
    pub fn point(&self) -> &AdmissionDataPoint {
        &self.point
    }

    /// The twelve features, then the added ones where `extended`; NaN is missing. And which of the twelve come from the
    /// application rather than from a default: bit i for feature i.
    pub(crate) fn features(&self, tables: &FeatureTables, extended: bool) -> (Vec<f32>, u16) {
        let row = tables.row(&self.point);
        let mut values = Vec::with_capacity(FEATURES.len() + if extended { EXTENDED.len() } else { 0 });
        values.extend_from_slice(&row.values);
        if extended {
            values.extend_from_slice(&tables.extended(&self.point));
        }
        (values, row.present)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn an_application_needs_no_outcome_and_no_id() {
        let read = Application::from_value(json!({"profile": {"gpa": 3.5}, "program": {}})).unwrap();
        assert_eq!((read.data_point_id.as_deref(), read.point().profile.gpa), (None, Some(3.5)));
        let given = json!({"data_point_id": "a-1", "decision": "nonsense", "profile": {}, "program": {}});
        assert_eq!(Application::from_value(given).unwrap().data_point_id.as_deref(), Some("a-1"));
    }

    #[test]
    fn faults_are_named_by_pointer() {
        let bad = json!({"profile": {"gpa": -1}, "program": {"degree_level": "knighthood"}});
        let faults = Application::from_value(bad).unwrap_err().0;
        let pointers: Vec<&str> = faults.iter().map(|f| f.pointer.as_str()).collect();
        assert!(pointers.contains(&"/profile/gpa") && pointers.contains(&"/program/degree_level"), "{pointers:?}");
        for bad in [json!([]), json!(null), json!({"profile": {}})] {
            assert!(Application::from_value(bad).is_err());
        }
        assert!(Application::from_json(b"{").is_err());
    }

    #[test]
    fn features_are_those_that_training_makes_of_a_point() {
        let mut value = json!({"data_point_id": "a", "application_year": 2015,
            "profile": {"gpa": 3.5, "test_scores": [{"test_type": "gre", "quantitative_score": 165.0}]},
            "program": {"university_name": "Ohio State"}});
        let tables = FeatureTables::default();
        let (values, present) = Application::from_value(value.clone()).unwrap().features(&tables, true);
        value["decision"] = json!("accepted");
        let point = AdmissionDataPoint::from_value(value).unwrap();
        let row = tables.row(&point);
        let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!((bits(&values[..12]), present), (bits(&row.values), row.present));
        assert_eq!(bits(&values[12..]), bits(&tables.extended(&point)));
    }
}
