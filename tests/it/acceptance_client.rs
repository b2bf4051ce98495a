//! The typed client that openapi-python-client generates from the service's own document, against the running service.
#![allow(clippy::unwrap_used)]

use crate::auth::key;
use crate::http::place_with_points;
use crate::serving::Server;
use crate::skip::skipped;
use std::path::Path;
use std::process::Command;

/// Exit code of the script where the generator is not installed.
const MISSING: i32 = 3;

#[test]
#[ignore = "acceptance"]
fn a_generated_client_trains_waits_and_activates() {
    let place = place_with_points(600);
    let key = key(&place, &["--role", "operator"]);
    let server = Server::start(&place);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = root.join("third_party/python-acceptance");
    let path = format!("{}:{}", packages.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    let ran = Command::new("python3")
        .arg(root.join("tests/it/acceptance_client.py"))
        .args([server.url.as_str(), place.dir().to_str().unwrap()])
        .env("PROVOST_KEY", &key.text)
        .env("PYTHONPATH", &packages)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PATH", path)
        .output()
        .unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    if ran.status.code() == Some(MISSING) {
        skipped("client", &told);
        return;
    }
    assert!(ran.status.success(), "{told}");
    assert!(told.contains("activated model_"), "{told}");
}
