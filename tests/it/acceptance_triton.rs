//! Triton's own client, unmodified, against the running service.
#![allow(clippy::unwrap_used)]

use crate::http::place_with_points;
use crate::predictions::{application, serving};
use crate::skip::skipped;
use provost_domain::features::{FEATURES, FeatureTables};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::Command;

/// Exit code of the script where the client is not installed.
const MISSING: i32 = 3;

#[test]
#[ignore = "acceptance"]
fn tritons_client_gets_the_probabilities_of_the_service() {
    let place = place_with_points(600);
    let (mut server, client, _) = serving(&place);
    let mut rows: Vec<Value> = [2.4, 3.1, 3.7, 4.0].map(application).to_vec();
    // One without a test score: a missing feature.
    rows[1]["profile"]["test_scores"] = json!([]);
    let answer = client.post("predict", &json!({"applications": rows})).ok(200);
    let probability: Vec<&Value> =
        answer["predictions"].as_array().unwrap().iter().map(|p| &p["probability"]).collect();
    let tables = FeatureTables::default();
    let read = |row: &Value| provost_domain::Application::from_value(row.clone()).unwrap();
    let features: Vec<[f32; 12]> = rows.iter().map(|row| tables.row(read(row).point()).values).collect();
    let column = |i: usize| features.iter().map(|row| json!(row[i])).collect::<Vec<Value>>();
    let columns: Map<String, Value> =
        FEATURES.iter().enumerate().map(|(i, name)| ((*name).to_owned(), json!(column(i)))).collect();
    let texts: Vec<String> = rows.iter().map(Value::to_string).collect();
    let points = json!({"features": columns, "applications": texts, "probability": probability});
    let file = place.file("points.json", points.to_string());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ran = Command::new("python3")
        .arg(root.join("tests/it/acceptance_triton.py"))
        .args([server.url.as_str(), file.to_str().unwrap()])
        .env("PYTHONPATH", root.join("third_party/python-acceptance"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(server.terminate(), Some(0));
    if ran.status.code() == Some(MISSING) {
        skipped("triton", &told);
        return;
    }
    assert!(ran.status.success(), "{told}");
    assert_eq!(told.matches("4 rows as expected").count(), 4, "{told}");
}
