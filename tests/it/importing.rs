//! `import`, `sample` and `features`.
#![allow(clippy::unwrap_used)]

use crate::command::{Place, Ran, point, points};
use crate::http::Client;
use crate::serving::Server;
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

/// The counts of an import of one file.
fn read(name: &str, bytes: impl AsRef<[u8]>) -> ([u64; 4], Ran) {
    let place = Place::new();
    place.file(name, bytes);
    let ran = place.run(&["import", name, "--json"]);
    (counts(&ran), ran)
}

fn utf16(text: &str) -> Vec<u8> {
    [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[test]
fn json_of_every_layout_is_read() {
    let rows = [point(0), point(1), point(2)];
    let array = format!("[{}]", rows.join(", "));
    let pretty: String = rows
        .iter()
        .map(|row| {
            serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(row).unwrap()).unwrap() + "\n"
        })
        .collect();
    for (name, text) in [
        ("array.json", array.clone().into_bytes()),
        ("array-without-ending", array.clone().into_bytes()),
        ("lines.json", format!("[\n{}\n]\n", rows.join(",\n")).into_bytes()),
        ("pretty.json", pretty.clone().into_bytes()),
        ("pretty-array.json", format!("[{}]", pretty.trim_end().replace("\n}\n{", "\n},\n{")).into_bytes()),
        ("utf16.json", utf16(&array)),
        ("cr.jsonl", rows.join("\r").into_bytes()),
        ("packed.json.gz", gzip(array.as_bytes())),
        ("bom.jsonl", [b"\xef\xbb\xbf", rows.join("\r\n").as_bytes()].concat()),
    ] {
        let (counts, ran) = read(name, text);
        assert_eq!((counts, ran.code), ([3, 3, 0, 0], Some(0)), "{name}: {ran:?}");
    }
    let broken = format!("[{}, {{\"data_point_id\": 1}}, [1], {}", rows[0], &rows[1][..40]);
    let (counts, ran) = read("broken.json", broken);
    assert_eq!((counts, ran.code), ([4, 1, 0, 3], Some(1)), "{ran:?}");
    assert!(ran.err.contains("breaks off"), "{}", ran.err);
}

#[test]
fn csv_of_every_kind_is_read_and_what_was_told_is_said() {
    let rows = ["data_point_id,gpa,university_name,decision", "a,3.5,École,accepted", "b,3.75,Univ B,rejected"];
    let lf = rows.join("\n");
    let latin: Vec<u8> = lf.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for (name, text, told) in [
        ("lf.csv", lf.clone().into_bytes(), ""),
        ("crlf.csv", rows.join("\r\n").into_bytes(), ""),
        ("cr.csv", rows.join("\r").into_bytes(), "CR"),
        ("semicolon.csv", lf.replace(',', ";").replace('.', ",").into_bytes(), "decimal comma"),
        ("tab.csv", lf.replace(',', "\t").into_bytes(), "delimiter"),
        ("tab.tsv", lf.replace(',', "\t").into_bytes(), ""),
        ("pipe.txt", lf.replace(',', "|").into_bytes(), "delimiter '|'"),
        ("bom.csv", [b"\xef\xbb\xbf", lf.as_bytes()].concat(), ""),
        ("sep.csv", format!("sep=;\r\n{}", rows.join("\r\n").replace(',', ";")).into_bytes(), "delimiter ';'"),
        ("utf16.csv", utf16(&lf), "UTF-16LE"),
        ("latin.csv", latin, "windows-1252 (detected)"),
    ] {
        let (counts, ran) = read(name, text);
        assert_eq!((counts, ran.code), ([2, 2, 0, 0], Some(0)), "{name}: {ran:?}");
        let said = ran.json()["files"][0]["told"].to_string();
        assert!(said.contains(told) && (said == "null") == told.is_empty(), "{name}: {said}");
    }
    let place = Place::new();
    for (name, bytes, is) in [
        ("book.csv", &b"PK\x03\x04\x14\0"[..], "a ZIP archive or a workbook"),
        ("page.csv", b"<!doctype html>\n<html>\n", "a web page"),
    ] {
        place.file(name, bytes);
        let ran = place.run(&["import", name]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.err.contains(is) && ran.err.contains("JSON and CSV are read"), "{}", ran.err);
    }
    let (counts, _) =
        read("quotes.csv", "data_point_id,gpa,university_name,decision\ns1,3.1,\"Univ \\\"A\\\"\",accepted\n");
    assert_eq!(counts, [1, 1, 0, 0]);
}

#[test]
fn mongoexport_is_read() {
    let text = r#"{"_id": {"$oid": "60f6d845caa1861dcf1631ae"}, "data_point_id": "mx1", "profile": {"gpa": 3.5}, "program": {"university_name": "U"}, "decision": "accepted", "created_at": {"$date": "2024-03-01T10:00:00Z"}}
{"_id": {"$oid": "60f6d845caa1861dcf1631ae"}, "data_point_id": "mx2", "profile": {"gpa": {"$numberDouble": "3.5"}}, "program": {"university_name": "U"}, "decision": "accepted", "application_year": {"$numberInt": "2024"}, "created_at": {"$date": {"$numberLong": "1709287200000"}}, "seq": {"$numberLong": "3"}}
"#;
    assert_eq!(read("export.json", text).0, [2, 2, 0, 0]);
}

#[test]
fn nothing_is_dropped_in_silence() {
    let place = Place::new();
    place.file("twice.csv", "data_point_id,gpa,gpa,university_name,decision\nd1,3.1,3.9,Univ A,accepted\n");
    let ran = place.run(&["import", "twice.csv"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("(number 1)") && ran.err.contains("(number 2)"), "{}", ran.err);

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
fn a_stray_byte_costs_its_row_and_not_the_encoding_of_the_file() {
    let row = |i: u32, name: &str| format!("p{i},3.5,{name},accepted\n");
    let header = "data_point_id,gpa,university_name,decision\n".to_owned();
    let latin = |text: String| -> Vec<u8> { text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect() };
    let good: String = (0..20).map(|i| row(i, "École")).collect();
    let plain: String = (100..20_000).map(|i| row(i, "U")).collect();
    let place = Place::new();
    // Near the head, far behind it.
    let text = [
        header.clone().into_bytes(),
        latin(row(50, "Málaga")),
        good.clone().into_bytes(),
        plain.clone().into_bytes(),
        latin(row(51, "Córdoba")),
    ];
    place.file("mixed.csv", text.concat());
    let ran = place.run(&["import", "mixed.csv", "--rejects", "r.jsonl", "--json"]);
    assert_eq!(counts(&ran), [19_922, 19_920, 0, 2], "{ran:?}");
    assert_eq!(ran.json()["files"][0]["told"], serde_json::json!(["lines that are not UTF-8: 2"]));
    let rejects = std::fs::read_to_string(place.path("r.jsonl")).unwrap();
    assert!(rejects.lines().count() == 2 && rejects.contains("cell 3 is not UTF-8"), "{rejects}");
    assert!(stored(&place).iter().any(|p| p["program"]["university_name"] == "École"));
    // An older encoding, with some lines that were added in UTF-8.
    let place = Place::new();
    place.file("older.csv", [latin(header + &good), row(50, "Málaga").into_bytes()].concat());
    let ran = place.run(&["import", "older.csv", "--json"]);
    assert_eq!(counts(&ran), [21, 21, 0, 0], "{ran:?}");
    assert_eq!(
        ran.json()["files"][0]["told"],
        serde_json::json!(["lines in windows-1252 (detected): 20, in UTF-8: 1"])
    );
    let names: std::collections::BTreeSet<String> =
        stored(&place).iter().map(|p| p["program"]["university_name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["Málaga", "École"]);
}

#[test]
fn a_number_with_two_readings_is_said_or_refused() {
    let place = Place::new();
    let header = "data_point_id,gpa,volunteer_hours,sat_total,university_name,decision\n";
    // Nothing in the file tells what a comma means.
    place.file(
        "u.csv",
        format!("{header}a,\"3,125\",,,U,accepted\nb,3,\"1,200\",,U,rejected\nc,3,,\"1,450\",U,rejected\n"),
    );
    let ran = place.run(&["import", "u.csv", "--rejects", "r.jsonl", "--json"]);
    assert_eq!(counts(&ran), [3, 2, 0, 1], "{ran:?}");
    assert_eq!(ran.json()["by_scale"], 2, "{ran:?}");
    let rejects = std::fs::read_to_string(place.path("r.jsonl")).unwrap();
    assert!(rejects.contains("can be read as 1200 and as 1.2; a mapping's `decimal_comma` says which"), "{rejects}");
    let points = stored(&place);
    assert_eq!(points[0]["profile"]["gpa"], 3.125);
    assert_eq!(points[1]["profile"]["test_scores"][0]["total_score"], 1450.0);
    for (name, says, hours) in [("false", "decimal_comma = false\n", 1200.0), ("true", "decimal_comma = true\n", 1.2)] {
        let place = Place::new();
        place.file("u.csv", format!("{header}b,3,\"1,200\",,U,rejected\n"));
        place.file("m.toml", says);
        assert_eq!(counts(&place.run(&["import", "u.csv", "--mapping", "m.toml", "--json"])), [1, 1, 0, 0], "{name}");
        assert_eq!(stored(&place)[0]["profile"]["volunteer_hours"], hours, "{name}");
    }
    // A point elsewhere tells that commas part thousands; a grade of 3125 is none all the same.
    let place = Place::new();
    place.file("p.csv", format!("{header}a,\"3,125\",\"1,200\",,U,accepted\nb,3.75,,,U,rejected\n"));
    let ran = place.run(&["import", "p.csv"]);
    assert!(ran.out.contains("by scale            1"), "{}", ran.out);
    let point = &stored(&place)[0]["profile"];
    assert_eq!((point["gpa"].as_f64(), point["volunteer_hours"].as_f64()), (Some(3.125), Some(1200.0)));
}

#[test]
fn a_named_pipe_is_read_like_a_file() {
    let place = Place::new();
    let pipe = place.path("points.csv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let text: String = (0..3000).map(|i| format!("p{i};3,5;École {i};accepted\n")).collect();
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::write(pipe, format!("data_point_id;gpa;university_name;decision\n{text}")).unwrap()
    });
    let ran = place.run(&["import", "points.csv", "--json"]);
    writer.join().unwrap();
    assert_eq!(counts(&ran), [3000, 3000, 0, 0], "{ran:?}");
    assert_eq!(stored(&place)[0]["profile"]["gpa"], 3.5);
    // JSON, and by a mapping.
    let place = Place::new();
    place.file("m.toml", "[constants]\nsource = \"pipe\"\n");
    let pipe = place.path("more.jsonl");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = std::thread::spawn(move || std::fs::write(pipe, points(0..10)).unwrap());
    let ran = place.run(&["import", "more.jsonl", "--mapping", "m.toml", "--json"]);
    writer.join().unwrap();
    assert_eq!(counts(&ran)[..2], [10, 10], "{ran:?}");
}

#[test]
fn skipped_lines_take_bounded_memory_however_long_they_are() {
    let place = Place::new();
    // One line of 300 MB, packed to a third of a megabyte, and many short ones.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    (0..300).for_each(|_| packed.write_all(&[b'x'; 1_000_000]).unwrap());
    packed.write_all("\n".repeat(999_999).as_bytes()).unwrap();
    packed.write_all(b"data_point_id,gpa,university_name,decision\na,3.5,U,accepted\n").unwrap();
    place.file("long.csv.gz", packed.finish().unwrap());
    place.file("m.toml", "skip_lines = 1000000\ndelimiter = \",\"\n");
    let (ran, peak) = watched(&place, &["import", "long.csv.gz", "--mapping", "m.toml", "--json"]);
    assert!(peak > 1000 && peak < 100_000, "{peak} kB");
    assert_eq!(
        (
            ran.code,
            ran.err.contains("its first 262144 bytes have no row that can be read as CSV behind the 1000000 lines")
        ),
        (Some(1), true),
        "{ran:?}"
    );
    // Behind the head of the file there is no header to be found: the limit is said, and no row is lost in silence.
    place.file(
        "short.csv",
        format!("{}\n\n#\ndata_point_id,gpa,university_name,decision\na,3.5,U,accepted\n", "x".repeat(200_000)),
    );
    place.file("three.toml", "skip_lines = 3\n");
    assert_eq!(counts(&place.run(&["import", "short.csv", "--mapping", "three.toml", "--json"])), [1, 1, 0, 0]);
}

/// Runs a command to its end; with the most memory that it held, in kB.
fn watched(place: &Place, arguments: &[&str]) -> (Ran, u64) {
    let mut command = place.command(arguments);
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    // The peak is read while the process is alive, and rises only.
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        peak = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0).max(peak);
        std::thread::yield_now();
    }
    (Ran::from(child.wait_with_output().unwrap()), peak)
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

#[test]
fn a_bomb_is_read_in_little_memory() {
    let place = Place::new();
    // 40 MB of an array out of 50 kB, whose parsed form would be a gigabyte.
    let object = format!("{{\"a\":[{}[]]}}", "[],".repeat(330));
    let array = format!("[{}{object}]", format!("{object},").repeat(39_999));
    let packed = gzip(array.as_bytes());
    assert!(array.len() > 39_000_000 && packed.len() < 200_000, "{} {}", array.len(), packed.len());
    place.file("bomb.json.gz", packed);
    let (ran, peak) = watched(&place, &["features", "bomb.json.gz", "--out", "f.csv", "--json"]);
    // Not one of its rows is a data point.
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("40000 were rejected") && !place.path("f.csv").exists(), "{ran:?}");
    assert!(peak > 1000 && peak < 100_000, "{peak} kB");
    let bounded = |name: &str, value: &str| {
        let mut command = place.command(&["features", "bomb.json.gz", "--out", "g.csv"]);
        Ran::from(command.env(format!("PROVOST_IMPORT__{name}"), value).output().unwrap())
    };
    for (name, value) in [("MAX_ROWS", "1000"), ("MAX_BYTES", "10000000")] {
        let ran = bounded(name, value);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.err.contains(&format!("import.{}", name.to_lowercase())), "{}", ran.err);
    }
    assert!(!place.path("g.csv").exists());
}

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
