//! Usual names of columns and of their values in published files.

use crate::names::{category, folded};

/// Names of columns, folded, by the field that they usually hold.
const NAMES: &[(&str, &[&str])] = &[
    (
        "data_point_id",
        &[
            "id",
            "application id",
            "applicationid",
            "point id",
            "rowid",
            "row id",
            "serial no",
            "sno",
            "s no",
            "unnamed 0",
            "index",
        ],
    ),
    (
        "decision",
        &[
            "decision",
            "admit",
            "admitted",
            "admission",
            "result",
            "outcome",
            "status",
            "chance of admit",
            "application status",
            "admit status",
            "final decision",
            "admission status",
            "admission decision",
        ],
    ),
    (
        "university_name",
        &[
            "university",
            "university name",
            "uni name",
            "univ name",
            "univname",
            "univ",
            "school",
            "school name",
            "institution",
            "institute",
            "college",
            "college name",
        ],
    ),
    ("program_name", &["program", "program name", "course", "department name"]),
    ("department", &["department"]),
    ("degree_level", &["degree", "degree level", "level", "degree type"]),
    (
        "gpa",
        &[
            "gpa",
            "cgpa",
            "ugrad gpa",
            "undergrad gpa",
            "undergraduate gpa",
            "ug gpa",
            "ugpa",
            "lsac gpa",
            "grade point average",
        ],
    ),
    ("gpa_scale", &["gpa scale", "cgpascale", "cgpa scale"]),
    ("gre_total", &["gre", "gre score", "gre total", "grescore"]),
    ("gre_verbal", &["gre verbal", "gre v", "grev", "verbal", "verbal score"]),
    ("gre_quant", &["gre quant", "gre q", "greq", "quant", "quant score", "gre quantitative"]),
    ("gre_analytical", &["gre writing", "gre aw", "gre awa", "gre w", "grea", "awa", "writing", "gre analytical"]),
    ("gmat_total", &["gmat", "gmat score"]),
    ("gmat_verbal", &["gmatv", "gmat v"]),
    ("gmat_quant", &["gmatq", "gmat q"]),
    ("toefl_total", &["toefl", "toefl score", "toeflscore"]),
    ("ielts_total", &["ielts", "ielts score"]),
    ("sat_total", &["sat", "sat score"]),
    ("act_total", &["act", "act score"]),
    ("undergraduate_major", &["major", "undergrad major", "undergraduate major", "ug major"]),
    (
        "undergraduate_university",
        &[
            "ugcollege",
            "ug college",
            "undergrad university",
            "undergraduate university",
            "undergrad institution",
            "alma mater",
        ],
    ),
    (
        "research_publications",
        &["research publications", "publications", "journalpubs", "journal pubs", "papers", "research"],
    ),
    ("conference_papers", &["confpubs", "conference papers", "conf pubs"]),
    (
        "work_experience_months",
        &[
            "work experience months",
            "work exp",
            "workexp",
            "work experience",
            "experience",
            "industryexp",
            "industry exp",
            "years of experience",
            "work years",
        ],
    ),
    ("internships_count", &["internships", "internships count"]),
    ("scholarship_amount", &["scholarship", "scholarship amount", "award amount"]),
    ("decision_date", &["decision date", "decision at", "date of decision", "notified on"]),
    (
        "application_year",
        &[
            "year",
            "application year",
            "season",
            "term",
            "termandyear",
            "term and year",
            "cycle",
            "start term",
            "admit term",
            "semester",
        ],
    ),
    ("gender", &["gender", "sex"]),
    ("nationality", &["nationality", "citizenship"]),
];

/// The field that a column of this name usually holds, and a rank: the lower, the more usual the name.
pub fn of_name(name: &str) -> Option<(&'static str, usize)> {
    let name = category(name);
    let find =
        |name: &str| NAMES.iter().find_map(|(field, names)| Some((*field, names.iter().position(|n| *n == name)?)));
    // A match of the full name is preferred to a match without additions.
    find(&name).or_else(|| find(&without_additions(&name)).map(|(field, rank)| (field, rank + ADDED)))
}

/// Added to the rank of a name that matches without its additions; greater than any rank of a full name.
const ADDED: usize = 1000;

/// Words that say how a value was measured or what it belongs to, and not what it is.
const ADDITIONS: [&str; 12] =
    ["of", "out", "the", "application", "applied", "to", "for", "ibt", "max", "scale", "optional", "required"];

/// A name without additions: `CGPA (out of 10)`, `TOEFL iBT`, `Univ applied`.
fn without_additions(category: &str) -> String {
    let is_addition = |word: &str| ADDITIONS.contains(&word) || word.bytes().all(|b| b.is_ascii_digit());
    category.split(' ').filter(|word| !is_addition(word)).collect::<Vec<_>>().join(" ")
}

/// Whether a cell holds a word for a missing value, as in files that leave no cell blank.
pub fn is_missing(cell: &str) -> bool {
    const WORDS: [&str; 11] = ["na", "n/a", "#n/a", "nan", "null", "none", "nil", "-", "--", "?", "\\n"];
    cell.len() <= 8 && WORDS.contains(&folded(cell).as_str())
}

/// The decision that a text means. If it has several, the last counts: `WL, Accepted`.
pub fn decision(text: &str) -> Option<&'static str> {
    let text = folded(text);
    match text.as_str() {
        "1" | "1.0" | "yes" | "y" | "true" => return Some("accepted"),
        "0" | "0.0" | "no" | "n" | "false" => return Some("rejected"),
        _ => {}
    }
    let of = |word: &str| {
        const STEMS: &[(&str, &str)] = &[
            ("accept", "accepted"),
            ("admit", "accepted"),
            ("offer", "accepted"),
            ("reject", "rejected"),
            ("denied", "rejected"),
            ("deny", "rejected"),
            ("declin", "rejected"),
            ("wait", "waitlisted"),
            ("defer", "deferred"),
            ("withdr", "withdrawn"),
        ];
        let known = STEMS.iter().find(|(stem, _)| word.starts_with(stem)).map(|(_, meaning)| *meaning);
        known.or_else(|| (word == "wl" || word == "waitlist").then_some("waitlisted"))
    };
    text.split(|c: char| !c.is_alphanumeric()).filter_map(of).next_back().filter(|_| text.len() <= 60)
}

/// Whether a text means that the application is not decided yet.
pub fn is_open(text: &str) -> bool {
    let text = folded(text);
    decision(&text).is_none()
        && ["pending", "interview", "other", "hold", "complete", "submitted", "in review", "unknown"]
            .iter()
            .any(|word| text.contains(word))
}

/// How a term is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Season {
    /// `F19`.
    Letter,
    /// `Fall 2019`.
    Word,
    /// `2019`.
    Year,
}

pub fn season(text: &str) -> Option<Season> {
    let lower = folded(text);
    let parts: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|p| !p.is_empty()).collect();
    let year = |p: &&str| p.len() == 4 && p.parse::<u32>().is_ok_and(|y| (1990..=2100).contains(&y));
    let letter = |p: &&str| p.len() == 3 && p.starts_with(['f', 's']) && p[1..].bytes().all(|b| b.is_ascii_digit());
    if parts.iter().any(letter) {
        Some(Season::Letter)
    } else if parts.iter().any(|p| ["fall", "spring", "summer", "autumn"].contains(p)) && parts.iter().any(year) {
        Some(Season::Word)
    } else if parts.len() == 1 && parts.iter().any(year) {
        Some(Season::Year)
    } else {
        None
    }
}

/// The degree that a text names.
pub fn degree(text: &str) -> Option<&'static str> {
    let lower = folded(text);
    let parts: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).collect();
    let any = |words: &[&str]| parts.iter().any(|p| words.contains(p));
    if any(&["phd", "doctorate", "doctoral"]) {
        Some("phd")
    } else if any(&["mba"]) {
        Some("mba")
    } else if any(&["master", "masters", "ms", "ma", "msc", "meng"]) {
        Some("masters")
    } else if any(&["bachelor", "bachelors", "bs", "ba", "btech"]) {
        Some("bachelors")
    } else {
        None
    }
}
