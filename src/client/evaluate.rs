//! `evaluate` and `plots`: a model's performance on its held-out rows.

use super::ids::{Kind, resolve};
use super::read::{moment, number, text};
use super::{Client, Remote, print};
use crate::cli::common::Common;
use crate::cli::show;
use crate::error::{Error, Result};
use crate::output::OutFile;
use chrono::{DateTime, Utc};
use clap::Args;
use provost_domain::evaluation::PLOTS;
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[derive(Args)]
pub struct EvaluateArgs {
    /// The model: its id, the beginning of the id, `active` or `latest`
    pub model: String,
    /// Show the results of the last evaluation instead of evaluating again
    #[arg(long, conflicts_with_all = ["no_plots", "no_wait"])]
    pub last: bool,
    /// Draw no plots
    #[arg(long)]
    pub no_plots: bool,
    /// Do not wait for the results
    #[arg(long)]
    pub no_wait: bool,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct PlotsArgs {
    /// The model: its id, the beginning of the id, `active` or `latest`
    pub model: String,
    /// Folder for the files; created if missing [default: a folder named by the model's id]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Format of the files
    #[arg(long, default_value = "png", value_parser = ["png", "svg"])]
    pub format: String,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub common: Common,
}

const POLL: Duration = Duration::from_millis(300);
/// One in this many polls also asks whether the evaluator has failed.
const ASKS_TO_A_LOOK: u32 = 8;
/// How long to wait for an evaluation.
const PATIENCE: Duration = Duration::from_secs(600);

pub fn evaluate(args: &EvaluateArgs) -> Result<()> {
    let client = Client::new(&args.remote, &args.common)?;
    let output = &args.common.output;
    let model = resolve(&client, Kind::Model, &args.model)?;
    let results = format!("/evaluate/{model}/results");
    if args.last {
        let answer = client.get(&results)?;
        print(output, &answer, || shown(&answer, Utc::now()));
        return Ok(());
    }
    let evaluator = || Ok::<_, crate::error::Error>(client.get("/status")?["components"]["evaluator"]["state"].clone());
    let failed_before = evaluator()?["failed"].as_u64();
    let before = client.find(&results)?.map(|results| results["evaluation_date"].clone());
    let accepted = client.post(&format!("/evaluate/{model}?generate_plots={}", !args.no_plots), &json!({}))?;
    if args.no_wait {
        print(output, &accepted, || text(&accepted, "message").into_owned());
        return Ok(());
    }
    let began = Instant::now();
    let mut asked = 0_u32;
    loop {
        let found = client.find(&results)?.filter(|found| before.as_ref() != Some(&found["evaluation_date"]));
        if let Some(answer) = found {
            print(output, &answer, || shown(&answer, Utc::now()));
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            let cause = format!("{model} has no new results after {}", show::seconds(PATIENCE.as_secs_f64()));
            return Err(Error::failed_with(cause, "`provost status` says whether the evaluator has failed"));
        }
        asked += 1;
        // The evaluator has one count of failures for all models.
        if asked.is_multiple_of(ASKS_TO_A_LOOK) {
            let now = evaluator()?;
            if now["failed"].as_u64() > failed_before {
                let why = text(&now, "last_evaluation_error");
                return Err(Error::failed(format!("an evaluation failed: {why}")));
            }
        }
        std::thread::sleep(POLL);
    }
}

fn shown(results: &Value, now: DateTime<Utc>) -> String {
    let mut out = format!("{}\n  evaluated {}", text(results, "model_id"), moment(results, "evaluation_date", now));
    let names = ["accuracy", "precision", "recall", "f1_score", "auc_roc"];
    let row = names.iter().map(|name| show::score(number(results, &format!("/metrics/{name}")))).collect();
    out += &format!("\n\n{}\n", show::table(&names, &[row]));
    let tiers: Vec<Vec<String>> = ["reach", "target", "safety"]
        .iter()
        .map(|tier| {
            let at = |name: &str| format!("/performance_by_university_tier/{tier}/{name}");
            let score = |name: &str| show::score(number(results, &at(name)));
            let n = super::read::count(results, &at("n"));
            let scores = ["accuracy", "precision", "recall", "observed_rate"].map(score);
            [(*tier).to_owned(), n].into_iter().chain(scores).collect()
        })
        .collect();
    out += &format!("\n{}\n", show::table(&["tier", "rows", "accuracy", "precision", "recall", "accepted"], &tiers));
    out += &format!("\n  Brier score {} (0 is best)", show::score(number(results, "/calibration_score")));
    if results["roc_curve_plot"].is_string() {
        out += "\n  → `provost plots` fetches the plots";
    }
    out
}

pub fn plots(args: &PlotsArgs) -> Result<()> {
    let client = Client::new(&args.remote, &args.common)?;
    let model = resolve(&client, Kind::Model, &args.model)?;
    let folder = args.out.clone().unwrap_or_else(|| PathBuf::from(&model));
    let mut written = Vec::new();
    for plot in PLOTS {
        let file = format!("{plot}.{}", args.format);
        let picture = client.bytes(&format!("/evaluate/{model}/plots/{file}"))?;
        // Created after the first answer, so that an unknown model leaves no folder.
        std::fs::create_dir_all(&folder)
            .map_err(|e| Error::failed(format!("cannot make the folder {}: {e}", folder.display())))?;
        let path = folder.join(file);
        let mut out = OutFile::create(&path, &[])?;
        out.write_all(&picture)?;
        out.finish()?;
        written.push(json!({ "plot": plot, "file": path, "bytes": picture.len() }));
    }
    let answer = Value::Array(written);
    print(&args.common.output, &answer, || {
        let line = |file: &Value| {
            format!("{}  {}", text(file, "file"), show::bytes(file["bytes"].as_u64().unwrap_or_default()))
        };
        super::read::items(&answer).iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn results_are_told_by_tier() {
        let tier = json!({"accuracy": 0.9, "precision": 0.0, "recall": 0.0, "n": 1234, "observed_rate": 0.1});
        let results = json!({"model_id": "m", "evaluation_date": "2026-11-30T11:00:00Z", "metrics": {"auc_roc": 0.8125},
            "performance_by_university_tier": {"reach": tier}, "calibration_score": 0.171, "roc_curve_plot": "/x.png"});
        let shown = shown(&results, "2026-11-30T12:00:00Z".parse().unwrap());
        for part in ["2026-11-30 11:00 UTC (1 hour ago)", "0.812", "1,234", "Brier score 0.171", "provost plots"] {
            assert!(shown.contains(part), "no {part:?} in\n{shown}");
        }
    }
}
