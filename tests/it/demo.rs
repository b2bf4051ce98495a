//! The demo as somebody sees it who pipes it, and how it stops.
#![allow(clippy::unwrap_used)]

use crate::command::{Place, Ran};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Two screens of 24 lines.
const LINES: usize = 48;
const COLUMNS: usize = 80;
/// What a busy machine gets to end a fit.
const PATIENCE: Duration = Duration::from_secs(30);

fn demo(place: &Place, arguments: &[&str]) -> Command {
    let mut command = place.command(&[&["demo", "--listen", "127.0.0.1:0"], arguments].concat());
    // As somebody calls it whose path has it.
    command.arg0("provost");
    command
}

#[test]
fn the_story_fits_two_screens_and_ends_with_what_to_do_next() {
    let place = Place::new();
    // Enough rows that the models can be compared.
    let ran = Ran::from(demo(&place, &["--rows", "800", "--exit"]).output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines.len() <= LINES, "{} lines:\n{}", lines.len(), ran.out);
    for line in &lines {
        assert!(line.chars().count() <= COLUMNS, "{line}");
    }
    let mut told = Vec::new();
    for line in lines.iter().filter_map(|line| line.strip_prefix("  ✓ ")) {
        let clock = line.split_whitespace().last().unwrap();
        told.push((line.split_whitespace().next().unwrap(), clock.split_once(':').unwrap().0.parse::<u64>().unwrap()));
    }
    let steps: Vec<&str> = told.iter().map(|(step, _)| *step).collect();
    let trained = ["trained"; 6];
    assert_eq!(steps, [&["data", "import", "quality"][..], &trained, &["active", "predict"]].concat());
    assert!(told.is_sorted_by_key(|(_, minutes)| *minutes), "one clock: {told:?}");
    assert!(ran.out.contains("● is active") && ran.out.contains("by luck"), "{}", ran.out);
    assert!(ran.out.contains("cannot be told apart") || ran.out.contains("ranks better"), "{}", ran.out);
    let next = lines.last().unwrap().trim();
    assert!(next.starts_with("provost serve --data-dir ./data/demo --listen 127.0.0.1:"), "{next}");
}

/// Reads until `text`, interrupts, and answers the code, the rest of what was told, and how long that took.
fn interrupted_at(place: &Place, text: &str, arguments: &[&str]) -> (Option<i32>, String, Duration) {
    let mut process = demo(place, arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(process.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "it ended before `{text}`");
    }
    let began = Instant::now();
    let pid = process.id().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    (process.wait().unwrap().code(), rest, began.elapsed())
}

#[test]
fn an_interrupt_is_answered_while_data_is_made_and_while_it_trains() {
    let place = Place::new();
    let (code, rest, took) = interrupted_at(&place, "Provost", &["--rows", "1000000"]);
    assert_eq!(code, Some(0), "{rest}");
    assert!(rest.contains("Stopping.") && !rest.contains("import"), "{rest}");
    assert!(took < PATIENCE, "{took:?}");
    let left: Vec<_> = std::fs::read_dir(place.path("data/demo")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("sample")), "{left:?}");

    let (code, rest, took) = interrupted_at(&place, "quality", &["--rows", "400"]);
    assert_eq!(code, Some(0), "{rest}");
    assert!(rest.contains("Stopping; run again, it goes on from the last finished trial."), "{rest}");
    assert!(took < PATIENCE, "{took:?}");
    eprintln!("a demo that trained had stopped {took:?} after the interrupt");

    let ran = Ran::from(demo(&place, &["--rows", "400", "--exit"]).output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("were there already"), "{}", ran.out);
    assert!(ran.out.contains("The models cannot be compared"), "too few rows are held out: {}", ran.out);
}
