//! Groups of features by what they describe. Explanations give contributions of groups, which are few enough for all
//! coalitions to be computed.

/// Maximum number of groups of one explanation.
pub const MOST_GROUPS: usize = 14;

/// The groups of a model with extended features: a name and the features of each.
const EXTENDED_GROUPS: [(&str, &[&str]); 12] = [
    ("gpa", &["gpa_normalized", "gpa_scale"]),
    ("gre_verbal_and_writing", &["gre_verbal_percentile", "gre_writing"]),
    ("gre_quant", &["gre_quant_percentile"]),
    ("gmat", &["gmat_percentile"]),
    ("english_proficiency", &["english_proficiency"]),
    ("research", &["research_score"]),
    ("professional", &["professional_score"]),
    ("extracurricular", &["extracurricular_score"]),
    (
        "undergraduate_studies",
        &["undergrad_prestige", "undergraduate_ranking", "undergraduate_university", "undergraduate_major"],
    ),
    (
        "program",
        &[
            "program_competitiveness",
            "degree_level",
            "is_stem",
            "university_ranking",
            "acceptance_rate",
            "university",
            "program",
            "university_program",
        ],
    ),
    (
        "compared_with_program",
        &[
            "gpa_vs_avg",
            "test_score_vs_avg",
            "program_average_gpa",
            "program_verbal_percentile",
            "program_quant_percentile",
        ],
    ),
    ("application_time", &["application_year", "application_cycle", "application_season"]),
];

/// Features that are explained together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Name of the group in explanations.
    pub name: String,
    /// Indices into the model's features, ascending.
    pub columns: Vec<usize>,
}

/// The groups of these features, at most [`MOST_GROUPS`]. Up to that number of features, each feature is a group; else
/// the groups are those of the table, and one more for features that the table lacks.
pub fn groups(names: &[String]) -> Vec<Group> {
    if names.len() <= MOST_GROUPS {
        let alone = |(at, name): (usize, &String)| Group { name: name.clone(), columns: vec![at] };
        return names.iter().enumerate().map(alone).collect();
    }
    let mut left: Vec<usize> = (0..names.len()).collect();
    let mut found = Vec::new();
    for (name, members) in EXTENDED_GROUPS {
        let (columns, others) = left.iter().copied().partition(|at| members.contains(&names[*at].as_str()));
        left = others;
        let columns: Vec<usize> = columns;
        if !columns.is_empty() {
            found.push(Group { name: name.to_owned(), columns });
        }
    }
    if !left.is_empty() {
        found.push(Group { name: "other".to_owned(), columns: left });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_domain::features::{EXTENDED, FEATURES, title};

    #[test]
    fn every_feature_is_in_one_group() {
        let twelve = FEATURES.map(str::to_owned).to_vec();
        assert!(
            groups(&twelve).iter().zip(&twelve).all(|(group, name)| group.name == *name && group.columns.len() == 1)
        );
        let all: Vec<String> = FEATURES.iter().chain(&EXTENDED).map(|n| (*n).to_owned()).collect();
        let found = groups(&all);
        assert_eq!(found.len(), 12, "the table names every feature");
        assert!(found.iter().all(|group| title(&group.name).is_some()), "people have a word for every group");
        let mut columns: Vec<usize> = found.iter().flat_map(|g| g.columns.iter().copied()).collect();
        columns.sort_unstable();
        assert_eq!(columns, (0..all.len()).collect::<Vec<_>>());
        let strange: Vec<String> = (0..40).map(|i| format!("c{i}")).collect();
        assert_eq!(groups(&strange).len(), 1);
        assert!(title(&groups(&strange)[0].name).is_some());
        assert!(groups(&[]).is_empty());
    }
}
