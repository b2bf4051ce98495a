#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use proptest::prelude::*;
use serde_json::json;

fn envelope(kind: &str, data: Value) -> Value {
    json!({"specversion": "1.0", "id": "e-1", "source": "/upstream", "type": kind, "time": "2026-01-02T03:04:05Z",
        "data": data})
}

fn read(event: &Value) -> Result<InboundEvent, Refusal> {
    InboundEvent::structured(event.to_string().as_bytes())
}

fn a_point(id: &str) -> Value {
    json!({"data_point_id": id, "profile": {"gpa": 3.5}, "program": {"university_name": "U"}, "decision": "accepted"})
}

#[test]
fn each_type_is_read() {
    let recorded = read(&envelope("admission.data.recorded.v1", a_point("p"))).unwrap();
    assert_eq!((recorded.source.as_str(), recorded.id.as_str()), ("/upstream", "e-1"));
    assert_eq!(recorded.time.to_rfc3339(), "2026-01-02T03:04:05+00:00");
    let Inbound::Points { points, refused } = recorded.data else { panic!("no point") };
    assert_eq!((points[0].data_point_id.as_str(), refused.len()), ("p", 0));
    let retracted = read(&envelope("admission.data.retracted.v1", json!({"data_point_id": "p", "seq": 3}))).unwrap();
    assert_eq!(retracted.data, Inbound::Retraction(Retraction { data_point_id: "p".to_owned(), seq: 3 }));
    let trigger = read(&envelope(
        "training.trigger.v1",
        json!({"reason": "term", "config": {"min_samples": 500}, "auto_activate": true, "more": 1}),
    ));
    let Inbound::Trigger(request) = trigger.unwrap().data else { panic!("no trigger") };
    assert_eq!(request.config.unwrap().min_samples, 500);
    assert_eq!((request.reason.as_str(), request.auto_activate), ("term", Some(true)));
    let job = "job_0190163d8694739b8b2c2a0b7a3f1e55";
    let cancel = read(&envelope("training.cancel.v1", json!({ "job_id": job }))).unwrap();
    assert_eq!(cancel.data, Inbound::Cancel(JobId::parse(job).unwrap()));
}

#[test]
fn a_faulty_point_takes_nothing_from_its_batch() {
    let points = json!([a_point("a"), {"data_point_id": "b"}, a_point("c")]);
    let event = read(&envelope("admission.data.batch.v1", json!({ "points": points }))).unwrap();
    let refusal = event.data.refusal().unwrap();
    assert!(refusal.detail.contains("1 of 3") && refusal.detail.contains("/points/1"), "{refusal}");
    let Inbound::Points { points, .. } = event.data else { panic!("no points") };
    assert_eq!(points.len(), 2);
    let many = json!({ "points": vec![a_point("a"); MAX_BATCH + 1] });
    let refused = read(&envelope("admission.data.batch.v1", many)).unwrap_err();
    assert!(refused.detail.contains("1001"), "{refused}");
}

#[test]
fn refusals_name_what_is_wrong() {
    let good = envelope("admission.data.recorded.v1", a_point("p"));
    let without = |name: &str| {
        let mut event = good.clone();
        event.as_object_mut().unwrap().remove(name);
        event
    };
    let with = |name: &str, value: Value| {
        let mut event = good.clone();
        event[name] = value;
        event
    };
    use RefusalCode::*;
    for (event, code, part) in [
        (json!([1]), Malformed, "no CloudEvent"),
        (without("specversion"), Malformed, "`specversion`"),
        (without("id"), Malformed, "`id`"),
        (without("source"), Malformed, "`source`"),
        (without("type"), Malformed, "`type`"),
        (without("time"), Malformed, "`time`"),
        (without("data"), Malformed, "`data`"),
        (with("specversion", json!("0.3")), Malformed, "`0.3`"),
        (with("id", json!("")), Malformed, "0 bytes"),
        (with("id", json!("x".repeat(513))), Malformed, "513 bytes"),
        (with("time", json!("yesterday")), Malformed, "`yesterday`"),
        (with("type", json!("admission.data.recorded.v2")), UnsupportedVersion, "version 2"),
        (with("type", json!("admission.data.recorded")), UnknownType, "admission.data.recorded.v1"),
        (with("type", json!("weather.v1")), UnknownType, "`weather.v1`"),
        (with("data", json!({"data_point_id": "p"})), InvalidData, "decision"),
        (envelope("training.trigger.v1", json!({})), InvalidData, "reason"),
        (envelope("training.trigger.v1", json!({"reason": "x".repeat(1001)})), InvalidData, "1001 characters"),
        (
            envelope("training.trigger.v1", json!({"reason": "r", "config": {"test_size": 0.9, "cv": 1}})),
            InvalidData,
            "/config/test_size",
        ),
        (envelope("training.cancel.v1", json!({"job_id": "../x"})), InvalidData, "`job_id`"),
        (envelope("admission.data.retracted.v1", json!({"data_point_id": "p"})), InvalidData, "seq"),
        (envelope("admission.data.retracted.v1", json!({"data_point_id": "", "seq": 1})), InvalidData, "data_point_id"),
        (
            envelope("admission.data.retracted.v1", json!({"data_point_id": "x".repeat(201), "seq": 1})),
            InvalidData,
            "1 to 200 characters",
        ),
    ] {
        let refusal = read(&event).unwrap_err();
        assert_eq!(refusal.code, code, "{refusal}");
        assert!(refusal.detail.contains(part), "{refusal} lacks {part}");
    }
}

#[test]
fn the_header_form_says_the_same() {
    let structured = read(&envelope("admission.data.recorded.v1", a_point("p"))).unwrap();
    let attributes = [
        ("specversion", "1.0"),
        ("id", "e-1"),
        ("source", "/upstream"),
        ("type", "admission.data.recorded.v1"),
        ("time", "2026-01-02T03:04:05Z"),
        ("traceparent", "00-1"),
    ];
    let attributes = attributes.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
    let binary = InboundEvent::binary(&attributes, a_point("p").to_string().as_bytes()).unwrap();
    assert_eq!(binary, structured);
}

#[test]
fn equal_data_has_equal_hashes_whatever_the_envelope() {
    let one = envelope("admission.data.recorded.v1", a_point("p"));
    let mut two = one.clone();
    two["time"] = json!("2027-01-01T00:00:00Z");
    two["subject"] = json!("s");
    assert_eq!(read(&one).unwrap().payload_hash, read(&two).unwrap().payload_hash);
    let other = envelope("admission.data.corrected.v1", a_point("p"));
    assert_ne!(read(&one).unwrap().payload_hash, read(&other).unwrap().payload_hash);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = InboundEvent::structured(&bytes);
    }

    #[test]
    fn no_cut_event_is_taken(at in 0usize..200) {
        let text = envelope("admission.data.recorded.v1", a_point("p")).to_string();
        prop_assume!(at < text.len());
        prop_assert!(InboundEvent::structured(&text.as_bytes()[..at]).is_err());
    }
}

#[test]
fn what_is_said_of_a_long_event_is_short() {
    let long = "x".repeat(1 << 20);
    let mut point = a_point("p");
    point["decision"] = json!(long);
    let points = vec![point.clone(); 30];
    for (kind, data) in [
        ("admission.data.recorded.v1", point),
        ("admission.data.retracted.v1", json!({ "data_point_id": "p", "seq": long })),
        ("training.trigger.v1", json!({ "reason": "r", "config": { long.as_str(): long } })),
        ("training.cancel.v1", json!({ "job_id": long })),
        (long.as_str(), json!({})),
    ] {
        let refusal = read(&envelope(kind, data)).unwrap_err();
        assert!(refusal.detail.len() <= 4100, "{kind:.40}: {} bytes", refusal.detail.len());
    }
    let batch = read(&envelope("admission.data.batch.v1", json!({ "points": points }))).unwrap();
    assert!(batch.data.refusal().unwrap().detail.len() <= 4100);
}

#[test]
fn an_array_is_no_event_and_no_data() {
    let point = json!({"data_point_id": "a", "profile": {}, "program": {}, "decision": "accepted"});
    let body = json!(["1.0", "1", "/t", "admission.data.recorded.v1", "2026-03-01T09:00:00Z", point]).to_string();
    let refusal = InboundEvent::structured(body.as_bytes()).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::Malformed);
    assert!(refusal.detail.contains("an object is expected"), "{refusal}");
    for (kind, data) in [
        ("admission.data.retracted", json!(["a", 4])),
        ("admission.data.recorded", json!(["a", {}, {}, "accepted"])),
        (
            "admission.data.recorded",
            json!({"data_point_id": "a", "profile": [3], "program": {}, "decision": "accepted"}),
        ),
        ("admission.data.batch", json!([[point]])),
        ("training.trigger", json!(["because", null, null])),
        ("training.cancel", json!(["job_0193e2f8-7c3a-7d6e-9b58-3f1a2b4c5d6e"])),
    ] {
        let event = json!({"specversion": "1.0", "id": "1", "source": "/t", "type": format!("{kind}.v1"),
            "time": "2026-03-01T09:00:00Z", "data": data});
        let refusal = InboundEvent::structured(event.to_string().as_bytes()).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::InvalidData, "{kind}: {refusal}");
        assert!(refusal.detail.contains("an object is expected"), "{kind}: {refusal}");
    }
}
