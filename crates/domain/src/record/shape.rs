//! The shape of a data point as a table: the path of each field and the values that it may have. Faults are explained
//! and CSV columns are read by this table.

use super::{Cycle, Decision, DegreeLevel, TestType};
use crate::fields::all_words;
use crate::limits;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) const MAX_ID: usize = limits::POINT_ID;
pub(crate) const MAX_TEXT: usize = limits::POINT_TEXT;
pub(crate) const MAX_TESTS: usize = limits::POINT_TESTS;
pub(super) const DATE: &str = "a date (YYYY-MM-DD)";
pub(super) const TIME: &str = "an RFC 3339 time";

pub(super) fn is_number(x: f64) -> bool {
    x.is_finite() && x >= 0.0
}

/// A character has at least one byte, so short texts are not counted.
pub(super) fn is_text(s: &str) -> bool {
    s.len() <= MAX_TEXT || s.chars().count() <= MAX_TEXT
}

/// Characters that the name of an attribute may not have, beside control characters: stores use it as the name of a
/// member.
const NOT_IN_NAMES: [char; 2] = ['.', '$'];

/// Whether this is a valid name of an attribute.
pub(crate) fn is_attribute_name(name: &str) -> bool {
    let plain = |c: char| !c.is_control() && !NOT_IN_NAMES.contains(&c);
    !name.is_empty() && limits::fits(name, limits::ATTRIBUTE_NAME) && name.chars().all(plain)
}

/// What is allowed as a name of an attribute.
pub(crate) fn attribute_name_allowed() -> String {
    format!("a name of 1 to {} characters without control characters, `.` and `$`", limits::ATTRIBUTE_NAME)
}

pub(super) fn is_attribute_value(value: &str) -> bool {
    limits::fits(value, limits::ATTRIBUTE_VALUE)
}

pub(super) fn are_attributes(attributes: &BTreeMap<String, String>) -> bool {
    attributes.len() <= limits::POINT_ATTRIBUTES
        && attributes.iter().all(|(name, value)| is_attribute_name(name) && is_attribute_value(value))
}

pub(crate) fn is_id(s: &str) -> bool {
    !s.is_empty() && s.chars().count() <= MAX_ID && !s.chars().any(char::is_control)
}

/// Reads a date, or the date of a time.
pub(super) fn date(s: &str) -> Option<NaiveDate> {
    s.parse().ok().or_else(|| time(s).map(|t| t.date_naive()))
}

/// Reads a time. Without an offset it is in UTC; without a time of day it is midnight.
pub(super) fn time(s: &str) -> Option<DateTime<Utc>> {
    let zoned = DateTime::parse_from_rfc3339(s).map(|t| t.with_timezone(&Utc));
    let plain = || s.parse::<NaiveDateTime>().or_else(|_| NaiveDateTime::parse_from_str(s, "%Y-%m-%d %H:%M:%S%.f"));
    let day = || s.parse::<NaiveDate>().ok().and_then(|d| d.and_hms_opt(0, 0, 0)).map(|t| t.and_utc());
    zoned.ok().or_else(|| plain().ok().map(|t| t.and_utc())).or_else(day)
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Id,
    Text,
    /// Finite and not negative.
    Number,
    /// A whole number from 0 to this.
    Whole(u64),
    Flag,
    Date,
    Time,
    Word(fn() -> Vec<&'static str>),
}

pub(crate) struct Spec {
    /// Dotted path.
    pub path: &'static str,
    pub kind: Kind,
    pub required: bool,
}

const fn optional(path: &'static str, kind: Kind) -> Spec {
    Spec { path, kind, required: false }
}

pub(crate) const SPECS: [Spec; 44] = [
    Spec { path: "data_point_id", kind: Kind::Id, required: true },
    Spec { path: "decision", kind: Kind::Word(all_words::<Decision>), required: true },
    optional("decision_date", Kind::Date),
    optional("application_year", Kind::Whole(i32::MAX as u64)),
    optional("application_cycle", Kind::Word(all_words::<Cycle>)),
    optional("scholarship_amount", Kind::Number),
    optional("assistantship_offered", Kind::Flag),
    optional("verified", Kind::Flag),
    optional("source", Kind::Text),
    optional("created_at", Kind::Time),
    optional("updated_at", Kind::Time),
    optional("applicant_id", Kind::Text),
    optional("seq", Kind::Whole(u64::MAX)),
    optional("profile.gpa", Kind::Number),
    optional("profile.gpa_scale", Kind::Number),
    optional("profile.undergraduate_major", Kind::Text),
    optional("profile.undergraduate_university", Kind::Text),
    optional("profile.undergraduate_university_ranking", Kind::Number),
    optional("profile.research_publications", Kind::Number),
    optional("profile.conference_papers", Kind::Number),
    optional("profile.patents", Kind::Number),
    optional("profile.work_experience_months", Kind::Number),
    optional("profile.relevant_work_experience_months", Kind::Number),
    optional("profile.internships_count", Kind::Number),
    optional("profile.academic_awards", Kind::Number),
    optional("profile.professional_certifications", Kind::Number),
    optional("profile.leadership_positions", Kind::Number),
    optional("profile.volunteer_hours", Kind::Number),
    optional("profile.nationality", Kind::Text),
    optional("profile.gender", Kind::Text),
    optional("program.university_name", Kind::Text),
    optional("program.university_ranking", Kind::Number),
    optional("program.program_name", Kind::Text),
    optional("program.degree_level", Kind::Word(all_words::<DegreeLevel>)),
    optional("program.department", Kind::Text),
    optional("program.specialization", Kind::Text),
    optional("program.acceptance_rate", Kind::Number),
    optional("program.average_gpa", Kind::Number),
    optional("program.gre_verbal_avg", Kind::Number),
    optional("program.gre_quant_avg", Kind::Number),
    optional("program.gmat_avg", Kind::Number),
    optional("program.is_stem", Kind::Flag),
    optional("program.has_funding", Kind::Flag),
    optional("program.application_deadline", Kind::Date),
];

pub(crate) const TEST_SPECS: [Spec; 6] = [
    Spec { path: "test_type", kind: Kind::Word(all_words::<TestType>), required: true },
    optional("total_score", Kind::Number),
    optional("verbal_score", Kind::Number),
    optional("quantitative_score", Kind::Number),
    optional("analytical_score", Kind::Number),
    optional("date_taken", Kind::Date),
];

/// JSON Schema keywords that restrict fields beyond their types: the dotted path of each field with its keywords.
/// Members of test scores are below `profile.test_scores`.
pub fn keywords() -> Vec<(String, Value)> {
    let tests = TEST_SPECS.iter().map(|spec| (format!("profile.test_scores.{}", spec.path), spec.kind));
    let fields = SPECS.iter().map(|spec| (spec.path.to_owned(), spec.kind)).chain(tests);
    let keywords = |kind| match kind {
        Kind::Id => json!({"minLength": 1, "maxLength": MAX_ID}),
        Kind::Text => json!({"maxLength": MAX_TEXT}),
        Kind::Number | Kind::Whole(_) => json!({"minimum": 0}),
        Kind::Flag | Kind::Date | Kind::Time | Kind::Word(_) => json!({}),
    };
    let all = fields.map(|(path, kind)| (path, keywords(kind)));
    let attributes = json!({
        "maxProperties": limits::POINT_ATTRIBUTES,
        "propertyNames": {"minLength": 1, "maxLength": limits::ATTRIBUTE_NAME},
        "additionalProperties": {"type": "string", "maxLength": limits::ATTRIBUTE_VALUE},
    });
    let tests = json!({"maxItems": MAX_TESTS});
    all.chain([("profile.test_scores".to_owned(), tests), ("attributes".to_owned(), attributes)]).collect()
}
