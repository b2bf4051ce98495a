//! Audits by group, cards and data checks over HTTP and on the command line.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::broker::wait_for;
use crate::command::Place;
use crate::http::{BASE, Client, small_job};
use crate::serving::Server;
use provost_domain::limits;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A place whose store has drawn points, each changed by `edit`.
fn place_with(rows: u32, edit: impl Fn(usize, &mut Value)) -> Place {
    let place = Place::new();
    import(&place, rows, 5, edit);
    place
}

/// Imports drawn points, each changed by `edit`.
fn import(place: &Place, rows: u32, seed: u32, edit: impl Fn(usize, &mut Value)) {
    let (rows, seed) = (rows.to_string(), seed.to_string());
    let drawn = place.run(&["sample", "--rows", &rows, "--seed", &seed, "--out", "drawn.jsonl"]);
    assert_eq!(drawn.code, Some(0), "{drawn:?}");
    let text = std::fs::read_to_string(place.path("drawn.jsonl")).unwrap();
    let edited = text.lines().enumerate().map(|(n, line)| {
        let mut point: Value = serde_json::from_str(line).unwrap();
        edit(n, &mut point);
        point.to_string() + "\n"
    });
    place.file("points.jsonl", edited.collect::<String>());
    let imported = place.run(&["import", "points.jsonl"]);
    assert_eq!(imported.code, Some(0), "{imported:?}");
}

/// One in three has a degree from abroad, and one in twenty has none on record.
fn with_degrees(n: usize, point: &mut Value) {
    point["profile"]["gender"] = json!(if n.is_multiple_of(2) { "female" } else { "male" });
    if !n.is_multiple_of(20) {
        point["attributes"] = json!({"degree": if n.is_multiple_of(3) { "zzz-abroad" } else { "zzz-home" }});
    }
}

fn trained(client: &Client) -> String {
    let job = client.ended(&client.train(&small_job()));
    assert_eq!(job["status"], "completed", "{job}");
    job["best_model_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_model_is_audited_by_group_and_the_groups_stay_in_the_points() {
    let place = place_with(900, with_degrees);
    let mut server = Server::start_with(&place, &[("PROVOST_FAIRNESS__ATTRIBUTES", "degree, passport")]);
    let client = Client::of(&server);
    let id = trained(&client);
    let answer = client.get(&format!("fairness/{id}"));
    let report = answer.ok(200);
    assert_eq!(client.get(&format!("fairness/{id}")).bytes, answer.bytes, "the same data, the same answer");
    let attribute = |name: &str| {
        let all = report["attributes"].as_array().unwrap();
        all.iter().find(|a| a["attribute"] == name).unwrap_or_else(|| panic!("{name}: {report}")).clone()
    };
    let rows = report["rows"].as_u64().unwrap();
    let test: u64 = client.get(&format!("metrics/{id}")).ok(200)["confusion_matrix"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .map(|cell| cell.as_u64().unwrap())
        .sum();
    assert_eq!(rows, test);
    for name in ["nationality", "gender", "degree", "passport", "nationality × gender", "gender × degree"] {
        let of = attribute(name);
        assert_eq!(of["rows"].as_u64().unwrap() + of["missing"].as_u64().unwrap(), rows, "{name}");
        let groups = of["groups"].as_array().unwrap();
        assert_eq!(groups.iter().map(|g| g["rows"].as_u64().unwrap()).sum::<u64>(), of["rows"], "{name}");
        for group in groups {
            let rate = &group["selection_rate"];
            let [low, value, high] = ["low", "value", "high"].map(|key| rate[key].as_f64().unwrap());
            assert!(low <= value && value <= high, "{group}");
            let few = group["verdict"] == "too few to say";
            assert_eq!(group["difference"].is_null(), few, "{group}");
        }
    }
    assert_eq!(attribute("passport")["groups"], json!([]), "no point has it");
    let all = report["attributes"].as_array().unwrap();
    assert!(!all.iter().any(|a| a["attribute"].as_str().unwrap().contains("passport ×")), "{report}");
    let abroad =
        attribute("degree")["groups"].as_array().unwrap().iter().find(|g| g["group"] == "zzz-abroad").unwrap().clone();
    assert!(
        abroad["difference"]["selection_rate"]["p_holm"].is_f64() && abroad["ratio"]["selection_rate"]["high"].is_f64()
    );
    // A group is no feature, and in no prediction and log.
    let importance = client.get(&format!("feature-importance/{id}")).ok(200);
    assert_eq!(importance["feature_importance"].as_array().unwrap().len(), 12);
    client.send("POST", &format!("activate/{id}"), &[], None).ok(200);
    let line = std::fs::read_to_string(place.path("points.jsonl")).unwrap().lines().nth(1).unwrap().to_owned();
    let application: Value = serde_json::from_str(&line).unwrap();
    let predicted = client.post("predict", &json!({"applications": [application]}));
    assert_eq!(predicted.status, 200, "{}", String::from_utf8_lossy(&predicted.bytes));
    let logged = client.get("predictions");
    assert!(!String::from_utf8_lossy(&[predicted.bytes, logged.bytes].concat()).contains("zzz-"));
    for (method, path, status) in
        [("GET", "fairness/model_xgboost_nobody".to_owned(), 404), ("POST", format!("fairness/{id}"), 405)]
    {
        client.send(method, &path, &[], None).problem(status);
    }
    // A page does not wait long for an audit, not even for one that is known.
    let page = || client.send("GET", &format!("/models/{id}"), &[("accept", "text/html")], None);
    let html = (0..20).map(|_| String::from_utf8(page().bytes).unwrap()).find(|html| html.contains("zzz-abroad"));
    assert!(html.is_some_and(|html| html.contains("model card")));
    assert_eq!(server.terminate(), Some(0));
    let log = std::fs::read_to_string(place.path("serve.log")).unwrap();
    assert!(!log.contains("zzz-"), "{log}");
}

#[test]
fn a_card_is_written_from_records_alone() {
    let place = place_with(900, with_degrees);
    let environment = [("PROVOST_FAIRNESS__ATTRIBUTES", "degree"), ("PROVOST_CARD__PURPOSE", "To advise <applicants>")];
    let mut server = Server::start_with(&place, &environment);
    let client = Client::of(&server);
    let id = trained(&client);
    client.post(&format!("activate/{id}"), &json!({"reason": "for the card"})).ok(200);
    let card = |client: &Client, format: &str| {
        let answer = client.get(&format!("models/{id}/card?format={format}"));
        assert_eq!(answer.status, 200, "{format}");
        answer
    };
    let formats = [("markdown", "text/markdown"), ("html", "text/html"), ("yaml", "application/yaml")];
    let first: Vec<Vec<u8>> = formats
        .iter()
        .map(|(format, kind)| {
            let answer = card(&client, format);
            assert_eq!(answer.header("content-type"), Some(&*format!("{kind}; charset=utf-8")));
            let accepted = client.send("GET", &format!("models/{id}/card"), &[("accept", kind)], None);
            assert_eq!(accepted.bytes, answer.bytes, "{format}");
            let text = String::from_utf8(answer.bytes.clone()).unwrap();
            for part in [id.as_str(), "zzz-abroad", "for the card", "GPA", "To be answered"] {
                let escaped = part.replace('_', "\\_");
                assert!(text.contains(part) || text.contains(&escaped), "{format} has no {part}");
            }
            answer.bytes
        })
        .collect();
    let html = String::from_utf8(first[1].clone()).unwrap();
    assert!(html.contains("To advise &lt;applicants&gt;") && !html.contains("http://") && !html.contains("<script"));
    assert_eq!(html.matches("<h2>").count(), 9);
    client.get(&format!("models/{id}/card?format=pdf")).problem(422);
    client.get("models/model_xgboost_nobody/card").problem(404);

    // The command line writes the same bytes, whatever the ending.
    for (name, bytes) in ["c.md", "c.html", "c.yaml"].iter().zip(&first) {
        let written = place.run(&["card", "latest", "--out", name, "--url", &server.url, "--json"]);
        assert_eq!(written.code, Some(0), "{written:?}");
        assert_eq!(written.json()["bytes"].as_u64(), Some(bytes.len() as u64));
        assert_eq!(&std::fs::read(place.path(name)).unwrap(), bytes, "{name}");
    }
    assert_eq!(place.run(&["card", "latest", "--out", "c.pdf", "--url", &server.url]).code, Some(2));
    assert_eq!(server.terminate(), Some(0));

    // Another process, the same records.
    let mut server = Server::start_with(&place, &environment);
    let client = Client::of(&server);
    for ((format, _), bytes) in formats.iter().zip(&first) {
        assert_eq!(&card(&client, format).bytes, bytes, "{format}");
    }
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn data_is_checked_for_leaks_copies_and_wrong_outcomes() {
    let place = place_with(700, |n, point| {
        // The ranking of a university is known after the fact, and row 9 is row 8 under another name.
        let accepted = point["decision"] == "accepted";
        point["profile"]["undergraduate_university_ranking"] = json!(if accepted { 5 } else { 700 });
        if n == 9 {
            let (id, applicant) = (point["data_point_id"].clone(), json!("somebody else"));
            *point = copied_point();
            point["data_point_id"] = id;
            point["applicant_id"] = applicant;
        } else if n == 8 {
            let id = point["data_point_id"].clone();
            *point = copied_point();
            point["data_point_id"] = id;
        }
    });
    let mut server = Server::start(&place);
    let client = Client::of(&server);
    let asked = json!({"use_verified_only": false});
    let found = client.post("data-checks", &asked).ok(200);
    let leak = &found["leaks"][0];
    assert_eq!(leak["features"], json!(["undergrad_prestige"]), "{found}");
    assert!(
        leak["auc_roc"].as_f64().unwrap() > 0.95 && leak["reason"].as_str().unwrap().contains("before the outcome")
    );
    assert_eq!(found["features"][0]["feature"], "undergrad_prestige");
    assert_eq!(found["near_duplicate_pairs"], 1, "{found}");
    let pair = &found["near_duplicates"][0];
    let ids: Vec<&str> = ["data_point_id", "other_data_point_id"].map(|key| pair[key].as_str().unwrap()).to_vec();
    assert!(ids.contains(&"sample-5-0000008") && ids.contains(&"sample-5-0000009"), "{pair}");
    assert_eq!(found["rows"], found["modelled_rows"]);
    assert!(found["labels"]["estimated_errors"].is_f64());
    let again = client.post("data-checks", &asked);
    assert_eq!(again.ok(200), found, "the same data, the same answer");
    assert_eq!(client.post("data-checks", &json!({"test_size": 2})).problem(422), ["/test_size"]);
    assert_eq!(server.terminate(), Some(0));
}

/// An applicant like no other.
fn copied_point() -> Value {
    json!({
        "applicant_id": "somebody",
        "profile": {
            "gpa": 3.137, "gpa_scale": 4.0, "undergraduate_university_ranking": 5,
            "test_scores": [
                {"test_type": "gre", "verbal_score": 141, "quantitative_score": 169},
                {"test_type": "toefl", "total_score": 93},
            ],
            "research_publications": 3, "conference_papers": 1, "work_experience_months": 37,
            "relevant_work_experience_months": 11, "leadership_positions": 1, "volunteer_hours": 23,
        },
        "program": {"university_name": "U", "acceptance_rate": 0.2},
        "decision": "accepted", "application_year": 2024, "application_cycle": "fall", "verified": true,
    })
}

#[test]
fn an_empty_store_has_nothing_to_check() {
    let place = Place::new();
    let mut server = Server::start(&place);
    let found = Client::of(&server).post("data-checks", &json!({})).ok(200);
    assert_eq!((&found["rows"], &found["leaks"], &found["auc_roc"]), (&json!(0), &json!([]), &json!(null)));
    assert!(found["warnings"][0].as_str().unwrap().contains("neither features nor labels were checked"), "{found}");
    assert_eq!(server.terminate(), Some(0));
}

/// The outcome follows the grades alone; who has low ones is a group, and who has high ones.
fn with_grades(n: usize, point: &mut Value) {
    let grades = |member: &str| point["profile"][member].as_f64();
    let share = grades("gpa").zip(grades("gpa_scale")).map(|(gpa, scale)| gpa / scale);
    let (group, accepted) = match share {
        Some(low) if low < 0.76 => (Some("low"), 20),
        Some(high) if high > 0.86 => (Some("high"), 85),
        _ => (None, 50),
    };
    if let Some(share) = share {
        point["profile"]["gpa"] = json!(share * 4.0);
        point["profile"]["gpa_scale"] = json!(4.0);
    }
    // The program says nothing of the grades, so that a model of the program alone treats the groups alike.
    let place = (n * 7_919 % 97) as f64;
    point["program"]["acceptance_rate"] = json!(0.05 + 0.009 * place);
    point["program"]["university_ranking"] = json!(1.0 + 3.0 * place);
    point["decision"] = json!(if n * 7_919 % 100 < accepted { "accepted" } else { "rejected" });
    if let Some(group) = group {
        point["attributes"] = json!({"grades": group});
    }
}

/// The new model follows the grades, and so hardly accepts those with low ones; the active one knows the program alone.
#[test]
fn a_better_model_that_is_less_fair_is_kept_from_the_place() {
    let place = place_with(900, with_grades);
    let environment = [
        ("PROVOST_FAIRNESS__ATTRIBUTES", "grades"),
        ("PROVOST_FAIRNESS__GATE", "true"),
        ("PROVOST_SCHEDULE__ENABLED", "true"),
    ];
    let mut server = Server::start_with(&place, &environment);
    let client = Client::of(&server);
    let mut job = small_job();
    job["target_metric"] = json!("auc_roc");
    let mut blind = job.clone();
    blind["feature_selection"] = json!("manual");
    blind["selected_features"] = json!(["program_competitiveness"]);
    let weak = client.ended(&client.train(&blind));
    assert_eq!(weak["status"], "completed", "{weak}");
    let champion = weak["best_model_id"].as_str().unwrap();
    client.send("POST", &format!("activate/{champion}"), &[], None).ok(200);

    let schedule = json!({"min_new_samples": 300, "improvement_threshold": 0.0, "schedule_cron": "0 0 29 2 *",
        "training_config": job});
    client.send("PUT", "schedule", &[], Some(schedule.to_string().as_bytes())).ok(200);
    import(&place, 400, 6, with_grades);
    wait_for("a decision", Duration::from_secs(120), || client.get("decisions").ok(200) != json!([]));
    let decision = client.get("decisions").ok(200)[0].clone();
    let audited = |id: &Value| client.get(&format!("fairness/{}", id.as_str().unwrap())).ok(200)["attributes"].clone();
    let audits = [audited(&decision["challenger_id"]), audited(&json!(champion))];
    let held = (&decision["outcome"], &decision["champion_id"]) == (&json!("kept"), &json!(champion));
    assert!(held, "{decision}\n{audits:?}");
    let reason = decision["reason"].as_str().unwrap();
    assert!(reason.contains("the group `low` of `grades`") && reason.contains("below 0.8"), "{reason}");
    assert!(decision["evidence"]["lower_bound"].as_f64().unwrap() > 0.0, "it is better beyond chance: {decision}");
    let models = client.get("models?active_only=true").ok(200);
    assert_eq!((models.as_array().unwrap().len(), &models[0]["model_id"]), (1, &json!(champion)));
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn checks_beyond_those_that_may_wait_are_refused_and_a_known_audit_is_answered() {
    let place = place_with(2_000, with_degrees);
    let server = Server::start(&place);
    let client = Client::of(&server);
    let [known, other] = [trained(&client), trained(&client)];
    client.get(&format!("fairness/{known}")).ok(200);
    let body = json!({"use_verified_only": false}).to_string();
    let ask = || {
        let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
        let head = format!("POST {BASE}/data-checks HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json");
        write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        stream
    };
    // One is made, as many wait as may, and one more is refused while the first is still being made.
    let mut asked: Vec<TcpStream> = (0..limits::AUDITS + 2).map(|_| ask()).collect();
    let mut refused = None;
    wait_for("a refusal", Duration::from_secs(60), || {
        refused = asked.iter().position(|stream| {
            stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            stream.peek(&mut [0]).is_ok()
        });
        refused.is_some()
    });
    let refused = &mut asked[refused.unwrap()];
    refused.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"}") {
        let mut byte = [0];
        refused.read_exact(&mut byte).unwrap();
        bytes.extend(byte);
    }
    let refusal = String::from_utf8(bytes).unwrap();
    assert!(refusal.starts_with("HTTP/1.1 503 ") && refusal.to_lowercase().contains("\r\nretry-after: "), "{refusal}");
    let said = format!("{} audits and data checks wait already", limits::AUDITS);
    assert!(refusal.contains(&said), "{refusal}");
    let full = client.get(&format!("fairness/{other}"));
    full.problem(503);
    assert!(full.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    client.get(&format!("fairness/{known}")).ok(200);
}
