//! `/metrics` as Prometheus meets it, and the dashboard, the alerts and the page that name its metrics.
#![allow(clippy::unwrap_used)]

use crate::auth::locked;
use crate::command::Place;
use crate::events::python;
use crate::http::{Answer, Client, place_with_points, small_job};
use crate::mongo_server::Server as Mongo;
use crate::serving::Server;
use crate::skip::skipped;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

fn text(scrape: &Answer) -> &str {
    assert_eq!(scrape.status, 200);
    std::str::from_utf8(&scrape.bytes).unwrap()
}

/// The value of a series in a scrape.
pub fn value_of(scrape: &Answer, series: &str) -> Option<f64> {
    text(scrape).lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// Names and labels of all series of a scrape.
fn series(scrape: &Answer) -> BTreeSet<String> {
    let samples = text(scrape).lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

#[test]
fn prometheus_own_parser_reads_both_formats_and_knows_every_name_that_is_watched() {
    if !python().args(["-c", "import prometheus_client, yaml"]).output().is_ok_and(|o| o.status.success()) {
        skipped("prometheus", "there is no python3 with prometheus_client; `scripts/setup.sh test` installs it");
        return;
    }
    let place = place_with_points(300);
    let server = Server::start(&place);
    let client = Client::of(&server);
    client.get("status").ok(200);
    let plain = client.get("/metrics");
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let open = client.send("GET", "/metrics", &[("accept", OPENMETRICS)], None);
    let kind = open.header("content-type").unwrap();
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let head = client.send("HEAD", "/metrics", &[], None);
    assert_eq!((head.status, head.bytes.len()), (200, 0));

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = [place.file("plain", text(&plain)), place.file("open", text(&open))];
    let checked = python()
        .arg(root.join("tests/it/metrics.py"))
        .args(files)
        .args(["deploy/grafana-dashboard.json", "deploy/alerts.yml", "docs/MONITORING.md"].map(|name| root.join(name)))
        .output()
        .unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    assert!(checked.status.success(), "{told}");
}

#[test]
fn paths_and_jobs_make_no_series() {
    let place = place_with_points(300);
    // The jobs are to wait: the first one is still at work.
    let server = Server::start_with(&place, &[("PROVOST_JOBS__MAX_QUEUED", "1000")]);
    let client = Client::of(&server);
    let ask = |number: u32| {
        client.get(&format!("/{number}/{}", number.wrapping_mul(2_654_435_761)));
        client.get(&format!("jobs/job_{number}"));
        client.get(&format!("models/{number}?x={number}"));
    };
    let train_and_cancel = || {
        let job = client.post("train", &small_job()).ok(202)["job_id"].as_str().unwrap().to_owned();
        let cancelled = client.delete(&format!("jobs/{job}")).status;
        assert!(matches!(cancelled, 200 | 400), "{cancelled}");
    };
    ask(0);
    train_and_cancel();
    client.get("/metrics");
    let before = series(&client.get("/metrics"));
    (1..1000).for_each(ask);
    (0..100).for_each(|_| train_and_cancel());
    let after = client.get("/metrics");
    let new: Vec<_> = series(&after).difference(&before).cloned().collect();
    // A component's first success is not a matter of paths and jobs.
    let new: Vec<_> = new.iter().filter(|series| !series.starts_with("provost_last_success")).collect();
    assert!(new.is_empty(), "{new:?}");
    assert!(before.len() < 2500, "{} series", before.len());
    let unknown = "provost_http_requests_total{route=\"unknown\",method=\"other\",status=\"4xx\"}";
    assert_eq!(value_of(&after, unknown), Some(1000.0));
    assert_eq!(value_of(&after, "provost_jobs_submitted_total"), Some(101.0));
}

#[test]
fn metrics_need_a_viewer_unless_the_setting_opens_them() {
    let place = Place::new();
    let (mut server, client, [viewer, ..]) = locked(&place, &[]);
    assert_eq!(client.get("/metrics").status, 401);
    let scrape = client.with(Some(&viewer.text), "GET", "/metrics", None);
    assert_eq!(value_of(&scrape, "provost_store_up"), Some(1.0));
    assert_eq!(scrape.header("cache-control"), Some("no-store"));
    assert!(!text(&scrape).contains(&viewer.id), "no id is a label");
    assert_eq!(server.terminate(), Some(0));

    let server = Server::start_with(&place, &[("PROVOST_HTTP__OPEN_METRICS", "true")]);
    let client = Client::of(&server);
    assert_eq!(value_of(&client.get("/metrics"), "provost_store_up"), Some(1.0));
    assert_eq!((client.get("status").status, client.get("jobs").status), (401, 401));
    assert_eq!(client.post("/metrics", &small_job()).status, 401);
}

#[test]
fn a_worker_has_metrics_of_its_own() {
    let Some(store) = Mongo::start() else { return };
    let place = Place::new();
    let worker = |listen: &str| {
        let mut command = place.command(&["worker", "--json"]);
        command.env("PROVOST_STORE__URL", store.database()).env("PROVOST_FLEET__METRICS_LISTEN", listen);
        command
    };
    let refused = worker("0.0.0.0:0").output().unwrap();
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && why.contains("http.open_metrics"), "{why}");

    let mut process = worker("127.0.0.1:0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let told: serde_json::Value = serde_json::from_str(&line).unwrap();
    let client = Client::at(&format!("http://{}", told["metrics"].as_str().unwrap()));
    assert_eq!((client.get("/livez").status, client.get("/status").status), (200, 404));
    let scrape = client.get("/metrics/");
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/MONITORING.md")).unwrap();
    for name in text(&scrape).lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(page.contains(&format!("`{name}`")), "docs/MONITORING.md lacks {name}");
    }
    for (series, value) in [
        ("provost_worker_units", 0.0),
        ("provost_worker_max_units", 1.0),
        ("provost_fits_total{algorithm=\"xgboost\",end=\"finished\"}", 0.0),
        ("provost_actor_restarts_total{actor=\"worker_0\"}", 0.0),
        ("provost_panics_total{component=\"process\"}", 0.0),
    ] {
        assert_eq!(value_of(&scrape, series), Some(value), "{series}");
    }
    assert!(value_of(&scrape, "provost_store_seconds_count{group=\"leases\",operation=\"read\"}").is_some());
    let pid = process.id().to_string();
    assert!(std::process::Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    assert_eq!(process.wait().unwrap().code(), Some(0));
}
