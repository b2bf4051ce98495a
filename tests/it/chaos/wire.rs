//! HTTP to a server that may die at any moment: every fault of the connection is an answer, not a panic.

use crate::http::BASE;
use serde_json::Value;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// Sends a request and does not read the answer. HTTP/1.0: an answer ends with its connection, so nothing is chunked.
pub fn send(host: &str, method: &str, path: &str, key: Option<&str>, body: Option<&Value>) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let key = key.map(|key| format!("Idempotency-Key: {key}\r\n")).unwrap_or_default();
    let request = format!(
        "{method} {BASE}/{path} HTTP/1.0\r\nHost: {host}\r\n{key}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    Ok(stream)
}

fn broken(why: &str) -> Error {
    Error::new(ErrorKind::UnexpectedEof, why)
}

/// Status and length of an answer, whose body comes next.
fn head(reader: &mut impl BufRead) -> Result<(u16, Option<usize>)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(|| broken("no status"))?;
    let mut length = None;
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(broken("no end of the headers"));
        }
        match line.trim().split_once(':') {
            None => return Ok((status, length)),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().ok(),
            Some(_) => {}
        }
    }
}

/// The answer, if all of it arrived.
pub fn read(stream: TcpStream) -> Result<(u16, Value)> {
    let mut reader = BufReader::new(stream);
    let (status, length) = head(&mut reader)?;
    let mut body = vec![0; length.ok_or_else(|| broken("no length"))?];
    reader.read_exact(&mut body)?;
    Ok((status, serde_json::from_slice(&body)?))
}

pub fn ask(host: &str, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
    read(send(host, method, path, None, body)?)
}

/// One event of a job's stream.
#[derive(Debug, Clone)]
pub struct Event {
    pub kind: String,
    pub data: Value,
}

impl Event {
    /// Whether it is a line of the log with this text in it.
    pub fn logs(&self, text: &str) -> bool {
        self.kind == "log" && self.data.to_string().contains(text)
    }

    pub fn ends(&self) -> bool {
        self.kind == "state" && ["completed", "failed", "cancelled"].iter().any(|s| self.data["status"] == **s)
    }
}

/// Follows a job's events from the first until one is enough; false if the job ended or the connection did.
pub fn follow(host: &str, job: &str, mut enough: impl FnMut(&Event) -> bool) -> bool {
    let Ok(stream) = send(host, "GET", &format!("jobs/{job}/events"), None, None) else { return false };
    let mut reader = BufReader::new(stream);
    if !matches!(head(&mut reader), Ok((200, _))) {
        return false;
    }
    let mut kind = String::new();
    for line in reader.lines() {
        let Ok(line) = line else { return false };
        match line.split_once(": ") {
            Some(("event", text)) => kind = text.to_owned(),
            Some(("data", text)) => {
                let Ok(data) = serde_json::from_str(text) else { return false };
                let event = Event { kind: kind.clone(), data };
                if enough(&event) {
                    return true;
                }
                if event.ends() {
                    return false;
                }
            }
            _ => {}
        }
    }
    false
}
