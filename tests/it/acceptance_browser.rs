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
    let mut paths = vec!["/", "/jobs", "/models", "/data", "/watch", "/system", "/train"];
    paths.extend([job.as_str(), &model, &activate, &compare]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/pages.mjs");
    let shots = place.path("shots");
    let ran = match Command::new("node").arg(script).arg(&server.url).arg(&shots).args(&paths).output() {
        Ok(ran) => ran,
        Err(error) => return skipped("browser", &format!("node: {error}")),
    };
    let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    if ran.status.code() == Some(MISSING) {
        return skipped("browser", &told);
    }
    assert!(ran.status.success(), "{told}");
    assert_eq!(std::fs::read_dir(shots).unwrap().count(), 4 * paths.len(), "two widths in two schemes: {told}");
}
