#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::target::Target;
use super::*;
use crate::record::shape::SPECS;
use crate::record::{AdmissionDataPoint, Cycle, Decision, DegreeLevel, TestType};
use serde_json::json;

fn mapping(value: Value) -> Mapping {
    Mapping::from_json(&value)
}

impl Plan {
    /// A row without quotes that is not left out.
    fn point<'c>(&self, row: u64, cells: impl IntoIterator<Item = &'c str>) -> Result<AdmissionDataPoint, Faults> {
        let cells: Vec<&str> = cells.into_iter().collect();
        let mut tally = Tally::default();
        self.row(row, cells.len(), |i| cells[i], &mut tally).map(|point| point.expect("no row is left out"))
    }
}

fn pointers(faults: &Faults) -> Vec<&str> {
    faults.0.iter().map(|f| f.pointer.as_str()).collect()
}

#[test]
fn columns_by_their_own_names() {
    let header = "data_point_id,gpa,gpa_scale,gre_verbal,gre_quant,toefl_total,profile.patents,university_name,acceptance_rate,\
        is_stem,decision,application_year,note";
    let plan = Mapping::default().plan(header.split(',')).unwrap();
    let point = plan.point(1, "a1, 8.5,10,155,160,,2,U,0.25,yes,Accepted,2024.0,x".split(',')).unwrap();
    let expected =
        AdmissionDataPoint::from_value(json!({"data_point_id": "a1", "decision": "accepted", "application_year": 2024,
        "profile": {"gpa": 8.5, "gpa_scale": 10, "patents": 2,
            "test_scores": [{"test_type": "gre", "verbal_score": 155, "quantitative_score": 160}]},
        "program": {"university_name": "U", "acceptance_rate": 0.25, "is_stem": true}}))
        .unwrap();
    assert_eq!(point, expected);
}

#[test]
fn attributes_are_read_by_their_prefix_and_by_a_mapping() {
    let header = ["data_point_id", "gpa", "university_name", "decision", "attributes.degree", "citizen"];
    let rules = json!({"columns": {"attributes.citizenship": {"column": "citizen", "missing": ["?"]}},
        "constants": {"attributes.cohort": "2026"}});
    let plan = mapping(rules).plan(header).unwrap();
    assert!(plan.unread().is_empty(), "{:?}", plan.unread());
    let point = plan.point(1, ["a", "3", "U", "accepted", " Bachelor ", "EU"]).unwrap();
    let named = |point: &AdmissionDataPoint| point.attributes.clone().into_iter().collect::<Vec<_>>();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(named(&point), [pair("citizenship", "EU"), pair("cohort", "2026"), pair("degree", "Bachelor")]);
    let point = plan.point(1, ["a", "3", "U", "accepted", "", "?"]).unwrap();
    assert_eq!(named(&point), [pair("cohort", "2026")]);
    let long = "x".repeat(101);
    let faults = plan.point(1, ["a", "3", "U", "accepted", &long, "EU"]).unwrap_err();
    assert_eq!(pointers(&faults), ["/attributes/degree"]);
    let wrong = json!({"columns": {"attributes.": "citizen", "attributes.degree": "citizen"}, "constants": {"attributes.a$": "x",
        "attributes.n": 3}});
    let faults = mapping(wrong).plan(header).unwrap_err();
    let at =
        ["/columns/attributes.", "/constants/attributes.a$", "/constants/attributes.n", "/columns/attributes.degree"];
    assert_eq!(pointers(&faults), at);
}

#[test]
fn bad_cells_are_all_named() {
    let plan = Mapping::default().plan(["data_point_id", "gpa", "acceptance_rate", "is_stem", "decision"]).unwrap();
    let faults = plan.point(1, ["a", "NaN", "-1", "perhaps", "admitted"]).unwrap_err();
    assert_eq!(pointers(&faults), ["/gpa", "/acceptance_rate", "/is_stem", "/decision"]);
    for bad in ["inf", "1e999", "three"] {
        assert_eq!(pointers(&plan.point(1, ["a", bad, "0.5", "1", "accepted"]).unwrap_err()), ["/gpa"]);
    }
    assert_eq!(pointers(&plan.point(1, ["a", "3"]).unwrap_err()), [""]);
    assert_eq!(pointers(&plan.point(1, ["", "3", "0.1", "0", ""]).unwrap_err()), ["/data_point_id", "/decision"]);
    assert_eq!(plan.point(1, ["a", "1e308", "7", "", "rejected"]).unwrap().profile.gpa, Some(1e308));
}

#[test]
fn what_a_file_lacks_is_said() {
    let faults = Mapping::default().plan(["admit", "gre", "gpa", "rank"]).unwrap_err();
    assert_eq!(faults.0.len(), 3, "{faults}");
    let wrong = mapping(json!({"columns": {"profile.gpaa": "gpa", "decision": "admitt"}, "constants": {"color": 1},
        "decisions": {"1": "yes"}, "id_prefix": "x-"}));
    let faults = wrong.plan(["admit", "gre", "gpa", "rank"]).unwrap_err();
    assert_eq!(
        pointers(&faults),
        ["/decisions/1", "/columns/decision", "/columns/profile.gpaa", "/constants/color", ""]
    );
    assert!(faults.0[1].message.contains("did you mean `admit`?"));
    assert!(faults.0[2].message.contains("did you mean `profile.gpa`?"), "{}", faults.0[2].message);
    let unknown =
        mapping(json!({"colums": {}, "columns": {"gpa": {"column": "gpa", "pattrn": "x"}}, "delimiter": "x"}));
    let faults = unknown.plan(["gpa", "university_name", "decision", "data_point_id"]).unwrap_err();
    assert_eq!(pointers(&faults), ["/delimiter", "/columns/gpa/pattrn", "/colums"]);
    assert!(faults.to_string().contains("did you mean `pattern`?"), "{faults}");
}

#[test]
fn a_placeholder_that_nobody_filled_in_is_refused() {
    let with = |name: &str| mapping(json!({"constants": {"university_name": name}}));
    let header = ["data_point_id", "gpa", "decision"];
    let faults = with(FILL_IN).plan(header).unwrap_err();
    assert_eq!(pointers(&faults), ["/constants/university_name"]);
    assert!(faults.to_string().contains("`university_name` still holds the placeholder"), "{faults}");
    assert!(with("UCLA").plan(header).is_ok());
}

/// Rows as the two UCLA files have them (made up).
#[test]
fn foreign_files_through_a_mapping() {
    let binary = mapping(json!({
        "columns": {"decision": "admit", "gre_total": "gre"}, "decisions": {"0": "rejected", "1": "accepted"},
        "constants": {"university_name": "UCLA", "application_year": 2010}, "id_prefix": "ucla-"}));
    let plan = binary.plan("admit,gre,gpa,rank".split(',')).unwrap();
    let point = plan.point(7, "1,660,3.67,3".split(',')).unwrap();
    assert_eq!((point.data_point_id.as_str(), point.decision), ("ucla-7", Decision::Accepted));
    assert_eq!(point.profile.test_scores[0].total_score, Some(660.0));
    assert_eq!((point.profile.gpa, point.application_year), (Some(3.67), Some(2010)));
    plan.point(8, "2,660,3.67,3".split(',')).unwrap_err();

    let chance = mapping(json!({
        "columns": {"data_point_id": "Serial No.", "decision": "Chance of Admit", "gpa": "CGPA", "gre_total": "GRE Score",
            "toefl_total": "TOEFL Score", "research_publications": "Research"},
        "constants": {"gpa_scale": 10, "university_name": "UCLA"}, "threshold": 0.72, "id_prefix": "ug-"}));
    let header = "Serial No.,GRE Score,TOEFL Score,University Rating,SOP,LOR ,CGPA,Research,Chance of Admit ";
    let plan = chance.plan(header.split(',')).unwrap();
    let point = plan.point(1, "1,337,118,4,4.5,4.5,9.65,1,0.72".split(',')).unwrap();
    assert_eq!((point.data_point_id.as_str(), point.decision), ("ug-1", Decision::Accepted));
    assert_eq!((point.profile.gpa, point.profile.gpa_scale), (Some(9.65), 10.0));
    assert_eq!(plan.point(2, "2,337,118,4,4.5,4.5,9.65,1,0.71".split(',')).unwrap().decision, Decision::Rejected);
    assert_eq!(
        pointers(&plan.point(2, "2,337,118,4,4.5,4.5,9.65,1,NaN".split(',')).unwrap_err()),
        ["/Chance of Admit"]
    );
}

#[test]
fn every_field_can_be_a_column() {
    for spec in &SPECS {
        let leaf = spec.path.rsplit('.').next().unwrap();
        assert_eq!(Target::parse(spec.path), Target::parse(leaf), "{leaf} names one field only");
        assert!(Target::parse(leaf).is_some());
    }
    for test in TestType::ALL {
        for member in ["total", "verbal", "quant", "analytical", "date"] {
            assert!(Target::parse(&format!("{test}_{member}")).is_some());
        }
    }
    assert_eq!(Target::parse("gre_verbal_avg").and_then(Target::part), Some("program"));
}

/// The files as found; they are not part of the project.
#[test]
fn real_foreign_files() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let cases = [
        (
            "ucla_binary.csv",
            json!({"columns": {"decision": "admit", "gre_total": "gre"}, "decisions": {"0": "rejected", "1": "accepted"},
                "constants": {"university_name": "UCLA"}, "id_prefix": "ucla-"}),
        ),
        (
            "ucla_graduate_admissions.csv",
            json!({"columns": {"data_point_id": "Serial No.", "decision": "Chance of Admit", "gpa": "CGPA",
                "gre_total": "GRE Score", "toefl_total": "TOEFL Score", "research_publications": "Research"},
                "constants": {"gpa_scale": 10, "university_name": "UCLA"}, "threshold": 0.72, "id_prefix": "ug-"}),
        ),
    ];
    for (file, rules) in cases {
        let Ok(text) = std::fs::read_to_string(folder.join(file)) else {
            eprintln!("SKIPPED: {} is not there", folder.join(file).display());
            continue;
        };
        let mut lines = text.lines();
        let plan = mapping(rules).plan(lines.next().unwrap().split(',')).unwrap();
        let points: Vec<_> = lines.zip(1..).map(|(l, row)| plan.point(row, l.split(',')).unwrap()).collect();
        assert!(points.len() >= 400, "{file}: {}", points.len());
        let accepted = points.iter().filter(|p| p.decision == Decision::Accepted).count();
        assert!(accepted > 0 && accepted < points.len());
        assert!(points.iter().all(|p| p.profile.gpa.is_some_and(|g| g > 0.0)));
    }
}

#[test]
fn what_contradicts_itself_is_refused_with_both_names() {
    let twice = Mapping::default().plan("data_point_id,gpa,gpa,university_name,decision".split(',')).unwrap_err();
    assert_eq!(pointers(&twice), ["/columns/gpa"]);
    assert!(twice.0[0].message.contains("(number 1)") && twice.0[0].message.contains("(number 2)"), "{twice}");
    let alias =
        Mapping::default().plan("data_point_id,toefl,toefl_total,university_name,decision".split(',')).unwrap_err();
    assert!(alias.to_string().contains("`toefl`") && alias.to_string().contains("`toefl_total`"), "{alias}");
    let header = "id,gpa,school,outcome";
    let of = |rest: Value| {
        let mut document =
            json!({"columns": {"data_point_id": "id", "decision": "outcome", "university_name": "school"}});
        document.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        mapping(document).plan(header.split(',')).unwrap_err()
    };
    assert_eq!(pointers(&of(json!({"constants": {"university_name": "B"}}))), ["/constants/university_name"]);
    let two = of(json!({"constants": {"program_name": "A", "program.program_name": "B"}}));
    assert_eq!(pointers(&two), ["/constants/program_name"]);
    let bad = of(json!({"constants": {"gpa_scale": -4, "application_cycle": "autumn"}}));
    assert_eq!(pointers(&bad), ["/constants/application_cycle", "/constants/gpa_scale"]);
    let left = of(json!({"decisions": {"Hold": "waitlisted"}, "leave_out": ["hold"], "date_format": "%Q"}));
    assert_eq!(pointers(&left), ["/leave_out", "/date_format"]);
}

#[test]
fn rules_of_a_column_are_checked_before_the_first_row() {
    let rules = |field: &str, rules: Value| {
        let mut rules = rules;
        rules["column"] = json!("gpa");
        mapping(json!({"columns": {field: rules}})).plan("gpa,data_point_id,university_name,decision".split(','))
    };
    for (field, wrong, pointer) in [
        ("gpa", json!({"pattern": "("}), "/columns/gpa/pattern"),
        ("gpa", json!({"pattern": "(a{1000}){1000}"}), "/columns/gpa/pattern"),
        ("gpa", json!({"pattern": "x".repeat(501)}), "/columns/gpa/pattern"),
        ("gpa", json!({"values": {"A": "good"}}), "/columns/gpa/values/A"),
        ("gpa", json!({"date_format": "%Y"}), "/columns/gpa/date_format"),
        ("gpa", json!({"factor": "12"}), "/columns/gpa/factor"),
        ("gender", json!({"factor": 12}), "/columns/gender/factor"),
        ("decision_date", json!({"date_format": "%"}), "/columns/decision_date/date_format"),
    ] {
        assert_eq!(pointers(&rules(field, wrong.clone()).unwrap_err())[0], pointer, "{wrong}");
    }
    rules("gpa", json!({"pattern": "([0-9.]+)", "factor": 0.04, "add": 0, "missing": ["-"], "values": {"A": 4}}))
        .unwrap();
}

/// A column, as many fields as are in it.
#[test]
fn cells_are_read_by_their_rules() {
    let rules = mapping(json!({
        "id_prefix": "g-", "missing": ["n/a"], "leave_out": ["Interview"],
        "columns": {
            "university_name": "school",
            "gpa": {"column": "scores", "pattern": r"GPA ([\d.]+)"}, "gpa_scale": {"column": "scores", "pattern": r"/(\d+)"},
            "gre_verbal": {"column": "scores", "pattern": r"V (\d{3})"}, "gre_quant": {"column": "scores", "pattern": r"Q (\d{3})"},
            "application_year": {"column": "term", "pattern": r"\b[FS](\d\d)\b", "add": 2000},
            "application_cycle": {"column": "term", "pattern": r"\b([FS])\d\d", "values": {"F": "fall", "S": "spring"}},
            "degree_level": {"column": "term", "pattern": r"^(\w+)", "values": {"PhD": "phd", "MS": "masters"}},
            "decision": {"column": "status", "pattern": r"^(\w+)"},
            "decision_date": {"column": "status", "pattern": " on (.+)$", "date_format": "%d %b %Y"},
            "work_experience_months": {"column": "years", "factor": 12},
            "scholarship_amount": "money"},
        "decisions": {"Wait": "waitlisted", "": "rejected"}}));
    let plan = rules.plan(["school", "scores", "term", "status", "years", "money", "note"]).unwrap();
    assert_eq!(plan.unread(), [Unread { column: "note".to_owned(), nearest: None }]);
    let read = |cells: [&str; 7]| {
        let mut tally = Tally::default();
        let point = plan.row(3, 7, |i| cells[i], &mut tally);
        (point.unwrap(), tally)
    };
    let (point, tally) =
        read(["U", "GPA 3.90/4 V 160 Q 165", "PhD (F19)", "Accepted on 3 Mar 2019", "2.5", "$30,000", "x"]);
    let point = point.unwrap();
    assert_eq!((point.data_point_id.as_str(), point.decision), ("g-3", Decision::Accepted));
    assert_eq!((point.profile.gpa, point.profile.gpa_scale), (Some(3.9), 4.0));
    let test = &point.profile.test_scores[0];
    assert_eq!((test.verbal_score, test.quantitative_score), (Some(160.0), Some(165.0)));
    assert_eq!((point.application_year, point.application_cycle), (Some(2019), Some(Cycle::Fall)));
    assert_eq!(point.program.degree_level, Some(DegreeLevel::Phd));
    assert_eq!(point.decision_date.unwrap().to_string(), "2019-03-03");
    assert_eq!((point.profile.work_experience_months, point.scholarship_amount), (Some(30.0), Some(30_000.0)));
    assert_eq!(tally, Tally::default());

    let (point, tally) = read(["U", "3.9", "ms, S20", "wait list", "N/A", "", ""]);
    let point = point.unwrap();
    assert_eq!(
        (point.decision, point.profile.gpa, point.profile.work_experience_months),
        (Decision::Waitlisted, None, None)
    );
    assert_eq!(point.application_cycle, Some(Cycle::Spring));
    assert_eq!(tally.unmatched, 5, "gpa, its scale, two sections and the date are not in the cells");
    assert_eq!(read(["U", "", "", "", "", "", ""]).0.unwrap().decision, Decision::Rejected);
    let (point, tally) = read(["U", "", "", "Interview via E-mail", "", "", ""]);
    assert_eq!((point, tally.left_out), (None, 1));
}

#[test]
fn columns_go_by_their_numbers_without_a_header() {
    let rules = mapping(json!({"header": false, "id_prefix": "g-", "date_format": "%d %b %Y",
        "columns": {"university_name": 0, "decision": "3", "gpa": {"column": 6}, "decision_date": 5}}));
    let row = ["Univ Of Y", "Geology", "Masters (F19)", "Accepted", " E-mail", "28 Feb 2019", "  3.84"];
    let plan = rules.plan(row).unwrap();
    let point = plan.point(2, row).unwrap();
    assert_eq!((point.data_point_id.as_str(), point.profile.gpa), ("g-2", Some(3.84)));
    assert_eq!(point.decision_date.unwrap().to_string(), "2019-02-28");
    assert_eq!(plan.unread().len(), 3);
    let faults =
        mapping(json!({"header": false, "id_prefix": "g-", "columns": {"university_name": 9, "decision": "status",
        "gpa": 6}}))
        .plan(row)
        .unwrap_err();
    assert_eq!(pointers(&faults), ["/columns/decision", "/columns/university_name"]);
}

#[test]
fn unread_columns_have_a_nearest_field() {
    let plan = Mapping::default()
        .plan("data_point_id,gpa,gpa_scle,Univeristy Ranking,university_name,decision,gre_verbl,color".split(','))
        .unwrap();
    let nearest: Vec<_> = plan.unread().iter().map(|u| (u.column.as_str(), u.nearest.as_deref())).collect();
    assert_eq!(
        nearest,
        [
            ("gpa_scle", Some("gpa_scale")),
            ("Univeristy Ranking", Some("university_ranking")),
            ("gre_verbl", Some("gre_verbal")),
            ("color", None)
        ]
    );
}

#[test]
fn one_word_has_one_decision() {
    let header = ["data_point_id", "gpa", "university_name", "decision"];
    let plan = |decisions: Value| mapping(json!({ "decisions": decisions })).plan(header);
    assert!(plan(json!({"Yes": "accepted", "YES": "accepted"})).is_ok());
    let faults = plan(json!({"Yes": "accepted", "YES": "rejected"})).unwrap_err();
    assert_eq!(pointers(&faults), ["/decisions/Yes"]);
}

#[test]
fn a_number_of_json_has_its_point_whatever_the_texts_have() {
    let header = ["data_point_id", "gpa", "university_name", "decision"];
    let plan = mapping(json!({"decimal_comma": true})).plan(header).unwrap();
    let gpa = |text: &'static str, plain: bool| {
        let cells = ["a", text, "U", "accepted"];
        let read = plan.members(1, 4, |i| (cells[i], plain && i == 1), &[], &mut Tally::default());
        read.ok().flatten().and_then(|point| point.profile.gpa)
    };
    assert_eq!((gpa("3.125", true), gpa("3,125", false), gpa("3.75", false)), (Some(3.125), Some(3.125), None));
}

#[test]
fn a_late_member_is_read_by_its_fields_name_if_nothing_else_is_that_field() {
    let plan = mapping(json!({"columns": {"gpa": "grade"}, "constants": {"program_name": "P"}}))
        .plan(["data_point_id", "grade", "decision"])
        .unwrap();
    assert!(plan.late("gpa", "3", true).is_none() && plan.late("profile.gpa", "3", true).is_none());
    assert!(plan.late("program_name", "Q", false).is_none() && plan.late("colour", "red", false).is_none());
    let cells = ["a", "3.5", "accepted"];
    let read = |late: &[(&'static str, &'static str)]| {
        let late: Vec<_> = late.iter().map(|(name, text)| plan.late(name, text, false).unwrap()).collect();
        plan.members(1, 3, |i| (cells[i], false), &late, &mut Tally::default())
    };
    let point = read(&[("gre_verbal", "160"), ("program.department", "D")]).unwrap().unwrap();
    assert_eq!(point.profile.test_scores[0].verbal_score, Some(160.0));
    assert_eq!(point.program.department.as_deref(), Some("D"));
    assert_eq!(pointers(&read(&[("gre_verbal", "high")]).unwrap_err()), ["/gre_verbal"]);
    let twice = read(&[("patents", "1"), ("profile.patents", "2")]).unwrap_err();
    assert!(twice.to_string().contains("`patents` and `profile.patents` are both `patents`"), "{twice}");
}

#[test]
fn known_words_of_any_column_mean_their_decision() {
    let cells = ["Admit", " admit ", "Denied", "accepted", "pending review", "who knows", ""];
    let found = super::guess::decisions(cells.into_iter());
    assert_eq!(found.meanings, [("Admit".to_owned(), "accepted"), ("Denied".to_owned(), "rejected")]);
    assert_eq!(found.open, ["pending review"]);
}
