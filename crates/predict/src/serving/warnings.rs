//! Warnings about values that are missing, impossible or unlike those of training.

use super::Row;
use super::answer::Warning;
use crate::model::Model;
use crate::ranges::Standing;
use provost_domain::features::FeatureTables;

/// The warnings of a row: first for the impossible numbers of the application, then for the features that the model
/// uses, in their order.
pub fn of(model: &Model, row: &Row<'_>, tables: &FeatureTables) -> Vec<Warning> {
    let impossible = row.point.map(|point| tables.impossible(point)).unwrap_or_default();
    let impossible = impossible.into_iter().map(|one| {
        let message = one.to_string();
        Warning { code: "impossible_value", pointer: one.pointer, message }
    });
    let ranges = model.evidence.as_deref().map(|evidence| &evidence.ranges);
    let mut used: Vec<usize> = model.columns.iter().map(|column| *column as usize).collect();
    used.sort_unstable();
    let warning = |at: usize| {
        let (name, value) = (model.feature_names[at].as_str(), row.values[at]);
        let standing = ranges.and_then(|ranges| ranges.get(at)).map(|range| range.standing(value));
        let (code, message) = match standing {
            _ if !row.present[at] && value.is_nan() => ("missing_value", format!("{name} is missing")),
            _ if !row.present[at] => ("missing_value", format!("{name} is missing; {value} was taken")),
            Some(Standing::NewCategory) => ("unknown_category", format!("no training row has this {name}")),
            Some(Standing::Beyond(low, high)) => {
                ("beyond_training_range", format!("{name}: {value} is beyond the training range {low} to {high}"))
            }
            Some(Standing::NeverSeen) => ("beyond_training_range", format!("no training row has a {name}")),
            Some(Standing::Missing | Standing::Known) | None => return None,
        };
        let pointer = if row.point.is_some() { pointer(name).to_owned() } else { format!("/{name}") };
        Some(Warning { code, pointer, message })
    };
    impossible.chain(used.into_iter().filter_map(warning)).collect()
}

/// JSON pointer to the part of an application that a feature is computed from; empty for an unknown feature.
fn pointer(feature: &str) -> &'static str {
    match feature {
        "gpa_normalized" => "/profile/gpa",
        "gpa_scale" => "/profile/gpa_scale",
        "gre_verbal_percentile"
        | "gre_quant_percentile"
        | "gmat_percentile"
        | "english_proficiency"
        | "gre_writing" => "/profile/test_scores",
        "research_score" => "/profile/research_publications",
        "professional_score" => "/profile/work_experience_months",
        "extracurricular_score" => "/profile/leadership_positions",
        "undergrad_prestige" | "undergraduate_ranking" => "/profile/undergraduate_university_ranking",
        "undergraduate_university" => "/profile/undergraduate_university",
        "undergraduate_major" => "/profile/undergraduate_major",
        "program_competitiveness" | "acceptance_rate" => "/program/acceptance_rate",
        "gpa_vs_avg" | "program_average_gpa" => "/program/average_gpa",
        "test_score_vs_avg" | "program_quant_percentile" => "/program/gre_quant_avg",
        "program_verbal_percentile" => "/program/gre_verbal_avg",
        "application_year" | "application_season" => "/application_year",
        "application_cycle" => "/application_cycle",
        "degree_level" => "/program/degree_level",
        "is_stem" => "/program/is_stem",
        "university_ranking" => "/program/university_ranking",
        "university" | "university_program" => "/program/university_name",
        "program" => "/program/program_name",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_domain::features::{EXTENDED, FEATURES};

    #[test]
    fn every_feature_comes_from_somewhere() {
        assert!(FEATURES.iter().chain(&EXTENDED).all(|name| pointer(name).starts_with('/')));
    }
}
