//! Streams of predictions, row by row: a swap in the middle, a body that never ends, a client that leaves.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::auth::until;
use crate::http::{BASE, Client, place_with_points, small_job};
use crate::predictions::{application, begun, serving, serving_with};
use crate::serving::Server;
use serde_json::{Value, json};
use std::fmt::Display;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A request of chunked NDJSON on a connection of its own.
struct RowStream {
    reader: BufReader<TcpStream>,
    /// What was read of the answer and not taken.
    rest: Vec<u8>,
    is_begun: bool,
}

impl RowStream {
    fn open(server: &Server) -> Self {
        Self { reader: BufReader::new(begun(server, "")), rest: Vec::new(), is_begun: false }
    }

    fn send(&mut self, row: &impl Display) {
        let line = format!("{row}\n");
        self.reader.get_mut().write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes()).unwrap();
    }

    fn end(&mut self) {
        self.reader.get_mut().write_all(b"0\r\n\r\n").unwrap();
    }

    fn text(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The next line of the answer; None at its end.
    fn line(&mut self) -> Option<Value> {
        if !self.is_begun {
            let status = self.text();
            assert!(status.contains(" 200 "), "{status}");
            while !self.text().is_empty() {}
            self.is_begun = true;
        }
        loop {
            if let Some(end) = self.rest.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let length = usize::from_str_radix(&self.text(), 16).unwrap();
            let mut chunk = vec![0; length];
            self.reader.read_exact(&mut chunk).unwrap();
            self.text();
            if length == 0 {
                assert!(self.rest.is_empty(), "half a line");
                return None;
            }
            self.rest.extend(chunk);
        }
    }
}

#[test]
fn a_stream_ends_on_the_model_that_it_began_with() {
    let place = place_with_points(600);
    let (mut server, client, first) = serving(&place);
    let job = client
        .train(&json!({"random_state": 9, "algorithms": ["logistic_regression"], "hyperparameter_tuning": "none",
        "min_samples": 100, "cross_validation_folds": 3, "test_size": 0.3, "use_verified_only": false}));
    let second = client.ended(&job)["best_model_id"].as_str().unwrap().to_owned();
    let mut stream = RowStream::open(&server);
    stream.send(&application(3.7));
    let line = stream.line().unwrap();
    assert_eq!((&line["row"], &line["model_id"]), (&json!(0), &json!(first)));
    client.post(&format!("activate/{second}"), &json!({})).ok(200);
    until("the activated model answers", || {
        client.post("predict", &application(3.7)).ok(200)["model_id"] == json!(second)
    });
    stream.send(&json!({"profile": 1}));
    stream.send(&application(3.1));
    stream.end();
    let lines: Vec<Value> = std::iter::from_fn(|| stream.line()).collect();
    assert_eq!(lines.iter().map(|line| &line["row"]).collect::<Vec<_>>(), [&json!(1), &json!(2)]);
    assert!(lines.iter().all(|line| line["model_id"] == json!(first)), "{lines:?}");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_body_that_never_ends_is_broken_off_once_it_makes_no_progress() {
    let place = place_with_points(600);
    let (mut server, client, model) = serving_with(&place, &[("PROVOST_HTTP__BODY_TIMEOUT", "2s")]);
    let mut stream = RowStream::open(&server);
    stream.send(&application(3.7));
    stream.send(&application(3.1));
    assert_eq!(stream.line().unwrap()["row"], 0);
    assert_eq!(stream.line().unwrap()["row"], 1);
    // Nothing more is sent, and the body is not ended.
    let last = stream.line().unwrap();
    assert_eq!((&last["row"], &last["model_id"]), (&json!(2), &json!(model)));
    assert_eq!(last["broken"]["code"], "body_timeout");
    // A document that is never whole.
    let address = server.url.split_once("://").unwrap().1;
    let mut half = TcpStream::connect(address).unwrap();
    half.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!("POST {BASE}/predict HTTP/1.1\r\nhost: {address}\r\ncontent-length: 1000\r\n\r\n{{\"profile\":");
    half.write_all(head.as_bytes()).unwrap();
    let mut status = String::new();
    BufReader::new(half).read_line(&mut status).unwrap();
    assert!(status.contains(" 408 "), "{status}");
    assert_eq!(client.post("predict", &application(3.7)).status, 200);
    assert_eq!(server.terminate(), Some(0));
}

/// Files that the process has open and that have no name.
fn unnamed_files(server: &Server) -> usize {
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.process.id())).unwrap();
    let names = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    names.filter(|name| name.to_string_lossy().ends_with("(deleted)")).count()
}

#[test]
fn a_client_that_leaves_ends_the_work_for_it() {
    let place = place_with_points(600);
    let (mut server, client, _) = serving(&place);
    let before = unnamed_files(&server);
    let mut stream = RowStream::open(&server);
    let row = application(3.3);
    // More answers than wait in memory, none of which is read.
    for _ in 0..6_000 {
        stream.send(&row);
    }
    until("answers wait in a file", || unnamed_files(&server) > before);
    drop(stream);
    until("the file is gone with its client", || unnamed_files(&server) == before);
    assert_eq!(client.post("predict", &application(3.7)).status, 200);
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_category_that_was_never_seen_is_answered_with_a_warning() {
    let place = place_with_points(600);
    let mut server = Server::start(&place);
    let client = Client::of(&server);
    let mut job = small_job();
    job["features"] = json!("extended");
    let job = client.train(&job);
    let model = client.ended(&job)["best_model_id"].as_str().unwrap().to_owned();
    client.post(&format!("activate/{model}"), &json!({})).ok(200);
    let mut unknown = application(3.7);
    unknown["program"]["university_name"] = json!("A University of Which Nobody Has Heard");
    let answer = client.post("predict", &json!({"applications": [unknown, application(3.7)], "explain": true})).ok(200);
    let predictions = answer["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 2, "{answer}");
    let codes: Vec<&Value> =
        predictions[0]["warnings"].as_array().unwrap().iter().map(|warning| &warning["code"]).collect();
    assert!(codes.contains(&&json!("unknown_category")), "{codes:?}");
    assert!(predictions[0]["explanation"]["base"].is_f64());
    assert_eq!(server.terminate(), Some(0));
}
