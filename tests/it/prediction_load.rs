//! Predictions while many are asked for: where the time goes, who waits for whom, and what is too much.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::http::{BASE, place_with_points};
use crate::predictions::{application, serving, serving_with};
use crate::serving::Server;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A request that is sent, and not read yet.
struct Sent(BufReader<TcpStream>);

impl Sent {
    fn new(server: &Server, body: &Value) -> Self {
        let address = server.url.split_once("://").unwrap().1;
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let body = body.to_string();
        let head = format!(
            "POST {BASE}/predict HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        Self(BufReader::new(stream))
    }

    /// Whether the first byte of the answer is there.
    fn is_answered(&self) -> bool {
        let stream = self.0.get_ref();
        stream.set_nonblocking(true).unwrap();
        let is_there = stream.peek(&mut [0]).is_ok();
        stream.set_nonblocking(false).unwrap();
        is_there
    }

    /// Status and headers.
    fn head(&mut self) -> (u16, BTreeMap<String, String>) {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = BTreeMap::new();
        loop {
            line.clear();
            self.0.read_line(&mut line).unwrap();
            let Some((name, value)) = line.split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        (status, headers)
    }
}

fn explained(rows: usize) -> Value {
    json!({ "applications": vec![application(3.5); rows], "explain": true })
}

#[test]
fn an_answer_says_where_its_time_went() {
    let place = place_with_points(600);
    let (mut server, client, _) = serving(&place);
    for body in [application(3.7), explained(3)] {
        let answer = client.post("predict", &body);
        assert_eq!(answer.status, 200);
        let parts: Vec<(&str, f64)> = answer
            .header("server-timing")
            .unwrap()
            .split(", ")
            .map(|part| part.split_once(";dur=").map(|(name, millis)| (name, millis.parse().unwrap())).unwrap())
            .collect();
        assert_eq!(parts.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["read", "queue", "predict"]);
        assert!(parts.iter().all(|(_, millis)| (0.0..60_000.0).contains(millis)) && parts[2].1 > 0.0, "{parts:?}");
    }
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn one_explained_row_does_not_wait_for_batches() {
    let place = place_with_points(600);
    let (mut server, client, _) = serving(&place);
    let batches: Vec<Sent> = (0..12).map(|_| Sent::new(&server, &explained(60))).collect();
    for _ in 0..3 {
        let one = client.post("predict", &explained(1));
        assert_eq!(one.status, 200);
    }
    // Two are at work at a time: in the order of asking ten of them would have come before the first row.
    let before = batches.iter().filter(|batch| batch.is_answered()).count();
    assert!(before <= 6, "{before} batches were answered before three rows");
    for mut batch in batches {
        assert_eq!(batch.head().0, 200, "and each batch comes to its end");
    }
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn what_is_too_much_at_a_time_is_answered_with_503_and_when_to_come_again() {
    let place = place_with_points(600);
    let (mut server, client, _) = serving(&place);
    // More than work and wait at a time: two and 64.
    let batch = explained(15);
    let mut sent: Vec<Sent> = (0..240).map(|_| Sent::new(&server, &batch)).collect();
    let refused = loop {
        let at = sent.iter().position(Sent::is_answered);
        match at.map(|at| sent.swap_remove(at).head()) {
            Some((503, headers)) => break headers,
            Some((status, _)) => assert_eq!(status, 200),
            None => std::thread::sleep(Duration::from_millis(5)),
        }
        assert!(!sent.is_empty(), "none was refused");
    };
    assert!(refused["retry-after"].parse::<u32>().unwrap() >= 1, "{refused:?}");
    assert_eq!(refused["content-type"], "application/problem+json");
    // Plain rows are answered meanwhile, and all that was let in is.
    assert_eq!(client.post("predict", &application(3.7)).status, 200);
    for mut request in sent {
        let status = request.head().0;
        assert!(status == 200 || status == 503, "{status}");
    }
    assert_eq!(client.post("predict", &explained(1)).status, 200);
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_body_has_a_bound_and_a_stream_has_none() {
    let place = place_with_points(600);
    let (mut server, client, _) = serving_with(&place, &[("PROVOST_PREDICT__MAX_BODY_BYTES", "4096")]);
    let rows = vec![application(3.7); 40];
    let long = client.post("predict", &json!({ "applications": rows }));
    long.problem(413);
    assert_eq!(long.json()["code"], "body_too_large");
    for path in ["/invocations", "/v2/models/admission/infer"] {
        let kind = [("content-type", "application/json")];
        assert_eq!(client.send("POST", path, &kind, Some(&vec![b' '; 5_000])).status, 413, "{path}");
    }
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let streamed = client.send("POST", "predict", &[("content-type", "application/x-ndjson")], Some(lines.as_bytes()));
    assert_eq!(streamed.bytes.iter().filter(|byte| **byte == b'\n').count(), 40);
    assert_eq!(server.terminate(), Some(0));
}
