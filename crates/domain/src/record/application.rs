//! An application without an outcome, as a prediction takes it.

use super::{AdmissionDataPoint, Cycle, Decision, Profile, Program, TestScore, explain, read};
use crate::{Fault, Faults};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A data point whose outcome is not known: `profile` and `program` as in [`AdmissionDataPoint`], and optionally
/// `data_point_id`, `application_year`, `application_cycle` and `applicant_id`. Other members are ignored, including
/// `decision`.
#[derive(Debug, Clone, PartialEq)]
pub struct Application {
    /// The id that the client gave, by which an outcome that arrives later is joined.
    pub data_point_id: Option<String>,
    point: AdmissionDataPoint,
}

/// Stands for an id that is not given.
const NO_ID: &str = "-";

#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    data_point_id: Option<String>,
    profile: Profile,
    program: Program,
    #[serde(default, deserialize_with = "read::year")]
    application_year: Option<i32>,
    #[serde(default)]
    application_cycle: Option<Cycle>,
    #[serde(default)]
    applicant_id: Option<String>,
}

impl Application {
    /// Parses and checks one JSON document by the same rules as [`AdmissionDataPoint::from_json`].
    ///
    /// # Errors
    /// A missing profile or program, an unknown enum value, a negative or non-finite number, a text that is too long:
    /// each with its pointer.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Faults> {
        let why = match crate::json::from_slice::<Parts>(bytes) {
            Ok(parts) => match Self::checked(parts) {
                Some(application) => return Ok(application),
                None => "a value is not allowed".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        Err(match serde_json::from_slice::<Value>(bytes) {
            Ok(value) => faults(&value, &why),
            Err(error) => explain::whole_document(&format!("malformed JSON: {error}")),
        })
    }

    /// Checks a document that is parsed already, as `from_json` does.
    ///
    /// # Errors
    /// As [`Self::from_json`].
    pub fn from_value(value: Value) -> Result<Self, Faults> {
        match crate::json::from_parsed::<Parts>(&value) {
            Ok(parts) => Self::checked(parts).ok_or_else(|| faults(&value, "a value is not allowed")),
            Err(error) => Err(faults(&value, &error.to_string())),
        }
    }

    /// The application of a point that was read from a file; the point's outcome and attributes are dropped.
    pub fn from_point(point: AdmissionDataPoint) -> Self {
        let data_point_id = Some(point.data_point_id.clone());
        let attributes = BTreeMap::new();
        Self { data_point_id, point: AdmissionDataPoint { decision: Decision::Deferred, attributes, ..point } }
    }

    /// Approximate bytes of the application in memory, without the overhead of each text.
    pub fn bytes(&self) -> usize {
        let AdmissionDataPoint { profile, program, .. } = &self.point;
        let texts = [
            &self.data_point_id,
            &self.point.applicant_id,
            &profile.undergraduate_major,
            &profile.undergraduate_university,
            &profile.nationality,
            &profile.gender,
            &program.university_name,
            &program.program_name,
            &program.department,
            &program.specialization,
        ];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        size_of::<Self>() + texts + profile.test_scores.len() * size_of::<TestScore>()
    }

    fn checked(parts: Parts) -> Option<Self> {
        let point = AdmissionDataPoint {
            data_point_id: parts.data_point_id.clone().unwrap_or_else(|| NO_ID.to_owned()),
            profile: parts.profile,
            program: parts.program,
            decision: Decision::Deferred,
            decision_date: None,
            application_year: parts.application_year,
            application_cycle: parts.application_cycle,
            scholarship_amount: None,
            assistantship_offered: None,
            verified: false,
            source: None,
            created_at: None,
            updated_at: None,
            applicant_id: parts.applicant_id,
            seq: 0,
            attributes: BTreeMap::new(),
        };
        point.is_sound().then_some(Self { data_point_id: parts.data_point_id, point })
    }

    /// The application as a data point without an outcome, for the code that computes features. Its id is meaningless
    /// where `data_point_id` is None.
    pub fn point(&self) -> &AdmissionDataPoint {
        &self.point
    }
}

/// The faults of a data point, without those of members that an application need not have.
fn faults(value: &Value, why: &str) -> Faults {
    let optional = |fault: &Fault| match fault.pointer.as_str() {
        "/data_point_id" => value.get("data_point_id").is_none_or(Value::is_null),
        "/profile" | "/program" => false,
        pointer => {
            const READ: [&str; 3] = ["/application_year", "/application_cycle", "/applicant_id"];
            let in_part = pointer.starts_with("/profile/") || pointer.starts_with("/program/");
            !pointer.is_empty() && !in_part && !READ.contains(&pointer)
        }
    };
    let mut found = explain::value_faults(value);
    found.retain(|fault| !optional(fault));
    if found.is_empty() { explain::whole_document(why) } else { Faults(found) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn document() -> Value {
        json!({
            "profile": {"gpa": 3.7, "test_scores": [{"test_type": "gre", "quantitative_score": 165}]},
            "program": {"university_name": "U", "acceptance_rate": 0.2},
            "application_year": 2026, "unknown": 1,
        })
    }

    fn pointers(value: &Value) -> Vec<String> {
        let from_value = Application::from_value(value.clone()).unwrap_err();
        assert_eq!(Application::from_json(value.to_string().as_bytes()).unwrap_err(), from_value);
        from_value.0.into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn an_application_needs_neither_id_nor_outcome_and_gives_the_features_of_the_same_point() {
        let application = Application::from_value(document()).unwrap();
        assert_eq!(application.data_point_id, None);
        assert_eq!(Application::from_json(document().to_string().as_bytes()).unwrap(), application);
        let mut with = document();
        with["data_point_id"] = json!("p1");
        with["decision"] = json!("accepted");
        let tables = crate::features::FeatureTables::default();
        let row = tables.row(&AdmissionDataPoint::from_value(with.clone()).unwrap());
        with["decision"] = json!("no word of ours");
        let application = Application::from_value(with.clone()).unwrap();
        assert_eq!(application.data_point_id.as_deref(), Some("p1"));
        assert_eq!(format!("{:?}", tables.row(application.point())), format!("{row:?}"));
    }

    #[test]
    fn what_an_application_takes_grows_with_its_texts_and_tests() {
        let mut long = document();
        long["program"]["university_name"] = json!("U".repeat(500));
        long["profile"]["test_scores"] = json!(vec![json!({"test_type": "gre"}); 100]);
        let bytes = |value: Value| Application::from_value(value).unwrap().bytes();
        assert!(bytes(long) > bytes(document()) + 499 + 99 * size_of::<TestScore>() - 1);
    }

    #[test]
    fn every_fault_of_an_application_is_named_by_its_pointer() {
        let mut bad = document();
        bad["profile"]["gpa"] = json!(-1);
        bad["program"]["degree_level"] = json!("master");
        bad["application_cycle"] = json!("autumn");
        bad["data_point_id"] = json!("");
        let mut found = pointers(&bad);
        found.sort();
        assert_eq!(found, ["/application_cycle", "/data_point_id", "/profile/gpa", "/program/degree_level"]);
        assert_eq!(pointers(&json!({})), ["/profile", "/program"]);
        assert_eq!(pointers(&json!([])), [""]);
        assert!(Application::from_json(b"{").unwrap_err().to_string().contains("malformed JSON"));
    }
}
