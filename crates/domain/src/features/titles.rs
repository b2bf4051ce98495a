//! Titles of features, groups of features and fields of an application: one table for pages, mails and reasons.

/// Units of values, where the title does not say the unit.
const PERCENTILE: &str = "percentile";
const SHARE: &str = "0 to 1";

/// Name, title and unit of a value.
const TITLES: [(&str, &str, &str); 56] = [
    ("gpa_normalized", "GPA", "share of its scale"),
    ("gre_verbal_percentile", "GRE verbal", PERCENTILE),
    ("gre_quant_percentile", "GRE quant", PERCENTILE),
    ("gmat_percentile", "GMAT", PERCENTILE),
    ("english_proficiency", "TOEFL or IELTS", PERCENTILE),
    ("research_score", "Research", SHARE),
    ("professional_score", "Work experience", SHARE),
    ("extracurricular_score", "Activities and awards", SHARE),
    ("undergrad_prestige", "Undergraduate standing", SHARE),
    ("program_competitiveness", "Competitiveness of the program", SHARE),
    ("gpa_vs_avg", "GPA against the program", "points of 4.0"),
    ("test_score_vs_avg", "GRE quant against the program", "percentiles / 100"),
    ("application_year", "Year of the application", ""),
    ("application_cycle", "Term of the application", ""),
    ("application_season", "Season of the application", ""),
    ("degree_level", "Degree", ""),
    ("is_stem", "STEM program", ""),
    ("gpa_scale", "Scale of the GPA", ""),
    ("gre_writing", "GRE writing", ""),
    ("undergraduate_ranking", "Rank of the undergraduate university", ""),
    ("university_ranking", "Rank of the university", ""),
    ("acceptance_rate", "Share of applications accepted", ""),
    ("program_average_gpa", "Average GPA of the program", "points of 4.0"),
    ("program_verbal_percentile", "Average GRE verbal of the program", PERCENTILE),
    ("program_quant_percentile", "Average GRE quant of the program", PERCENTILE),
    ("university", "University", ""),
    ("program", "Program", ""),
    ("university_program", "University and program", ""),
    ("undergraduate_university", "Undergraduate university", ""),
    ("undergraduate_major", "Undergraduate major", ""),
    // Groups of features in explanations.
    ("gpa", "GPA", ""),
    ("gre_verbal_and_writing", "GRE verbal and writing", ""),
    ("gre_quant", "GRE quant", ""),
    ("gmat", "GMAT", ""),
    ("research", "Research", ""),
    ("professional", "Work experience", ""),
    ("extracurricular", "Activities and awards", ""),
    ("undergraduate_studies", "Undergraduate studies", ""),
    ("compared_with_program", "Compared with the program", ""),
    ("application_time", "Time of the application", ""),
    ("other", "Others", ""),
    // Fields of an application.
    ("gre_verbal", "GRE verbal", ""),
    ("gmat_total", "GMAT", ""),
    ("toefl_total", "TOEFL", ""),
    ("ielts_total", "IELTS", ""),
    ("undergraduate_university_ranking", "Rank of the undergraduate university", ""),
    ("research_publications", "Publications", ""),
    ("work_experience_months", "Months of work", ""),
    ("relevant_work_experience_months", "Months of relevant work", ""),
    ("internships_count", "Internships", ""),
    ("leadership_positions", "Leadership positions", ""),
    ("academic_awards", "Academic awards", ""),
    ("average_gpa", "Average GPA of the program", ""),
    ("gre_quant_avg", "Average GRE quant of the program", ""),
    ("gre_verbal_avg", "Average GRE verbal of the program", ""),
    ("gmat_avg", "Average GMAT of the program", ""),
];

fn row(name: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    TITLES.iter().find(|(known, ..)| *known == name)
}

/// The title of a feature, of a group of features or of a field of an application; None for any other name.
pub fn title(name: &str) -> Option<&'static str> {
    row(name).map(|(_, title, _)| *title)
}

/// The title within a sentence: it begins with a small letter unless its first word is an abbreviation.
pub fn title_within(name: &str) -> Option<String> {
    let title = title(name)?;
    let mut letters = title.chars();
    let (first, second) = (letters.next()?, letters.next());
    let is_word = second.is_none_or(|letter| !letter.is_uppercase());
    Some(if is_word { first.to_lowercase().chain(title.chars().skip(1)).collect() } else { title.to_owned() })
}

/// The unit of a feature's values, such as a percentile or a share; None where the title says it.
pub fn unit(name: &str) -> Option<&'static str> {
    row(name).map(|(.., unit)| *unit).filter(|unit| !unit.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::{EXTENDED, FEATURES};
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_feature_has_a_title_of_its_own() {
        let features = || FEATURES.iter().chain(&EXTENDED);
        let titles: BTreeSet<_> = features().filter_map(|name| title(name)).collect();
        assert_eq!(titles.len(), features().count());
        let names: BTreeSet<_> = TITLES.iter().map(|(name, ..)| name).collect();
        assert_eq!(names.len(), TITLES.len(), "a name stands twice");
    }

    #[test]
    fn a_title_within_a_sentence_keeps_its_abbreviations() {
        assert_eq!(title_within("gpa_normalized").as_deref(), Some("GPA"));
        assert_eq!(title_within("undergraduate_ranking").as_deref(), Some("rank of the undergraduate university"));
        assert_eq!((title("horoscope"), title_within("horoscope"), unit("horoscope")), (None, None, None));
        assert_eq!((unit("gre_quant_percentile"), unit("toefl_total")), (Some("percentile"), None));
    }
}
