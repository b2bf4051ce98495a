//! Clients that take their time. Each test waits for the deadline that it is about, and no longer.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::command::Place;
use crate::http::BASE;
use crate::serving::Server;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A second each; what a busy machine may add.
const SLACK: Duration = Duration::from_secs(20);

fn hurried(place: &Place, more: &[(&str, &str)]) -> Server {
    let deadlines =
        ["HEAD_TIMEOUT", "BODY_TIMEOUT", "KEEP_ALIVE", "WRITE_TIMEOUT"].map(|name| format!("PROVOST_HTTP__{name}"));
    let mut environment: Vec<(&str, &str)> = deadlines.iter().map(|name| (name.as_str(), "1s")).collect();
    environment.extend(more);
    Server::start_with(place, &environment)
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(SLACK)).unwrap();
    stream
}

/// Everything up to the end of the connection, which the server has to make.
fn to_the_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(e) if e.kind() != ErrorKind::ConnectionReset => panic!("the connection stays open: {e}"),
        _ => String::from_utf8_lossy(&answer).into_owned(),
    }
}

/// Sends a byte now and then until the server ends the connection; answers what came and how long it took.
fn drip(stream: &mut TcpStream, byte: u8) -> (String, Duration) {
    let began = Instant::now();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut answer = Vec::new();
    loop {
        assert!(began.elapsed() < SLACK, "the connection stays open");
        let gone = stream.write_all(&[byte]).is_err();
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => answer.extend_from_slice(&buffer[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) && !gone => {}
            Err(_) => break,
        }
    }
    (String::from_utf8_lossy(&answer).into_owned(), began.elapsed())
}

/// One answer with a `content-length`, and no more.
fn one_answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with("\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        text.push(byte[0] as char);
    }
    let length = text.to_lowercase();
    let length = length.split("content-length: ").nth(1).map_or("0", |rest| rest.split('\r').next().unwrap());
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    text + &String::from_utf8_lossy(&body)
}

#[test]
fn a_head_that_does_not_come_or_comes_in_drops_ends_the_connection() {
    let place = Place::new();
    let server = hurried(&place, &[]);
    to_the_end(&mut connect(&server));

    let mut first = connect(&server);
    first.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nx-slow: ").unwrap();
    let (answer, _) = drip(&mut first, b'a');
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");

    // The second request of a connection that was kept.
    let mut second = connect(&server);
    second.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    assert!(one_answer(&mut second).starts_with("HTTP/1.1 200"));
    second.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nx-slow: ").unwrap();
    let (answer, took) = drip(&mut second, b'a');
    assert_eq!(answer, "");
    assert!(took >= Duration::from_secs(1), "{took:?}");
}

#[test]
fn an_idle_connection_is_closed() {
    let place = Place::new();
    let server = hurried(&place, &[]);
    let mut stream = connect(&server);
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    assert!(one_answer(&mut stream).starts_with("HTTP/1.1 200"));
    assert_eq!(to_the_end(&mut stream), "");
}

#[test]
fn a_body_in_drops_is_408() {
    let place = Place::new();
    let server = hurried(&place, &[]);
    for framing in ["content-length: 1000", "transfer-encoding: chunked"] {
        let mut stream = connect(&server);
        write!(stream, "POST {BASE}/train HTTP/1.1\r\nhost: localhost\r\n{framing}\r\n\r\n").unwrap();
        if framing.starts_with("transfer") {
            stream.write_all(b"3e8\r\n").unwrap();
        }
        let (answer, took) = drip(&mut stream, b' ');
        assert!(answer.starts_with("HTTP/1.1 408"), "{framing}: {answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(took >= Duration::from_secs(1), "{took:?}");
    }
}

#[test]
fn a_body_that_nobody_reads_does_not_keep_the_connection() {
    let place = Place::new();
    let server = hurried(&place, &[]);
    for framing in ["content-length: 100000", "transfer-encoding: chunked"] {
        for silent in [true, false] {
            let mut stream = connect(&server);
            write!(stream, "DELETE {BASE}/jobs/x HTTP/1.1\r\nhost: localhost\r\n{framing}\r\n\r\n").unwrap();
            if framing.starts_with("transfer") {
                stream.write_all(b"186a0\r\n").unwrap();
            }
            let answer = if silent { to_the_end(&mut stream) } else { drip(&mut stream, b'x').0 };
            assert!(answer.starts_with("HTTP/1.1 404"), "{framing}: {answer}");
        }
    }
}

#[test]
fn a_client_that_does_not_read_is_left() {
    let place = Place::new();
    let server = hurried(&place, &[]);
    let mut stream = connect(&server);
    stream.set_write_timeout(Some(SLACK)).unwrap();
    // Some hundred kilobytes each, until both sides' buffers are full and the server's write makes no progress.
    let request = b"GET /redoc/redoc.standalone.js HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let ended = loop {
        if let Err(error) = stream.write_all(request) {
            break error;
        }
    };
    assert!(matches!(ended.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "still open: {ended}");
}

#[test]
fn more_connections_than_allowed_wait_for_their_turn() {
    let place = Place::new();
    let limits =
        [("PROVOST_HTTP__MAX_CONNECTIONS", "1"), ("PROVOST_HTTP__WORKERS", "1"), ("PROVOST_HTTP__KEEP_ALIVE", "10m")];
    let server = hurried(&place, &limits);
    let ask = |stream: &mut TcpStream| stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut first = connect(&server);
    ask(&mut first);
    assert!(one_answer(&mut first).starts_with("HTTP/1.1 200"));
    let mut second = connect(&server);
    ask(&mut second);
    second.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let waits = second.read(&mut [0; 1]).unwrap_err();
    assert!(matches!(waits.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{waits}");
    ask(&mut first);
    assert!(one_answer(&mut first).starts_with("HTTP/1.1 200"), "the first goes on");
    drop(first);
    second.set_read_timeout(Some(SLACK)).unwrap();
    assert!(one_answer(&mut second).starts_with("HTTP/1.1 200"));
}

#[test]
fn one_address_does_not_take_all_connections() {
    let place = Place::new();
    let limit = [("PROVOST_HTTP__MAX_CONNECTIONS_PER_ADDRESS", "2"), ("PROVOST_HTTP__KEEP_ALIVE", "10m")];
    crate::auth::key(&place, &["--role", "viewer"]);
    let server = hurried(&place, &limit);
    let answered = |stream: &mut TcpStream| {
        let asked = stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n");
        let mut first = [0; 12];
        asked.is_ok() && stream.read_exact(&mut first).is_ok() && &first == b"HTTP/1.1 200"
    };
    // One after the other: of several that wait, whichever worker is first decides.
    let mut one = connect(&server);
    assert!(answered(&mut one));
    let mut two = connect(&server);
    assert!(answered(&mut two));
    assert!(!answered(&mut connect(&server)), "closed at once");
    drop(one);
    // Its end is heard of soon.
    let began = Instant::now();
    while !answered(&mut connect(&server)) {
        assert!(began.elapsed() < SLACK);
    }
}
