//! `provost train`: submits a training configuration to a running service.

use super::{Client, Remote, follow_job};
use crate::cli::common::Output;
use crate::cli::show;
use crate::error::{Error, Result};
use crate::{input, local};
use clap::Args;
use provost_domain::{TrainingConfig, visible};
use serde_json::Value;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct TrainArgs {
    /// The training configuration (JSON; - is standard input)
    #[arg(value_name = "FILE", required_unless_present = "config")]
    pub file: Option<String>,
    /// Settings file (TOML); see config/default.toml for every key
    #[arg(long, value_name = "FILE")]
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
    /// The job's file and the settings file. Without FILE, a `--config` that is not TOML is the job's file: the older form
    /// of the command.
    fn files(&self) -> Result<(String, Option<&Path>)> {
        let is_settings = |path: &&PathBuf| self.file.is_some() || path.extension().is_some_and(|e| e == "toml");
        let (settings, jobs): (Vec<&PathBuf>, Vec<&PathBuf>) = self.config.iter().partition(is_settings);
        let job = match (&self.file, jobs.as_slice()) {
            (Some(file), _) => file.clone(),
            (None, [job]) => job.to_string_lossy().into_owned(),
            (None, _) => return Err(Error::Usage("FILE is missing: a training configuration (JSON)".to_owned())),
        };
        match settings.as_slice() {
            [] => Ok((job, None)),
            [settings] => Ok((job, Some(settings.as_path()))),
            _ => Err(Error::Usage("--config may be given only once".to_owned())),
        }
    }

    /// The request's body. It is checked here as well, so that faults are found without a service.
    fn training(name: &str) -> Result<Value> {
        let body = input::json(name)?;
        TrainingConfig::from_json(&body).map_err(|faults| {
            let lines: Vec<String> = faults.0.iter().map(|f| format!("  {}: {}", f.pointer, f.message)).collect();
            let name = input::shown(name);
            Error::Usage(format!("{name} is not a training configuration:\n{}", lines.join("\n")))
        })?;
        Ok(body)
    }
}

pub fn run(args: &TrainArgs) -> Result<()> {
    let (file, settings) = args.files()?;
    if args.file.is_none() {
        show::hint(&format!(
            "--config names a settings file; name the job's file without an option: provost train {}",
            visible::line(&file)
        ));
    }
    let body = TrainArgs::training(&file)?;
    let settings = args.output.settings(settings, Vec::new())?;
    if args.local {
        return local::train(&settings, &body, args.output.json);
    }
    let client = Client::at(&args.remote, &settings.http)?.telling(&args.output);
    let answer = client.post("/train", &body)?;
    let job = answer["job_id"].as_str().ok_or_else(|| Error::failed(format!("the answer has no job_id: {answer}")))?;
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
        // A job that begins at once does not wait.
        if let Some(waits) = follow_job::waits(&waits) {
            show::line(&format!("  {waits}"));
        }
    }
    if args.wait { follow_job::to_its_end(&client, job, &args.output) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        train: TrainArgs,
    }

    fn files(arguments: &[&str]) -> Result<(String, Option<PathBuf>)> {
        let alone =
            Alone::try_parse_from([&["train"], arguments].concat()).map_err(|e| Error::failed(e.to_string()))?;
        alone.train.files().map(|(job, settings)| (job, settings.map(Path::to_owned)))
    }

    #[test]
    fn the_jobs_file_is_an_argument_and_config_is_for_settings() {
        let settings = || Some(PathBuf::from("my.toml"));
        assert_eq!(files(&["job.json"]).unwrap(), ("job.json".to_owned(), None));
        assert_eq!(files(&["-", "--config", "my.toml"]).unwrap(), ("-".to_owned(), settings()));
        // The older form, without FILE.
        assert_eq!(files(&["--config", "job.json"]).unwrap(), ("job.json".to_owned(), None));
        let both = files(&["--config", "my.toml", "--config", "job.json"]).unwrap();
        assert_eq!(both, ("job.json".to_owned(), settings()));
        // With FILE, `--config` is the settings file whatever its name.
        let named = files(&["job.json", "--config", "settings"]).unwrap();
        assert_eq!(named, ("job.json".to_owned(), Some(PathBuf::from("settings"))));
        for wrong in [&[][..], &["--config", "my.toml"], &["--config", "a.json", "--config", "b.json"]] {
            assert!(files(wrong).is_err(), "{wrong:?}");
        }
    }
}
