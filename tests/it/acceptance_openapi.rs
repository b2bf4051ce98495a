//! Schemathesis against the running service and its own document.
#![allow(clippy::unwrap_used)]

use crate::command::{Place, points};
use crate::serving::Server;
use crate::skip::skipped;
use std::path::Path;
use std::process::Command;

/// Exit code of the script where Schemathesis is not installed.
const MISSING: i32 = 3;

#[test]
#[ignore = "acceptance"]
fn every_answer_is_as_the_document_says_and_none_is_a_server_error() {
    let place = Place::new();
    place.file("p.jsonl", points(0..150));
    assert_eq!(place.run(&["import", "p.jsonl"]).code, Some(0));
    // Whatever it asks for, the queue is not full; and every route is asked with wrong keys, all from one address.
    let server = Server::start_with(
        &place,
        &[
            ("PROVOST_JOBS__MAX_QUEUED", "100000"),
            ("PROVOST_LEARN__THREADS", "1"),
            ("PROVOST_HTTP__FAILED_AUTH_PER_MINUTE", "1000000"),
        ],
    );
    // Headers that are no HTTP, and wrong keys, are among what is sent.
    server.expects(&["stream error", "a wrong key", "so many more times"]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/schemathesis.sh");
    let config = place.file(
        "job.json",
        r#"{"algorithms": ["logistic_regression"], "min_samples": 100, "use_verified_only": false,
            "hyperparameter_tuning": "none", "cross_validation_folds": 3}"#,
    );
    let trained = place.run(&["train", "--config", config.to_str().unwrap(), "--wait", "--url", &server.url]);
    assert_eq!(trained.code, Some(0), "{trained:?}");
    let activated = place.run(&["activate", "latest", "--url", &server.url]);
    assert_eq!(activated.code, Some(0), "{activated:?}");
    // Once there is a key the service is what its document says; without one all is open.
    let made = place.run(&["keys", "create", "--role", "admin", "--json"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let key = made.json()["key"].as_str().unwrap().to_owned();
    let ran = Command::new(script).args([&server.url, "30"]).env("PROVOST_KEY", key).output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    if ran.status.code() == Some(MISSING) {
        skipped("schemathesis", &told);
        return;
    }
    assert!(ran.status.success(), "{told}");
}
