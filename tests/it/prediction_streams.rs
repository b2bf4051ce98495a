//! Streams of predictions, row by row: a swap in the middle, a body that never ends, a client that leaves.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::auth::{Key, key, until};
use crate::command::Place;
use crate::http::{BASE, Client, place_with_points, small_job};
use crate::inference::second_model;
use crate::predictions::{application, begun, serving, serving_with};
use crate::serving::Server;
use serde_json::{Value, json};
use std::fmt::Display;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A request of chunked NDJSON on a connection of its own.
struct RowStream {
    reader: BufReader<TcpStream>,
    /// What was read of the answer and not taken.
    rest: Vec<u8>,
    is_begun: bool,
}

impl RowStream {
    fn open(server: &Server) -> Self {
        Self::open_with(server, "")
    }

    fn open_with(server: &Server, headers: &str) -> Self {
        Self { reader: BufReader::new(begun(server, headers)), rest: Vec::new(), is_begun: false }
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
    let second = second_model(&client);
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

#[test]
fn a_client_that_reads_slowly_and_steadily_gets_all_answers() {
    const ROWS: usize = 20_000;
    let place = place_with_points(600);
    let (mut server, _, _) = serving_with(&place, &[("PROVOST_HTTP__WRITE_TIMEOUT", "1s")]);
    let mut stream = RowStream::open(&server);
    let row = application(3.3);
    for _ in 0..ROWS {
        stream.send(&row);
    }
    stream.end();
    // For longer than the time-out less is read than would empty a third of a send buffer of megabytes.
    let (socket, mut part, began) = (stream.reader.get_ref().try_clone().unwrap(), [0; 10_000], Instant::now());
    let mut early = Vec::new();
    while began.elapsed() < Duration::from_secs(4) {
        (&socket).read_exact(&mut part).unwrap();
        early.extend_from_slice(&part);
        std::thread::sleep(Duration::from_millis(40));
    }
    stream.reader = BufReader::with_capacity(1 << 16, socket);
    stream.reader.read_to_end(&mut early).unwrap();
    let answers = early.windows(16).filter(|window| window == b"\"prediction_id\":").count();
    assert!(early.ends_with(b"\r\n0\r\n\r\n"), "it was cut off");
    // A few of the marks lie over the border of two chunks.
    assert!(answers > ROWS - ROWS / 10, "{answers} answers");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_stream_whose_key_ends_says_so() {
    let place = place_with_points(600);
    let (mut server, _, model) = serving(&place);
    key(&place, &["--role", "admin"]);
    let asking = key(&place, &["--role", "client"]);
    let mut stream = RowStream::open_with(&server, &format!("authorization: Bearer {}\r\n", asking.text));
    stream.send(&application(3.7));
    assert_eq!(stream.line().unwrap()["row"], 0);
    assert_eq!(place.run(&["keys", "revoke", &asking.id]).code, Some(0));
    let last = stream.line().unwrap();
    assert_eq!((&last["row"], &last["model_id"]), (&json!(1), &json!(model)));
    assert_eq!(last["broken"]["code"], "key_invalid");
    assert_eq!(stream.line(), None);
    assert_eq!(server.terminate(), Some(0));
}

/// Revokes the key, and waits until the service refuses it.
fn revoke(place: &Place, client: &Client, key: &Key) {
    assert_eq!(place.run(&["keys", "revoke", &key.id]).code, Some(0));
    let header = format!("Bearer {}", key.text);
    until("the key is refused", || client.send("GET", "models", &[("authorization", &header)], None).status == 401);
}

#[test]
fn answers_that_wait_are_not_sent_once_the_key_has_ended() {
    const ROWS: usize = 20_000;
    let place = place_with_points(600);
    let (mut server, client, _) = serving(&place);
    server.expects_warnings(&["a wrong key"]);
    key(&place, &["--role", "admin"]);
    let asking = key(&place, &["--role", "client"]);
    let before = unnamed_files(&server);
    let mut stream = RowStream::open_with(&server, &format!("authorization: Bearer {}\r\n", asking.text));
    // So that the answers wait in the service and not in the socket.
    socket2::SockRef::from(stream.reader.get_ref()).set_recv_buffer_size(1 << 14).unwrap();
    let row = application(3.3);
    for _ in 0..ROWS {
        stream.send(&row);
    }
    stream.end();
    until("answers wait in a file", || unnamed_files(&server) > before);
    revoke(&place, &client, &asking);
    let mut lines: Vec<Value> = std::iter::from_fn(|| stream.line()).collect();
    let last = lines.pop().unwrap();
    assert_eq!(last["broken"]["code"], "key_invalid", "{last}");
    assert!(lines.len() < ROWS, "all answers were sent");
    assert_eq!(last["row"], lines.len(), "the first row without an answer");
    assert!((0..).zip(&lines).all(|(row, line)| line["row"] == row && line["prediction_id"].is_string()));
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

#[test]
fn no_bad_row_costs_another_its_answer() {
    let place = place_with_points(600);
    let (mut server, client, _) = serving(&place);
    let good = application(3.7);
    let with = |pointer: &str, value: Value| {
        let mut row = good.clone();
        *row.pointer_mut(pointer).unwrap() = value;
        row.to_string()
    };
    let mut unknown = good.clone();
    unknown["shoe_size"] = json!(43);
    let not_a_number = good.to_string().replacen("3.7", "NaN", 1);
    assert!(not_a_number.contains("NaN"));
    // Each with the pointer of its fault; None of those that are answered.
    let rows: [(String, Option<&str>); 13] = [
        (good.to_string(), None),
        (not_a_number, Some("")),
        (good.to_string().replacen("3.7", "1e999", 1), Some("")),
        (with("/profile/gpa", json!(1e308)), None),
        (with("/profile/gpa", json!("many")), Some("/profile/gpa")),
        (with("/profile/gpa", json!(-1)), Some("/profile/gpa")),
        (with("/profile/test_scores/0/test_type", json!("gres")), Some("/profile/test_scores/0/test_type")),
        (json!({"profile": {}}).to_string(), Some("/program")),
        (with("/program", json!([])), Some("/program")),
        ("[]".to_owned(), Some("")),
        (format!("{{\"note\": \"{}\"}}", "x".repeat(100_000)), Some("")),
        (unknown.to_string(), None),
        (good.to_string(), None),
    ];
    let mut stream = RowStream::open(&server);
    rows.iter().for_each(|(row, _)| stream.send(row));
    stream.end();
    let lines: Vec<Value> = std::iter::from_fn(|| stream.line()).collect();
    assert_eq!(lines.len(), rows.len());
    let expected = &lines[0]["probability"];
    assert!(expected.is_f64());
    for (at, ((_, fault), line)) in rows.iter().zip(&lines).enumerate() {
        assert_eq!(line["row"], json!(at), "{line}");
        match fault {
            None => assert!(line["probability"].is_f64(), "{line}"),
            Some(pointer) => {
                assert_eq!(line["errors"][0]["pointer"], json!(pointer), "{line}");
                assert!(line["errors"][0]["message"].as_str().unwrap().len() < 300 && line["probability"].is_null());
            }
        }
    }
    // What is off every scale is missing, and the answer says so; unknown members are nothing.
    let warnings = lines[3]["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|w| w["code"] == "missing_value" && w["pointer"] == "/profile/gpa"), "{warnings:?}");
    assert_eq!([&lines[11]["probability"], &lines[12]["probability"]], [expected; 2]);
    // The same in one document, but for what is no JSON.
    let listed: Vec<Value> = rows.iter().filter_map(|(row, _)| serde_json::from_str(row).ok()).collect();
    assert_eq!(listed.len(), rows.len() - 2);
    let answer = client.post("predict", &json!({ "applications": listed })).ok(200);
    let answered: Vec<&Value> = answer["predictions"].as_array().unwrap().iter().map(|p| &p["row"]).collect();
    assert_eq!(answered, [0, 1, 9, 10]);
    assert_eq!(&answer["predictions"][3]["probability"], expected);
    assert_eq!(server.terminate(), Some(0));
}
