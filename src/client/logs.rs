//! `jobs logs`: a job's log, with `--follow` as it grows.

use super::ids::{Kind, resolve};
use super::read::{text, texts};
use super::{Client, Remote};
use crate::cli::common::Common;
use crate::cli::show;
use crate::error::Result;
use clap::Args;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

#[derive(Args)]
pub struct LogsArgs {
    /// The job: its id, the beginning of the id, or `latest`
    #[arg(value_name = "ID")]
    pub id: String,
    /// Show new entries too, until the job ends
    #[arg(long, short)]
    pub follow: bool,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub common: Common,
}

/// The wait before a broken stream is requested again.
const PAUSE: Duration = Duration::from_secs(1);

pub fn logs(args: &LogsArgs) -> Result<()> {
    let client = Client::new(&args.remote, &args.common)?;
    let json = args.common.output.json;
    let job = resolve(&client, Kind::Job, &args.id)?;
    if args.follow {
        return follow(&client, &job, json);
    }
    let answer = client.get(&format!("/jobs/{job}"))?;
    for line in texts(&answer["logs"]) {
        show::tell(json, || json!({ "message": line }), || line.clone().into_owned());
    }
    Ok(())
}

/// Shows events until the job has ended. A stream that breaks off earlier is resumed after its last event.
fn follow(client: &Client, job: &str, json: bool) -> Result<()> {
    let path = format!("/jobs/{job}/events");
    let mut seen = 0;
    loop {
        let end = read(client.events(&path, seen)?, &mut seen, |event| {
            if let Some(line) = shown(event) {
                show::tell(json, || json!({ "event": event.kind, "data": event.data }), || line);
            }
        });
        match end {
            End::Ended | End::Unread => return Ok(()),
            // A job of the replaced service has no events.
            End::Broken if is_final(&client.get(&format!("/jobs/{job}"))?) => return Ok(()),
            End::Broken => std::thread::sleep(PAUSE),
        }
    }
}

#[derive(Debug, PartialEq)]
struct Event {
    kind: String,
    data: Value,
}

fn is_final(job: &Value) -> bool {
    matches!(&*text(job, "status"), "completed" | "failed" | "cancelled")
}

#[derive(Debug, PartialEq)]
enum End {
    /// The job has ended.
    Ended,
    /// The reader of the output has gone away.
    Unread,
    Broken,
}

/// Reads server-sent events; `seen` is the number of the last one.
fn read(stream: impl Read, seen: &mut u64, mut each: impl FnMut(&Event)) -> End {
    let (mut kind, mut has_ended) = (String::new(), false);
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { break };
        if let Some(number) = line.strip_prefix("id: ") {
            *seen = number.parse().unwrap_or(*seen);
        } else if let Some(name) = line.strip_prefix("event: ") {
            name.clone_into(&mut kind);
        } else if let Some(data) = line.strip_prefix("data: ") {
            let data = serde_json::from_str(data).unwrap_or_else(|_| Value::String(data.to_owned()));
            let event = Event { kind: std::mem::take(&mut kind), data };
            each(&event);
            if !show::is_read() {
                return End::Unread;
            }
            // Log entries may follow the final state; the service ends the stream after them.
            has_ended |= event.kind == "state" && is_final(&event.data);
        }
    }
    if has_ended { End::Ended } else { End::Broken }
}

/// The line for an event. Only log lines and changes of state are shown.
fn shown(event: &Event) -> Option<String> {
    match event.kind.as_str() {
        "log" => Some(text(&event.data, "message").into_owned()),
        "state" => {
            let why = event.data["error_message"].as_str().map_or_else(String::new, |why| format!(": {why}"));
            Some(format!("the job is {}{why}", text(&event.data, "status")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(stream: &str, seen: &mut u64) -> (Vec<String>, End) {
        let mut lines = Vec::new();
        let end = read(stream.as_bytes(), seen, |event| lines.extend(shown(event)));
        (lines, end)
    }

    #[test]
    fn a_stream_is_read_to_the_end_of_the_job() {
        let stream = "id: 1\nevent: state\ndata: {\"status\":\"running\"}\n\n: alive\n\n\
            id: 2\nevent: progress\ndata: {\"progress_percentage\":3.0}\n\n\
            id: 3\nevent: log\ndata: {\"message\":\"600 rows\"}\n\n\
            id: 4\nevent: state\ndata: {\"status\":\"failed\",\"error_message\":\"one class\"}\n\n\
            id: 5\nevent: log\ndata: {\"message\":\"failed\"}\n\n";
        let mut seen = 0;
        let (lines, end) = lines_of(stream, &mut seen);
        assert_eq!(lines, ["the job is running", "600 rows", "the job is failed: one class", "failed"]);
        assert_eq!((end, seen), (End::Ended, 5));
    }

    #[test]
    fn a_stream_that_breaks_off_is_resumed_after_the_last_event() {
        let mut seen = 7;
        let (lines, end) = lines_of("id: 8\nevent: log\ndata: {\"message\":\"x\"}\n\n", &mut seen);
        assert_eq!((lines, end, seen), (vec!["x".to_owned()], End::Broken, 8));
    }
}
