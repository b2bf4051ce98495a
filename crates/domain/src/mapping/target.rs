//! The fields that a column can be read into, by their names.

use super::Unread;
use super::number::Scale;
use crate::check::brief;
use crate::fields::nearest;
use crate::record::TestType;
use crate::record::shape::{Kind, SPECS, TEST_SPECS};
use std::sync::LazyLock;

/// The field that a cell is read into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Index into the table of fields.
    Field(usize),
    /// A test and the index of its member.
    Test(TestType, usize),
}

fn leaf(path: &'static str) -> &'static str {
    path.rsplit('.').next().unwrap_or(path)
}

impl Target {
    pub fn parse(name: &str) -> Option<Self> {
        if let Some(i) = SPECS.iter().position(|s| s.path == name || leaf(s.path) == name) {
            return Some(Self::Field(i));
        }
        // A test's name alone means its total score.
        let (test, member) = name.split_once('_').unwrap_or((name, "total"));
        let member = match member {
            "total" | "total_score" | "score" => "total_score",
            "verbal" | "verbal_score" => "verbal_score",
            "quant" | "quantitative" | "quantitative_score" => "quantitative_score",
            "analytical" | "writing" | "awa" | "analytical_score" => "analytical_score",
            "date" | "date_taken" => "date_taken",
            _ => return None,
        };
        Some(Self::Test(TestType::parse(test)?, TEST_SPECS.iter().position(|s| s.path == member)?))
    }

    pub fn kind(self) -> Kind {
        match self {
            Self::Field(i) => SPECS[i].kind,
            Self::Test(_, i) => TEST_SPECS[i].kind,
        }
    }

    /// The range of the field's numbers, which often excludes one of two readings of `3,125`. None: any number is
    /// possible.
    pub fn scale(self) -> Option<Scale> {
        let of = |low, high, whole| Some(Scale { low, high, whole });
        match self {
            Self::Field(i) => match leaf(SPECS[i].path) {
                "gpa" | "average_gpa" => of(0.0, 100.0, false),
                "gpa_scale" => of(1.0, 100.0, false),
                "acceptance_rate" => of(0.0, 1.0, false),
                "gre_verbal_avg" | "gre_quant_avg" => of(130.0, 800.0, false),
                "gmat_avg" => of(200.0, 805.0, false),
                "university_ranking" | "undergraduate_university_ranking" => of(1.0, 1e6, true),
                "application_year" => of(1900.0, 2200.0, true),
                "seq"
                | "research_publications"
                | "conference_papers"
                | "patents"
                | "internships_count"
                | "academic_awards"
                | "professional_certifications"
                | "leadership_positions" => of(0.0, f64::MAX, true),
                _ => None,
            },
            Self::Test(test, i) => match (test, TEST_SPECS[i].path) {
                (TestType::Gre, "analytical_score") => of(0.0, 6.0, false),
                (TestType::Gre, "total_score") => of(260.0, 1600.0, true),
                (TestType::Gre, _) => of(130.0, 800.0, true),
                (TestType::Gmat, "total_score") => of(200.0, 805.0, true),
                (TestType::Gmat, _) => of(0.0, 90.0, false),
                (TestType::Toefl, _) => of(0.0, 677.0, true),
                (TestType::Ielts, _) => of(0.0, 9.0, false),
                (TestType::Sat, "total_score") => of(400.0, 2400.0, true),
                (TestType::Sat, _) => of(200.0, 800.0, true),
                (TestType::Act, _) => of(1.0, 36.0, false),
            },
        }
    }

    /// The shortest name of the field.
    pub fn name(self) -> String {
        match self {
            Self::Field(i) => leaf(SPECS[i].path).to_owned(),
            Self::Test(test, i) => format!("{test}_{}", SHORT[i]),
        }
    }

    /// `profile` or `program`, for a field inside one.
    pub fn part(self) -> Option<&'static str> {
        match self {
            Self::Field(i) => SPECS[i].path.split_once('.').map(|(part, _)| part),
            Self::Test(..) => Some("profile"),
        }
    }

    pub fn is(self, path: &str) -> bool {
        matches!(self, Self::Field(i) if SPECS[i].path == path)
    }

    /// The field whose name the column has, ignoring case and with blanks for underscores; None if there is none.
    pub fn named_after(column: &str) -> Option<&'static str> {
        static NAMES: LazyLock<Vec<(Target, String)>> =
            LazyLock::new(|| Target::all().map(|target| (target, target.name())).collect());
        let column = crate::names::tidy(column);
        let folded = || crate::names::category(&column).replace(' ', "_");
        let wanted = Self::parse(&column).or_else(|| Self::parse(&folded()))?;
        NAMES.iter().find(|(target, _)| *target == wanted).map(|(_, name)| name.as_str())
    }

    /// All fields that a column can be read into.
    pub fn all() -> impl Iterator<Item = Self> {
        let members = 1..TEST_SPECS.len();
        let tests = TestType::ALL.iter().flat_map(move |test| members.clone().map(|i| Self::Test(*test, i)));
        (0..SPECS.len()).map(Self::Field).chain(tests)
    }
}

/// Members of a test by the index of their spec; the first is the test's type, which is no column.
const SHORT: [&str; TEST_SPECS.len()] = ["type", "total", "verbal", "quant", "analytical", "date"];

/// The field whose name is most similar to `name`, ignoring case and blanks; None if none is similar.
pub(crate) fn nearest_field(name: &str) -> Option<String> {
    let name: String = crate::names::category(name).replace(' ', "_");
    let names: Vec<String> = Target::all().map(Target::name).collect();
    let paths = SPECS.iter().map(|s| s.path);
    nearest(&name, names.iter().map(String::as_str).chain(paths)).map(str::to_owned)
}

/// Describes a member of a JSON document, given by its dotted path, that no field is read from.
pub fn unread_member(path: &str) -> Unread {
    const TESTS: &str = "profile.test_scores.";
    let near = match path.strip_prefix(TESTS) {
        Some(name) => {
            // `verbal` is a column's name for `verbal_score`.
            let short = Target::parse(&format!("gre_{name}")).map(|target| match target {
                Target::Field(i) => SPECS[i].path,
                Target::Test(_, i) => TEST_SPECS[i].path,
            });
            let near = short.or_else(|| nearest(name, TEST_SPECS.iter().map(|s| s.path)));
            near.map(|near| format!("{TESTS}{near}"))
        }
        None => nearest_field(path),
    };
    // The field's own name would be no hint.
    let own = Target::parse(path);
    let near = near.filter(|near| near != path && (own.is_none() || Target::parse(near) != own));
    Unread { column: brief(path, 60).into_owned(), nearest: near }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_is_not_read_has_a_nearest_field() {
        for (path, near) in [
            ("profile.gpaa", Some("profile.gpa")),
            ("decison", Some("decision")),
            ("profile.test_scores.verbal", Some("profile.test_scores.verbal_score")),
            ("_id.$oid", None),
            ("gpa", None),
            ("profile.test_scores.xyz", None),
        ] {
            assert_eq!(unread_member(path).nearest.as_deref(), near, "{path}");
        }
        assert!(unread_member(&"x".repeat(1000)).column.chars().count() <= 61);
    }
}
