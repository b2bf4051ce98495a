#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn good() -> Value {
    json!({"data_point_id": "a-1", "decision": "accepted", "application_year": 2024, "application_cycle": "fall",
        "profile": {"gpa": 3.5, "gpa_scale": 4, "research_publications": 2, "patents": null,
            "test_scores": [{"test_type": "gre", "verbal_score": 155, "quantitative_score": 160.0, "date_taken": "2023-05-01"}]},
        "program": {"university_name": "A", "program_name": "B", "degree_level": "phd", "acceptance_rate": 0.2}})
}

fn read(v: &Value) -> Result<AdmissionDataPoint, Faults> {
    AdmissionDataPoint::from_json(v.to_string().as_bytes())
}

fn with(pointer: &str, value: Value) -> Value {
    let mut doc = good();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = if parent.is_empty() { &mut doc } else { doc.pointer_mut(parent).unwrap() };
    match parent {
        Value::Array(a) => a[name.parse::<usize>().unwrap()] = value,
        other => other[name] = value,
    }
    doc
}

fn pointers(v: &Value) -> Vec<String> {
    let fast = read(v).unwrap_err();
    assert_eq!(fast, AdmissionDataPoint::from_value(v.clone()).unwrap_err(), "both ways in name the same faults");
    fast.0.into_iter().map(|f| f.pointer).collect()
}

#[test]
fn reads_and_writes_the_same() {
    let point = read(&good()).unwrap();
    assert_eq!(point.profile.research_publications, Some(2.0));
    assert_eq!(point.profile.patents, None);
    assert_eq!(point.profile.test_scores[0].date_taken, NaiveDate::from_ymd_opt(2023, 5, 1));
    assert!(!point.verified);
    assert_eq!(read(&serde_json::to_value(&point).unwrap()).unwrap(), point);
    assert_eq!(AdmissionDataPoint::from_value(good()).unwrap(), point);
}

#[test]
fn missing_parts_are_all_named() {
    assert_eq!(pointers(&json!({})), ["/profile", "/program", "/data_point_id", "/decision"]);
    let mut doc = good();
    for name in ["data_point_id", "decision", "profile", "program"] {
        doc[name] = Value::Null;
    }
    assert_eq!(pointers(&doc), ["/profile", "/program", "/data_point_id", "/decision"]);
    assert_eq!(pointers(&json!([])), [""]);
}

#[test]
fn refused_values_are_named() {
    for (pointer, value) in [
        ("/data_point_id", json!("")),
        ("/data_point_id", json!("a\nb")),
        ("/data_point_id", json!("x".repeat(201))),
        ("/data_point_id", json!(7)),
        ("/decision", json!("admitted")),
        ("/application_cycle", json!("winter")),
        ("/program/degree_level", json!("diploma")),
        ("/profile/test_scores/0/test_type", json!("lsat")),
        ("/profile/gpa", json!(-0.1)),
        ("/profile/gpa", json!("3.5")),
        ("/profile/gpa", json!("NaN")),
        ("/profile/volunteer_hours", json!(-1)),
        ("/profile/test_scores/0/verbal_score", json!(-155)),
        ("/profile/test_scores", json!({})),
        ("/profile/test_scores/0", json!(3)),
        ("/program/acceptance_rate", json!(-1e308)),
        ("/program/university_name", json!("u".repeat(501))),
        ("/application_year", json!(2024.5)),
        ("/application_year", json!(-3)),
        ("/decision_date", json!("yesterday")),
        ("/created_at", json!(17)),
        ("/seq", json!(-1)),
        ("/verified", json!("yes")),
    ] {
        assert_eq!(pointers(&with(pointer, value.clone())), [pointer], "{value}");
    }
    let message = read(&with("/decision", json!("acepted"))).unwrap_err().0[0].message.clone();
    assert!(message.contains("acepted") && message.contains("did you mean `accepted`?"), "{message}");
}

#[test]
fn non_finite_and_malformed_documents() {
    let doc = good().to_string();
    for bad in ["1e999", "-1e999", "NaN", "Infinity"] {
        let text = doc.replace("3.5", bad);
        let faults = AdmissionDataPoint::from_json(text.as_bytes()).unwrap_err();
        assert!(faults.0[0].message.contains("malformed JSON"), "{bad}: {faults}");
    }
    for bad in [&b"{"[..], b"", b"\xff\xfe", b"{\"data_point_id\": \"a\"} x", &doc.as_bytes()[..60]] {
        assert_eq!(AdmissionDataPoint::from_json(bad).unwrap_err().0.len(), 1);
    }
    let deep = "[".repeat(100_000);
    AdmissionDataPoint::from_json(deep.as_bytes()).unwrap_err();
}

#[test]
fn off_scale_values_are_kept() {
    for (pointer, value) in [
        ("/profile/gpa", json!(1e308)),
        ("/profile/test_scores/0/verbal_score", json!(5103)),
        ("/program/acceptance_rate", json!(74.6)),
        ("/profile/gpa_scale", json!(0)),
        ("/profile/unknown_field", json!({"a": [1]})),
        ("/profile/gpa_scale", json!(null)),
        ("/profile/test_scores", json!(null)),
        ("/verified", json!(null)),
        ("/application_year", json!(2024.0)),
        ("/decision_date", json!("2024-03-01T12:00:00+02:00")),
        ("/created_at", json!("2024-03-01T12:00:00")),
    ] {
        let point = read(&with(pointer, value.clone())).unwrap_or_else(|e| panic!("{pointer} {value}: {e}"));
        assert_eq!(AdmissionDataPoint::from_value(with(pointer, value)).unwrap(), point);
    }
}

#[test]
fn applicants_are_told_apart() {
    let key = |v: &Value| read(v).unwrap().applicant_key();
    let other_program = with("/program/university_name", json!("Z"));
    assert_eq!(key(&good()), key(&other_program));
    assert_eq!(key(&good()), key(&with("/profile/patents", json!(0))), "an absent count is 0");
    assert_ne!(key(&good()), key(&with("/profile/gpa", json!(3.6))));
    assert_ne!(key(&good()), key(&with("/applicant_id", json!("p1"))));
    let same = |gpa: f64| {
        let mut doc = with("/applicant_id", json!("p1"));
        doc["profile"]["gpa"] = json!(gpa);
        key(&doc)
    };
    assert_eq!(same(3.0), same(2.0));
    // Written down once: a change here would move every applicant between the parts of a split.
    assert_eq!(same(3.0), 0x70946e84eb362a25);
}

#[test]
fn content_is_profile_program_and_decision() {
    let key = |v: &Value| read(v).unwrap().content_key();
    assert_eq!(key(&good()), key(&with("/data_point_id", json!("other"))));
    assert_ne!(key(&good()), key(&with("/decision", json!("rejected"))));
    assert_ne!(key(&good()), key(&with("/program/is_stem", json!(false))));
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(AdmissionDataPoint::from_json(&bytes).is_err());
    }

    /// The fast reader and the slow one agree on what is a fault, field by field.
    #[test]
    fn fast_and_slow_agree(at in 0usize..shape::SPECS.len(), value in prop_oneof![
        Just(json!(null)), Just(json!(true)), any::<i64>().prop_map(Value::from), any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from), Just(json!("phd")), Just(json!("2024-01-02")), Just(json!([])), Just(json!({})),
        Just(json!(u64::MAX)), Just(json!(1e300)), Just(json!("fall")),
    ]) {
        let path = shape::SPECS[at].path;
        let doc = with(&format!("/{}", path.replace('.', "/")), value);
        let fast = read(&doc);
        let slow = AdmissionDataPoint::from_value(doc.clone());
        prop_assert_eq!(&fast, &slow);
        if let Err(f) = fast {
            prop_assert!(!f.0[0].pointer.is_empty(), "{} has no pointer: {}", path, f);
        }
    }
}

#[test]
fn attributes_are_bounded_and_absent_ones_change_no_document() {
    let with = |attributes: Value| {
        let mut document = json!({"data_point_id": "a", "profile": {"gender": " ", "nationality": "PT"}, "program": {},
            "decision": "accepted"});
        document["attributes"] = attributes;
        AdmissionDataPoint::from_value(document)
    };
    let point = with(json!({"degree": "Bachelor", "gender": "f", "nationality": "ES", "blank": " "})).unwrap();
    let groups = ["degree", "gender", "nationality", "blank", "other"].map(|name| point.audit_group(name));
    assert_eq!(groups, [Some("Bachelor"), Some("f"), Some("PT"), None, None]);
    assert_eq!(AdmissionDataPoint::from_json(&serde_json::to_vec(&point).unwrap()).unwrap(), point);
    for none in [json!(null), json!({})] {
        let written = serde_json::to_value(with(none).unwrap()).unwrap();
        assert!(written.get("attributes").is_none());
    }
    let many: serde_json::Map<String, Value> = (0..21).map(|i| (format!("n{i}"), json!("x"))).collect();
    let pointers = |attributes: Value| -> Vec<String> {
        with(attributes).unwrap_err().0.into_iter().map(|fault| fault.pointer).collect()
    };
    assert_eq!(pointers(Value::Object(many)), ["/attributes"]);
    assert_eq!(pointers(json!(["a"])), ["/attributes"]);
    assert_eq!(
        pointers(json!({"": "x", "a.b": "x", "a/b": 3, "c": "x".repeat(101), "n".repeat(51): "x", "null": null})),
        [
            "/attributes/",
            "/attributes/a.b",
            "/attributes/a~1b",
            "/attributes/c",
            &format!("/attributes/{}", "n".repeat(51)),
            "/attributes/null"
        ]
    );
    let unknown = std::cell::RefCell::new(Vec::new());
    unknown_members(br#"{"attributes": {"x": "y"}}"#, &mut |path| unknown.borrow_mut().push(path.to_owned()));
    assert!(unknown.borrow().is_empty());
}

#[test]
fn attributes_are_no_features_and_reach_no_prediction() {
    let mut document = json!({"data_point_id": "a", "profile": {"gpa": 3.0}, "program": {}, "decision": "accepted"});
    let plain = AdmissionDataPoint::from_value(document.clone()).unwrap();
    document["attributes"] = json!({"gpa": "4.0"});
    let point = AdmissionDataPoint::from_value(document.clone()).unwrap();
    let tables = crate::features::FeatureTables::default();
    assert_eq!(format!("{:?}", tables.row(&point)), format!("{:?}", tables.row(&plain)));
    assert_eq!((point.applicant_key(), point.content_key()), (plain.applicant_key(), plain.content_key()));
    for application in [Application::from_value(document).unwrap(), Application::from_point(point)] {
        assert!(application.point().attributes.is_empty());
    }
}
