//! The columns that `features: extended` adds to the twelve features: plain numbers, and categories as codes that mean
//! the same in every snapshot. Nothing here uses outcomes; the learners fit encodings by outcomes inside each fold.

use super::{FeatureTables, Reader, Reading};
use crate::hash::Content;
use crate::names::category;
use crate::record::{AdmissionDataPoint, Cycle, DegreeLevel, TestType};

/// Columns after the twelve, in order; the categories last.
pub const EXTENDED: [&str; 18] = [
    "application_year",
    "application_cycle",
    "application_season",
    "degree_level",
    "is_stem",
    "gpa_scale",
    "gre_writing",
    "undergraduate_ranking",
    "university_ranking",
    "acceptance_rate",
    "program_average_gpa",
    "program_verbal_percentile",
    "program_quant_percentile",
    "university",
    "program",
    "university_program",
    "undergraduate_university",
    "undergraduate_major",
];

/// Those of `EXTENDED` whose values have no order.
pub const CATEGORIES: [&str; 5] =
    ["university", "program", "university_program", "undergraduate_university", "undergraduate_major"];

/// The column that orders rows in time.
pub const YEAR: &str = "application_year";

/// Columns that hold the time of the application. Their values for later applications are always different from those
/// for earlier ones.
const TIMES: [&str; 2] = [YEAR, "application_season"];

/// Version of the rule that turns names into codes, as artifacts store it. Version 1: letters and digits in lower case,
/// with a blank for anything between them. Version 2: [`category`] of the name, which also treats composed and
/// decomposed letters as equal and ignores invisible characters. Names without such characters have the same code under
/// both versions.
pub const CATEGORY_RULE: u32 = 2;

/// Codes are below this number, so that f32 represents each of them exactly. Among 5,000 names, less than one pair is
/// expected to share a code.
const CODES: u64 = 1 << 24;

/// Whether this feature's values are codes of categories.
pub fn is_category(name: &str) -> bool {
    CATEGORIES.contains(&name)
}

/// Whether this feature only tells when the application was made.
pub fn tells_time(name: &str) -> bool {
    TIMES.contains(&name)
}

impl FeatureTables {
    /// The added columns of one data point, in the order of [`EXTENDED`]; NaN is missing.
    pub fn extended(&self, point: &AdmissionDataPoint) -> [f32; EXTENDED.len()] {
        let mut r = Reader { tables: self, outliers: 0 };
        let (profile, program) = (&point.profile, &point.program);
        let year = point.application_year.map(f64::from);
        let cycle = point.application_cycle.map(|cycle| match cycle {
            Cycle::Spring => 0.0,
            Cycle::Summer => 1.0,
            Cycle::Fall => 2.0,
        });
        let degree = program.degree_level.map(|degree| match degree {
            DegreeLevel::Bachelors => 0.0,
            DegreeLevel::Masters => 1.0,
            DegreeLevel::Mba => 2.0,
            DegreeLevel::Phd => 3.0,
        });
        let writing = |t: &crate::record::TestScore| t.analytical_score.filter(|s| *s > 0.0);
        let verbal = program.gre_verbal_avg.map(|s| self.gre_section(s, &self.gre_old_verbal));
        let verbal = r.count(verbal.map_or(Reading::Missing, |p| p.map_or(Reading::Impossible, Reading::Value)));
        let gpa_scale = self.gpa_scale();
        let [university, named, both, undergraduate, major] = codes(point, category);
        let cells = [
            year,
            cycle,
            year.map(|y| y + cycle.unwrap_or(1.0) / 3.0),
            degree,
            program.is_stem.map(|stem| f64::from(u8::from(stem))),
            r.within(Some(profile.gpa_scale), gpa_scale.low, gpa_scale.high),
            r.test(&profile.test_scores, TestType::Gre, writing, |_, s| (s <= 6.0).then_some(s)),
            r.ranking(profile.undergraduate_university_ranking),
            r.ranking(program.university_ranking),
            r.within(program.acceptance_rate, 0.0, 1.0),
            r.average_gpa(program, profile.gpa_scale),
            verbal,
            r.quant_average(program),
            university,
            named,
            both,
            undergraduate,
            major,
        ];
        cells.map(|cell| cell.map_or(f32::NAN, |v| v as f32))
    }
}

/// The codes of a point that differ between versions 1 and 2 of [`CATEGORY_RULE`]: index into [`EXTENDED`], and the
/// code by version 1. Snapshots keep these codes for models that were trained under version 1.
pub fn older_codes(point: &AdmissionDataPoint) -> Vec<(usize, f32)> {
    let (profile, program) = (&point.profile, &point.program);
    let names = [
        &program.university_name,
        &program.program_name,
        &profile.undergraduate_university,
        &profile.undergraduate_major,
    ];
    if names.iter().all(|name| name.as_ref().is_none_or(|name| name.is_ascii())) {
        return Vec::new();
    }
    let first = EXTENDED.len() - CATEGORIES.len();
    let pairs = codes(point, plain).into_iter().zip(codes(point, category)).enumerate();
    let float = |code: Option<f64>| code.map_or(f32::NAN, |code| code as f32);
    pairs.filter(|(_, (old, new))| old != new).map(|(i, (old, _))| (first + i, float(old))).collect()
}

/// The codes of a point's categories in the order of [`CATEGORIES`]; None is missing.
fn codes(point: &AdmissionDataPoint, rule: fn(&str) -> String) -> [Option<f64>; CATEGORIES.len()] {
    let (profile, program) = (&point.profile, &point.program);
    let level = program.degree_level.map(DegreeLevel::as_str);
    let (university, name) = (program.university_name.as_deref(), program.program_name.as_deref());
    [
        code(&[university], rule),
        code(&[name, level], rule),
        code(&[university, name, level], rule),
        code(&[profile.undergraduate_university.as_deref()], rule),
        code(&[profile.undergraduate_major.as_deref()], rule),
    ]
}

/// The code of a list of names after `rule` was applied to each. None if the first name is missing.
fn code(names: &[Option<&str>], rule: fn(&str) -> String) -> Option<f64> {
    let mut content = Content::new();
    for (at, name) in names.iter().enumerate() {
        let plain = name.map(rule).filter(|n| !n.is_empty());
        if at == 0 && plain.is_none() {
            return None;
        }
        content.text(plain.as_deref());
    }
    Some((content.u64() % CODES) as f64)
}

/// Version 1 of [`CATEGORY_RULE`].
fn plain(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use serde_json::json;

    fn row(change: impl FnOnce(&mut serde_json::Value)) -> [f32; EXTENDED.len()] {
        let mut point = json!({
            "data_point_id": "a", "decision": "accepted", "application_year": 2014, "application_cycle": "fall",
            "profile": {"gpa": 8.0, "gpa_scale": 10.0, "undergraduate_major": "Computer Science",
                "undergraduate_university": "I.I.T., Bombay",
                "test_scores": [{"test_type": "gre", "verbal_score": 150.0, "analytical_score": 3.5}]},
            "program": {"university_name": "Ohio State", "program_name": "CS", "degree_level": "masters",
                "acceptance_rate": 0.4, "average_gpa": 3.5, "gre_verbal_avg": 155.0, "gre_quant_avg": 160.0,
                "is_stem": true, "university_ranking": 54.0},
        });
        change(&mut point);
        FeatureTables::default().extended(&AdmissionDataPoint::from_value(point).unwrap())
    }

    fn at(name: &str) -> usize {
        EXTENDED.iter().position(|n| *n == name).unwrap()
    }

    #[test]
    fn numbers_are_read_on_their_scales() {
        let r = row(|_| ());
        let expected = [2014.0, 2.0, 2014.0 + 2.0 / 3.0, 1.0, 1.0, 10.0, 3.5, f32::NAN, 54.0, 0.4, 3.5, 50.0, 70.0];
        for (i, want) in expected.into_iter().enumerate() {
            assert!((r[i] - want).abs() < 1e-5 || (r[i].is_nan() && want.is_nan()), "{}: {} {want}", EXTENDED[i], r[i]);
        }
        let nothing = row(|p| {
            p["program"] = json!({});
            p["profile"] = json!({});
            p.as_object_mut().unwrap().remove("application_year");
            p.as_object_mut().unwrap().remove("application_cycle");
        });
        // The scale has a default.
        assert!(nothing.iter().enumerate().all(|(i, v)| v.is_nan() == (i != at("gpa_scale"))), "{nothing:?}");
        assert!(row(|p| p["profile"]["test_scores"][0]["analytical_score"] = json!(650))[at("gre_writing")].is_nan());
    }

    #[test]
    fn codes_are_of_the_name_and_not_of_its_spelling() {
        let r = row(|_| ());
        let again = row(|p| {
            p["profile"]["undergraduate_university"] = json!("  iit bombay");
            p["program"]["university_name"] = json!("OHIO  state");
            p["decision"] = json!("rejected");
        });
        assert_eq!(r[at("university")], again[at("university")]);
        assert_eq!(r[at("university_program")], again[at("university_program")]);
        assert_ne!(r[at("undergraduate_university")], again[at("undergraduate_university")], "I.I.T. has three words");
        let phd = row(|p| p["program"]["degree_level"] = json!("phd"));
        assert_eq!(r[at("university")], phd[at("university")]);
        assert_ne!(r[at("program")], phd[at("program")]);
        assert!(r[at("university")] >= 0.0 && r[at("university")].fract() == 0.0);
        assert!(row(|p| p["program"]["university_name"] = json!(" - "))[at("university_program")].is_nan());
        // A code must mean the same in ten years: the first 8 bytes of SHA-256 of 1, the length and "ohio state",
        // modulo 2^24.
        assert_eq!(r[at("university")], 2_350_038.0);
    }

    #[test]
    fn spellings_of_one_name_have_one_code_and_the_older_rule_is_kept() {
        let named = |name: &str| row(|p| p["program"]["university_name"] = json!(name));
        let composed = named("Universidad de C\u{f3}rdoba");
        for other in ["Universidad de Co\u{301}rdoba", "\u{feff}UNIVERSIDAD de  C\u{f3}rdoba\u{200b}"] {
            assert_eq!(named(other)[at("university")], composed[at("university")], "{other:?}");
            assert_eq!(named(other)[at("university_program")], composed[at("university_program")]);
        }
        let older = |name: &str| {
            let mut point = AdmissionDataPoint::from_value(json!({"data_point_id": "a", "decision": "accepted",
                "profile": {}, "program": {"university_name": name}}));
            if let Ok(point) = &mut point {
                point.program.program_name = Some("CS".to_owned());
            }
            older_codes(&point.unwrap())
        };
        assert!(older("Ohio State").is_empty() && older("Universidad de C\u{f3}rdoba").is_empty());
        let decomposed = older("Universidad de Co\u{301}rdoba");
        assert_eq!(
            decomposed.iter().map(|(i, _)| EXTENDED[*i]).collect::<Vec<_>>(),
            ["university", "university_program"]
        );
        // As rule 1 had it: "universidad de co rdoba".
        let two_words = named("Universidad de Co rdoba");
        assert_eq!(decomposed[0].1, two_words[at("university")]);
    }

    #[test]
    fn categories_are_among_the_columns() {
        assert!(CATEGORIES.iter().all(|name| EXTENDED.contains(name)) && EXTENDED.contains(&YEAR));
        assert!(is_category("university") && !is_category("gpa_normalized") && !is_category(YEAR));
        assert!(
            TIMES.iter().all(|name| EXTENDED.contains(name)) && tells_time(YEAR) && !tells_time("application_cycle")
        );
    }
}
