//! The protocols of others: the Open Inference Protocol's paths of versions, and MLflow's tables in every wrong form.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::auth::until;
use crate::http::{Answer, Client, place_with_points};
use crate::predictions::{application, serving};
use provost_domain::features::FEATURES;
use serde_json::{Value, json};

/// A second model beside the active one, which is of the same algorithm.
pub fn second_model(client: &Client) -> String {
    let job = client
        .train(&json!({"random_state": 9, "algorithms": ["logistic_regression"], "hyperparameter_tuning": "none",
        "min_samples": 100, "cross_validation_folds": 3, "test_size": 0.3, "use_verified_only": false}));
    client.ended(&job)["best_model_id"].as_str().unwrap().to_owned()
}

fn invoke(client: &Client, kind: Option<&str>, body: &str) -> Answer {
    let headers: Vec<(&str, &str)> = kind.map(|kind| ("content-type", kind)).into_iter().collect();
    client.send("POST", "/invocations", &headers, Some(body.as_bytes()))
}

/// What MLflow's server says of a bad request.
fn refused(client: &Client, body: &Value) -> String {
    let answer = invoke(client, Some("application/json"), &body.to_string());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let answer = answer.ok(400);
    assert_eq!(answer["error_code"], "BAD_REQUEST");
    answer["message"].as_str().unwrap().to_owned()
}

#[test]
fn each_path_of_a_version_is_of_that_model() {
    let place = place_with_points(600);
    let (mut server, client, first) = serving(&place);
    let second = second_model(&client);
    let tensor =
        json!({"name": "application", "shape": [1], "datatype": "BYTES", "data": [application(3.7).to_string()]});
    for model in [&first, &second] {
        let path = format!("/v2/models/admission/versions/{model}");
        let described = client.get(&path).ok(200);
        assert_eq!((&described["name"], &described["versions"]), (&json!("admission"), &json!([model])));
        assert_eq!(described["inputs"][0], json!({"name": FEATURES[0], "datatype": "FP32", "shape": [-1]}));
        assert_eq!(client.get(&format!("{path}/ready")).ok(200), json!({"name": "admission", "ready": true}));
        // The outputs that are asked for, in that order; the id comes back.
        let asked = json!({"id": "x7", "inputs": [tensor], "outputs": [{"name": "predicted_outcome"}, {"name": "probability"}]});
        let answer = client.post(&format!("{path}/infer"), &asked).ok(200);
        assert_eq!((&answer["id"], &answer["model_version"]), (&json!("x7"), &json!(model)));
        let names: Vec<&Value> = answer["outputs"].as_array().unwrap().iter().map(|output| &output["name"]).collect();
        assert_eq!(names, ["predicted_outcome", "probability"]);
        let expected = client.post(&format!("predict?model_id={model}"), &application(3.7)).ok(200);
        assert_eq!(answer["outputs"][1]["data"][0], expected["predictions"][0]["probability"]);
    }
    assert_eq!(client.get("/v2/models/admission").ok(200)["versions"], json!([first]));
    let unknown = format!("/v2/models/admission/versions/{}", first.replace("_0", "_1"));
    for path in [unknown.clone(), format!("{unknown}/ready"), "/v2/models/admission/versions/x".to_owned()] {
        let answer = client.get(&path);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.ok(404)["error"].is_string(), "{path}");
    }
    let wrong = client.post("/v2/models/admission/ready", &json!({}));
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET, HEAD")));
    assert!(wrong.json()["error"].is_string());
    // A row that cannot be read fails the request and is named, and so is a feature that is missing or misspelled.
    let error = |inputs: Value| {
        let answer = client.post("/v2/models/admission/infer", &json!({ "inputs": inputs })).ok(400);
        answer["error"].as_str().unwrap().to_owned()
    };
    let rows = json!([application(3.7).to_string(), r#"{"profile": {"gpa": -1}, "program": {}}"#]);
    let bad = error(json!([{"name": "application", "shape": [2], "datatype": "BYTES", "data": rows}]));
    assert!(bad.starts_with("row 1") && bad.contains("gpa"), "{bad}");
    let column = |name: &str| json!({"name": name, "shape": [1], "datatype": "FP32", "data": [0.5]});
    let all: Vec<Value> = FEATURES.map(column).to_vec();
    let missing = error(json!(all[1..]));
    assert!(missing.contains(&format!("`{}` is missing", FEATURES[0])), "{missing}");
    let mut misspelled = all.clone();
    misspelled[0]["name"] = json!(format!("{}s", FEATURES[0]));
    let misspelled = error(json!(misspelled));
    assert!(misspelled.contains(&format!("did you mean `{}`", FEATURES[0])), "{misspelled}");
    // In another order, with NaN as null, they are the same rows.
    let answer = |inputs: Value| client.post("/v2/models/admission/infer", &json!({ "inputs": inputs })).ok(200);
    let mut swapped: Vec<Value> = all.iter().rev().cloned().collect();
    assert_eq!(answer(json!(all))["outputs"], answer(json!(swapped))["outputs"]);
    swapped[0]["data"] = json!([null]);
    assert!(answer(json!(swapped))["outputs"][0]["data"][0].is_f64());
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_table_is_taken_or_refused_as_mlflows_server_does() {
    let place = place_with_points(600);
    let (mut server, client, _) = serving(&place);
    let record = json!({"gpa": 3.7, "acceptance_rate": 0.25});
    let probability = |answer: &Value| answer["predictions"][0].as_f64().unwrap_or_else(|| panic!("{answer}"));
    let of = |body: Value| invoke(&client, Some("application/json; charset=utf-8"), &body.to_string()).ok(200);
    let expected = probability(&of(json!({"dataframe_records": [record]})));
    // The same table in each form; other members are ignored.
    for body in [
        json!({"dataframe_split": {"index": [0], "columns": ["gpa", "acceptance_rate"], "data": [[3.7, 0.25]]}, "note": 1}),
        json!({"inputs": {"gpa": [3.7], "acceptance_rate": [0.25]}}),
        json!({"instances": [record]}),
        json!({"instances": [record], "params": {}}),
        json!({"instances": [record], "params": {"output": "probabilities"}}),
    ] {
        assert_eq!(probability(&of(body.clone())), expected, "{body}");
    }
    let objects = of(json!({"instances": [record], "params": {"output": "records"}}));
    let object = &objects["predictions"][0];
    assert_eq!(object["probability"], expected);
    assert!(object["probability_low"].is_f64() && object["predicted_outcome"].is_string(), "{object}");
    for (body, part) in [
        (json!({}), "exactly one is needed"),
        (json!({"instances": [record], "inputs": {"gpa": [3.7]}}), "exactly one is needed"),
        (json!({"instances": [record], "params": {"output": "both"}}), "params.output is"),
        (json!({"instances": []}), "0 rows"),
        (json!({"instances": vec![json!({"gpa": 3.0}); 10_001]}), "rows"),
        (json!({"instances": [7]}), "instances"),
        (json!({"dataframe_split": {"columns": ["gpa"], "data": [[3.7, 1]]}}), "row 0"),
        (json!({"instances": [{"gpa_normalized": 0.5}]}), "is missing"),
        (json!({"instances": [record, {"gpa": -1, "acceptance_rate": 0.25}]}), "row 1"),
        (json!({"instances": [{"gpa": 3.7, "gpa_normalized": 0.5}]}), "not mixed"),
    ] {
        let message = refused(&client, &body);
        assert!(message.contains(part), "{part}: {message}");
    }
    // What is neither JSON nor CSV, or is compressed.
    for kind in [None, Some("text/plain"), Some("application/octet-stream"), Some("application/x-www-form-urlencoded")]
    {
        let answer = invoke(&client, kind, "{}").ok(415);
        assert!(answer["error_code"].is_string() && answer["message"].is_string(), "{kind:?}: {answer}");
    }
    let packed = [("content-type", "application/json"), ("content-encoding", "gzip")];
    assert_eq!(client.send("POST", "/invocations", &packed, Some(b"{}")).status, 415);
    assert_eq!(
        invoke(&client, Some("text/csv"), "gpa,acceptance_rate\n3.7,0.25\n").ok(200),
        json!({"predictions": [expected]})
    );
    let short = invoke(&client, Some("text/csv"), "gpa,acceptance_rate\n3.7\n").ok(400);
    assert!(short["message"].as_str().unwrap().contains("CSV"), "{short}");
    let method = client.get("/invocations");
    assert_eq!((method.status, method.header("allow")), (405, Some("POST")));
    assert_eq!(method.json()["error_code"], "BAD_REQUEST");
    // Both are a health check, and the version is a text.
    assert_eq!([client.get("/ping").status, client.get("/health").status], [200, 200]);
    assert_eq!(client.get("/version").bytes, env!("CARGO_PKG_VERSION").as_bytes());
    until("what was answered is in the log", || {
        let logged = client.get("predictions?limit=200").ok(200);
        logged.as_array().unwrap().len() >= 8
    });
    assert_eq!(server.terminate(), Some(0));
}
