//! Watching the serving model over HTTP: what shifted applications lead to, and what the predictions are worth.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::broker::wait_for;
use crate::command::Place;
use crate::http::{Client, place_with_points};
use crate::metrics::value_of;
use crate::mongo_server::Server as Mongo;
use crate::predictions::serving_with;
use crate::serving::Server;
use serde_json::{Value, json};
use std::time::Duration;

const WINDOW: usize = 300;
const SETTINGS: [(&str, &str); 2] = [("PROVOST_WATCH__EVERY", "1s"), ("PROVOST_WATCH__WINDOW", "300")];
const PATIENCE: Duration = Duration::from_secs(180);

/// Rows of the sample under ids of their own, as points.
fn rows(place: &Place, seed: u32) -> Vec<Value> {
    let file = format!("rows-{seed}.jsonl");
    let (seed_text, count) = (seed.to_string(), WINDOW.to_string());
    let drawn = place.run(&["sample", "--rows", &count, "--seed", &seed_text, "--out", &file]);
    assert_eq!(drawn.code, Some(0), "{drawn:?}");
    let lines = std::fs::read_to_string(place.path(&file)).unwrap();
    let named = lines.lines().enumerate().map(|(n, line)| {
        let mut point: Value = serde_json::from_str(line).unwrap();
        point["data_point_id"] = json!(format!("asked-{seed}-{n}"));
        point
    });
    named.collect()
}

/// Asks about these rows; the grades are multiplied by `grades`.
fn ask(client: &Client, rows: &[Value], grades: f64) {
    let application = |row: &Value| {
        let mut row = row.clone();
        for known in ["decision", "decision_date", "verified"] {
            row.as_object_mut().unwrap().remove(known);
        }
        let gpa = row["profile"]["gpa"].as_f64();
        row["profile"]["gpa"] = gpa.map_or(Value::Null, |gpa| json!(gpa * grades));
        row
    };
    let applications: Vec<Value> = rows.iter().map(application).collect();
    let answer = client.post("predict", &json!({ "applications": applications })).ok(200);
    assert_eq!(answer["predictions"].as_array().unwrap().len(), rows.len(), "{}", answer["errors"]);
}

/// Asks for a report until it is as wanted.
fn until(client: &Client, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut found = Value::Null;
    wait_for(path, PATIENCE, || {
        found = client.get(path).ok(200);
        wanted(&found)
    });
    found
}

fn windows(client: &Client, kind: &str, count: usize) -> Value {
    let path = format!("drift?kind={kind}");
    until(client, &path, |report| report["windows"].as_array().unwrap().len() >= count)
}

fn feature<'r>(window: &'r Value, name: &str) -> &'r Value {
    window["features"].as_array().unwrap().iter().find(|feature| feature["feature"] == name).unwrap()
}

#[test]
fn shifted_applications_raise_an_alarm_after_two_windows_and_others_do_not() {
    let place = place_with_points(1000);
    let (mut server, client, model) = serving_with(&place, &SETTINGS);
    let empty = client.get("drift").ok(200);
    assert_eq!((&empty["model_id"], &empty["alarm"], &empty["windows"]), (&json!(model), &json!(false), &json!([])));
    assert_eq!(client.get("performance").ok(200)["windows"], json!([]));
    let page = client.get("/watch");
    assert_eq!(page.status, 200);
    assert!(String::from_utf8_lossy(&page.bytes).contains("Nothing has been compared yet."));

    for (count, seed) in [(1, 21), (2, 22)] {
        ask(&client, &rows(&place, seed), 1.0);
        let report = windows(&client, "predictions", count);
        assert_eq!((&report["alarm"], &report["since"]), (&json!(false), &Value::Null), "{report}");
    }
    ask(&client, &rows(&place, 23), 0.8);
    let report = windows(&client, "predictions", 3);
    let newest = &report["windows"][0];
    assert_eq!((&report["alarm"], &newest["alarm"], &newest["rows"]), (&json!(false), &json!(false), &json!(WINDOW)));
    assert_eq!(feature(newest, "gpa_normalized")["over"], true, "{newest}");
    assert!(client.get("needs").ok(200).as_array().unwrap().iter().all(|need| need["kind"] != "drift_alarm"));

    ask(&client, &rows(&place, 24), 0.8);
    let report = windows(&client, "predictions", 4);
    let newest = &report["windows"][0];
    assert_eq!((&report["alarm"], &report["since"]), (&json!(true), &report["windows"][1]["from"]), "{report}");
    assert_eq!(feature(newest, "gpa_normalized")["alarm"], true);
    assert!(newest["domain_auc"]["value"].as_f64().unwrap() > 0.6, "{newest}");
    let id = newest["id"].as_str().unwrap();
    assert_eq!(client.get(&format!("drift/windows/{id}")).ok(200), *newest);
    assert_eq!(client.get("drift/windows/window_none").ok(404)["code"], "window_not_found");
    let is_drift = |need: &&Value| need["kind"] == "drift_alarm";
    let needs = until(&client, "needs", |needs| needs.as_array().unwrap().iter().any(|need| is_drift(&need)));
    let need = needs.as_array().unwrap().iter().find(is_drift).unwrap();
    let [fact, detail] = ["fact", "detail"].map(|member| need[member].as_str().unwrap());
    assert!(fact.starts_with("The data has drifted: ") && !fact.contains("moved by"), "{need}");
    assert!(detail.starts_with("in two windows of predictions in a row, since "), "{need}");
    let triggers = client.get("triggers").ok(200);
    assert!(triggers.as_array().unwrap().iter().all(|t| t["trigger_type"] != "drift"), "off by default: {triggers}");

    let page = String::from_utf8(client.get("/watch").bytes).unwrap();
    assert!(page.contains("The data has drifted") && page.contains("<title>Drift of predictions</title>"), "{page}");
    assert!(page.contains("What the columns mean"), "{page}");
    let page = String::from_utf8(client.get(&format!("/models/{model}")).bytes).unwrap();
    assert!(page.contains("Drift since training"), "{page}");

    // Pages of a report lead to older windows and still say what the newest ones do.
    let first = client.get("drift?limit=3");
    let link = first.header("link").unwrap().to_owned();
    let next = link.split(['<', '>']).nth(1).unwrap().to_owned();
    let second = client.get(&next).ok(200);
    assert_eq!((second["windows"].as_array().unwrap().len(), &second["alarm"]), (1, &json!(true)));
    assert_eq!(client.get("drift?kind=rows").status, 422);
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn performance_is_estimated_without_outcomes_and_realised_with_them() {
    let place = place_with_points(1000);
    let (mut server, client, _) = serving_with(&place, &SETTINGS);
    let asked = rows(&place, 31);
    ask(&client, &asked, 1.0);
    let report = until(&client, "performance", |report| !report["windows"].as_array().unwrap().is_empty());
    let window = &report["windows"][0];
    for metric in ["auc_roc", "f1_score", "accuracy", "brier_score"] {
        let found = &window["estimated"][metric];
        let [low, value, high] = ["low", "value", "high"].map(|end| found[end].as_f64().unwrap());
        assert!(low <= value && value <= high && (0.0..=1.0).contains(&value), "{metric}: {found}");
    }
    assert_eq!((&window["outcomes"], &window["realised"]), (&json!(0), &Value::Null));
    assert_eq!(window["calibration_holds"], Value::Null);

    let lines: Vec<String> = asked.iter().map(Value::to_string).collect();
    place.file("outcomes.jsonl", lines.join("\n"));
    let imported = place.run(&["import", "outcomes.jsonl"]);
    assert_eq!(imported.code, Some(0), "{imported:?}");
    let report = until(&client, "performance", |report| report["windows"][0]["outcomes"] != 0);
    let window = &report["windows"][0];
    assert!(window["outcomes"].as_u64().unwrap() > 100, "{window}");
    assert!(window["realised"]["auc_roc"]["value"].as_f64().unwrap() > 0.5, "{window}");
    assert!(window["calibration_holds"].is_boolean(), "{window}");
    let page = String::from_utf8(client.get("/watch").bytes).unwrap();
    assert!(page.contains("<title>AUC</title>") && page.contains("outcomes have come in"), "{page}");

    // A window without outcomes says what the one before it says, which may be on another page.
    let known = window["calibration_holds"].clone();
    ask(&client, &rows(&place, 32), 1.0);
    until(&client, "performance", |report| report["windows"].as_array().unwrap().len() == 2);
    let page = client.get("performance?limit=1").ok(200);
    let newest = &page["windows"][0];
    assert_eq!((&newest["outcomes"], &newest["calibration_holds"]), (&json!(0), &known), "{page}");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn two_services_on_one_store_close_each_window_once_and_raise_one_need() {
    let Some(mongo) = Mongo::start() else { return };
    let database = mongo.database();
    let environment = [SETTINGS[0], SETTINGS[1], ("PROVOST_STORE__URL", database.as_str())];
    let (first, second) = (Place::new(), Place::new());
    let drawn = first.run(&["sample", "--rows", "1000", "--seed", "5", "--out", "points.jsonl"]);
    assert_eq!(drawn.code, Some(0), "{drawn:?}");
    let imported = first.command(&["import", "points.jsonl"]).envs(environment).output().unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let (mut server, client, _) = serving_with(&first, &environment);
    let mut other_server = Server::start_with(&second, &environment);
    let other = Client::of(&other_server);
    wait_for("the second service's model", PATIENCE, || other.get("/v2/health/ready").status == 200);
    for (count, seed) in [(1, 41), (2, 42)] {
        let asked = rows(&first, seed);
        let (half, rest) = asked.split_at(WINDOW / 2);
        ask(&client, half, 0.8);
        ask(&other, rest, 0.8);
        let report = windows(&other, "predictions", count);
        let closed: Vec<&Value> = report["windows"].as_array().unwrap().iter().map(|window| &window["rows"]).collect();
        assert_eq!(closed, vec![&json!(WINDOW); count]);
    }
    let counted = |series: &str| -> f64 {
        let of = |client: &Client| value_of(&client.get("/metrics"), &format!("{series}{{kind=\"predictions\"}}"));
        [&client, &other].map(|client| of(client).unwrap()).iter().sum()
    };
    wait_for("both windows", PATIENCE, || counted("provost_watch_windows_total") >= 2.0);
    let counts = ["provost_watch_windows_total", "provost_watch_alarm_windows_total"].map(counted);
    assert_eq!(counts, [2.0, 1.0], "by both services together");
    for client in [&client, &other] {
        let alarms = |needs: &Value| needs.as_array().unwrap().iter().filter(|n| n["kind"] == "drift_alarm").count();
        let needs = until(client, "needs", |needs| alarms(needs) > 0);
        assert_eq!(alarms(&needs), 1, "{needs}");
        assert_eq!(client.get("drift").ok(200)["alarm"], true);
    }
    assert_eq!((server.terminate(), other_server.terminate()), (Some(0), Some(0)));
}
