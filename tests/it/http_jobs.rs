//! Jobs over HTTP: submitted, watched, listed, cancelled.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::http::{BASE, Client, long_job, place_with_points, small_job};
use crate::serving::Server;
use serde_json::json;

#[test]
fn a_job_from_the_request_to_its_end() {
    let place = place_with_points(600);
    let server = Server::start(&place);
    let client = Client::of(&server);
    let accepted = client.post_with_key("train", "once", &small_job());
    let body = accepted.ok(202);
    let id = body["job_id"].as_str().unwrap();
    assert_eq!(accepted.header("location"), Some(format!("{BASE}/jobs/{id}").as_str()));
    assert_eq!((&body["success"], &body["status"]), (&json!(true), &json!("queued")));
    assert!(body["estimated_time_minutes"].as_f64().unwrap() > 0.0 && body["message"].is_string());

    // The same again is the same answer, byte for byte; the key with anything else is refused.
    let again = client.post_with_key("train", "once", &small_job());
    assert_eq!((again.status, &again.bytes), (202, &accepted.bytes));
    assert_eq!(again.header("location"), accepted.header("location"));
    client.post_with_key("train", "once", &json!({})).problem(422);
    client.post_with_key("data-quality", "once", &small_job()).problem(422);
    client.post_with_key("train", &"k".repeat(256), &small_job()).problem(422);

    let events = client.events(id, 0, |_| false);
    assert!(events.iter().map(|e| e.id).eq(1..=events.len() as u64), "ids count without a gap");
    let progress: Vec<f64> = events.iter().filter_map(|e| e.data["progress_percentage"].as_f64()).collect();
    assert!(progress.is_sorted() && progress.last() == Some(&100.0), "{progress:?}");
    let states: Vec<_> = events.iter().filter(|e| e.kind == "state").map(|e| &e.data["status"]).collect();
    assert_eq!(states, ["pending", "running", "completed"]);
    let middle = events.len() as u64 / 2;
    assert_eq!(client.events(id, middle, |_| false), events[middle as usize..], "goes on after Last-Event-ID");
    assert_eq!(client.events(id, 10_000, |_| false), []);

    let job = client.get(&format!("jobs/{id}")).ok(200);
    assert_eq!((&job["status"], &job["progress_percentage"]), (&json!("completed"), &json!(100.0)));
    assert_eq!(job["algorithms_completed"], json!(["logistic_regression"]));
    assert_eq!(job["trained_models"], json!([job["best_model_id"]]));
    for unknown in ["error_message", "estimated_time_remaining_seconds", "queue_position", "waits_for"] {
        assert_eq!(job.get(unknown), Some(&json!(null)), "{unknown}");
    }
    assert_eq!((&job["created_by"], &job["triggers"][0]["triggered_by"]), (&json!("anonymous"), &json!("anonymous")));
    assert!(job["started_at"].is_string() && job["completed_at"].is_string());
    assert_eq!(job["triggers"][0]["trigger_type"], "manual");
    let rows = client.post("data-quality", &small_job()).ok(200)["usable_samples"].clone();
    let logs = job["logs"].as_array().unwrap();
    assert!(logs.iter().any(|l| l.as_str().unwrap().contains(&format!(" {rows} rows: "))), "{rows}: {logs:?}");

    let model = client.get(&format!("models/{}", job["best_model_id"].as_str().unwrap())).ok(200);
    assert_eq!(model["metrics"]["cv_mean"], job["best_score"]);
    client.delete(&format!("jobs/{id}")).problem(400);
    assert_eq!(client.get("triggers").ok(200)[0]["job_id"], id);
}

#[test]
fn a_grid_with_values_that_no_model_can_have_is_refused_before_it_is_a_job() {
    let place = place_with_points(600);
    let mut server = Server::start(&place);
    let client = Client::of(&server);
    let mut job = small_job();
    job["algorithms"] = json!(["xgboost"]);
    job["hyperparameter_tuning"] = json!("grid_search");
    job["grids"] = json!({"xgboost": {"n_estimators": [10, 1e9], "learning_rate": [1e308]}});
    let pointers = client.post("train", &job).problem(422);
    assert_eq!(pointers, ["/grids/xgboost/learning_rate/0", "/grids/xgboost/n_estimators/1"]);
    assert_eq!(client.get("jobs").ok(200), json!([]));
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_full_queue_pages_and_cancelling() {
    let place = place_with_points(600);
    let server = Server::start_with(&place, &[("PROVOST_JOBS__MAX_QUEUED", "1")]);
    let client = Client::of(&server);
    let long = long_job();
    let running = client.train(&long);
    let accepted = client.post("train", &long).ok(202);
    let waiting = accepted["job_id"].as_str().unwrap().to_owned();
    // The estimate counts what stands before it.
    assert_eq!((&accepted["queue_position"], &accepted["waits_for"]), (&json!(1), &json!(running)));
    let minutes = |name: &str| accepted[name].as_f64().unwrap();
    assert!(minutes("estimated_time_minutes") > minutes("estimated_wait_minutes"), "{accepted}");
    let full = client.post("train", &long);
    full.problem(503);
    assert!(full.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    assert_eq!(client.get("/readyz").status, 200, "a full queue is no reason to send reads elsewhere");

    client.events(&running, 0, |e| e.kind == "state" && e.data["status"] == "running");
    let of = |status: &str| -> Vec<String> {
        let jobs = client.get(&format!("jobs?status={status}")).ok(200);
        jobs.as_array().unwrap().iter().map(|j| j["job_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((of("running"), of("pending")), (vec![running.clone()], vec![waiting.clone()]));

    // Each says what it is at, or what it waits for.
    let listed = client.get("jobs?limit=2").ok(200);
    let (second, first) = (&listed[0], &listed[1]);
    assert_eq!((&second["queue_position"], &second["waits_for"]), (&json!(1), &json!(running)));
    assert_eq!((&first["queue_position"], &first["waits_for"]), (&json!(null), &json!(null)));
    assert!(first["current_algorithm"].is_string() || first["current_step"] != "queued", "{first}");
    for job in [first, second] {
        assert!(job["estimated_time_remaining_seconds"].as_f64().unwrap() >= 0.0, "{job}");
    }
    let alone = client.get(&format!("jobs/{waiting}")).ok(200);
    assert_eq!((&alone["queue_position"], &alone["waits_for"]), (&json!(1), &json!(running)));

    let cancelled = client.delete(&format!("jobs/{waiting}")).ok(200);
    assert_eq!((&cancelled["success"], &cancelled["job_id"]), (&json!(true), &json!(waiting)));
    let job = client.get(&format!("jobs/{waiting}")).ok(200);
    assert_eq!(
        (&job["status"], &job["best_score"], &job["started_at"]),
        (&json!("cancelled"), &json!(null), &json!(null))
    );
    client.delete(&format!("jobs/{waiting}")).problem(400);

    // A running one, whose best finished trial is kept.
    client.events(&running, 0, |e| e.kind == "trial" && e.data["status"] == "complete");
    assert_eq!(client.delete(&format!("jobs/{running}?keep_best=perhaps")).problem(422), ["/keep_best"]);
    client.delete(&format!("jobs/{running}?keep_best=true")).ok(200);
    let job = client.ended(&running);
    assert_eq!(job["status"], "cancelled", "{job}");
    let kept = job["best_model_id"].as_str().unwrap_or_else(|| panic!("{job}"));
    assert_eq!(client.get(&format!("evaluate/{kept}/results")).ok(200)["model_id"], kept);

    // And one that is not.
    let third = client.train(&long);
    client.events(&third, 0, |e| e.kind == "progress");
    client.delete(&format!("jobs/{third}")).ok(200);
    let job = client.ended(&third);
    assert_eq!((&job["status"], &job["trained_models"]), (&json!("cancelled"), &json!([])));

    let newest_first = [third, waiting, running];
    let (mut next, mut found) = (Some("jobs?limit=2&status=cancelled".to_owned()), Vec::new());
    while let Some(page) = next {
        let answer = client.get(&page);
        let jobs = answer.ok(200).as_array().unwrap().clone();
        assert!((1..=2).contains(&jobs.len()));
        found.extend(jobs.iter().map(|j| j["job_id"].as_str().unwrap().to_owned()));
        next = answer.header("link").map(|link| {
            let (address, relation) = link.split_once(">; ").unwrap();
            assert_eq!(relation, "rel=\"next\"");
            address.strip_prefix('<').unwrap().to_owned()
        });
    }
    assert_eq!(found, newest_first);
}
