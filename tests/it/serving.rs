//! `serve`: one process per data folder, an orderly stop, the client commands.
#![allow(clippy::unwrap_used)]

use crate::command::Place;
use crate::silence::Log;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

/// A running server; killed if a test fails before it stops it.
pub struct Server {
    pub process: Child,
    pub url: String,
    log: Log,
    /// The process has ended and its log was checked.
    is_over: bool,
}

impl Server {
    pub fn start(place: &Place) -> Self {
        Self::start_with(place, &[])
    }

    /// Starts a server with these variables in its environment.
    pub fn start_with(place: &Place, environment: &[(&str, &str)]) -> Self {
        Self::start_at(place, "127.0.0.1:0", environment)
    }

    /// Starts a server at this address.
    pub fn start_at(place: &Place, listen: &str, environment: &[(&str, &str)]) -> Self {
        let log = Log::begin(&place.path("serve.log"));
        let mut process = place
            .command(&["serve", "--listen", listen, "--json"])
            // With enough points the scheduler would start a job.
            .env("PROVOST_SCHEDULE__ENABLED", "false")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(std::fs::OpenOptions::new().create(true).append(true).open(place.path("serve.log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        Self { process, url: ready["url"].as_str().unwrap().to_owned(), log, is_over: false }
    }

    /// Names expected faults by texts of their lines in the log. Any other fault fails the test.
    pub fn expects(&self, texts: &[&str]) {
        self.log.expects(texts);
    }

    /// As `expects`, for lines at level warn only.
    pub fn expects_warnings(&self, texts: &[&str]) {
        self.log.expects_warnings(texts);
    }

    pub fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    pub fn terminate(&mut self) -> Option<i32> {
        self.log.assert_status(&self.url);
        self.signal("TERM");
        let code = self.process.wait().unwrap().code();
        self.is_over = true;
        self.log.assert_silent();
        code
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            self.log.assert_status(&self.url);
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        // A later process may have written to the same file.
        if !self.is_over {
            self.log.assert_silent();
        }
    }
}

#[test]
fn a_second_server_on_the_folder_exits_2_and_names_the_first() {
    let place = Place::new();
    let mut server = Server::start(&place);
    let second = place.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.code, Some(2), "{second:?}");
    assert!(second.err.contains(&format!("process {}", server.process.id())), "{}", second.err);

    // Import and doctor work while the service runs.
    place.file("a.jsonl", crate::command::points(0..20));
    assert_eq!(place.run(&["import", "a.jsonl"]).code, Some(0));
    let doctor = place.run(&["doctor"]);
    assert!(doctor.out.contains("20 points"), "{doctor:?}");
    assert!(doctor.out.contains("serves and has no fault"), "{doctor:?}");

    let status = place.run(&["status", "--url", &server.url, "--json"]);
    assert_eq!((status.code, status.json()["status"].as_str()), (Some(0), Some("operational")), "{status:?}");
    let missing = place.run(&["models", "model_xgboost_0", "--url", &server.url]);
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.err.contains("404"), "{}", missing.err);

    assert!(place.path("data/provost.db-wal").exists(), "while it runs there is a log");
    assert_eq!(server.terminate(), Some(0), "an orderly stop exits 0");
    for left in ["data/provost.db-wal", "data/provost.db-shm"] {
        assert!(!place.path(left).exists(), "{left} is there after an orderly stop");
    }
    let mut again = Server::start(&place);
    assert_eq!(again.terminate(), Some(0));
}
