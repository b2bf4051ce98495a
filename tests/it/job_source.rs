//! The file that a job names as its source: what is read of it, and what the job and the quality report say of the rest.
#![allow(clippy::unwrap_used)]

use crate::command::{Place, point, points};
use crate::http::Client;
use crate::importing::gzip;
use crate::serving::Server;

#[test]
fn a_jobs_source_is_read_like_any_file_and_what_was_not_read_is_reported() {
    let place = Place::new();
    place.file("p.jsonl", points(0..300));
    assert_eq!(place.run(&["import", "p.jsonl"]).code, Some(0));
    let server = Server::start(&place);
    let client = Client::of(&server);
    let body = |source: &str, path: &str| serde_json::json!({"data_source": source, "data_path": path, "use_verified_only": false, "min_samples": 100});
    let quality = |source: &str, name: &str, bytes: &[u8]| {
        std::fs::write(place.path("data/import").join(name), bytes).unwrap();
        client.post("data-quality", &body(source, name)).ok(200)
    };
    // Every other row has no decision.
    let half: String = (0..400)
        .map(|n| if n % 2 == 0 { point(n) } else { point(n).replace("\"decision\"", "\"Decision\"") } + "\n")
        .collect();
    let report = quality("json", "half.jsonl", half.as_bytes());
    assert_eq!(
        (report["total_samples"].as_u64(), report["rejected_rows"].as_u64()),
        (Some(200), Some(200)),
        "{report}"
    );
    let reasons = report["rejected_reasons"].as_array().unwrap();
    assert!(reasons[0].as_str().unwrap().contains("row 2: /decision: `decision` is missing"), "{report}");
    assert!(report["warnings"][0].as_str().unwrap().contains("200 rows of half.jsonl were rejected"), "{report}");

    let array = format!("[{}]", (0..120).map(point).collect::<Vec<_>>().join(","));
    for (name, bytes) in [("array.json", array.clone().into_bytes()), ("packed.json", gzip(array.as_bytes()))] {
        let report = quality("json", name, &bytes);
        assert_eq!(
            (report["total_samples"].as_u64(), report["rejected_rows"].as_u64()),
            (Some(120), Some(0)),
            "{report}"
        );
    }
    let report = quality("csv", "s.csv", b"data_point_id;gpa;university_name;decision;shoe\na;3,75;U;accepted;1\n");
    assert_eq!(report["total_samples"], 1, "{report}");
    assert!(report["warnings"][0].as_str().unwrap().contains("columns of s.csv that were not read: shoe"), "{report}");
    std::fs::write(place.path("data/import/bad.json"), "[{}").unwrap();
    let refused = client.post("data-quality", &body("json", "bad.json"));
    assert!(refused.status >= 400 && String::from_utf8_lossy(&refused.bytes).contains("not closed"), "{refused:?}");

    let without_effect = serde_json::json!({"data_path": "other.csv", "selected_features": ["gpa_normalized"],
        "use_verified_only": false, "min_samples": 100, "algorithms": ["logistic_regression"], "hyperparameter_tuning": "none"});
    let warnings = client.post("data-quality", &without_effect).ok(200)["warnings"].clone();
    assert_eq!(warnings.as_array().map(Vec::len), Some(2), "{warnings}");
    let job = client.post("train", &without_effect).ok(202)["job_id"].as_str().unwrap().to_owned();
    let job = client.get(&format!("jobs/{job}")).ok(200);
    for named in ["data_path", "selected_features"] {
        let told = |w: &serde_json::Value| w.as_str().is_some_and(|w| w.contains(named) && w.contains("has no effect"));
        assert!(job["warnings"].as_array().unwrap().iter().any(told), "{named}: {job}");
    }
}
