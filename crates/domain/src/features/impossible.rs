//! The numbers of one application that lie outside of every scale of their field. No feature is computed from them.

use super::FeatureTables;
use super::tables::Range;
use crate::record::{AdmissionDataPoint, TestType};
use std::fmt;

/// An impossible number, its place and the allowed range.
#[derive(Debug, Clone, PartialEq)]
pub struct Impossible {
    /// JSON pointer into the application.
    pub pointer: String,
    /// The number as it was sent.
    pub value: f64,
    /// The allowed range in words: `0 to 1`.
    pub allowed: String,
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.pointer.rsplit('/').next().unwrap_or_default();
        write!(f, "{name} {} is outside {}; it was not used", self.value, self.allowed)
    }
}

impl FeatureTables {
    /// The scales that a grade point average may have.
    pub(super) fn gpa_scale(&self) -> Range {
        Range { low: 1.0, high: self.scales.gpa_scale_max }
    }

    /// The impossible numbers of a point, in the order of the record.
    pub fn impossible(&self, point: &AdmissionDataPoint) -> Vec<Impossible> {
        let (profile, program, scales) = (&point.profile, &point.program, &self.scales);
        let mut found = Vec::new();
        let mut check = |pointer: String, value: Option<f64>, ranges: &[Range]| {
            if let Some(value) = value.filter(|value| !ranges.iter().any(|range| range.contains(*value))) {
                let ranges: Vec<String> =
                    ranges.iter().map(|range| format!("{} to {}", range.low, range.high)).collect();
                found.push(Impossible { pointer, value, allowed: ranges.join(" or ") });
            }
        };
        let upto = |high: f64| Range { low: 0.0, high };
        let ranking = Range { low: 1.0, high: self.plausible.ranking };
        let scale = self.gpa_scale();
        let has_scale = scale.contains(profile.gpa_scale);
        let own_scale = if has_scale { profile.gpa_scale } else { 4.0 };
        // 0 stands for a grade point average that is not known.
        check("/profile/gpa".to_owned(), profile.gpa.filter(|gpa| *gpa != 0.0), &[upto(own_scale)]);
        check("/profile/gpa_scale".to_owned(), Some(profile.gpa_scale), &[scale]);
        check(
            "/profile/undergraduate_university_ranking".to_owned(),
            profile.undergraduate_university_ranking,
            std::slice::from_ref(&ranking),
        );
        let section = [scales.gre_section, scales.gre_old_section];
        for (at, test) in profile.test_scores.iter().enumerate() {
            let place = |member: &str| format!("/profile/test_scores/{at}/{member}");
            match test.test_type {
                TestType::Gre => {
                    check(place("verbal_score"), test.verbal_score, &section);
                    check(place("quantitative_score"), test.quantitative_score, &section);
                    check(place("analytical_score"), test.analytical_score, &[upto(6.0)]);
                }
                TestType::Gmat => check(place("total_score"), test.total_score, &[scales.gmat]),
                TestType::Ielts => check(place("total_score"), test.total_score, &[scales.ielts]),
                TestType::Toefl => {
                    let ranges = [upto(scales.toefl_internet_max.max(scales.toefl_computer_max)), scales.toefl_paper];
                    check(place("total_score"), test.total_score, &ranges);
                }
                TestType::Sat | TestType::Act => {}
            }
        }
        let count = self.plausible.count;
        let counts = [
            ("research_publications", profile.research_publications, count),
            ("conference_papers", profile.conference_papers, count),
            ("patents", profile.patents, count),
            ("work_experience_months", profile.work_experience_months, self.plausible.months),
            ("relevant_work_experience_months", profile.relevant_work_experience_months, self.plausible.months),
            ("internships_count", profile.internships_count, count),
            ("leadership_positions", profile.leadership_positions, count),
            ("academic_awards", profile.academic_awards, count),
            ("professional_certifications", profile.professional_certifications, count),
            ("volunteer_hours", profile.volunteer_hours, self.plausible.hours),
        ];
        for (member, value, most) in counts {
            check(format!("/profile/{member}"), value, &[upto(most)]);
        }
        check("/program/university_ranking".to_owned(), program.university_ranking, &[ranking]);
        check("/program/acceptance_rate".to_owned(), program.acceptance_rate, &[upto(1.0)]);
        // An average above 4 is read on the applicant's own scale.
        check("/program/average_gpa".to_owned(), program.average_gpa, &[upto(own_scale.max(4.0))]);
        check("/program/gre_verbal_avg".to_owned(), program.gre_verbal_avg, &section);
        check("/program/gre_quant_avg".to_owned(), program.gre_quant_avg, &section);
        found
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    fn found(profile: Value, program: Value) -> Vec<Impossible> {
        let value = json!({"data_point_id": "a", "decision": "accepted", "profile": profile, "program": program});
        FeatureTables::default().impossible(&AdmissionDataPoint::from_value(value).unwrap())
    }

    #[test]
    fn an_impossible_number_is_named_with_what_is_allowed() {
        let program = json!({"acceptance_rate": 12, "university_ranking": 0, "average_gpa": 5, "gre_quant_avg": 20});
        let tests =
            json!([{"test_type": "toefl", "total_score": 700}, {"test_type": "gre", "quantitative_score": 900}]);
        let told: Vec<String> =
            found(json!({"gpa": 9, "gpa_scale": 4.0, "test_scores": tests, "patents": 1e9}), program)
                .iter()
                .map(|one| format!("{} {one}", one.pointer))
                .collect();
        let ends = "; it was not used";
        assert_eq!(
            told,
            [
                format!("/profile/gpa gpa 9 is outside 0 to 4{ends}"),
                format!("/profile/test_scores/0/total_score total_score 700 is outside 0 to 300 or 310 to 677{ends}"),
                format!(
                    "/profile/test_scores/1/quantitative_score quantitative_score 900 is outside 130 to 170 or 200 to 800{ends}"
                ),
                format!("/profile/patents patents 1000000000 is outside 0 to 10000{ends}"),
                format!("/program/university_ranking university_ranking 0 is outside 1 to 100000{ends}"),
                format!("/program/acceptance_rate acceptance_rate 12 is outside 0 to 1{ends}"),
                format!("/program/average_gpa average_gpa 5 is outside 0 to 4{ends}"),
                format!("/program/gre_quant_avg gre_quant_avg 20 is outside 130 to 170 or 200 to 800{ends}"),
            ]
        );
    }

    #[test]
    fn what_a_feature_is_read_from_is_possible() {
        let tests = json!([{"test_type": "toefl", "total_score": 310}, {"test_type": "gre", "quantitative_score": 800},
            {"test_type": "ielts", "total_score": 9}, {"test_type": "gmat", "total_score": 805}]);
        let profile = json!({"gpa": 8.5, "gpa_scale": 10, "test_scores": tests, "research_publications": 0});
        let program = json!({"acceptance_rate": 1, "average_gpa": 8, "gre_quant_avg": 165, "university_ranking": 1});
        assert_eq!(found(profile, program), []);
        assert_eq!(found(json!({"gpa": 0}), json!({"average_gpa": 0})), []);
    }
}
