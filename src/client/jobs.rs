//! `jobs`: lists, shows, follows and cancels training jobs.

use super::ids::{Kind, Shortener, resolve};
use super::logs::{self, LogsArgs};
use super::read::{ago, items, number, text, texts};
use super::{Client, Remote, follow_job, print};
use crate::cli::common::Common;
use crate::cli::show;
use crate::error::Result;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use provost_domain::visible;
use serde_json::Value;

#[derive(Args)]
pub struct JobsArgs {
    #[command(subcommand)]
    pub action: Option<JobsAction>,
    /// Show only this job: its id, the beginning of the id, or `latest`
    pub id: Option<String>,
    /// Only jobs in this state
    #[arg(long, value_parser = ["pending", "running", "completed", "failed", "cancelled"])]
    pub status: Option<String>,
    /// The most entries shown
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Follow the job to its end; the exit code is its outcome
    #[arg(long, requires = "id")]
    pub wait: bool,
    /// Cancel the job
    #[arg(long, requires = "id")]
    pub cancel: bool,
    /// With --cancel: first fit and register the best finished trial
    #[arg(long, requires = "cancel")]
    pub keep_best: bool,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Subcommand)]
pub enum JobsAction {
    /// Show a job's log; with --follow new entries too, until the job ends
    Logs(LogsArgs),
}

pub fn jobs(args: &JobsArgs) -> Result<()> {
    if let Some(JobsAction::Logs(args)) = &args.action {
        return logs::logs(args);
    }
    let client = Client::new(&args.remote, &args.common)?;
    let output = &args.common.output;
    if let Some(written) = &args.id {
        let job = resolve(&client, Kind::Job, written)?;
        if args.cancel {
            let answer = client.delete(&format!("/jobs/{job}?keep_best={}", args.keep_best))?;
            print(output, &answer, || text(&answer, "message").into_owned());
            return Ok(());
        }
        if args.wait {
            return follow_job::to_its_end(&client, &job, output);
        }
        let answer = client.get(&format!("/jobs/{job}"))?;
        print(output, &answer, || follow_job::describe(&answer, Utc::now()));
        return Ok(());
    }
    let path = args.status.as_ref().map_or_else(|| "/jobs?".to_owned(), |status| format!("/jobs?status={status}&"));
    let found = client.list(&path, args.limit as usize)?;
    let answer = Value::Array(found);
    print(output, &answer, || match items(&answer) {
        [] => "no jobs".to_owned(),
        found => list(found, output.width(), Utc::now()),
    });
    Ok(())
}

/// A row for each job, and further lines below it.
fn list(jobs: &[Value], width: Option<usize>, now: DateTime<Utc>) -> String {
    let ids = Shortener::of(jobs, &["job_id"], width.is_some());
    let row = |job: &Value| {
        let id = text(job, "job_id");
        let best = number(job, "/best_score").map(|score| {
            let metric = job.pointer("/config/target_metric").and_then(Value::as_str).unwrap_or("cv");
            format!("{metric} {score:.3}")
        });
        vec![
            ids.shown(&id).to_owned(),
            state(job),
            algorithms(job),
            ago(job, "created_at", now),
            best.unwrap_or_else(|| "-".to_owned()),
        ]
    };
    let rows: Vec<Vec<String>> = jobs.iter().map(row).collect();
    let table = show::fitted(&["job", "state", "algorithm", "made", "best"], &rows, width);
    let below = |job: &Value| {
        let mut said: Vec<String> = follow_job::waits(job).into_iter().collect();
        let left = number(job, "/estimated_time_remaining_seconds").filter(|_| text(job, "status") == "running");
        said.extend(left.map(|seconds| format!("about {} left", show::seconds(seconds))));
        let why =
            job["error_message"].as_str().map(|why| why.lines().next().filter(|_| width.is_some()).unwrap_or(why));
        said.extend(why.map(|why| format!("✗ {}", visible::line(why))));
        match said.join(" · ") {
            said if said.is_empty() => said,
            said if width.is_some() => format!("\n{}", show::wrapped(&said, "    ")),
            said => format!("\n    {said}"),
        }
    };
    // The first two lines are the column names and the rule below them.
    let lines = table.lines().enumerate().map(|(at, line)| {
        let more = at.checked_sub(2).and_then(|at| jobs.get(at)).map_or_else(String::new, below);
        format!("{line}{more}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// `running 40 %`, `failed at 12 %`, `completed`
fn state(job: &Value) -> String {
    let status = text(job, "status");
    let done = number(job, "/progress_percentage").map(show::percent);
    match (&*status, done) {
        ("running", Some(done)) => format!("{status} {done}"),
        ("failed" | "cancelled", Some(done)) => format!("{status} at {done}"),
        _ => status.into_owned(),
    }
}

/// What a job currently trains; after its end the best model's algorithm; before its start all its algorithms.
fn algorithms(job: &Value) -> String {
    let best = || text(job, "best_model_id").strip_prefix("model_")?.rsplit_once('_').map(|(best, _)| best.to_owned());
    let current = job["current_algorithm"].as_str().map(|at| visible::line(at).into_owned());
    let all = || {
        let all: Vec<_> = job.pointer("/config/algorithms").into_iter().flat_map(texts).collect();
        match all.as_slice() {
            [] => String::new(),
            [only] => only.clone().into_owned(),
            [first, rest @ ..] => format!("{first} +{}", rest.len()),
        }
    };
    current.or_else(best).unwrap_or_else(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn some_jobs() -> Vec<Value> {
        vec![
            json!({"job_id": "job_a", "status": "running", "progress_percentage": 40.2, "current_algorithm": "xgboost",
                "created_at": "2026-11-30T12:00:00Z", "estimated_time_remaining_seconds": 75.0}),
            json!({"job_id": "job_b", "status": "pending", "progress_percentage": 0, "queue_position": 1,
                "waits_for": "job_a", "estimated_wait_seconds": 75, "created_at": "2026-11-30T12:01:00Z",
                "estimated_time_remaining_seconds": 100.0, "config": {"algorithms": ["random_forest", "xgboost"]}}),
            json!({"job_id": "job_c", "status": "failed", "progress_percentage": 12, "created_at": "2026-11-29T12:00:00Z",
                "error_message": "one class only\nimport more", "config": {"algorithms": ["xgboost"]}}),
            json!({"job_id": "job_d", "status": "completed", "progress_percentage": 100, "best_score": 0.78123,
                "best_model_id": "model_random_forest_01", "created_at": "2026-11-01T12:00:00Z",
                "config": {"target_metric": "auc_roc"}}),
        ]
    }

    #[test]
    fn a_list_of_jobs_says_of_each_what_is_so() {
        let now = "2026-11-30T12:02:00Z".parse().unwrap();
        let shown = list(&some_jobs(), Some(80), now);
        let words: Vec<String> =
            shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let expected = [
            "job_a running 40 % xgboost 2 min ago -",
            "about 1 min 15 s left",
            "job_b pending random_forest +1 1 min ago -",
            "waits behind job_a, next to begin, about 1 min 15 s",
            "job_c failed at 12 % xgboost 24 hours ago -",
            "✗ one class only",
            "job_d completed random_forest 29 days ago auc_roc 0.781",
        ];
        assert_eq!(words[2..], expected, "{shown}");
    }

    #[test]
    fn a_list_of_jobs_fits_eighty_columns_and_a_pipe_gets_all() {
        let now = "2026-11-30T12:02:00Z".parse().unwrap();
        let long = "nothing was learned from the rows of the universities of this country ".repeat(3);
        let jobs: Vec<Value> = (0..3)
            .map(|n| {
                json!({"job_id": format!("job_0190163d8694739b8b2c2a0b7a3f1e5{n}"), "status": "cancelled",
                    "progress_percentage": 99.0, "current_algorithm": "logistic_regression", "best_score": 0.5,
                    "created_at": "2026-11-29T01:00:00Z", "config": {"target_metric": "precision"}, "error_message": long})
            })
            .collect();
        let shown = list(&jobs, Some(80), now);
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        let all = list(&jobs, None, now);
        for whole in ["job_0190163d8694739b8b2c2a0b7a3f1e50", "logistic_regression", long.trim()] {
            assert!(all.contains(whole), "{all}");
        }
    }
}
