//! Checks that every service that a test starts as a process ran without faults: its log has no panic and no line at
//! level error or warn, and its status counts no panic and no restart, except for faults that the test names.
#![allow(clippy::unwrap_used)]

use crate::chaos::wire;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Texts of lines at level warn that services and workers write while the store, the broker or another process is away,
/// frozen or returns, and when they are killed: each says that something waits, is tried again, or is done by another
/// process.
pub const OUTAGE: [&str; 26] = [
    "the store is unavailable",
    "failed; it is tried again",
    "failed three times in a row; it is tried until it succeeds",
    "request failed",
    "refused: the request cannot be recorded in the audit log",
    "the keys cannot be read",
    "the sessions cannot be read or written",
    "an event stream broke off",
    "an evaluation failed",
    "taken over: its holder has fallen silent",
    "taken over: its worker has fallen silent",
    "the lease is lost",
    "a lease could not be renewed",
    "the job was not settled by this driver",
    "the job stays as it is",
    "the unit of work is lost",
    "a beat was not recorded",
    "no worker has taken the unit",
    "the store is away: consuming stops",
    "the publisher is away",
    "the bus is away",
    "could not be moved",
    "a batch of events is taken apart",
    "an event could not be taken in",
    "requests were still in flight",
    "had not ended",
];

/// The log of one process from its start, and the faults that the test expects in it.
pub struct Log {
    path: PathBuf,
    from: usize,
    expected: Mutex<Vec<String>>,
    /// Expected texts of lines at level warn only.
    warnings: Mutex<Vec<String>>,
}

impl Log {
    /// The log of a process that is about to start and appends to this file.
    pub fn begin(path: &Path) -> Self {
        let from = std::fs::metadata(path).map_or(0, |file| file.len() as usize);
        Self { path: path.to_owned(), from, expected: Mutex::default(), warnings: Mutex::default() }
    }

    /// Names expected faults by texts of their lines. Panics and restarts are never expected by this.
    pub fn expects(&self, texts: &[&str]) {
        self.expected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(texts.iter().map(|text| (*text).to_owned()));
    }

    /// As `expects`, for lines at level warn only.
    pub fn expects_warnings(&self, texts: &[&str]) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.extend(texts.iter().map(|text| (*text).to_owned()));
    }

    /// Panics if the log has an unexpected fault. Does nothing if the test is failing already.
    pub fn assert_silent(&self) {
        if std::thread::panicking() {
            return;
        }
        let log = std::fs::read(&self.path).unwrap_or_default();
        let log = String::from_utf8_lossy(log.get(self.from..).unwrap_or_default()).into_owned();
        let expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        let warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let has = |line: &str, texts: &[String]| texts.iter().any(|text| line.contains(text.as_str()));
        let named = |line: &str| {
            !is_death(line) && (has(line, &expected) || (level(line) == Some(Level::Warn) && has(line, &warnings)))
        };
        let faults: Vec<&str> = faults(&log).into_iter().filter(|line| !named(line)).collect();
        assert!(faults.is_empty(), "faults of a service that the test does not name:\n{}", faults.join("\n"));
    }

    /// Asks a service that still runs for its status. A service that requires a key or does not answer is not checked.
    pub fn assert_status(&self, url: &str) {
        if std::thread::panicking() {
            return;
        }
        let Some(host) = url.strip_prefix("http://") else { return };
        let Ok((200, status)) = wire::ask(host, "GET", "status", None) else { return };
        let count = |name: &str| status["faults"][name].as_u64().unwrap();
        assert_eq!((count("panics"), count("restarts")), (0, 0), "panics and restarts: {}", status["faults"]);
    }
}

const REBUILT: &str = "the actor died and is rebuilt";

/// The severity of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Panic,
    Error,
    Warn,
}

/// The severity of a line in either format of the log; None for other levels. A panic before the log was started is
/// plain text.
fn level(line: &str) -> Option<Level> {
    let panic = |level: Level| if line.contains("a panic") { Level::Panic } else { level };
    let named = |name: &str| match name {
        "ERROR" => Some(panic(Level::Error)),
        "WARN" => Some(Level::Warn),
        _ => None,
    };
    if line.starts_with('{') {
        let object: serde_json::Value = serde_json::from_str(line).ok()?;
        return named(object["level"].as_str()?);
    }
    if line.contains(" panicked at ") {
        return Some(Level::Panic);
    }
    let mut words = line.split_whitespace();
    let is_dated = words.next().is_some_and(|word| word.contains('T') && word.ends_with('Z'));
    named(words.next().filter(|_| is_dated)?)
}

/// Whether a line reports a panic or a restart.
fn is_death(line: &str) -> bool {
    level(line) == Some(Level::Panic) || line.contains(REBUILT)
}

/// Whether an outage explains the line.
pub fn is_of_outage(line: &str) -> bool {
    level(line) == Some(Level::Warn) && OUTAGE.iter().any(|text| line.contains(text))
}

/// The lines of a log at level error or warn, panics among them.
pub fn faults(log: &str) -> Vec<&str> {
    log.lines().filter(|line| level(line).is_some()).collect()
}

/// How many lines of each severity a log has.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub panics: u64,
    pub restarts: u64,
    pub errors: u64,
    pub warnings: u64,
}

impl Counts {
    pub fn of(log: &str) -> Self {
        let mut counts = Self::default();
        for line in log.lines() {
            match level(line) {
                Some(Level::Panic) => counts.panics += 1,
                Some(Level::Error) if line.contains(REBUILT) => counts.restarts += 1,
                Some(Level::Error) => counts.errors += 1,
                Some(Level::Warn) => counts.warnings += 1,
                None => {}
            }
        }
        counts
    }
}

#[test]
fn lines_are_told_apart_by_their_level() {
    let log = "2026-11-30T12:00:00.000001Z  INFO serving url=http://x\n\
               2026-11-30T12:00:00.000001Z  WARN the bus is away\n\
               2026-11-30T12:00:00.000001Z ERROR a panic component=\"loader\" text=\"no rows\"\n\
               2026-11-30T12:00:00.000001Z ERROR the actor died and is rebuilt actor=loader\n\
               2026-11-30T12:00:00.000001Z ERROR failed three times in a row\n\
               thread 'main' panicked at src/main.rs:1:1:\n\
               {\"level\":\"WARN\",\"fields\":{\"message\":\"x\"}}\n\
               a line that is none WARN ERROR\n";
    assert_eq!(Counts::of(log), Counts { panics: 2, restarts: 1, errors: 1, warnings: 2 });
    assert_eq!(faults(log).len(), 6);
}

#[test]
fn a_fault_that_nobody_named_fails_the_test() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("serve.log");
    std::fs::write(&path, "2026-11-30T12:00:00Z  WARN before this process\n").unwrap();
    let log = Log::begin(&path);
    log.assert_silent();
    std::fs::write(&path, "2026-11-30T12:00:00Z  WARN before this process\n2026-11-30T12:00:01Z ERROR odd\n").unwrap();
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| log.assert_silent()));
    assert!(failed.is_err());
    log.expects_warnings(&["odd"]);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| log.assert_silent())).is_err(), "an error");
    log.expects(&["odd"]);
    log.assert_silent();
    // An expected line does not allow a panic.
    let path = folder.path().join("other.log");
    let log = Log::begin(&path);
    std::fs::write(&path, "2026-11-30T12:00:00Z ERROR a panic component=\"jobs\" text=\"odd\"\n").unwrap();
    log.expects(&["odd"]);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| log.assert_silent())).is_err());
}
