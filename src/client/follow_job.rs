//! Follows a job until it ends.

use super::Client;
use super::read::{moment, texts, time};
use crate::cli::common::Output;
use crate::cli::show;
use crate::error::{Error, Result};
use chrono::{DateTime, Utc};
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

/// Shows a job's progress: a bar on a terminal, lines elsewhere, objects with `--json`.
pub struct Follower {
    bar: ProgressBar,
    /// The bar belongs to the caller, who shows the rest and finishes it.
    lent: bool,
    last: Value,
    json: bool,
}

impl Follower {
    pub fn new(json: bool) -> Self {
        Self { bar: show::bar(100, TEMPLATE, json), lent: false, last: Value::Null, json }
    }

    /// Shows progress on the caller's bar. Shows nothing without a terminal.
    pub fn on(bar: &ProgressBar, json: bool) -> Self {
        Self { bar: bar.clone(), lent: true, last: Value::Null, json }
    }

    /// Takes the job's current record. Returns the outcome once the job has ended: an error unless it completed.
    pub fn see(&mut self, job: Value) -> Option<Result<()>> {
        // With `--json` only changes of the job are shown, not the passing of time.
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

/// What a pending job waits for: `waits behind job_…, number 2 in the queue, about 4 min 0 s`.
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

/// Follows a job of a running service until it ends.
pub fn to_its_end(client: &Client, id: &str, output: &Output) -> Result<()> {
    let mut follower = Follower::new(output.json);
    loop {
        if let Some(outcome) = follower.see(client.get(&format!("/jobs/{id}"))?) {
            if !output.json {
                show::line(&describe(follower.last(), Utc::now()));
            }
            return outcome;
        }
        std::thread::sleep(POLL);
    }
}

/// The job's outcome as the command's result.
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

/// Describes the job in a few lines.
pub fn describe(job: &Value, now: DateTime<Utc>) -> String {
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
    out += &history(job, now);
    for model in texts(&job["trained_models"]) {
        out += &format!("\n  {model}");
        if job["best_model_id"].as_str().is_some_and(|best| visible::line(best) == model) {
            let metric = job.pointer("/config/target_metric").and_then(Value::as_str);
            let metric = metric.map_or_else(String::new, |metric| format!("{} ", visible::line(metric)));
            out += &format!("  best, cv {metric}{}", show::score(job["best_score"].as_f64()));
        }
    }
    for warning in texts(&job["warnings"]) {
        out += &format!("\n  ! {warning}");
    }
    if let Some(error) = job["error_message"].as_str() {
        out += &format!("\n  ✗ {}", visible::line(error));
    }
    out
}

/// Who submitted the job and why, when it began and ended, and its task, as far as recorded.
fn history(job: &Value, now: DateTime<Utc>) -> String {
    let mut out = String::new();
    if time(job, "created_at").is_some() {
        out += &format!("\n  asked for  {}", moment(job, "created_at", now));
        if job["created_by"].is_string() {
            out += &format!(" by {}", text(job, "created_by"));
        }
    }
    let why = job.pointer("/triggers/0/reason").and_then(Value::as_str);
    out += &why.map_or_else(String::new, |why| format!("\n  because    {}", visible::line(why)));
    if let Some(began) = time(job, "started_at") {
        out += &format!("\n  began      {}", show::moment(began, now));
        if let Some(ended) = time(job, "completed_at") {
            let took = (ended - began).num_milliseconds() as f64 / 1000.0;
            out += &format!("\n  ended      {} after {}", show::moment(ended, now), show::seconds(took));
        }
    }
    let algorithms: Vec<Cow<'_, str>> = job.pointer("/config/algorithms").into_iter().flat_map(texts).collect();
    if !algorithms.is_empty() {
        let tuning = job.pointer("/config/hyperparameter_tuning").and_then(Value::as_str).unwrap_or("none");
        out += &format!("\n  trains     {}; tuning: {}", algorithms.join(", "), visible::line(tuning));
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn now() -> DateTime<Utc> {
        "2026-11-30T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_job_says_when_it_was_who_asked_for_it_and_what_became_of_it() {
        let job = json!({"job_id": "j", "status": "failed", "created_at": "2026-11-30T09:00:00Z", "created_by": "key_1 (ada)",
            "triggers": [{"reason": "asked for over HTTP"}], "started_at": "2026-11-30T09:00:05Z",
            "completed_at": "2026-11-30T09:03:25Z", "error_message": "one class only", "best_model_id": null,
            "config": {"algorithms": ["xgboost", "ensemble"], "hyperparameter_tuning": "random_search"}});
        let expected = "j  failed\n  asked for  2026-11-30 09:00 UTC (3 hours ago) by key_1 (ada)\n  \
            because    asked for over HTTP\n  began      2026-11-30 09:00 UTC (2 hours ago)\n  \
            ended      2026-11-30 09:03 UTC (2 hours ago) after 3 min 20 s\n  \
            trains     xgboost, ensemble; tuning: random_search\n  ✗ one class only";
        assert_eq!(describe(&job, now()), expected);
    }

    #[test]
    fn a_waiting_job_says_what_it_waits_for() {
        let mut job = json!({"job_id": "j", "status": "pending", "current_step": "queued", "queue_position": 2,
            "waits_for": "job_a", "estimated_wait_seconds": 240.0});
        assert_eq!(describe(&job, now()), "j  pending\n  waits behind job_a, number 2 in the queue, about 4 min 0 s");
        job["estimated_wait_seconds"] = Value::Null;
        job["queue_position"] = json!(1);
        assert_eq!(waits(&job).as_deref(), Some("waits behind job_a, next to begin"));
        let running = json!({"job_id": "j", "status": "running", "current_step": "training xgboost",
            "progress_percentage": 31.0, "estimated_time_remaining_seconds": 90.0, "queue_position": null});
        assert_eq!(describe(&running, now()), "j  running, 31 %: training xgboost, about 1 min 30 s left");
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
        let shown = describe(&job, now());
        assert!(shown.lines().all(visible::is_plain) && shown.lines().count() == 4, "{shown:?}");
        assert!(visible::is_plain(&outcome(&job).unwrap_err().to_string()));
    }

    #[test]
    fn a_job_is_described_with_its_best_model() {
        let job = json!({"job_id": "j", "status": "completed", "trained_models": ["a", "b"], "best_model_id": "b",
            "best_score": 0.75, "warnings": ["slow"], "error_message": null});
        assert_eq!(describe(&job, now()), "j  completed\n  a\n  b  best, cv 0.750\n  ! slow");
    }
}
