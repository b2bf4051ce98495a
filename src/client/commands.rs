//! `jobs`, `models`, `status`, `activate`, `compare`.

use super::{Client, Remote, watch};
use crate::cli::{Common, show};
use crate::error::{Error, Result};
use clap::Args;
use provost_domain::verdict::signed;
use provost_domain::visible;
use serde_json::{Value, json};
use std::borrow::Cow;

#[derive(Args)]
pub struct JobsArgs {
    /// Show this job alone
    pub id: Option<String>,
    /// Only jobs in this state
    #[arg(long, value_parser = ["pending", "running", "completed", "failed", "cancelled"])]
    pub status: Option<String>,
    /// 1 to 200
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub limit: u32,
    /// Follow the job to its end; the exit code is its outcome
    #[arg(long, requires = "id")]
    pub wait: bool,
    /// Cancel the job
    #[arg(long, requires = "id")]
    pub cancel: bool,
    /// With --cancel: fit and register the best finished trial first
    #[arg(long, requires = "cancel")]
    pub keep_best: bool,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct ModelsArgs {
    /// Show this model alone
    pub id: Option<String>,
    /// Only the active one
    #[arg(long)]
    pub active: bool,
    /// 1 to 200
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub limit: u32,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct ActivateArgs {
    pub model: String,
    /// Recorded with the activation
    #[arg(long)]
    pub reason: Option<String>,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct CompareArgs {
    /// Two or more
    #[arg(required = true, num_args = 2.., value_name = "MODEL")]
    pub models: Vec<String>,
    /// accuracy, precision, recall, f1_score, auc_roc; all unless given
    #[arg(long, value_delimiter = ',')]
    pub metrics: Vec<String>,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub common: Common,
}

fn text<'a>(value: &'a Value, key: &str) -> Cow<'a, str> {
    visible::line(value.get(key).and_then(Value::as_str).unwrap_or("-"))
}
fn number(value: &Value, pointer: &str) -> Option<f64> {
    value.pointer(pointer).and_then(Value::as_f64)
}
fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
/// `2026-03-01 12:00:05` out of an RFC 3339 time.
fn time(value: &Value, key: &str) -> String {
    text(value, key).chars().take(19).map(|c| if c == 'T' { ' ' } else { c }).collect()
}
/// An id goes into a path: only what an id can hold.
fn id(text: &str) -> Result<&str> {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        Ok(text)
    } else {
        Err(Error::Usage(format!("`{text}` is not an id")))
    }
}

/// With `--json` the answer, a list one element a line; else `human`.
fn print(common: &Common, answer: &Value, human: impl FnOnce() -> String) {
    if !common.output.json {
        show::line(&human());
    } else if let Value::Array(items) = answer {
        items.iter().for_each(show::object);
    } else {
        show::object(answer);
    }
}

pub fn jobs(args: &JobsArgs) -> Result<()> {
    let client = Client::new(&args.remote, &args.common)?;
    if let Some(job) = &args.id {
        let job = id(job)?;
        if args.cancel {
            let answer = client.delete(&format!("/jobs/{job}?keep_best={}", args.keep_best))?;
            print(&args.common, &answer, || text(&answer, "message").into_owned());
            return Ok(());
        }
        if args.wait {
            return watch::to_its_end(&client, job, args.common.output.json);
        }
        let answer = client.get(&format!("/jobs/{job}"))?;
        print(&args.common, &answer, || watch::describe(&answer));
        return Ok(());
    }
    let status = args.status.as_ref().map_or_else(String::new, |s| format!("&status={s}"));
    let answer = client.get(&format!("/jobs?limit={}{status}", args.limit))?;
    print(&args.common, &answer, || {
        if items(&answer).is_empty() { "no jobs".to_owned() } else { jobs_text(items(&answer)) }
    });
    Ok(())
}

/// A row for each job, and below it what else is to be known of it.
fn jobs_text(jobs: &[Value]) -> String {
    let row = |job: &Value| {
        let done = number(job, "/progress_percentage").map_or_else(String::new, show::percent);
        vec![text(job, "job_id").into_owned(), text(job, "status").into_owned(), done, algorithms(job)]
    };
    let table = show::table(&["job", "state", "done", "algorithm"], &jobs.iter().map(row).collect::<Vec<_>>());
    let below = |job: &Value| {
        let mut said = vec![time(job, "created_at")];
        said.extend(watch::waits(job));
        let left = number(job, "/estimated_time_remaining_seconds").filter(|_| text(job, "status") == "running");
        said.extend(left.map(|seconds| format!("about {} left", show::seconds(seconds))));
        said.extend(number(job, "/best_score").map(|score| format!("cv {score:.3}")));
        let why =
            job["error_message"].as_str().map(|why| format!("✗ {}", visible::line(why.lines().next().unwrap_or(why))));
        said.extend(why);
        format!("\n{}", show::wrapped(&said.join(" · "), "    "))
    };
    // The head and the rule stand before the jobs.
    let lines = table.lines().enumerate().map(|(at, line)| {
        let more = at.checked_sub(2).and_then(|at| jobs.get(at)).map_or_else(String::new, below);
        format!("{line}{more}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What a job is at; once it is through, the best model's; else all that it will train.
fn algorithms(job: &Value) -> String {
    let best = || text(job, "best_model_id").strip_prefix("model_")?.rsplit_once('_').map(|(best, _)| best.to_owned());
    let current = job["current_algorithm"].as_str().map(|at| visible::line(at).into_owned());
    let all = || {
        let all = job.pointer("/config/algorithms").map_or(&[][..], items);
        let first =
            all.first().and_then(Value::as_str).map(|first| visible::line(first).into_owned()).unwrap_or_default();
        if all.len() > 1 { format!("{first} +{}", all.len() - 1) } else { first }
    };
    current.or_else(best).unwrap_or_else(all)
}

pub fn models(args: &ModelsArgs) -> Result<()> {
    let client = Client::new(&args.remote, &args.common)?;
    if let Some(model) = &args.id {
        let answer = client.get(&format!("/models/{}", id(model)?))?;
        print(&args.common, &answer, || model_text(&answer));
        return Ok(());
    }
    let answer = client.get(&format!("/models?limit={}&active_only={}", args.limit, args.active))?;
    print(&args.common, &answer, || {
        let rows: Vec<Vec<String>> = items(&answer)
            .iter()
            .map(|model| {
                let active = model.get("is_active") == Some(&Value::Bool(true));
                let score = |name: &str| show::score(number(model, &format!("/metrics/{name}")));
                vec![
                    format!("{}{}", text(model, "model_id"), if active { " ●" } else { "" }),
                    score("cv_mean"),
                    score("f1_score"),
                    score("auc_roc"),
                ]
            })
            .collect();
        if rows.is_empty() {
            return "no models".to_owned();
        }
        format!(
            "{}\n\n  ● is active; cv in the job's target metric, the others on its test part",
            show::table(&["model", "cv", "f1", "auc"], &rows)
        )
    });
    Ok(())
}

fn model_text(model: &Value) -> String {
    let active = if model.get("is_active") == Some(&Value::Bool(true)) { ", active" } else { "" };
    let mut out = format!(
        "{}\n  version {}{active}, trained {} on {} rows",
        text(model, "model_id"),
        text(model, "version"),
        time(model, "training_date"),
        show::thousands(model.get("training_samples").and_then(Value::as_u64).unwrap_or(0))
    );
    let names = ["accuracy", "precision", "recall", "f1_score", "auc_roc", "cv_mean", "cv_std"];
    let row = names.iter().map(|name| show::score(number(model, &format!("/metrics/{name}")))).collect();
    out += &format!("\n\n{}\n", show::table(&names, &[row]));
    let importance: Vec<Vec<String>> = model
        .get("feature_importance")
        .map_or(&[][..], items)
        .iter()
        .map(|f| vec![text(f, "feature_name").into_owned(), show::score(number(f, "/importance_score"))])
        .collect();
    out += &format!("\n{}\n", show::table(&["feature", "importance"], &importance));
    let parameters: Vec<Vec<String>> = model
        .get("hyperparameters")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| vec![name.clone(), show::parameter(value)])
        .collect();
    out + &format!("\n{}", show::table(&["parameter", "value"], &parameters))
}

pub fn status(args: &StatusArgs) -> Result<()> {
    let client = Client::new(&args.remote, &args.common)?;
    let answer = client.get("/status")?;
    print(&args.common, &answer, || {
        let number = |pointer: &str| answer.pointer(pointer).and_then(Value::as_u64);
        // What only the store knows is null while it is away.
        let count = |pointer: &str| number(pointer).map_or_else(|| "?".to_owned(), |count| count.to_string());
        let mut out = format!(
            "{}: {} models, {} active; jobs: {} running, {} pending, {} completed, {} failed",
            text(&answer, "status"),
            count("/models/total"),
            count("/models/active"),
            count("/jobs/running"),
            count("/jobs/pending"),
            count("/jobs/completed"),
            count("/jobs/failed")
        );
        let faults = ["panics", "restarts", "error_lines"]
            .iter()
            .filter_map(|name| number(&format!("/faults/{name}")))
            .sum::<u64>();
        if faults > 0 {
            out += &format!(
                "\nfaults: {} panics, {} restarts, {} lines at level error",
                count("/faults/panics"),
                count("/faults/restarts"),
                count("/faults/error_lines")
            );
        }
        if let Some(active) = answer.pointer("/models/active_model_id").and_then(Value::as_str) {
            out += &format!("\nactive: {}", visible::line(active));
        }
        let rows: Vec<Vec<String>> = answer
            .get("components")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, c)| {
                vec![
                    name.clone(),
                    text(c, "health").into_owned(),
                    c["restarts"].to_string(),
                    c["last_error"].as_str().unwrap_or_default().chars().take(40).collect(),
                ]
            })
            .collect();
        format!("{out}\n\n{}", show::table(&["component", "health", "restarts", "last error"], &rows))
    });
    Ok(())
}

pub fn activate(args: &ActivateArgs) -> Result<()> {
    let client = Client::new(&args.remote, &args.common)?;
    let answer = client.post(&format!("/activate/{}", id(&args.model)?), &json!({ "reason": args.reason }))?;
    print(&args.common, &answer, || format!("{} is active", text(&answer, "model_id")));
    Ok(())
}

pub fn compare(args: &CompareArgs) -> Result<()> {
    let client = Client::new(&args.remote, &args.common)?;
    let mut body = json!({ "model_ids": args.models });
    if !args.metrics.is_empty() {
        body["metrics"] = json!(args.metrics);
    }
    let answer = client.post("/compare", &body)?;
    print(&args.common, &answer, || comparison_text(&args.models, &answer));
    Ok(())
}

/// Models by letter, since two ids do not fit one line.
fn comparison_text(ids: &[String], answer: &Value) -> String {
    let letter = |i: usize| char::from(b'A' + (i % 26) as u8).to_string();
    let name = |id: &str| ids.iter().position(|known| known == id).map_or_else(|| id.to_owned(), letter);
    let verdict = show::wrapped(&text(answer, "verdict"), "");
    let mut out: String = ids.iter().enumerate().map(|(i, id)| format!("\n  {}  {id}", letter(i))).collect();
    out = format!("{verdict}\n{out}\n");
    let metrics = answer.get("metric_comparison").and_then(Value::as_object);
    let mut head = vec!["metric".to_owned()];
    head.extend((0..ids.len()).map(letter));
    let rows: Vec<Vec<String>> = metrics
        .into_iter()
        .flatten()
        .map(|(metric, by_model)| {
            let highest = answer.get("highest_beyond_chance").and_then(|highest| highest.get(metric));
            let scores = ids.iter().map(|id| {
                let mark = if highest.and_then(Value::as_str) == Some(id) { " ●" } else { "" };
                format!("{}{mark}", show::score(by_model.get(id).and_then(Value::as_f64)))
            });
            std::iter::once(metric.clone()).chain(scores).collect()
        })
        .collect();
    out += &format!("\n{}\n", show::table(&head.iter().map(String::as_str).collect::<Vec<_>>(), &rows));
    if answer.get("highest_beyond_chance").and_then(Value::as_object).is_some_and(|highest| !highest.is_empty()) {
        out += "\n  ● higher than each other model's beyond chance\n";
    }
    let mut pairs = Vec::new();
    let mut not_comparable = String::new();
    for pair in answer.get("statistical_significance").and_then(Value::as_object).into_iter().flatten().map(|(_, p)| p)
    {
        let label = format!("{} - {}", name(&text(pair, "model_a")), name(&text(pair, "model_b")));
        if let Some(why) = pair.get("not_comparable").and_then(Value::as_str) {
            not_comparable += &format!("\n  {label}: not comparable: {}", visible::line(why));
            continue;
        }
        let signed = |pointer: &str| number(pair, pointer).map_or_else(|| "-".to_owned(), signed);
        let p = |pointer: &str| number(pair, pointer).map_or_else(|| "-".to_owned(), |v| format!("{v:.4}"));
        pairs.push(vec![
            label,
            pair["rows"].to_string(),
            p("/mcnemar/p_value"),
            signed("/delong/difference"),
            format!("{} to {}", signed("/delong/interval_95/0"), signed("/delong/interval_95/1")),
            signed("/bootstrap/difference"),
            format!("{} to {}", signed("/bootstrap/interval_95/0"), signed("/bootstrap/interval_95/1")),
        ]);
    }
    if !pairs.is_empty() {
        let head = ["pair", "rows", "McNemar p", "AUC", "95 %", &*text(answer, "best_metric"), "95 %"];
        out += &format!("\n{}", show::table(&head, &pairs));
    }
    out += &not_comparable;
    if let Some(best) = answer.get("best_model_id").and_then(Value::as_str) {
        let metric = text(answer, "best_metric");
        let beyond = answer.get("highest_beyond_chance").and_then(|highest| highest.get(&*metric));
        let chance = if beyond.is_some() { "beyond chance" } else { "not beyond chance" };
        out += &format!("\n\nhighest {metric}, {chance}: {}  {}", name(best), visible::line(best));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_jobs_says_of_each_what_is_so() {
        let jobs = [
            json!({"job_id": "job_a", "status": "running", "progress_percentage": 40.2, "current_algorithm": "xgboost",
                "created_at": "2026-11-30T12:00:00Z", "estimated_time_remaining_seconds": 75.0}),
            json!({"job_id": "job_b", "status": "pending", "progress_percentage": 0, "queue_position": 1,
                "waits_for": "job_a", "estimated_wait_seconds": 75, "created_at": "2026-11-30T12:01:00Z",
                "estimated_time_remaining_seconds": 100.0, "config": {"algorithms": ["random_forest", "xgboost"]}}),
            json!({"job_id": "job_c", "status": "failed", "progress_percentage": 12, "created_at": "2026-11-29T12:00:00Z",
                "error_message": "one class only\nimport more", "config": {"algorithms": ["xgboost"]}}),
            json!({"job_id": "job_d", "status": "completed", "progress_percentage": 100, "best_score": 0.78123,
                "best_model_id": "model_random_forest_01", "created_at": "2026-11-29T12:00:00Z"}),
        ];
        let shown = jobs_text(&jobs);
        let words: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        let expected = [
            "job_a running 40 % xgboost",
            "2026-11-30 12:00:00 · about 1 min 15 s left",
            "job_b pending 0 % random_forest +1",
            "2026-11-30 12:01:00 · waits behind job_a, next to begin, about 1 min 15 s",
            "job_c failed 12 % xgboost",
            "2026-11-29 12:00:00 · ✗ one class only",
            "job_d completed 100 % random_forest",
            "2026-11-29 12:00:00 · cv 0.781",
        ];
        assert_eq!(words[2..].iter().map(|words| words.join(" ")).collect::<Vec<_>>(), expected, "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    }

    #[test]
    fn a_comparison_begins_with_its_verdict() {
        let ids = ["a".to_owned(), "b".to_owned()];
        let answer = json!({"verdict": "A ranks better than B: AUC +.041, +.020 to +.062", "best_metric": "f1_score",
            "metric_comparison": {"auc_roc": {"a": 0.8, "b": 0.759}}, "highest_beyond_chance": {"auc_roc": "a"},
            "statistical_significance": {"a_vs_b": {"model_a": "a", "model_b": "b", "rows": 900,
                "delong": {"difference": 0.041, "interval_95": [0.02, 0.062], "p_value": 0.001}}}});
        let shown = comparison_text(&ids, &answer);
        assert!(shown.starts_with("A ranks better than B: AUC +.041, +.020 to +.062\n"), "{shown}");
        for part in ["0.800 ●", "0.759", "● higher than each other model's beyond chance", "+.020 to +.062"] {
            assert!(shown.contains(part), "no {part:?} in\n{shown}");
        }
    }
}
