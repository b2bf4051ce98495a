#![allow(clippy::unwrap_used)]
use super::*;
use serde_json::json;

const FEW: RequestBounds = RequestBounds { rows: 3, explained: 1, others: &["replykey"] };

fn read(body: &Value, bounds: RequestBounds) -> Result<PredictRequest, Faults> {
    PredictRequest::read(body.to_string().as_bytes(), RequestOptions::default(), bounds)
}

fn fault(body: &Value) -> (String, String) {
    let Fault { pointer, message } = read(body, RequestBounds::default()).unwrap_err().0.swap_remove(0);
    (pointer, message)
}

#[test]
fn one_application_is_a_body_and_many_come_with_options() {
    let one = read(&json!({"profile": {}, "program": {}}), FEW).unwrap();
    assert_eq!((one.numbers, one.many, one.options), (vec![0], false, RequestOptions::default()));
    let body = json!({"applications": [{"profile": {}, "program": {}}, 7], "coverage": 0.8, "replykey": "k"});
    let many = read(&body, FEW).unwrap();
    assert_eq!((many.numbers, many.many, many.options.coverage), (vec![0], true, 0.8));
    assert!(read(&body, RequestBounds::default()).unwrap_err().0[0].pointer == "/replykey");
}

#[test]
fn a_bad_row_is_listed_and_the_others_keep_their_numbers() {
    let good = json!({"profile": {"gpa": 3.5}, "program": {}});
    let bad = json!({"profile": {"gpa": -1, "test_scores": [{"test_type": "gres"}]}, "program": {}});
    let long = json!({"profile": {}, "program": {}, "note": "x".repeat(limits::PREDICT_ROW_BYTES)});
    let rows = read(&json!({"applications": [good, bad, 7, good, long]}), RequestBounds::default()).unwrap();
    assert_eq!(rows.numbers, [0, 3]);
    let faults: Vec<(usize, &str)> = rows.errors.iter().map(|fault| (fault.row, fault.pointer.as_str())).collect();
    assert_eq!(faults, [(1, "/profile/gpa"), (1, "/profile/test_scores/0/test_type"), (2, ""), (4, "")]);
    assert_eq!((rows.errors[0].code, rows.errors[2].code), ("bad_value", "unreadable_row"));
}

#[test]
fn a_request_full_of_faults_has_a_short_answer() {
    let test = json!({"total_score": -1, "verbal_score": -1});
    let bad = json!({"profile": {"test_scores": vec![test; limits::POINT_TESTS]}, "program": {}});
    let rows = read(&json!({"applications": vec![bad; 1_000]}), RequestBounds::default()).unwrap();
    let of = |number: usize| rows.errors.iter().filter(|fault| fault.row == number).count();
    assert_eq!((of(0), of(999)), (limits::PREDICT_ROW_FAULTS, 1));
    let most = limits::PREDICT_FAULTS + limits::PREDICT_ROW_FAULTS + 1_000;
    assert!(rows.errors.len() <= most, "{}", rows.errors.len());
}

#[test]
fn without_a_good_row_the_faults_have_pointers_into_the_body() {
    let all = |body: &Value| read(body, FEW).unwrap().all_faults();
    let many = all(&json!({"applications": [{"profile": {"gpa": -1}, "program": {}}]}));
    assert_eq!(many.0[0].pointer, "/applications/0/profile/gpa");
    assert_eq!(all(&json!({"profile": {"gpa": -1}, "program": {}})).0[0].pointer, "/profile/gpa");
}

#[test]
fn the_number_of_rows_is_bounded_and_less_with_costly_options() {
    let body = |rows: usize, explain: bool| json!({"applications": vec![json!({}); rows], "explain": explain});
    assert!(read(&body(10_000, false), RequestBounds::default()).is_ok());
    let too_many = "`applications` has more than 10000 items; 1 to 10000 are allowed";
    assert_eq!(fault(&body(10_001, false)), ("/applications".to_owned(), too_many.to_owned()));
    assert!(read(&body(100, true), RequestBounds::default()).is_ok());
    assert!(fault(&body(101, true)).1.contains("1 to 100 are allowed with `explain`"));
    assert!(fault(&body(0, false)).1.contains("has 0 items"));
    assert!(read(&body(4, false), FEW).is_err() && read(&body(2, true), FEW).is_err());
}

#[test]
fn bad_options_are_faults_by_pointer_and_bad_documents_faults_of_the_body() {
    assert_eq!(fault(&json!({"applications": [{}], "explian": true})).0, "/explian");
    assert_eq!(fault(&json!({"applications": [{}], "coverage": 1.5})).0, "/coverage");
    assert_eq!(fault(&json!({"applications": [{}], "similar": 21})).0, "/similar");
    assert_eq!(fault(&json!({"applications": [{}], "model_id": "x".repeat(2000)})).0, "/model_id");
    assert_eq!(fault(&json!({"applications": {}})).0, "");
    assert_eq!(fault(&json!([])).0, "");
    let of = |text: &str| {
        let read = PredictRequest::read(text.as_bytes(), RequestOptions::default(), FEW);
        read.unwrap_err().0.swap_remove(0).message
    };
    assert!(of(" ").contains("empty"));
    assert!(of(r#"{"applications": [], "applications": []}"#).contains("twice"));
    assert!(of("{").contains("not readable"));
}

#[test]
fn a_long_text_in_the_wrong_place_is_not_repeated() {
    let long = "\u{200b}".repeat(100_000);
    for (body, wanted) in [(json!(long), "an object"), (json!({ "applications": long }), "a list of applications")] {
        let (pointer, message) = fault(&body);
        assert!(pointer.is_empty() && message.contains(wanted) && message.len() < 200, "{message}");
    }
}
