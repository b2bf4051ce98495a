//! `provost train`: a training configuration to a running service.

use super::{Client, Remote, watch};
use crate::cli::{Output, show};
use crate::error::{Error, Result};
use crate::{input, local};
use clap::Args;
use provost_domain::TrainingConfig;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Longest training configuration that is sent, in bytes; a service takes 1 MiB by default.
const LONGEST_BODY: u64 = 16 << 20;

#[derive(Args)]
pub struct TrainArgs {
    /// The training configuration (JSON). Given again with a .toml file: the settings
    #[arg(long, value_name = "T.json", required = true)]
    pub config: Vec<PathBuf>,
    /// Follow the job to its end; the exit code is its outcome
    #[arg(long)]
    pub wait: bool,
    /// Train in this process, on the data folder, without a service
    #[arg(long, conflicts_with_all = ["url", "key"])]
    pub local: bool,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub output: Output,
}

impl TrainArgs {
    fn is_settings(path: &Path) -> bool {
        path.extension().is_some_and(|e| e == "toml")
    }
    fn settings_file(&self) -> Option<&Path> {
        self.config.iter().map(PathBuf::as_path).find(|p| Self::is_settings(p))
    }

    /// The body to send, checked here already so that a fault needs no service to be seen.
    pub fn training(&self) -> Result<Value> {
        let mut files = self.config.iter().filter(|p| !Self::is_settings(p));
        let (Some(path), None) = (files.next(), files.next()) else {
            return Err(Error::Usage("--config T.json: one training configuration is needed".to_owned()));
        };
        let name = path.display();
        let text = input::text(path, LONGEST_BODY).map_err(|e| Error::Usage(format!("cannot read {name}: {e}")))?;
        let body: Value =
            serde_json::from_str(&text).map_err(|e| Error::Usage(format!("{name}: malformed JSON: {e}")))?;
        TrainingConfig::from_json(&body).map_err(|faults| {
            let lines: Vec<String> = faults.0.iter().map(|f| format!("  {}: {}", f.pointer, f.message)).collect();
            Error::Usage(format!("{name} is no training configuration:\n{}", lines.join("\n")))
        })?;
        Ok(body)
    }
}

pub fn run(args: &TrainArgs) -> Result<()> {
    let body = args.training()?;
    let settings = args.output.settings(args.settings_file(), Vec::new())?;
    if args.local {
        return local::train(&settings, &body, args.output.json);
    }
    let client = Client::at(&args.remote, &settings.http)?;
    let answer = client.post("/train", &body)?;
    let job = answer["job_id"].as_str().ok_or_else(|| Error::failed(format!("no job_id in the answer: {answer}")))?;
    if args.output.json {
        show::object(&answer);
    } else {
        let minutes = answer["estimated_time_minutes"].as_f64();
        show::line(&format!(
            "{job}  {}{}",
            answer["status"].as_str().unwrap_or("queued"),
            minutes.map_or_else(String::new, |m| format!(", about {}", show::seconds(m * 60.0)))
        ));
        let mut waits = answer.clone();
        waits["estimated_wait_seconds"] = answer["estimated_wait_minutes"].as_f64().map(|m| m * 60.0).into();
        // A job that begins at once waits for nothing.
        if let Some(waits) = watch::waits(&waits) {
            show::line(&format!("  {waits}"));
        }
    }
    if args.wait { watch::to_its_end(&client, job, args.output.json) } else { Ok(()) }
}
