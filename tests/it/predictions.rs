//! Predictions over every door: the same numbers, whatever a client speaks, and no row costs another its answer.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::auth::{key, until};
use crate::command::Place;
use crate::http::{Answer, BASE, Client, place_with_points, small_job};
use crate::serving::Server;
use provost_domain::features::FEATURES;
use provost_domain::limits;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A server whose only model is active.
pub fn serving(place: &Place) -> (Server, Client, String) {
    serving_with(place, &[])
}

/// As `serving`, with settings of its own.
pub fn serving_with(place: &Place, environment: &[(&str, &str)]) -> (Server, Client, String) {
    let server = Server::start_with(place, environment);
    let client = Client::of(&server);
    let none = client.post("predict", &application(3.5)).ok(409);
    assert_eq!(none["code"], "no_active_model");
    assert_eq!(client.get("/v2/health/ready").status, 503);
    assert_eq!(client.get("/ping").status, 404);
    let job = client.train(&small_job());
    let model = client.ended(&job)["best_model_id"].as_str().unwrap().to_owned();
    client.post(&format!("activate/{model}"), &json!({})).ok(200);
    let until = Instant::now() + Duration::from_secs(10);
    while client.get("/v2/health/ready").status != 200 {
        assert!(Instant::now() < until, "the active model does not serve");
        std::thread::yield_now();
    }
    (server, client, model)
}

pub fn application(gpa: f64) -> Value {
    json!({
        "profile": {"gpa": gpa, "undergraduate_university_ranking": 40, "research_publications": 2,
            "test_scores": [{"test_type": "gre", "verbal_score": 160, "quantitative_score": 165}]},
        "program": {"university_name": "U", "acceptance_rate": 0.25, "average_gpa": 3.6},
    })
}

fn probability(prediction: &Value) -> f64 {
    prediction["probability"].as_f64().unwrap_or_else(|| panic!("{prediction}"))
}

fn send(client: &Client, path: &str, kind: &str, body: &[u8]) -> Answer {
    client.send("POST", path, &[("content-type", kind)], Some(body))
}

#[test]
fn all_doors_give_the_same_probability() {
    let place = place_with_points(600);
    let (mut server, client, model) = serving(&place);
    let one = client.post("predict", &application(3.7)).ok(200);
    assert_eq!((&one["model_id"], one["predictions"].as_array().unwrap().len()), (&json!(model), 1));
    let expected = probability(&one["predictions"][0]);
    assert!((0.0..=1.0).contains(&expected));
    let outcome = if expected >= one["threshold"].as_f64().unwrap() { "accepted" } else { "rejected" };
    assert_eq!(one["predictions"][0]["predicted_outcome"], outcome);

    // NDJSON, with a row in the middle that cannot be read.
    let lines = format!("{}\n{{\"profile\": 1}}\n\n{}", application(3.7), application(2.1));
    let streamed = send(&client, "predict", "application/x-ndjson", lines.as_bytes());
    assert_eq!(streamed.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> = streamed
        .bytes
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .map(|l| serde_json::from_slice(l).unwrap())
        .collect();
    let rows: Vec<u64> = lines.iter().map(|line| line["row"].as_u64().unwrap()).collect();
    assert_eq!(rows, [0, 1, 2]);
    assert!(lines.iter().all(|line| line["model_id"] == model), "{lines:?}");
    assert_eq!((probability(&lines[0]), &lines[1]["errors"][0]["pointer"]), (expected, &json!("/profile")));
    assert!(probability(&lines[2]) < expected, "a lower gpa");
    let packed = [("content-type", "application/x-ndjson"), ("content-encoding", "gzip")];
    assert_eq!(client.send("POST", "predict", &packed, Some(b"x")).status, 415);

    // The Open Inference Protocol, as JSON.
    let tensor =
        json!({"name": "application", "shape": [1], "datatype": "BYTES", "data": [application(3.7).to_string()]});
    let inferred = client.post("/v2/models/admission/infer", &json!({"id": "7", "inputs": [tensor]})).ok(200);
    assert_eq!((&inferred["id"], &inferred["model_version"]), (&json!("7"), &json!(model)));
    assert_eq!(inferred["outputs"][0]["data"], json!([expected]));
    assert_eq!(inferred["outputs"][3]["data"], json!([outcome]));
    // And from the features that `provost features` computes, as bytes and by MLflow.
    let drawn = format!("{}\n", {
        let mut point = application(3.7);
        point["data_point_id"] = json!("p");
        point["decision"] = json!("accepted");
        point
    });
    place.file("one.jsonl", drawn);
    assert_eq!(place.run(&["features", "one.jsonl", "--out", "one.csv"]).code, Some(0));
    let csv = std::fs::read_to_string(place.path("one.csv")).unwrap();
    let (head, row) = csv.trim_end().split_once('\n').unwrap();
    let cells: Vec<(&str, &str)> =
        head.split(',').zip(row.split(',')).filter(|(name, _)| FEATURES.contains(name)).collect();
    assert_eq!(cells.len(), 12);
    let value = |text: &str| if text.is_empty() { f32::NAN } else { text.parse().unwrap() };
    let inputs: Vec<Value> = cells
        .iter()
        .map(|(name, _)| json!({"name": name, "shape": [1], "datatype": "FP32", "parameters": {"binary_data_size": 4}}))
        .collect();
    let json_part =
        json!({"inputs": inputs, "outputs": [{"name": "probability", "parameters": {"binary_data": true}}]})
            .to_string();
    let mut body = json_part.clone().into_bytes();
    body.extend(cells.iter().flat_map(|(_, text)| value(text).to_le_bytes()));
    let length = json_part.len().to_string();
    let headers = [("inference-header-content-length", length.as_str()), ("content-type", "application/octet-stream")];
    let binary = client.send("POST", &format!("/v2/models/admission/versions/{model}/infer"), &headers, Some(&body));
    let split: usize = binary.header("inference-header-content-length").unwrap().parse().unwrap();
    assert_eq!(binary.status, 200);
    assert_eq!(f64::from_le_bytes(binary.bytes[split..].try_into().unwrap()), expected);

    let names: Vec<&str> = cells.iter().map(|(name, _)| *name).collect();
    let row: Vec<Value> = cells.iter().map(|(_, text)| text.parse::<f64>().map_or(Value::Null, |v| json!(v))).collect();
    let split = json!({"dataframe_split": {"columns": &names, "data": [&row]}});
    let invoked = send(&client, "/invocations", "application/json", split.to_string().as_bytes()).ok(200);
    assert_eq!(invoked, json!({"predictions": [expected]}));
    // Columns in another order are the same rows.
    let reversed = |values: &[Value]| values.iter().rev().cloned().collect::<Vec<Value>>();
    let names: Vec<Value> = names.iter().map(|name| json!(name)).collect();
    let swapped = json!({"dataframe_split": {"columns": reversed(&names), "data": [reversed(&row)]}});
    let invoked = send(&client, "/invocations", "application/json", swapped.to_string().as_bytes()).ok(200);
    assert_eq!(invoked, json!({"predictions": [expected]}));
    let csv = "gpa,undergraduate_university_ranking,research_publications,gre_verbal,gre_quant,acceptance_rate,average_gpa\n3.7,40,2,160,165,0.25,3.6\n";
    let invoked = send(&client, "/invocations", "text/csv", csv.as_bytes()).ok(200);
    assert_eq!(invoked, json!({"predictions": [expected]}));

    // Exported, and read back from the export.
    let exported = client.get(&format!("models/{model}/export?format=artifact"));
    assert_eq!((exported.status, exported.header("content-type")), (200, Some("application/octet-stream")));
    assert!(exported.header("content-disposition").unwrap().contains(&model), "{exported:?}");
    place.file("exported.model", &exported.bytes);
    let onnx = client.get(&format!("models/{model}/export?format=onnx"));
    assert!(onnx.status == 200 && onnx.bytes.windows(13).any(|bytes| bytes == b"feature_names"));
    assert_eq!(client.get(&format!("models/{model}/export?format=xgboost-json")).problem(422), ["/format"]);
    assert_eq!(client.get(&format!("models/{model}/export?format=pickle")).problem(422), ["/format"]);
    assert_eq!(client.get(&format!("models/{model}/export")).problem(422), ["/format"]);

    // A file, beside the running service: without an outcome and without an id.
    place.file("asked.csv", csv);
    let ran = place.run(&["predict", "asked.csv", "--out", "answers.jsonl"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let line: Value = serde_json::from_slice(&std::fs::read(place.path("answers.jsonl")).unwrap()).unwrap();
    assert_eq!((probability(&line), &line["model_id"]), (expected, &json!(model)));
    let ran = place.run(&["predict", "asked.csv", "--artifact", "exported.model", "--out", "again.jsonl"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let line: Value = serde_json::from_slice(&std::fs::read(place.path("again.jsonl")).unwrap()).unwrap();
    assert_eq!(probability(&line), expected);
    // JSON in a file that is named CSV, and a mapping that reads a decision, for an import.
    place.file("named.csv", format!("{}\n", application(3.7)));
    let decided = csv.replace("average_gpa\n", "average_gpa,status\n").replace("3.6\n", "3.6,deferred\n");
    let (names, cells) = decided.trim_end().split_once('\n').unwrap();
    let object: serde_json::Map<String, Value> =
        names.split(',').zip(cells.split(',')).map(|(name, cell)| (name.to_owned(), json!(cell))).collect();
    place.file("decided.jsonl", format!("{}\n", Value::from(object)));
    place.file("decided.txt", &decided);
    place.file("decided.csv", decided);
    place.file(
        "decided.toml",
        "leave_out = [\"deferred\"]\n[columns]\ndecision = \"status\"\n[decisions]\nyes = \"accepted\"\n",
    );
    let mapped = ["decided.csv", "decided.txt", "decided.jsonl"].map(|file| [file, "--mapping", "decided.toml"]);
    for arguments in std::iter::once(&["named.csv"][..]).chain(mapped.iter().map(|all| &all[..])) {
        let ran = place.run(&[&["predict"], arguments, &["--out", "others.jsonl"]].concat());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let line: Value = serde_json::from_slice(&std::fs::read(place.path("others.jsonl")).unwrap()).unwrap();
        assert_eq!(probability(&line), expected, "{arguments:?}");
    }
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_bad_row_or_option_is_named_and_costs_no_other_row_its_answer() {
    let place = place_with_points(600);
    let (mut server, client, model) = serving(&place);
    let rows =
        json!([application(3.7), {"profile": {"gpa": -1}, "program": {"degree_level": "master"}}, 7, application(3.1)]);
    let answer = client.post("predict", &json!({"applications": rows, "explain": true})).ok(200);
    let answered: Vec<&Value> = answer["predictions"].as_array().unwrap().iter().map(|p| &p["row"]).collect();
    assert_eq!(answered, [0, 3]);
    for prediction in answer["predictions"].as_array().unwrap() {
        let explanation = &prediction["explanation"];
        let parts: f64 =
            explanation["contributions"].as_array().unwrap().iter().map(|c| c["contribution"].as_f64().unwrap()).sum();
        let total = explanation["base"].as_f64().unwrap() + parts;
        assert!((total - probability(prediction)).abs() < 1e-9, "{total} {prediction}");
    }
    let faults: Vec<(&Value, &Value)> =
        answer["errors"].as_array().unwrap().iter().map(|e| (&e["row"], &e["pointer"])).collect();
    assert_eq!(
        faults,
        [(&json!(1), &json!("/profile/gpa")), (&json!(1), &json!("/program/degree_level")), (&json!(2), &json!(""))]
    );

    let many = json!({"applications": vec![application(3.5); 10_001]});
    assert_eq!(client.post("predict", &many).problem(422), ["/applications"]);
    let explained = json!({"applications": vec![application(3.5); 101], "explain": true});
    assert_eq!(client.post("predict", &explained).problem(422), ["/applications"]);
    assert_eq!(client.post("predict?coverage=2", &application(3.5)).problem(422), ["/coverage"]);
    let none = client.post("predict", &json!({"applications": [{"profile": {"gpa": 1e308}, "program": 1}]}));
    assert_eq!(none.problem(422), ["/applications/0/program"]);
    assert_eq!(none.json()["code"], "no_readable_row");
    let unknown = client.post(&format!("predict?model_id={}", model.replace("_0", "_1")), &application(3.5));
    assert_eq!(unknown.ok(404)["code"], "model_not_found");

    // In the protocols' own words, with exactly their type.
    let wrong = client.post(
        "/v2/models/admission/infer",
        &json!({"inputs": [
        {"name": "gpa", "shape": [1], "datatype": "FP32", "data": [1]}]}),
    );
    assert_eq!(wrong.header("content-type"), Some("application/json"));
    assert!(wrong.ok(400)["error"].as_str().unwrap().contains("`gpa` is no feature"), "{wrong:?}");
    let huge: Vec<Value> =
        FEATURES.map(|name| json!({"name": name, "shape": [2], "datatype": "FP64", "data": [0.5, 1e308]})).to_vec();
    let infinite = client.post("/v2/models/admission/infer", &json!({"inputs": huge})).ok(400);
    assert!(infinite["error"].as_str().unwrap().starts_with("row 1"), "{infinite}");
    assert_eq!(client.get("/v2/models/other").ok(404)["error"], "there is no model `other`; the model is `admission`");
    assert!(client.get("/v2/nothing").ok(404)["error"].is_string());
    let mixed = json!({"dataframe_records": [{"gpa_normalized": 0.9, "gpa": 3.7}]});
    let mixed = send(&client, "/invocations", "application/json", mixed.to_string().as_bytes()).ok(400);
    assert_eq!(mixed["error_code"], "BAD_REQUEST");
    assert!(mixed["message"].as_str().unwrap().contains("not mixed"), "{mixed}");
    assert_eq!(send(&client, "/invocations", "text/plain", b"x").status, 415);
    let metadata = client.get("/v2/models/admission").ok(200);
    assert_eq!((metadata["inputs"].as_array().unwrap().len(), &metadata["versions"]), (12, &json!([model])));
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn similar_rows_are_training_rows_in_bands_and_explanations_are_computed_anew() {
    let place = place_with_points(600);
    let (mut server, client, _) = serving(&place);
    let answer = client.post("predict", &json!({"applications": [application(3.7)], "similar": 3})).ok(200);
    let prediction = &answer["predictions"][0];
    for outcome in ["accepted", "rejected"] {
        let rows = prediction["similar"][outcome].as_array().unwrap_or_else(|| panic!("{prediction}"));
        assert_eq!(rows.len(), 3, "{rows:?}");
        let distances: Vec<f64> = rows.iter().map(|row| row["distance"].as_f64().unwrap()).collect();
        assert!(distances.is_sorted() && distances[0] >= 0.0, "{distances:?}");
        for row in rows {
            let members: std::collections::BTreeSet<&str> =
                row.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(members, ["distance", "features", "outcome", "year"].into(), "neither names nor ids");
            assert_eq!((&row["outcome"], row["features"].as_object().unwrap().len()), (&json!(outcome), 12));
            let gpa = &row["features"]["gpa_normalized"];
            assert!(gpa.is_null() || gpa.get("low").is_some_and(|low| low.is_null() || low.is_f64()), "{gpa}");
        }
    }
    let id = prediction["prediction_id"].as_str().unwrap();
    let explained = client.post("predict?explain=true", &application(3.7)).ok(200);
    let mut logged = client.get(&format!("predictions/{id}"));
    until("the prediction is logged", || {
        logged = client.get(&format!("predictions/{id}"));
        logged.status == 200
    });
    let logged = logged.ok(200);
    assert_eq!(logged["probability"], prediction["probability"]);
    assert_eq!(logged["explanation"], explained["predictions"][0]["explanation"]);
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_client_may_ask_for_predictions_and_nothing_else() {
    let place = place_with_points(600);
    let (mut server, _, model) = serving(&place);
    assert_eq!(server.terminate(), Some(0));
    let admin = key(&place, &["--role", "admin"]);
    let asking = key(&place, &["--role", "client"]);
    let mut server = Server::start_with(&place, &[("PROVOST_PREDICT__CLIENT_COUNTERFACTUAL", "true")]);
    server.expects_warnings(&["refused: too low a role"]);
    let client = Client::of(&server);
    let text = application(3.5).to_string();
    let ask = |key: Option<&str>, path: &str| client.with(key, "POST", path, Some(text.as_bytes()));
    let until = Instant::now() + Duration::from_secs(10);
    while client.get("/v2/health/ready").status != 200 {
        assert!(Instant::now() < until, "the active model does not serve");
        std::thread::yield_now();
    }
    assert_eq!(ask(Some(&asking.text), "predict").status, 200);
    assert_eq!(ask(None, "predict").ok(401)["code"], "key_missing");
    let named = format!("predict?model_id={model}");
    assert_eq!(ask(Some(&asking.text), &named).ok(403)["code"], "role_too_low");
    assert_eq!(ask(Some(&admin.text), &named).status, 200);
    assert_eq!(ask(Some(&asking.text), "predict?counterfactual=true").status, 200, "the settings allow it");
    assert_eq!(ask(Some(&asking.text), "predict?explain=true").status, 200);
    assert_eq!(ask(Some(&asking.text), "predict?similar=3").ok(403)["code"], "role_too_low");
    assert_eq!(ask(Some(&admin.text), "predict?similar=3").status, 200);
    // The protocols: the active model by its id, no other one.
    let version = |id: &str| format!("/v2/models/admission/versions/{id}/ready");
    assert_eq!(client.with(Some(&asking.text), "GET", &version(&model), None).status, 200);
    let other = client.with(Some(&asking.text), "GET", &version(&model.replace("_0", "_1")), None);
    assert!(other.ok(403)["error"].as_str().unwrap().contains("model_id"), "{other:?}");
    for path in ["status", "models", "jobs", "shadow", "predictions"] {
        assert_eq!(client.with(Some(&asking.text), "GET", &format!("{BASE}/{path}"), None).status, 403, "{path}");
    }
    // Open to everybody, and closed in the protocols' own words.
    for path in ["/v2/health/live", "/ping", "/health", "/version"] {
        assert_eq!(client.get(path).status, 200, "{path}");
    }
    let closed = client.get("/v2/models/admission");
    assert_eq!(closed.header("content-type"), Some("application/json"));
    assert!(closed.ok(401)["error"].is_string());
    let closed = send(&client, "/invocations", "application/json", b"{}");
    assert_eq!(closed.ok(401)["error_code"], "UNAUTHENTICATED");
    assert_eq!(server.terminate(), Some(0));
}

/// A connection on which the head of a request of chunked NDJSON was sent; `headers` are further lines of the head.
pub fn begun(server: &Server, headers: &str) -> TcpStream {
    let address = server.url.split_once("://").unwrap().1;
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!(
        "POST {BASE}/predict HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/x-ndjson\r\n\
         {headers}transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Sends all chunks before the first byte of the answer is read; answers the status line and the lines of the body.
fn sent_whole_before_reading<'c>(
    server: &Server,
    key: &str,
    chunks: impl Iterator<Item = &'c str>,
) -> (String, Vec<String>) {
    let mut stream = begun(server, &format!("idempotency-key: {key}\r\n"));
    for chunk in chunks {
        stream.write_all(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes()).unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    let mut reader = BufReader::new(stream);
    let mut status = String::new();
    reader.read_line(&mut status).unwrap();
    while !status.is_empty() && reader.read_line(&mut String::new()).unwrap() > 2 {}
    // Chunks end anywhere in a line.
    let mut body = Vec::new();
    loop {
        let mut length = String::new();
        reader.read_line(&mut length).unwrap();
        let length = u64::from_str_radix(length.trim(), 16).unwrap();
        reader.by_ref().take(length).read_to_end(&mut body).unwrap();
        reader.read_line(&mut String::new()).unwrap();
        if length == 0 {
            break;
        }
    }
    (status, body.lines().map(Result::unwrap).collect())
}

/// The ids of the answers that have one.
fn ids(lines: &[String]) -> Vec<String> {
    let id = |line: &String| serde_json::from_str::<Value>(line).unwrap()["prediction_id"].as_str().map(str::to_owned);
    lines.iter().filter_map(id).collect()
}

#[test]
fn a_repeated_request_has_the_same_ids_however_its_rows_arrive_and_a_caller_has_so_many_streams() {
    let place = place_with_points(600);
    let (mut server, client, _) = serving(&place);
    let rows: Vec<String> = (0..40).map(|at| format!("{}\n", application(2.0 + f64::from(at) / 40.0))).collect();
    let whole = rows.concat().replacen("\n", "\n{\"profile\": 1}\n", 1);
    let stream = |key: &str, chunks: &mut dyn Iterator<Item = &str>| {
        let (status, lines) = sent_whole_before_reading(&server, key, chunks);
        assert!(status.contains("200"), "{status}");
        ids(&lines)
    };
    let at_once = stream("k", &mut [whole.as_str()].into_iter());
    assert_eq!(at_once.len(), 40);
    assert_eq!(stream("k", &mut whole.split_inclusive('\n')), at_once, "line by line");
    let parts: Vec<&str> = whole.as_bytes().chunks(700).map(|part| std::str::from_utf8(part).unwrap()).collect();
    assert_eq!(stream("k", &mut parts.into_iter()), at_once, "in parts that end anywhere");
    assert_ne!(stream("l", &mut [whole.as_str()].into_iter()), at_once, "another key");
    let changed = whole.replace("3.6", "3.7");
    let other = stream("k", &mut [changed.as_str()].into_iter());
    assert!(
        other.iter().all(|id| !at_once.contains(id)),
        "other applications under the same key are other predictions"
    );

    // As many streams as one caller may have, none of which has ended.
    let open: Vec<BufReader<TcpStream>> = (0..limits::PREDICT_STREAMS)
        .map(|_| {
            let mut reader = BufReader::new(begun(&server, "idempotency-key: k\r\n"));
            let mut status = String::new();
            reader.read_line(&mut status).unwrap();
            assert!(status.contains("200"), "{status}");
            reader
        })
        .collect();
    let one = |client: &Client| send(client, "predict", "application/x-ndjson", rows[0].as_bytes());
    assert_eq!(one(&client).ok(429)["code"], "too_many_streams");
    drop(open);
    let until = Instant::now() + Duration::from_secs(20);
    while one(&client).status != 200 {
        assert!(Instant::now() < until, "the streams' clients have left");
    }
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_client_that_sends_all_rows_before_it_reads_gets_all_answers() {
    let place = place_with_points(600);
    let (mut server, _, _) = serving(&place);
    let block = format!("{}\n", application(3.3)).repeat(500);
    let (status, lines) = sent_whole_before_reading(&server, "k", std::iter::repeat_n(block.as_str(), 80));
    assert!(status.contains("200"), "{status}");
    assert_eq!(ids(&lines).len(), 40_000);
    assert_eq!(server.terminate(), Some(0));
}
