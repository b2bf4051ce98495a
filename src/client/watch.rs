//! A job followed to its end.

use super::Client;
use crate::cli::show;
use crate::error::{Error, Result};
use indicatif::ProgressBar;
use provost_domain::visible;
use serde_json::Value;
use std::borrow::Cow;
use std::time::Duration;

const POLL: Duration = Duration::from_millis(500);
const TEMPLATE: &str = "  {bar:30.green/dim} {pos:>3} %  {elapsed:>4}  {wide_msg}";

fn text<'a>(job: &'a Value, key: &str) -> Cow<'a, str> {
    visible::line(job.get(key).and_then(Value::as_str).unwrap_or_default())
}

/// Shows how a job moves on: a bar on a terminal, lines elsewhere, objects with `--json`.
pub struct Follower {
    bar: ProgressBar,
    /// The bar is another's, who tells the rest and ends it.
    lent: bool,
    last: Value,
    json: bool,
}

impl Follower {
    pub fn new(json: bool) -> Self {
        Self { bar: show::bar(100, TEMPLATE, json), lent: false, last: Value::Null, json }
    }

    /// On a bar that shows more than this job. Without a terminal it shows nothing.
    pub fn on(bar: &ProgressBar, json: bool) -> Self {
        Self { bar: bar.clone(), lent: true, last: Value::Null, json }
    }

    /// Takes the job as it is now. Once it is final, says so and gives its outcome: a failure unless it completed.
    pub fn see(&mut self, job: Value) -> Option<Result<()>> {
        // Objects tell what happens, not how time goes by.
        let left = |job: &Value| job["estimated_time_remaining_seconds"].as_f64().filter(|_| !self.json);
        let seen = |job: &Value| {
            (
                text(job, "status").into_owned(),
                text(job, "current_step").into_owned(),
                job["progress_percentage"].as_f64(),
                left(job),
                (job["queue_position"].as_u64(), text(job, "waits_for").into_owned()),
            )
        };
        if seen(&job) != seen(&self.last) {
            self.show(&job);
        }
        let end = matches!(&*text(&job, "status"), "completed" | "failed" | "cancelled").then(|| {
            if !self.lent {
                self.bar.finish_and_clear();
            }
            outcome(&job)
        });
        self.last = job;
        end
    }

    fn show(&self, job: &Value) {
        if self.json {
            show::object(job);
            return;
        }
        let done = job["progress_percentage"].as_f64().unwrap_or(0.0);
        let waits = waits(job);
        let step = waits.clone().map_or_else(|| text(job, "current_step"), Cow::Owned);
        self.bar.set_position(done as u64);
        let left = job["estimated_time_remaining_seconds"].as_f64().filter(|left| waits.is_none() && *left >= 1.0);
        let left = left.map_or_else(String::new, |left| format!(", about {} left", show::about(left)));
        self.bar.set_message(format!("{step}{left}"));
        let state = |job: &Value| {
            (text(job, "status").into_owned(), text(job, "current_step").into_owned(), job["queue_position"].as_u64())
        };
        let moved = state(job) != state(&self.last);
        if self.bar.is_hidden() && moved && !self.lent {
            show::line(&format!("{:>6}  {}  {step}", show::percent(done), text(job, "status")));
        }
    }

    pub fn last(&self) -> &Value {
        &self.last
    }
}

/// What a job that has not begun waits for: `waits behind job_…, number 2 in the queue, about 4 min 0 s`.
pub fn waits(job: &Value) -> Option<String> {
    let position = job["queue_position"].as_u64()?;
    let ahead = text(job, "waits_for");
    let mut out = if ahead.is_empty() { "waits".to_owned() } else { format!("waits behind {ahead}") };
    out += &if position == 1 { ", next to begin".to_owned() } else { format!(", number {position} in the queue") };
    if let Some(seconds) = job["estimated_wait_seconds"].as_f64() {
        out += &format!(", about {}", show::seconds(seconds));
    }
    Some(out)
}

/// Follows a job of a running service until it is final.
pub fn to_its_end(client: &Client, id: &str, json: bool) -> Result<()> {
    let mut follower = Follower::new(json);
    loop {
        if let Some(outcome) = follower.see(client.get(&format!("/jobs/{id}"))?) {
            if !json {
                show::line(&describe(follower.last()));
            }
            return outcome;
        }
        std::thread::sleep(POLL);
    }
}

/// The job's end as exit code.
pub fn outcome(job: &Value) -> Result<()> {
    match &*text(job, "status") {
        "completed" => Ok(()),
        status => {
            let why = text(job, "error_message");
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            Err(Error::failed(format!("job {} is {status}{why}", text(job, "job_id"))))
        }
    }
}

/// The job in a few lines.
pub fn describe(job: &Value) -> String {
    let mut out = format!("{}  {}", text(job, "job_id"), text(job, "status"));
    if let Some(done) = job["progress_percentage"].as_f64().filter(|_| text(job, "status") == "running") {
        out += &format!(", {}: {}", show::percent(done), text(job, "current_step"));
        if let Some(left) = job["estimated_time_remaining_seconds"].as_f64() {
            out += &format!(", about {} left", show::seconds(left));
        }
    }
    if let Some(waits) = waits(job) {
        out += &format!("\n  {waits}");
    }
    for model in job["trained_models"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let best = job["best_model_id"].as_str() == Some(model);
        out += &format!("\n  {}", visible::line(model));
        if best {
            out += &format!("  best, cv {}", show::score(job["best_score"].as_f64()));
        }
    }
    for warning in job["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        out += &format!("\n  ! {}", visible::line(warning));
    }
    if let Some(error) = job["error_message"].as_str() {
        out += &format!("\n  ✗ {}", visible::line(error));
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_waiting_job_says_what_it_waits_for() {
        let mut job = json!({"job_id": "j", "status": "pending", "current_step": "queued", "queue_position": 2,
            "waits_for": "job_a", "estimated_wait_seconds": 240.0});
        assert_eq!(describe(&job), "j  pending\n  waits behind job_a, number 2 in the queue, about 4 min 0 s");
        job["estimated_wait_seconds"] = Value::Null;
        job["queue_position"] = json!(1);
        assert_eq!(waits(&job).as_deref(), Some("waits behind job_a, next to begin"));
        let running = json!({"job_id": "j", "status": "running", "current_step": "training xgboost",
            "progress_percentage": 31.0, "estimated_time_remaining_seconds": 90.0, "queue_position": null});
        assert_eq!(describe(&running), "j  running, 31 %: training xgboost, about 1 min 30 s left");
    }

    #[test]
    fn only_a_completed_job_is_a_success() {
        assert!(outcome(&json!({"job_id": "j", "status": "completed"})).is_ok());
        let failed = outcome(&json!({"job_id": "j", "status": "failed", "error_message": "one class"})).unwrap_err();
        assert_eq!((failed.to_string().as_str(), failed.exit_code()), ("job j is failed: one class", 1));
    }

    #[test]
    fn what_a_job_says_is_not_obeyed() {
        let name = "U\u{1b}[31m\u{202e}x\r\n";
        let job = json!({"job_id": name, "status": "running", "current_step": name, "trained_models": [name],
            "progress_percentage": 1.0, "warnings": [name], "error_message": name});
        let shown = describe(&job);
        assert!(shown.lines().all(visible::is_plain) && shown.lines().count() == 4, "{shown:?}");
        assert!(visible::is_plain(&outcome(&job).unwrap_err().to_string()));
    }

    #[test]
    fn a_job_is_described_with_its_best_model() {
        let job = json!({"job_id": "j", "status": "completed", "trained_models": ["a", "b"], "best_model_id": "b",
            "best_score": 0.75, "warnings": ["slow"], "error_message": null});
        assert_eq!(describe(&job), "j  completed\n  a\n  b  best, cv 0.750\n  ! slow");
    }
}
