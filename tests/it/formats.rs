//! The formats of files that `import` reads: what they are told from, and what is read.
#![allow(clippy::unwrap_used)]

use crate::command::{Place, Ran, point, points};
use crate::importing::{counts, gzip, stored};

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
        assert!(ran.err.contains(is) && ran.err.contains("supported are JSON and CSV"), "{}", ran.err);
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

/// A frame of one block that is not compressed.
fn zstd(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    let last_and_raw = (1 | length << 3).to_le_bytes();
    [b"\x28\xb5\x2f\xfd\xa0", &length.to_le_bytes()[..], &last_and_raw[..3], bytes].concat()
}

const ROWS: &str = "data_point_id,gpa,university_name,decision\na,3.5,U,accepted\nb,3.75,V,rejected\n";

#[test]
fn files_of_other_systems_are_read_with_all_their_rows() {
    let bom = b"\xef\xbb\xbf".as_slice();
    let big_endian: Vec<u8> = ROWS.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let (one, two) = (point(1), point(2));
    for (name, bytes, told, university) in [
        ("be.csv", big_endian, "UTF-16BE", "U"),
        (
            "cr.csv",
            b"data_point_id,gpa,university_name,decision\ra,3.5,\"U\nof \"\"X\"\"\",accepted\rb,3.75,V,rejected\r".to_vec(),
            "CR",
            "U\nof \"X\"",
        ),
        (
            "comma.csv",
            b"data_point_id;gpa;scholarship_amount;university_name;decision\na;3,5;1.234,5;U;accepted\nb;3,75;7;V;rejected".to_vec(),
            "decimal comma",
            "U",
        ),
        ("bom.csv.gz", gzip(&[bom, ROWS.as_bytes()].concat()), "gzip", "U"),
        ("zstd.csv.zst", zstd(ROWS.as_bytes()), "zstd", "U"),
        (
            "pipe.csv",
            b"data_point_id|gpa|university_name|decision\na|3.5|\"U | X\"|accepted\nb|3.75|V|rejected\n".to_vec(),
            "delimiter '|'",
            "U | X",
        ),
        (
            "tab.txt",
            b"data_point_id\tgpa\tgpa_scale\tuniversity_name\tdecision\t\na\t3.5\t\tU\taccepted\t\nb\t\t\tV\trejected\t\n\t\t\t\t\t\n".to_vec(),
            "delimiter '\\t'",
            "U",
        ),
        ("inch.csv", ROWS.replace("3.5,U", "3.5,5\" U").into_bytes(), "", "5\" U"),
        ("comma.json", format!("[{one},\n{two},\n]\n").into_bytes(), "", "U1"),
        ("named.csv", format!("{one}\n{two}\n").into_bytes(), "JSON", "U1"),
        ("glued.jsonl", [bom, one.as_bytes(), b"\n", bom, two.as_bytes(), b"\n"].concat(), "", "U1"),
    ] {
        let place = Place::new();
        place.file(name, bytes);
        let ran = place.run(&["import", name, "--json"]);
        assert_eq!((counts(&ran), ran.code), ([2, 2, 0, 0], Some(0)), "{name}: {ran:?}");
        let said = ran.json()["files"][0]["told"].as_array().cloned().unwrap_or_default();
        let is_said = said.iter().any(|text| text.as_str().unwrap().contains(told));
        assert_eq!((is_said, said.is_empty()), (!told.is_empty(), told.is_empty()), "{name}: {said:?}");
        assert_eq!(stored(&place)[0]["program"]["university_name"], university, "{name}");
    }
}

#[test]
fn what_a_file_has_beside_rows_is_named_and_its_rows_are_kept() {
    let garbage = [&zstd(ROWS.as_bytes())[..], b"garbage"].concat();
    for (name, bytes, rows, why) in [
        ("twice.csv.gz", gzip(&gzip(ROWS.as_bytes())), 0, "gzip data within packed data"),
        ("both.csv.zst", zstd(&gzip(ROWS.as_bytes())), 0, "gzip data within packed data"),
        ("garbage.csv.zst", garbage, 2, "the zstd data is cut off or corrupt"),
        ("after.csv.gz", [&gzip(ROWS.as_bytes())[..], b"garbage"].concat(), 2, "the gzip data"),
        ("empty.csv", Vec::new(), 0, "no row was read as a data point: the files have no rows"),
        ("empty.csv.gz", gzip(b""), 0, "no row was read as a data point: the files have no rows"),
        ("blank.jsonl", b" \n\n".to_vec(), 0, "no row was read as a data point: the files have no rows"),
        ("header.csv", ROWS.lines().next().unwrap().as_bytes().to_vec(), 0, "the files have no rows"),
        ("none.json", b"[]".to_vec(), 0, "the files have no rows"),
        ("dump.bson", b"\xa3\x01\0\0\x07_id\0abcdefghijkl\0".to_vec(), 0, "mongoexport writes JSON"),
    ] {
        let (counts, ran) = read(name, bytes);
        assert_eq!((counts, ran.code), ([rows, rows, 0, 0], Some(1)), "{name}: {ran:?}");
        assert!(ran.err.contains(why), "{name}: {}", ran.err);
    }
    assert_eq!(read("one.csv", ROWS.trim_end().rsplit_once('\n').unwrap().0).0, [1, 1, 0, 0], "no line end at the end");
}

#[test]
fn cells_that_say_that_there_is_no_value() {
    let text = "id,gpa,gre,school,admit\n1,3.5,NaN,U,1\n2,NaN,320,U,0\n3,NA,310,U,0\n4,3.1,-,U,1\n";
    let place = Place::new();
    // Without a mapping no word means nothing: a number that is none is rejected.
    place.file("own.csv", "data_point_id,gpa,university_name,decision\na,NaN,U,accepted\nb,3.5,U,rejected\n");
    let ran = place.run(&["import", "own.csv", "--json"]);
    assert_eq!(counts(&ran), [2, 1, 0, 1], "{ran:?}");
    assert!(ran.json()["reasons"][0]["reason"].as_str().unwrap().contains("finite number"), "{ran:?}");
    // A guessed mapping has the words that the file has.
    let place = Place::new();
    place.file("r.csv", text);
    let mapping = place.run(&["import", "--guess", "r.csv"]).out;
    assert!(mapping.contains("missing = [\"-\", \"NA\", \"NaN\"]"), "{mapping}");
    place.file("m.toml", mapping);
    let ran = place.run(&["import", "r.csv", "--mapping", "m.toml", "--json"]);
    assert_eq!(counts(&ran), [4, 4, 0, 0], "{ran:?}");
    let stored = stored(&place);
    assert_eq!((&stored[0]["profile"]["gpa"], stored[1]["profile"].get("gpa")), (&3.5.into(), None));
}

#[test]
fn columns_whose_names_differ_in_case_are_not_one_field_in_silence() {
    let (counts, ran) = read(
        "case.csv",
        "data_point_id,gpa,GPA,university_name,decision\na,3.5,2.5,U,accepted\nb,3.75,2.75,V,rejected\n",
    );
    assert_eq!((counts, ran.code), ([2, 2, 0, 0], Some(0)), "{ran:?}");
    assert_eq!(ran.json()["files"][0]["unread"][0]["column"], "GPA", "{ran:?}");
    let place = Place::new();
    place.file("both.csv", "data_point_id,Marks,MARKS,university_name,decision\na,3.5,2.5,U,accepted\n");
    place.file("m.toml", "[columns]\ngpa = \"marks\"\n");
    let ran = place.run(&["import", "both.csv", "--mapping", "m.toml"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("numbers 1 and 2"), "{}", ran.err);
}

#[test]
fn what_mongoexport_of_any_age_writes_is_read() {
    let row = |id: &str, members: &str| {
        format!(
            r#"{{"data_point_id": "{id}", "program": {{"university_name": "U"}}, "decision": "accepted", {members}}}"#
        )
    };
    let text = [
        row("decimal", r#""profile": {"gpa": {"$numberDecimal": "3.50"}}"#),
        row("old", r#""profile": {"gpa": 3.5}, "created_at": {"$date": "2014-03-01T10:00:00.000+0000"}"#),
        row("early", r#""profile": {"gpa": 3.5}, "created_at": {"$date": {"$numberLong": "-86400000"}}"#),
        row("late", r#""profile": {"gpa": 3.5}, "created_at": {"$date": {"$numberLong": "9223372036854775807"}}"#),
        row("infinite", r#""profile": {"gpa": {"$numberDouble": "Infinity"}}"#),
    ];
    let (counts, ran) = read("export.json", format!("[{}]", text.join(",\n")));
    assert_eq!((counts, ran.code), ([5, 3, 0, 2], Some(0)), "{ran:?}");
    let reasons = ran.json()["reasons"].to_string();
    assert!(reasons.contains("/created_at") && reasons.contains("/profile/gpa"), "{reasons}");
}
