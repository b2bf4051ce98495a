//! `import`: what becomes of rows, and what is said of those that are not read.
#![allow(clippy::unwrap_used)]

use crate::command::{Place, Ran, point, points};
use std::io::Write;

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub fn counts(ran: &Ran) -> [u64; 4] {
    let report = ran.json();
    ["rows", "inserted", "unchanged", "rejected"].map(|k| report[k].as_u64().unwrap())
}

/// What a store has, as JSON, in the order of the ids.
pub fn stored(place: &Place) -> Vec<serde_json::Value> {
    use provost_store::{PointReader, PointSelection, SqliteStore};
    let store = SqliteStore::open(&place.path("data"), chrono::Utc::now()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut batches = store.stream_points(PointSelection { verified_only: false }).await.unwrap();
        let mut all = Vec::new();
        while let Some(batch) = batches.recv().await {
            all.extend(batch.unwrap().iter().map(|point| serde_json::to_value(point).unwrap()));
        }
        all
    })
}

#[test]
fn broken_lines_go_to_the_rejects_and_all_others_stay() {
    let place = Place::new();
    let mut file = points(0..50).into_bytes();
    file.extend_from_slice(b"{\"data_point_id\": \"broken\n");
    file.extend_from_slice(b"\xff\xfe not UTF-8\n\n");
    file.extend_from_slice(point(50).replace("rejected", "maybe").as_bytes());
    file.push(b'\n');
    file.extend_from_slice("x".repeat(3_000_000).as_bytes());
    file.push(b'\n');
    file.extend_from_slice(points(51..100).as_bytes());
    place.file("data.jsonl", file);
    let ran = place.run(&["import", "data.jsonl", "--rejects", "rejects.jsonl", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(counts(&ran), [103, 99, 0, 4]);
    let rejects = std::fs::read_to_string(place.path("rejects.jsonl")).unwrap();
    let rejects: Vec<serde_json::Value> = rejects.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(rejects.iter().map(|r| r["line"].as_u64().unwrap()).collect::<Vec<_>>(), [51, 52, 54, 55]);
    assert!(rejects.iter().all(|r| !r["reason"].as_str().unwrap().is_empty()));
    assert_eq!(rejects[0]["raw"], "{\"data_point_id\": \"broken");
    assert!(rejects[2]["reason"].as_str().unwrap().contains("decision"), "{}", rejects[2]);
    assert!(rejects[3]["reason"].as_str().unwrap().contains("longer than"), "{}", rejects[3]["reason"]);
    assert!(rejects[3]["raw"].as_str().unwrap().len() < 10_000);
}

#[test]
fn a_second_import_changes_nothing_and_gzip_is_read_as_it_is() {
    let place = Place::new();
    place.file("data.jsonl", points(0..300));
    // Named as if it were plain: the first bytes decide.
    place.file("again.jsonl", gzip(points(0..400).as_bytes()));
    assert_eq!(counts(&place.run(&["import", "data.jsonl", "--json"])), [300, 300, 0, 0]);
    assert_eq!(counts(&place.run(&["import", "again.jsonl", "--json"])), [400, 100, 300, 0]);
    let conflict = point(3).replace("3.3", "2.1");
    place.file("conflict.jsonl", format!("{conflict}\n"));
    let report = place.run(&["import", "conflict.jsonl", "--json"]).json();
    assert_eq!((report["conflicts"].as_u64(), report["inserted"].as_u64()), (Some(1), Some(0)));
    let rejects = std::fs::read_to_string(place.dir().join(report["rejects"].as_str().unwrap())).unwrap();
    assert!(rejects.contains("p3") && rejects.contains("seq"), "{rejects}");
}

#[test]
fn a_truncated_gzip_keeps_what_was_read_and_exits_1() {
    let place = Place::new();
    let bytes = gzip(points(0..5000).as_bytes());
    place.file("cut.jsonl.gz", &bytes[..bytes.len() / 2]);
    let ran = place.run(&["import", "cut.jsonl.gz", "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let [rows, inserted, _, rejected] = counts(&ran);
    assert!(inserted > 500 && inserted < 5000 && rejected <= 1 && rows == inserted + rejected, "{}", ran.out);
    assert!(ran.err.contains("cut off"), "{}", ran.err);
}

#[test]
fn csv_by_its_own_names_or_through_a_mapping() {
    let place = Place::new();
    place.file(
        "own.csv",
        "data_point_id,gpa,university_name,decision\na,3.5,\"U, of X\",accepted\nb,much,U,rejected\nc,3,U,rejected\n",
    );
    assert_eq!(counts(&place.run(&["import", "own.csv", "--json"])), [3, 2, 0, 1]);

    place.file("foreign.csv", "admit,gre,points\n1,660,3.67\n0,380,3.61\n");
    let ran = place.run(&["import", "foreign.csv", "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("--mapping") && ran.err.contains("decision"), "{}", ran.err);
    place.file(
        "m.toml",
        "id_prefix = \"f-\"\n[columns]\ndecision = \"admit\"\n\"profile.gpa\" = \"points\"\n[decisions]\n\"1\" = \"accepted\"\n\
         \"0\" = \"rejected\"\n[constants]\nuniversity_name = \"UCLA\"\n",
    );
    let ran = place.run(&["import", "foreign.csv", "--mapping", "m.toml", "--verified", "--json"]);
    assert_eq!(counts(&ran), [2, 2, 0, 0], "{ran:?}");
}

#[test]
fn what_cannot_be_read_is_named() {
    let place = Place::new();
    place.file("good.jsonl", points(0..5));
    let ran = place.run(&["import", "missing.jsonl", "good.jsonl", "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("missing.jsonl"), "{}", ran.err);
    assert_eq!(counts(&ran), [5, 5, 0, 0]);
    let ran = place.run(&["features", "--data-dir", "nowhere", "--out", "x.csv"]);
    assert_eq!((ran.code, place.path("nowhere").exists()), (Some(1), false), "{ran:?}");
}

#[test]
fn an_array_is_no_point_and_a_limit_is_what_it_says() {
    let place = Place::new();
    place.file(
        "a.jsonl",
        concat!(
            r#"{"data_point_id":"p1","profile":{"test_scores":[["gre",320,160,160]]},"program":{},"decision":"accepted"}"#,
            "\n",
            r#"{"data_point_id":"p2","profile":[3.5,4.0],"program":{"university_name":"U"},"decision":"accepted"}"#,
            "\n",
            r#"{"data_point_id":"p3","profile":{},"program":{},"decision":"accepted","seq":9007199254740991.0}"#,
            "\n",
            r#"{"data_point_id":"p4","profile":{},"program":{},"decision":"accepted","seq":9007199254740992}"#,
            "\n",
            r#"{"data_point_id":"p5","profile":{},"program":{},"decision":"accepted","seq":1e16}"#,
            "\n",
        ),
    );
    assert_eq!(counts(&place.run(&["import", "a.jsonl", "--rejects", "r.jsonl", "--json"])), [5, 2, 0, 3]);
    let rejects = std::fs::read_to_string(place.path("r.jsonl")).unwrap();
    let reasons: Vec<&str> = rejects.lines().collect();
    assert!(reasons[0].contains("test_scores[0]") && reasons[0].contains("an object is expected"), "{}", reasons[0]);
    assert!(reasons[1].contains("`profile` is") && reasons[1].contains("an object is expected"), "{}", reasons[1]);
    assert!(reasons[2].contains("exponent up to 9007199254740991"), "{}", reasons[2]);
}

#[test]
fn nothing_is_dropped_in_silence() {
    let place = Place::new();
    place.file("twice.csv", "data_point_id,gpa,gpa,university_name,decision\nd1,3.1,3.9,Univ A,accepted\n");
    let ran = place.run(&["import", "twice.csv"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("(number 1)") && ran.err.contains("(number 2)"), "{}", ran.err);

    // A test's name alone is its total, and two names of one field are two columns.
    let tests = "data_point_id,gpa,university_name,decision,gre_verbal,gre_quant,toefl,ielts,gmat";
    place.file("tests.csv", format!("{tests}\nt1,3.1,U,accepted,155,160,100,7.0,700\n"));
    let ran = place.run(&["import", "tests.csv", "--json"]);
    assert_eq!((counts(&ran), ran.json()["files"][0].get("unread")), ([1, 1, 0, 0], None), "{ran:?}");
    let scores = stored(&place)[0]["profile"]["test_scores"].clone();
    assert_eq!(scores.as_array().map(Vec::len), Some(4), "{scores}");
    place.file("both.csv", format!("{tests},toefl_total\nt2,3.1,U,accepted,155,160,100,7.0,700,\n"));
    let ran = place.run(&["import", "both.csv"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("`toefl`") && ran.err.contains("`toefl_total`"), "{}", ran.err);

    let place = Place::new();
    place.file(
        "misspelt.csv",
        "data_point_id,gpa,gpa_scle,university_name,decision,gre_verbl,ielts\nt1,8.1,10,U,accepted,160,7\n",
    );
    let ran = place.run(&["import", "misspelt.csv"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.out.contains("gpa_scle (did you mean `gpa_scale`?), gre_verbl (did you mean `gre_verbal`?)"),
        "{}",
        ran.out
    );
    assert!(!ran.out.contains("ielts"), "a test's name alone is its total: {}", ran.out);

    for (name, text) in
        [("empty.csv", ""), ("head.csv", "data_point_id,gpa,university_name,decision\n"), ("bad.jsonl", "{}\n")]
    {
        place.file(name, text);
        let ran = place.run(&["import", name]);
        assert_eq!(ran.code, Some(1), "{name}: {ran:?}");
        assert!(ran.err.contains("no row was read as a data point"), "{}", ran.err);
    }
}

/// Members that no field is read from are listed wherever they first appear.
#[test]
fn members_of_json_that_are_not_read_are_listed_wherever_they_come() {
    let place = Place::new();
    // A point's own form, without a mapping; the head of the file is 256 KiB.
    let late = point(5000).replace("\"gpa\"", "\"gpaa\"").replacen('{', "{\"Decison\": 1, \"color\": [{}], ", 1);
    place.file("points.jsonl", points(0..5000) + &late + "\n");
    let ran = place.run(&["import", "points.jsonl"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let listed = "columns of points.jsonl that were not read: Decison (did you mean `decision`?), color, \
        profile.gpaa (did you mean `profile.gpa`?)";
    assert!(ran.out.contains(listed), "{}", ran.out);

    // A foreign form by a mapping: what is a field's name is read, also where the head does not have it.
    let row = |i: u32, more: &str| format!("{{\"nr\": {i}, \"uni\": \"U\", \"outcome\": \"accepted\"{more}}}\n");
    let mut text: String = (0..8000).map(|i| row(i, "")).collect();
    text += &row(8000, ", \"gre_verbal\": \"160\", \"gre_verbl\": 1, \"gpa\": 3.5");
    text += &row(8001, ", \"gre_verbal\": \"high\"");
    place.file("foreign.jsonl", text);
    place.file(
        "m.toml",
        "id_prefix = \"f-\"\n[columns]\nuniversity_name = \"uni\"\ndecision = \"outcome\"\n[constants]\ngpa_scale = 4\n",
    );
    let ran = place.run(&["import", "foreign.jsonl", "--mapping", "m.toml", "--rejects", "r.jsonl", "--json"]);
    assert_eq!(counts(&ran), [8002, 8001, 0, 1], "{ran:?}");
    let unread = &ran.json()["files"][0]["unread"];
    assert_eq!(
        *unread,
        serde_json::json!([{"column": "nr"}, {"column": "gre_verbl", "nearest": "gre_verbal"}]),
        "{unread}"
    );
    let rejects = std::fs::read_to_string(place.path("r.jsonl")).unwrap();
    assert!(rejects.contains("`gre_verbal` is \\\"high\\\""), "{rejects}");
    let stored = stored(&place);
    let last = stored.iter().find(|p| p["profile"]["gpa"] == 3.5).unwrap();
    assert_eq!(last["profile"]["test_scores"][0]["verbal_score"], 160.0, "{last}");

    // More members than a file may have columns: the first are named, all are counted.
    let members: Vec<String> = (0..2500).map(|i| format!("\"m{i:04}\": 1")).collect();
    let wide = point(0).replacen('{', &format!("{{{}, ", members.join(", ")), 1);
    place.file("wide.jsonl", format!("{wide}\n"));
    let ran = place.run(&["import", "wide.jsonl"]);
    assert!(ran.out.contains("m0019, and 2480 more"), "{}", ran.out);
    place.file("wide.toml", "[columns]\nsource = \"m0001\"\n");
    let ran = place.run(&["import", "wide.jsonl", "--mapping", "wide.toml", "--json"]);
    let unread = ran.json()["files"][0].clone();
    let listed = unread["unread"].as_array().unwrap().len() as u64 + unread["unread_more"].as_u64().unwrap();
    assert!((2499..2510).contains(&listed), "{listed} of {ran:?}");
}

#[test]
fn the_faults_of_a_mapping_are_told_before_the_first_row() {
    let place = Place::new();
    place.file("rows.csv", "id,gpa,school,outcome\n1,3.5,U,accepted\n");
    place.file(
        "m.toml",
        "[columns]\ndata_point_id=\"id\"\ndecision=\"outcom\"\ngpa={column=\"gpa\",pattern=\"(\"}\nuniversity_name=\"school\"\n\
         [constants]\ngpa_scale=-4\napplication_cycle=\"autumn\"\nuniversity_name=\"B\"\n",
    );
    let ran = place.run(&["import", "rows.csv", "--mapping", "m.toml"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for named in [
        "/columns/decision",
        "/columns/gpa/pattern",
        "/constants/gpa_scale",
        "/constants/application_cycle",
        "/constants/university_name",
    ] {
        assert!(ran.err.contains(named), "{named}: {}", ran.err);
    }
    assert!(!place.path("data/provost.db").exists(), "the store was not opened");
}
