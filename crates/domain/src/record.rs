//! `AdmissionDataPoint`: one application as upstream services send it. Reading is a single pass of serde straight into
//! the struct. Only a document that fails is read a second time, to name all its faults.
//!
//! ```
//! use provost_domain::AdmissionDataPoint;
//!
//! let read = |decision: &str| {
//!     let profile = r#"{"gpa": 3.6}"#;
//!     let program = r#"{"university_name": "Uni"}"#;
//!     let json = format!(
//!         r#"{{"data_point_id": "a-1", "profile": {profile}, "program": {program}, "decision": "{decision}"}}"#
//!     );
//!     AdmissionDataPoint::from_json(json.as_bytes())
//! };
//! assert_eq!(read("accepted").unwrap().decision.label(), Some(1));
//! // Faults name the member, its value and what is allowed.
//! assert_eq!(read("perhaps").unwrap_err().0[0].pointer, "/decision");
//! ```

mod application;
pub(crate) mod explain;
mod read;
pub(crate) mod shape;
#[cfg(test)]
mod tests;
mod unknown;

pub use application::Application;
pub use shape::keywords;
pub use unknown::unknown_members;

use crate::check::Faults;
use crate::hash::Content;
use crate::words::word_enum;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

word_enum!(
    /// A standardised test.
    TestType { Gre = "gre", Gmat = "gmat", Toefl = "toefl", Ielts = "ielts", Sat = "sat", Act = "act" });
word_enum!(
    /// A degree.
    DegreeLevel { Bachelors = "bachelors", Masters = "masters", Phd = "phd", Mba = "mba" });
word_enum!(
    /// The outcome of an application.
    Decision {
    Accepted = "accepted",
    Rejected = "rejected",
    Waitlisted = "waitlisted",
    Deferred = "deferred",
    Withdrawn = "withdrawn",
});
word_enum!(
    /// The term that an application is for.
    Cycle { Fall = "fall", Spring = "spring", Summer = "summer" });

impl Decision {
    /// The class label: accepted is 1, rejected is 0. None for the other three, which are not outcomes yet.
    pub fn label(self) -> Option<u8> {
        match self {
            Decision::Accepted => Some(1),
            Decision::Rejected => Some(0),
            _ => None,
        }
    }
}

/// Absent members are null, and null members are left out when written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TestScore {
    /// The test.
    pub test_type: TestType,
    /// The total score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_score: Option<f64>,
    /// The verbal section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verbal_score: Option<f64>,
    /// The quantitative section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantitative_score: Option<f64>,
    /// The analytical section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analytical_score: Option<f64>,
    /// When the test was taken.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "read::date")]
    pub date_taken: Option<NaiveDate>,
}

/// Counts that were not given are `None`: they count as 0, but not as present.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Profile {
    /// Grade point average.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpa: Option<f64>,
    /// The scale of `gpa`: its best grade.
    #[serde(deserialize_with = "read::gpa_scale")]
    pub gpa_scale: f64,
    /// Major of the first degree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undergraduate_major: Option<String>,
    /// University of the first degree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undergraduate_university: Option<String>,
    /// Its ranking; 1 is the best.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undergraduate_university_ranking: Option<f64>,
    /// Test results.
    #[serde(deserialize_with = "read::or_default")]
    pub test_scores: Vec<TestScore>,
    /// Published papers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub research_publications: Option<f64>,
    /// Papers at conferences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conference_papers: Option<f64>,
    /// Patents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patents: Option<f64>,
    /// Months of work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_experience_months: Option<f64>,
    /// Months of work in the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relevant_work_experience_months: Option<f64>,
    /// Internships.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internships_count: Option<f64>,
    /// Academic awards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub academic_awards: Option<f64>,
    /// Professional certifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub professional_certifications: Option<f64>,
    /// Positions of leadership.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leadership_positions: Option<f64>,
    /// Hours of volunteer work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volunteer_hours: Option<f64>,
    /// Never a feature; kept for fairness audits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nationality: Option<String>,
    /// Never a feature; kept for fairness audits.
    #[serde(skip_serializing_if = "Option::is_none")]
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
            research_publications: None,
            conference_papers: None,
            patents: None,
            work_experience_months: None,
            relevant_work_experience_months: None,
            internships_count: None,
            academic_awards: None,
            professional_certifications: None,
            leadership_positions: None,
            volunteer_hours: None,
            nationality: None,
            gender: None,
        }
    }
}

/// The programme that was applied for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Program {
    /// The university.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub university_name: Option<String>,
    /// Its ranking; 1 is the best.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub university_ranking: Option<f64>,
    /// The programme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program_name: Option<String>,
    /// The degree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degree_level: Option<DegreeLevel>,
    /// The department.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// The specialisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub specialization: Option<String>,
    /// Share of applicants that are accepted, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acceptance_rate: Option<f64>,
    /// Mean grade point average of those accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_gpa: Option<f64>,
    /// Mean verbal GRE score of those accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gre_verbal_avg: Option<f64>,
    /// Mean quantitative GRE score of those accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gre_quant_avg: Option<f64>,
    /// Mean GMAT score of those accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gmat_avg: Option<f64>,
    /// Science, technology, engineering or mathematics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_stem: Option<bool>,
    /// Whether the programme gives funding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_funding: Option<bool>,
    /// Last day to apply.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "read::date")]
    pub application_deadline: Option<NaiveDate>,
}

/// An application and its outcome: what models are trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AdmissionDataPoint {
    /// Id of the point, unique in the store.
    pub data_point_id: String,
    /// The applicant.
    pub profile: Profile,
    /// The programme that was applied for.
    pub program: Program,
    /// The outcome.
    pub decision: Decision,
    /// When it was decided.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "read::date")]
    pub decision_date: Option<NaiveDate>,
    /// Year of the application.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "read::year")]
    pub application_year: Option<i32>,
    /// Term that the application is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_cycle: Option<Cycle>,
    /// Scholarship that was offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scholarship_amount: Option<f64>,
    /// Whether an assistantship was offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assistantship_offered: Option<bool>,
    /// Whether the outcome is verified.
    #[serde(default, deserialize_with = "read::or_default")]
    pub verified: bool,
    /// Where the point is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// When the point was first recorded.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "read::time")]
    pub created_at: Option<DateTime<Utc>>,
    /// When the point was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "read::time")]
    pub updated_at: Option<DateTime<Utc>>,
    /// Without it, rows with equal profiles are one applicant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applicant_id: Option<String>,
    /// The highest wins; the same `seq` with other content is rejected.
    #[serde(default, deserialize_with = "read::seq")]
    pub seq: u64,
    /// Groups that audits compare, by the attribute's name. Never features.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "read::or_default")]
    pub attributes: BTreeMap<String, String>,
}

impl AdmissionDataPoint {
    /// Parses and checks one JSON document. Unknown fields are ignored. Values outside of their scale are kept, and
    /// give missing features.
    ///
    /// # Errors
    /// All faults of the document: a missing id, decision, profile or program, an unknown enum value, a negative or
    /// non-finite number, or a text that is too long.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Faults> {
        match crate::json::from_slice::<Self>(bytes) {
            Ok(point) if point.is_sound() => Ok(point),
            Ok(_) => Err(explain::faults(bytes, "a value is not allowed")),
            Err(error) => Err(explain::faults(bytes, &error.to_string())),
        }
    }

    /// Checks a document that is parsed already, as `from_json` does.
    ///
    /// # Errors
    /// As [`Self::from_json`].
    pub fn from_value(value: serde_json::Value) -> Result<Self, Faults> {
        let why = match crate::json::from_parsed::<Self>(&value) {
            Ok(point) if point.is_sound() => return Ok(point),
            Ok(_) => "a value is not allowed".to_owned(),
            Err(error) => error.to_string(),
        };
        let faults = explain::value_faults(&value);
        Err(if faults.is_empty() { explain::whole_document(&why) } else { Faults(faults) })
    }

    /// Checks what the types do not express: no negative or non-finite number, bounded texts, a valid id.
    fn is_sound(&self) -> bool {
        let Profile {
            gpa,
            gpa_scale,
            undergraduate_major,
            undergraduate_university,
            undergraduate_university_ranking,
            test_scores,
            research_publications,
            conference_papers,
            patents,
            work_experience_months,
            relevant_work_experience_months,
            internships_count,
            academic_awards,
            professional_certifications,
            leadership_positions,
            volunteer_hours,
            nationality,
            gender,
        } = &self.profile;
        let Program {
            university_name,
            university_ranking,
            program_name,
            degree_level: _,
            department,
            specialization,
            acceptance_rate,
            average_gpa,
            gre_verbal_avg,
            gre_quant_avg,
            gmat_avg,
            is_stem: _,
            has_funding: _,
            application_deadline: _,
        } = &self.program;
        let numbers = [
            gpa,
            &Some(*gpa_scale),
            undergraduate_university_ranking,
            research_publications,
            conference_papers,
            patents,
            work_experience_months,
            relevant_work_experience_months,
            internships_count,
            academic_awards,
            professional_certifications,
            leadership_positions,
            volunteer_hours,
            university_ranking,
            acceptance_rate,
            average_gpa,
            gre_verbal_avg,
            gre_quant_avg,
            gmat_avg,
            &self.scholarship_amount,
        ];
        let texts = [
            undergraduate_major,
            undergraduate_university,
            nationality,
            gender,
            university_name,
            program_name,
            department,
            specialization,
            &self.source,
            &self.applicant_id,
        ];
        let scores = |t: &TestScore| {
            [t.total_score, t.verbal_score, t.quantitative_score, t.analytical_score]
                .iter()
                .all(|n| n.is_none_or(shape::is_number))
        };
        shape::is_id(&self.data_point_id)
            && numbers.iter().all(|n| n.is_none_or(shape::is_number))
            && texts.iter().all(|t| t.as_deref().is_none_or(shape::is_text))
            && self.application_year.is_none_or(|y| y >= 0)
            && test_scores.len() <= shape::MAX_TESTS
            && test_scores.iter().all(scores)
            && shape::are_attributes(&self.attributes)
    }

    /// The group of the point by an audit attribute. `nationality` and `gender` are read from the profile; all other
    /// attributes, and these two where the profile has none, are read from `attributes`. None if the value is missing
    /// or blank.
    pub fn audit_group(&self, attribute: &str) -> Option<&str> {
        let of_profile = match attribute {
            "nationality" => self.profile.nationality.as_deref(),
            "gender" => self.profile.gender.as_deref(),
            _ => None,
        };
        let blank = |group: &&str| !group.is_empty();
        let listed = || self.attributes.get(attribute).map(|group| group.trim()).filter(blank);
        of_profile.map(str::trim).filter(blank).or_else(listed)
    }

    /// Stable key of the applicant: a hash of `applicant_id`, or of the profile if there is none (an absent count
    /// equals 0).
    pub fn applicant_key(&self) -> u64 {
        let mut content = Content::new();
        match &self.applicant_id {
            Some(id) => content.text(Some("id")).text(Some(id)),
            None => self.profile.hash_into(content.text(Some("profile"))),
        };
        content.u64()
    }

    /// Stable key of university and program, for clustered tests.
    pub fn cluster_key(&self) -> u64 {
        let p = &self.program;
        Content::new().text(p.university_name.as_deref()).text(p.program_name.as_deref()).u64()
    }

    /// The day on which the outcomes of the point's cohort (year and cycle) are final: the start of the term, since
    /// nobody is admitted later. Before that day, the decisions that have arrived are a biased sample. None without a
    /// year.
    pub fn settled_on(&self) -> Option<NaiveDate> {
        let year = self.application_year?;
        let (year, month) = match self.application_cycle {
            Some(Cycle::Spring) => (year, 2),
            Some(Cycle::Summer) => (year, 6),
            Some(Cycle::Fall) => (year, 9),
            None => (year.checked_add(1)?, 1),
        };
        NaiveDate::from_ymd_opt(year, month, 1)
    }

    /// First 128 bits of SHA-256 of the id.
    pub fn row_id(&self) -> u128 {
        crate::hash::of_bytes(self.data_point_id.as_bytes())
    }

    /// Hash of profile, program and decision: points that agree in it under different ids are duplicates.
    pub fn content_key(&self) -> u128 {
        let mut content = Content::new();
        self.profile.hash_into(&mut content);
        self.program.hash_into(&mut content);
        content.text(Some(self.decision.as_str())).u128()
    }
}

impl Profile {
    fn hash_into<'c>(&self, content: &'c mut Content) -> &'c mut Content {
        let count = |n: Option<f64>| Some(n.unwrap_or(0.0));
        content
            .number(self.gpa)
            .number(Some(self.gpa_scale))
            .text(self.undergraduate_major.as_deref())
            .text(self.undergraduate_university.as_deref())
            .number(self.undergraduate_university_ranking)
            .number(count(self.research_publications))
            .number(count(self.conference_papers))
            .number(count(self.patents))
            .number(count(self.work_experience_months))
            .number(count(self.relevant_work_experience_months))
            .number(count(self.internships_count))
            .number(count(self.academic_awards))
            .number(count(self.professional_certifications))
            .number(count(self.leadership_positions))
            .number(count(self.volunteer_hours))
            .text(self.nationality.as_deref())
            .text(self.gender.as_deref());
        for t in &self.test_scores {
            content
                .text(Some(t.test_type.as_str()))
                .number(t.total_score)
                .number(t.verbal_score)
                .number(t.quantitative_score)
                .number(t.analytical_score)
                .day(t.date_taken);
        }
        content
    }
}

impl Program {
    fn hash_into<'c>(&self, content: &'c mut Content) -> &'c mut Content {
        let flag = |b: Option<bool>| b.map(|b| f64::from(u8::from(b)));
        content
            .text(self.university_name.as_deref())
            .number(self.university_ranking)
            .text(self.program_name.as_deref())
            .text(self.degree_level.map(DegreeLevel::as_str))
            .text(self.department.as_deref())
            .text(self.specialization.as_deref())
            .number(self.acceptance_rate)
            .number(self.average_gpa)
            .number(self.gre_verbal_avg)
            .number(self.gre_quant_avg)
            .number(self.gmat_avg)
            .number(flag(self.is_stem))
            .number(flag(self.has_funding))
            .day(self.application_deadline)
    }
}
