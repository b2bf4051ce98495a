//! Files that are to take the memory of the machine: bombs and lines without an end.
#![allow(clippy::unwrap_used)]

use crate::command::{Place, Ran};
use crate::importing::{counts, gzip};
use std::io::Write;

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
    assert!(ran.err.contains("40000 rows were rejected") && !place.path("f.csv").exists(), "{ran:?}");
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
