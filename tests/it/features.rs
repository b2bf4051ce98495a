//! `sample` and `features`: what they write, and that it replaces nothing but by a whole file.
#![allow(clippy::unwrap_used)]

use crate::command::{Place, points};
use crate::importing::{counts, gzip};

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
fn what_is_written_is_no_input_and_replaces_only_when_it_is_whole() {
    let place = Place::new();
    let text = points(0..50);
    place.file("p.jsonl", &text);
    std::fs::hard_link(place.path("p.jsonl"), place.path("hard.jsonl")).unwrap();
    std::os::unix::fs::symlink("p.jsonl", place.path("soft.jsonl")).unwrap();
    for out in ["p.jsonl", "hard.jsonl", "soft.jsonl", "./p.jsonl"] {
        let ran = place.run(&["features", "p.jsonl", "--out", out]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains("p.jsonl"), "{}", ran.err);
        let ran = place.run(&["import", "p.jsonl", "--rejects", out]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
    }
    assert_eq!(std::fs::read_to_string(place.path("p.jsonl")).unwrap(), text);

    place.file("good.csv", "good\n");
    place.file("cut.jsonl.gz", &gzip(text.as_bytes())[..100]);
    for source in ["nothing.jsonl", "cut.jsonl.gz"] {
        let ran = place.run(&["features", source, "--out", "good.csv"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert_eq!(std::fs::read_to_string(place.path("good.csv")).unwrap(), "good\n");
    }
    assert_eq!(place.run(&["features", "p.jsonl", "--out", "good.csv"]).code, Some(0));
    assert!(std::fs::read_to_string(place.path("good.csv")).unwrap().starts_with("data_point_id,"));
    let left = std::fs::read_dir(place.dir()).unwrap().filter_map(|e| e.ok()?.file_name().into_string().ok());
    assert!(!left.into_iter().any(|name| name.contains("unfinished")));
}

#[test]
fn a_full_disk_is_an_error() {
    let place = Place::new();
    place.file("p.jsonl", points(0..50));
    for arguments in [
        ["features", "p.jsonl", "--out", "/dev/full"].as_slice(),
        &["sample", "--rows", "5", "--seed", "1", "--out", "/dev/full"],
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.err.contains("/dev/full"), "{}", ran.err);
    }
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = place.command(&["sample", "--rows", "5", "--seed", "1", "--out", "s.jsonl"]);
    let ran = command.stdout(full).output().unwrap();
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    assert!(String::from_utf8_lossy(&ran.stderr).contains("standard output"), "{ran:?}");
}
