//! `import`, `sample` and `features`.
#![allow(clippy::unwrap_used)]

use crate::command::{Place, Ran, point, points};
use std::io::Write;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn counts(ran: &Ran) -> [u64; 4] {
    let report = ran.json();
    ["rows", "inserted", "unchanged", "rejected"].map(|k| report[k].as_u64().unwrap())
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
fn a_sample_is_the_same_for_the_same_seed_and_its_head_is_the_smaller_sample() {
    let place = Place::new();
    let sample = |rows: &str, seed: &str, out: &str| {
        let ran = place.run(&["sample", "--rows", rows, "--seed", seed, "--out", out, "--json"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        (ran.json(), std::fs::read_to_string(place.path(out)).unwrap())
    };
    let (report, first) = sample("300", "5", "a.jsonl");
    let auc = report["bayes_auc"].as_f64().unwrap();
    assert!(auc > 0.7 && auc < 1.0, "{report}");
    assert_eq!(sample("300", "5", "b.jsonl").1, first);
    assert!(first.starts_with(&sample("100", "5", "c.jsonl").1));
    assert_ne!(sample("300", "6", "d.jsonl").1, first);
    assert_eq!(counts(&place.run(&["import", "a.jsonl", "--json"])), [300, 300, 0, 0]);
}

#[test]
fn features_of_a_file_and_of_the_store_are_the_same_rows() {
    let place = Place::new();
    place.run(&["sample", "--rows", "600", "--seed", "5", "--out", "a.jsonl"]);
    assert_eq!(place.run(&["import", "a.jsonl"]).code, Some(0));
    let matrix = |arguments: &[&str], out: &str| {
        let ran = place.run(&[&["features"], arguments, &["--out", out, "--split", "--json"]].concat());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let text = std::fs::read_to_string(place.path(out)).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let head = lines.remove(0);
        lines.sort();
        (ran.json(), head, lines)
    };
    let (report, head, from_store) = matrix(&[], "store.csv");
    assert_eq!(
        head,
        "data_point_id,gpa_normalized,gre_verbal_percentile,gre_quant_percentile,gmat_percentile,english_proficiency,\
         research_score,professional_score,extracurricular_score,undergrad_prestige,program_competitiveness,gpa_vs_avg,\
         test_score_vs_avg,label,split"
    );
    let rows = report["rows"].as_u64().unwrap();
    assert_eq!(rows + report["undecided"].as_u64().unwrap(), 600);
    assert_eq!(from_store.len() as u64, rows);
    let test = report["split"]["test"].as_u64().unwrap();
    assert!(test >= rows * 15 / 100 && test <= rows * 15 / 100 + 2, "{report}");
    assert!(from_store.iter().any(|line| line.contains(",,")), "missing values are empty cells");
    assert_eq!(matrix(&["a.jsonl"], "file.csv").2, from_store);
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
