//! `AdmissionDataPoint`: one application as upstream services send it.

use crate::Faults;
use crate::config::word_enum;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

word_enum!(TestType { Gre = "gre", Gmat = "gmat", Toefl = "toefl", Ielts = "ielts", Sat = "sat", Act = "act" });
word_enum!(DegreeLevel { Bachelors = "bachelors", Masters = "masters", Phd = "phd", Mba = "mba" });
word_enum!(Decision {
    Accepted = "accepted",
    Rejected = "rejected",
    Waitlisted = "waitlisted",
    Deferred = "deferred",
    Withdrawn = "withdrawn",
});
word_enum!(Cycle { Fall = "fall", Spring = "spring", Summer = "summer" });

impl Decision {
    /// Accepted is 1, rejected is 0; the other three are no outcomes yet.
    pub fn label(self) -> Option<u8> {
        match self {
            Decision::Accepted => Some(1),
            Decision::Rejected => Some(0),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TestScore {
    pub test_type: TestType,
    #[serde(default)]
    pub total_score: Option<f64>,
    #[serde(default)]
    pub verbal_score: Option<f64>,
    #[serde(default)]
    pub quantitative_score: Option<f64>,
    #[serde(default)]
    pub analytical_score: Option<f64>,
    #[serde(default)]
    pub date_taken: Option<NaiveDate>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Profile {
    pub gpa: Option<f64>,
    pub gpa_scale: f64,
    pub undergraduate_major: Option<String>,
    pub undergraduate_university: Option<String>,
    pub undergraduate_university_ranking: Option<f64>,
    pub test_scores: Vec<TestScore>,
    pub research_publications: f64,
    pub conference_papers: f64,
    pub patents: f64,
    pub work_experience_months: f64,
    pub relevant_work_experience_months: f64,
    pub internships_count: f64,
    pub academic_awards: f64,
    pub professional_certifications: f64,
    pub leadership_positions: f64,
    pub volunteer_hours: f64,
    /// Never a feature; kept for fairness audits.
    pub nationality: Option<String>,
    /// Never a feature; kept for fairness audits.
    pub gender: Option<String>,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            gpa: None,
            gpa_scale: 4.0,
            undergraduate_major: None,
            undergraduate_university: None,
            undergraduate_university_ranking: None,
            test_scores: Vec::new(),
            research_publications: 0.0,
            conference_papers: 0.0,
            patents: 0.0,
            work_experience_months: 0.0,
            relevant_work_experience_months: 0.0,
            internships_count: 0.0,
            academic_awards: 0.0,
            professional_certifications: 0.0,
            leadership_positions: 0.0,
            volunteer_hours: 0.0,
            nationality: None,
            gender: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Program {
    pub university_name: Option<String>,
    pub university_ranking: Option<f64>,
    pub program_name: Option<String>,
    pub degree_level: Option<DegreeLevel>,
    pub department: Option<String>,
    pub specialization: Option<String>,
    pub acceptance_rate: Option<f64>,
    pub average_gpa: Option<f64>,
    pub gre_verbal_avg: Option<f64>,
    pub gre_quant_avg: Option<f64>,
    pub gmat_avg: Option<f64>,
    pub is_stem: Option<bool>,
    pub has_funding: Option<bool>,
    pub application_deadline: Option<NaiveDate>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AdmissionDataPoint {
    pub data_point_id: String,
    pub profile: Profile,
    pub program: Program,
    pub decision: Decision,
    #[serde(default)]
    pub decision_date: Option<NaiveDate>,
    #[serde(default)]
    pub application_year: Option<i32>,
    #[serde(default)]
    pub application_cycle: Option<Cycle>,
    #[serde(default)]
    pub scholarship_amount: Option<f64>,
    #[serde(default)]
    pub assistantship_offered: Option<bool>,
    #[serde(default)]
    pub verified: bool,
    #[serde(default)]
    pub source: Option<String>,
    #[serde(default)]
    pub created_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub updated_at: Option<DateTime<Utc>>,
    /// Without it, rows with equal profiles are one applicant.
    #[serde(default)]
    pub applicant_id: Option<String>,
    /// The highest wins; the same `seq` with other content is rejected.
    #[serde(default)]
    pub seq: u64,
}

impl AdmissionDataPoint {
    /// Parses and checks one JSON document. Unknown fields are ignored; values off their scale are kept (they become
    /// missing features); a missing id, decision, profile or program, an unknown enum value, a negative or a non-finite
    /// number is a fault.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Faults> {
        let _ = bytes;
        todo!()
    }

    /// Stable key of the applicant: `applicant_id`, else a hash of the profile.
    pub fn applicant_key(&self) -> u64 {
        todo!()
    }
}
