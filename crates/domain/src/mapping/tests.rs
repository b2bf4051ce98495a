#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use serde_json::json;

fn mapping(value: Value) -> CsvMapping {
    serde_json::from_value(value).unwrap()
}

fn pointers(faults: &Faults) -> Vec<&str> {
    faults.0.iter().map(|f| f.pointer.as_str()).collect()
}

#[test]
fn columns_by_their_own_names() {
    let header = "data_point_id,gpa,gpa_scale,gre_verbal,gre_quant,toefl_total,profile.patents,university_name,acceptance_rate,\
        is_stem,decision,application_year,note";
    let plan = CsvMapping::default().plan(header.split(',')).unwrap();
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
fn bad_cells_are_all_named() {
    let plan = CsvMapping::default().plan(["data_point_id", "gpa", "acceptance_rate", "is_stem", "decision"]).unwrap();
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
    let faults = CsvMapping::default().plan(["admit", "gre", "gpa", "rank"]).unwrap_err();
    assert_eq!(faults.0.len(), 3, "{faults}");
    let wrong = mapping(json!({"columns": {"profile.gpaa": "gpa", "decision": "admitt"}, "constants": {"color": 1},
        "decisions": {"1": "yes"}, "id_prefix": "x-"}));
    let faults = wrong.plan(["admit", "gre", "gpa", "rank"]).unwrap_err();
    assert_eq!(
        pointers(&faults),
        ["/columns/decision", "/columns/profile.gpaa", "/constants/color", "/decisions/1", "", ""]
    );
    assert!(faults.0[0].message.contains("did you mean `admit`?"));
    assert!(faults.0[1].message.contains("did you mean `profile.gpa`?"));
    serde_json::from_value::<CsvMapping>(json!({"colums": {}})).unwrap_err();
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
