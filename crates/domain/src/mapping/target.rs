//! The fields that a column can be, by their names.

use crate::fields::nearest;
use crate::record::TestType;
use crate::record::shape::{Kind, SPECS, TEST_SPECS};

/// Where a cell goes.
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
        // A test's name alone is its total.
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

    /// The shortest name that means it.
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

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let members = 1..TEST_SPECS.len();
        let tests = TestType::ALL.iter().flat_map(move |test| members.clone().map(|i| Self::Test(*test, i)));
        (0..SPECS.len()).map(Self::Field).chain(tests)
    }
}

/// Members of a test by the index of their spec; the first is the test's type, which is no column.
const SHORT: [&str; TEST_SPECS.len()] = ["type", "total", "verbal", "quant", "analytical", "date"];

/// The field whose name is nearest to a foreign one, if any is near. Case and blanks do not count.
pub(crate) fn nearest_field(name: &str) -> Option<String> {
    let name: String = crate::names::category(name).replace(' ', "_");
    let names: Vec<String> = Target::all().map(Target::name).collect();
    let paths = SPECS.iter().map(|s| s.path);
    nearest(&name, names.iter().map(String::as_str).chain(paths)).map(str::to_owned)
}
