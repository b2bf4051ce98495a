//! The pages in a browser: no error in its console, no request to another host, nothing wider than the window, no serious fault
//! by axe-core; at two widths, in both colour schemes, and without scripts.
#![allow(clippy::unwrap_used)]

use crate::http::{Client, place_with_points, small_job};
use crate::serving::Server;
use crate::skip::skipped;
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// Exit code of the script where the browser or a package is not there.
const MISSING: i32 = 3;

#[test]
#[ignore = "acceptance"]
fn every_page_is_sound_in_a_browser() {
    let place = place_with_points(1500);
    let server = Server::start(&place);
    let client = Client::of(&server);
    let mut job = small_job();
    job["algorithms"] = json!(["logistic_regression", "random_forest"]);
    job["hyperparameter_tuning"] = json!("random_search");
    job["tuning_iterations"] = json!(10);
    let job = client.train(&job);
    assert_eq!(client.ended(&job)["status"], "completed");
    let models = client.get("models").ok(200);
    let ids: Vec<&str> = models.as_array().unwrap().iter().map(|model| model["model_id"].as_str().unwrap()).collect();
    client.post(&format!("activate/{}", ids[0]), &json!({"reason": "the first"})).ok(200);

    let job = format!("/jobs/{job}");
    let model = format!("/models/{}", ids[1]);
    let activate = format!("{model}/activate");
    let compare = format!("/compare?ids={}&ids={}", ids[0], ids[1]);
    let file = b"Institution;Result;Marks;Season\nMIT;Accepted;3,71;2025\nKTH;who knows;3,90;2024\n";
    let form = [
        b"--x1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"foreign.csv\"\r\n\r\n",
        &file[..],
        b"\r\n--x1--\r\n",
    ];
    let kind = [("content-type", "multipart/form-data; boundary=x1")];
    let sent = client.send("POST", "/data/upload", &kind, Some(&form.concat()));
    let upload = sent.header("location").unwrap().to_owned();
    let mut paths = vec!["/", "/jobs", "/models", "/data", "/watch", "/system", "/train"];
    paths.extend(["/needs", "/ask", "/predictions", "/shadow", "/decisions", "/data/upload", &upload]);
    paths.extend(["/system/messages", "/system/keys", "/system/settings", "/schedule"]);
    paths.extend([job.as_str(), &model, &activate, &compare]);
    let shots = place.path("shots");
    let arguments = [vec![server.url.as_str(), shots.to_str().unwrap()], paths.clone()].concat();
    let Some(told) = ran("pages.mjs", &arguments) else { return };
    assert_eq!(std::fs::read_dir(shots).unwrap().count(), 4 * paths.len(), "two widths in two schemes: {told}");
}

#[test]
#[ignore = "acceptance"]
fn an_operator_gets_along_without_scripts() {
    let place = place_with_points(500);
    let server = Server::start(&place);
    let client = Client::of(&server);
    let mut job = small_job();
    job["version_tag"] = json!("journey");
    // No model serves after it, which needs somebody.
    assert_eq!(client.ended(&client.train(&job))["status"], "completed");
    let rows =
        "Institution;Result;Marks;Season\nMIT;Accepted;3,71;2025\nETH;Rejected;3,20;2025\nKTH;who knows;3,90;2024\n";
    let file = place.file("foreign.csv", rows);
    ran("journey.mjs", &[&server.url, file.to_str().unwrap()]);
}

/// What a script in a browser said; None where there is no browser.
fn ran(script: &str, arguments: &[&str]) -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser").join(script);
    let ran = match Command::new("node").arg(script).args(arguments).output() {
        Ok(ran) => ran,
        Err(error) => {
            skipped("browser", &format!("node: {error}"));
            return None;
        }
    };
    let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    if ran.status.code() == Some(MISSING) {
        skipped("browser", &told);
        return None;
    }
    assert!(ran.status.success(), "{told}");
    Some(told)
}
