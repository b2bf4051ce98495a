//! Published layouts of admissions data, each with a few invented rows: a guessed mapping imports them, and the stored
//! values are compared with the rows' by hand.
#![allow(clippy::unwrap_used)]

use crate::command::Place;
use crate::importing::stored;
use provost_domain::mapping::FILL_IN;
use serde_json::{Value, json};

/// Imports `text` with the mapping that `--guess` writes for it; returns the report and the mapping.
fn guessed(name: &str, text: impl AsRef<[u8]>) -> (Value, String, Place) {
    let place = Place::new();
    place.file(name, text);
    let ran = place.run(&["import", "--guess", name]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let mapping = ran.out;
    assert!(mapping.lines().count() <= 25, "{} lines:\n{mapping}", mapping.lines().count());
    // Nobody has said yet which university the file is about.
    if mapping.contains(FILL_IN) {
        place.file("m.toml", &mapping);
        let ran = place.run(&["import", name, "--mapping", "m.toml"]);
        assert!(ran.code != Some(0) && ran.err.contains("university_name"), "{ran:?}");
    }
    place.file("m.toml", mapping.replace(FILL_IN, "U"));
    let ran = place.run(&["import", name, "--mapping", "m.toml", "--rejects", "r.jsonl", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}\n{mapping}");
    (ran.json(), mapping, place)
}

/// Rows read, rejected and left out.
fn counts(report: &Value) -> [u64; 3] {
    ["rows", "rejected", "left_out"].map(|k| report[k].as_u64().unwrap())
}

/// The stored points, without the members that are equal in all of them.
fn imported(place: &Place) -> Value {
    let mut points = stored(place);
    for point in &mut points {
        let members = point.as_object_mut().unwrap();
        assert_eq!((members.remove("verified"), members.remove("seq")), (Some(json!(false)), Some(json!(0))));
        let profile = members["profile"].as_object_mut().unwrap();
        if profile["test_scores"] == json!([]) {
            profile.remove("test_scores");
        }
    }
    Value::from(points)
}

#[test]
fn ucla_with_a_chance() {
    let (report, mapping, place) = guessed(
        "ucla.csv",
        "Serial No.,GRE Score,TOEFL Score,University Rating,SOP,LOR ,CGPA,Research,Chance of Admit \n\
         1,337,118,4,4.5,4.5,9.65,1,0.92\n2,324,107,4,4,4.5,8.87,1,0.76\n3,316,104,3,3,3.5,8,0,0.32\n",
    );
    assert_eq!(counts(&report), [3, 0, 0], "{mapping}");
    for part in ["threshold", "gpa_scale = 10.0", "university_name = \"FILL IN\"", "gre_total", "toefl_total"] {
        assert!(mapping.contains(part), "{part}\n{mapping}");
    }
    assert_eq!(
        imported(&place),
        json!([
            {"data_point_id": "1", "profile": {"gpa": 9.65, "gpa_scale": 10.0, "test_scores": [{"test_type": "gre", "total_score": 337.0}, {"test_type": "toefl", "total_score": 118.0}], "research_publications": 1.0}, "program": {"university_name": "U"}, "decision": "accepted"},
            {"data_point_id": "2", "profile": {"gpa": 8.87, "gpa_scale": 10.0, "test_scores": [{"test_type": "gre", "total_score": 324.0}, {"test_type": "toefl", "total_score": 107.0}], "research_publications": 1.0}, "program": {"university_name": "U"}, "decision": "accepted"},
            {"data_point_id": "3", "profile": {"gpa": 8.0, "gpa_scale": 10.0, "test_scores": [{"test_type": "gre", "total_score": 316.0}, {"test_type": "toefl", "total_score": 104.0}], "research_publications": 0.0}, "program": {"university_name": "U"}, "decision": "rejected"},
        ])
    );
}

#[test]
fn ucla_with_an_outcome() {
    let (report, mapping, place) = guessed("binary.csv", "admit,gre,gpa,rank\n0,380,3.61,3\n1,660,3.67,3\n1,800,4,1\n");
    assert_eq!(counts(&report), [3, 0, 0], "{mapping}");
    assert_eq!(
        imported(&place),
        json!([
            {"data_point_id": "row-2", "profile": {"gpa": 3.61, "gpa_scale": 4.0, "test_scores": [{"test_type": "gre", "total_score": 380.0}]}, "program": {"university_name": "U"}, "decision": "rejected"},
            {"data_point_id": "row-3", "profile": {"gpa": 3.67, "gpa_scale": 4.0, "test_scores": [{"test_type": "gre", "total_score": 660.0}]}, "program": {"university_name": "U"}, "decision": "accepted"},
            {"data_point_id": "row-4", "profile": {"gpa": 4.0, "gpa_scale": 4.0, "test_scores": [{"test_type": "gre", "total_score": 800.0}]}, "program": {"university_name": "U"}, "decision": "accepted"},
        ])
    );
}

#[test]
fn gradcafe_with_letters_for_terms() {
    let (report, mapping, place) = guessed(
        "gc.csv",
        "rowid,uni_name,major,degree,season,decision,decision_method,decision_date,ugrad_gpa,gre_verbal,gre_quant,gre_writing,status,comments\n\
         1,Univ Of A,Physics,PhD,F16,Accepted,E-mail,2016-02-14,3.9,160,168,4.5,American,\n\
         2,Univ Of B,Physics,MS,S17,Rejected,Website,2016-11-20,3.5,155,160,4,International,\"waited, long\"\n\
         3,Univ Of B,Physics,PhD,F17,Wait listed,Website,2017-03-02,,,,,Other,\n\
         4,Univ Of C,Physics,PhD,F17,Interview,E-mail,2017-01-09,3.7,,,,American,\n",
    );
    assert_eq!(counts(&report), [3, 0, 1], "{mapping}");
    assert!(mapping.contains("application_year") && mapping.contains("application_cycle"), "{mapping}");
    assert!(mapping.contains("add = 2000") && mapping.contains("degree_level"), "{mapping}");
    assert_eq!(
        imported(&place),
        json!([
            {"data_point_id": "1", "profile": {"gpa": 3.9, "gpa_scale": 4.0, "undergraduate_major": "Physics", "test_scores": [{"test_type": "gre", "verbal_score": 160.0, "quantitative_score": 168.0, "analytical_score": 4.5}]}, "program": {"university_name": "Univ Of A", "degree_level": "phd"}, "decision": "accepted", "decision_date": "2016-02-14", "application_year": 2016, "application_cycle": "fall"},
            {"data_point_id": "2", "profile": {"gpa": 3.5, "gpa_scale": 4.0, "undergraduate_major": "Physics", "test_scores": [{"test_type": "gre", "verbal_score": 155.0, "quantitative_score": 160.0, "analytical_score": 4.0}]}, "program": {"university_name": "Univ Of B", "degree_level": "masters"}, "decision": "rejected", "decision_date": "2016-11-20", "application_year": 2017, "application_cycle": "spring"},
            {"data_point_id": "3", "profile": {"gpa_scale": 4.0, "undergraduate_major": "Physics"}, "program": {"university_name": "Univ Of B", "degree_level": "phd"}, "decision": "waitlisted", "decision_date": "2017-03-02", "application_year": 2017, "application_cycle": "fall"},
        ])
    );
}

#[test]
fn gradcafe_with_facts_in_sentences() {
    let (report, mapping, place) = guessed(
        "gc.csv",
        "institution,program,degree,season,status,gpa,scores,notes\n\
         University of A,Economics,Masters,Fall 2019,Accepted via E-mail on 3 Mar 2019,GPA 3.90,V 160 Q 165 W 4.0,\n\
         University of B,Economics,PhD,Fall 2019,Rejected via Website on 28 Feb 2019,GPA 3.84,V 156 Q 160 W 4.5,\n\
         University of C,Economics,PhD,Spring 2020,Wait listed via Website on 1 Mar 2019,,,\n",
    );
    assert_eq!(counts(&report), [3, 0, 0], "{mapping}");
    for field in ["gre_verbal", "gre_quant", "gre_analytical", "decision_date", "application_year", "gpa = "] {
        assert!(mapping.contains(field), "{field}\n{mapping}");
    }
    assert_eq!(
        imported(&place),
        json!([
            {"data_point_id": "row-2", "profile": {"gpa": 3.9, "gpa_scale": 4.0, "test_scores": [{"test_type": "gre", "verbal_score": 160.0, "quantitative_score": 165.0, "analytical_score": 4.0}]}, "program": {"university_name": "University of A", "program_name": "Economics", "degree_level": "masters"}, "decision": "accepted", "decision_date": "2019-03-03", "application_year": 2019, "application_cycle": "fall"},
            {"data_point_id": "row-3", "profile": {"gpa": 3.84, "gpa_scale": 4.0, "test_scores": [{"test_type": "gre", "verbal_score": 156.0, "quantitative_score": 160.0, "analytical_score": 4.5}]}, "program": {"university_name": "University of B", "program_name": "Economics", "degree_level": "phd"}, "decision": "rejected", "decision_date": "2019-02-28", "application_year": 2019, "application_cycle": "fall"},
            {"data_point_id": "row-4", "profile": {"gpa_scale": 4.0}, "program": {"university_name": "University of C", "program_name": "Economics", "degree_level": "phd"}, "decision": "waitlisted", "decision_date": "2019-03-01", "application_year": 2020, "application_cycle": "spring"},
        ])
    );
}

#[test]
fn gradcafe_as_json() {
    let (report, mapping, place) = guessed(
        "gc.json",
        r#"[{"school": "University of A", "program": "CS", "term": "Fall 2022", "status": "Accepted", "gpa": "3.4/4", "gre": null},
{"school": "University of B", "program": "CS", "term": "Fall 2022", "status": "Rejected", "gpa": "8.1/10", "gre": null}]"#,
    );
    assert_eq!(counts(&report), [2, 0, 0], "{mapping}");
    assert!(mapping.contains("gpa_scale"), "{mapping}");
    assert_eq!(
        imported(&place),
        json!([
            {"data_point_id": "row-1", "profile": {"gpa": 3.4, "gpa_scale": 4.0}, "program": {"university_name": "University of A", "program_name": "CS"}, "decision": "accepted", "application_year": 2022, "application_cycle": "fall"},
            {"data_point_id": "row-2", "profile": {"gpa": 8.1, "gpa_scale": 10.0}, "program": {"university_name": "University of B", "program_name": "CS"}, "decision": "rejected", "application_year": 2022, "application_cycle": "fall"},
        ])
    );
}

#[test]
fn gradcafe_without_a_header() {
    let row = |university: &str, decision: &str, gpa: &str| {
        format!(
            "\"{university}\",\"Geology\",\"Masters (F19)\",\"{decision}\",\" E-mail\",\"26 Mar 2019\",\"{gpa}\",\"156\",\"160\",\"4.00\",\"\",\"U\",\"26 Mar 2019\",\"note\"\n"
        )
    };
    let text = row("Univ Of X", "Rejected", "")
        + &row("Univ Of Y", "Accepted", "  3.84")
        + &row("Univ Of Z", "Accepted", "3.61");
    let (report, mapping, place) = guessed("gc.csv", text);
    assert_eq!(counts(&report), [3, 0, 0], "{mapping}");
    for part in ["header = false", "university_name = 0", "gpa = 6", "gre_verbal = 7", "add = 2000", "degree_level"] {
        assert!(mapping.contains(part), "{part}\n{mapping}");
    }
    assert_eq!(
        imported(&place),
        json!([
            {"data_point_id": "row-1", "profile": {"gpa_scale": 4.0, "test_scores": [{"test_type": "gre", "verbal_score": 156.0, "quantitative_score": 160.0}]}, "program": {"university_name": "Univ Of X", "program_name": "Geology", "degree_level": "masters"}, "decision": "rejected", "decision_date": "2019-03-26", "application_year": 2019, "application_cycle": "fall"},
            {"data_point_id": "row-2", "profile": {"gpa": 3.84, "gpa_scale": 4.0, "test_scores": [{"test_type": "gre", "verbal_score": 156.0, "quantitative_score": 160.0}]}, "program": {"university_name": "Univ Of Y", "program_name": "Geology", "degree_level": "masters"}, "decision": "accepted", "decision_date": "2019-03-26", "application_year": 2019, "application_cycle": "fall"},
            {"data_point_id": "row-3", "profile": {"gpa": 3.61, "gpa_scale": 4.0, "test_scores": [{"test_type": "gre", "verbal_score": 156.0, "quantitative_score": 160.0}]}, "program": {"university_name": "Univ Of Z", "program_name": "Geology", "degree_level": "masters"}, "decision": "accepted", "decision_date": "2019-03-26", "application_year": 2019, "application_cycle": "fall"},
        ])
    );
}

#[test]
fn edulix() {
    let (report, mapping, place) = guessed(
        "edulix.csv",
        "userName,major,researchExp,industryExp,toeflScore,program,department,internExp,greV,greQ,journalPubs,greA,termAndYear,confPubs,ugCollege,cgpa,cgpaScale,univName,admit\n\
         a,Robotics,0,1,112,MS,CS,0.0,160,167,0,4.5,Fall - 2015,0,IIT,8.5,10,Univ A,1\n\
         b,CS,0,0,108,MS,CS,0.0,155,168,0,3.5,Fall - 2015,0,NIT,78,100,Univ B,0\n",
    );
    assert_eq!(counts(&report), [2, 0, 0], "{mapping}");
    for field in ["gpa_scale", "undergraduate_university", "toefl_total", "gre_quant", "application_cycle"] {
        assert!(mapping.contains(field), "{field}\n{mapping}");
    }
    assert_eq!(
        imported(&place),
        json!([
            {"data_point_id": "row-2", "profile": {"gpa": 8.5, "gpa_scale": 10.0, "undergraduate_major": "Robotics", "undergraduate_university": "IIT", "test_scores": [{"test_type": "gre", "verbal_score": 160.0, "quantitative_score": 167.0, "analytical_score": 4.5}, {"test_type": "toefl", "total_score": 112.0}], "research_publications": 0.0, "conference_papers": 0.0, "work_experience_months": 12.0}, "program": {"university_name": "Univ A", "program_name": "MS", "degree_level": "masters", "department": "CS"}, "decision": "accepted", "application_year": 2015, "application_cycle": "fall"},
            {"data_point_id": "row-3", "profile": {"gpa": 78.0, "gpa_scale": 100.0, "undergraduate_major": "CS", "undergraduate_university": "NIT", "test_scores": [{"test_type": "gre", "verbal_score": 155.0, "quantitative_score": 168.0, "analytical_score": 3.5}, {"test_type": "toefl", "total_score": 108.0}], "research_publications": 0.0, "conference_papers": 0.0, "work_experience_months": 0.0}, "program": {"university_name": "Univ B", "program_name": "MS", "degree_level": "masters", "department": "CS"}, "decision": "rejected", "application_year": 2015, "application_cycle": "fall"},
        ])
    );
}

#[test]
fn mba_with_blank_decisions() {
    let (report, mapping, place) = guessed(
        "mba.csv",
        "application_id,gender,international,gpa,major,race,gmat,work_exp,work_industry,admission\n\
         1,Female,TRUE,3.06,Business,,710,5,Consulting,Waitlist\n2,Female,TRUE,3.29,Business,,700,6,Consulting,Admit\n\
         3,Male,FALSE,3.52,STEM,,750,2,Consulting,\n4,Female,TRUE,2.83,STEM,,690,7,Consulting,\n",
    );
    assert_eq!(counts(&report), [4, 0, 0], "{mapping}");
    assert!(mapping.contains("factor = 12") && mapping.contains("\"\" = \"rejected\""), "{mapping}");
    assert_eq!(
        imported(&place),
        json!([
            {"data_point_id": "1", "profile": {"gpa": 3.06, "gpa_scale": 4.0, "undergraduate_major": "Business", "test_scores": [{"test_type": "gmat", "total_score": 710.0}], "work_experience_months": 60.0, "gender": "Female"}, "program": {"university_name": "U"}, "decision": "waitlisted"},
            {"data_point_id": "2", "profile": {"gpa": 3.29, "gpa_scale": 4.0, "undergraduate_major": "Business", "test_scores": [{"test_type": "gmat", "total_score": 700.0}], "work_experience_months": 72.0, "gender": "Female"}, "program": {"university_name": "U"}, "decision": "accepted"},
            {"data_point_id": "3", "profile": {"gpa": 3.52, "gpa_scale": 4.0, "undergraduate_major": "STEM", "test_scores": [{"test_type": "gmat", "total_score": 750.0}], "work_experience_months": 24.0, "gender": "Male"}, "program": {"university_name": "U"}, "decision": "rejected"},
            {"data_point_id": "4", "profile": {"gpa": 2.83, "gpa_scale": 4.0, "undergraduate_major": "STEM", "test_scores": [{"test_type": "gmat", "total_score": 690.0}], "work_experience_months": 84.0, "gender": "Female"}, "program": {"university_name": "U"}, "decision": "rejected"},
        ])
    );
}

#[test]
fn law_schools_with_softs_and_money() {
    let (report, mapping, place) = guessed(
        "law.csv",
        "sent_at,decision_at,school_name,scholarship,in_state,softs,lsat,gpa,result,cycleid\n\
         2021-10-01,2022-01-15,Law School A,\"$30,000\",t,T3,168,3.8,Accepted,19\n2021-10-03,,Law School A,,f,T2,171,3.6,\"WL, Accepted\",19\n\
         2021-10-03,2022-02-01,Law School B,0,f,,160,3.2,\"Hold, Rejected\",19\n2021-10-03,2022-02-01,Law School B,,f,,161,3.3,Pending,19\n",
    );
    assert_eq!(counts(&report), [3, 0, 1], "{mapping}");
    let ran = place.run(&["features", "law.csv", "--mapping", "m.toml", "--out", "f.csv", "--json"]);
    assert_eq!(ran.json()["rows"], 3, "{ran:?}");
    assert_eq!(
        imported(&place),
        json!([
            {"data_point_id": "row-2", "profile": {"gpa": 3.8, "gpa_scale": 4.0}, "program": {"university_name": "Law School A"}, "decision": "accepted", "decision_date": "2022-01-15", "scholarship_amount": 30000.0},
            {"data_point_id": "row-3", "profile": {"gpa": 3.6, "gpa_scale": 4.0}, "program": {"university_name": "Law School A"}, "decision": "accepted"},
            {"data_point_id": "row-4", "profile": {"gpa": 3.2, "gpa_scale": 4.0}, "program": {"university_name": "Law School B"}, "decision": "rejected", "decision_date": "2022-02-01", "scholarship_amount": 0.0},
        ])
    );
}

#[test]
fn colleges_with_sat_and_semicolons_in_an_older_encoding() {
    let text = "Student;SAT Score;ACT;GPA;Université;Admitted\nA;1450;33;3,75;École Supérieure;Yes\nB;1100;;3,1;École Supérieure;No\n";
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let (report, mapping, place) = guessed("sat.csv", latin);
    assert_eq!(counts(&report), [2, 0, 0], "{mapping}");
    for part in ["delimiter = \";\"", "encoding = \"windows-1252\"", "decimal_comma = true", "sat_total"] {
        assert!(mapping.contains(part), "{part}\n{mapping}");
    }
    assert_eq!(
        imported(&place),
        json!([
            {"data_point_id": "row-2", "profile": {"gpa": 3.75, "gpa_scale": 4.0, "test_scores": [{"test_type": "act", "total_score": 33.0}, {"test_type": "sat", "total_score": 1450.0}]}, "program": {"university_name": "U"}, "decision": "accepted"},
            {"data_point_id": "row-3", "profile": {"gpa": 3.1, "gpa_scale": 4.0, "test_scores": [{"test_type": "sat", "total_score": 1100.0}]}, "program": {"university_name": "U"}, "decision": "rejected"},
        ])
    );
}
