//! `provost train --local`: runs a training job in this process, without HTTP.

use crate::cli::show;
use crate::client::follow_job::{Follower, describe};
use crate::error::{Error, Result};
use crate::log;
use crate::serve::{Folder, Signals, actors, stop_actors};
use crate::settings::Settings;
use chrono::Utc;
use provost_actors::{Handle, Submission, SubmitError, Submitted};
use provost_domain::{JobId, TrainingConfig, visible};
use serde_json::Value;
use std::time::Duration;

/// The name of the user at this machine in records of jobs and activations: `demo (ada)`.
pub fn person(by: &str) -> String {
    let name = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    match name.map(|name| visible::line(name.trim()).chars().take(64).collect::<String>()) {
        Some(name) if !name.is_empty() => format!("{by} ({name})"),
        _ => by.to_owned(),
    }
}

/// Submits a job in the name of the user at this machine.
pub async fn submit(handle: &Handle, config: TrainingConfig, by: &str) -> Result<JobId> {
    let submission = Submission::manual(config, Some(person(by)), "asked for on the command line", Utc::now());
    match handle.submit(submission).await {
        Ok(Submitted::New(accepted)) => Ok(accepted.job.job_id),
        Ok(Submitted::Repeated(known)) => Err(Error::failed(format!("the job was submitted before, at {}", known.at))),
        Err(SubmitError::Quality(report)) => {
            let issues: Vec<String> = report.quality_issues.iter().map(|i| format!("\n  ✗ {i}")).collect();
            let advice: Vec<String> = report.recommendations.iter().map(|r| format!("\n  → {r}")).collect();
            Err(Error::failed(format!("the data fails its quality check{}{}", issues.concat(), advice.concat())))
        }
        Err(e) => Err(Error::Failed(e.into())),
    }
}

/// Follows a job of this process until it ends; `each` is called with every state.
pub async fn follow(handle: &Handle, id: &JobId, follower: &mut Follower, mut each: impl FnMut(&Value)) -> Result<()> {
    let mut grown = handle.watch(id);
    loop {
        let record = handle.store().job(id).await?.ok_or_else(|| Error::failed(format!("no job {id}")))?;
        let job = serde_json::to_value(&record.job).map_err(anyhow::Error::from)?;
        each(&job);
        if let Some(outcome) = follower.see(job) {
            return outcome;
        }
        // Progress wakes this loop at once; the time-out covers a stream that was restarted.
        let _ = tokio::time::timeout(Duration::from_millis(500), grown.changed()).await;
    }
}

pub fn train(settings: &Settings, body: &Value, json: bool) -> Result<()> {
    log::start(&settings.log)?;
    let config = TrainingConfig::from_json(body).map_err(|faults| Error::Usage(faults.to_string()))?;
    let folder = Folder::take(settings)?;
    actix_rt::System::new().block_on(async {
        let signals = Signals::catch()?;
        // Without the scheduler, only the requested job runs.
        let alone = Settings { schedule_enabled: false, ..settings.clone() };
        let handle = actors(&alone, &folder).await?;
        let mut follower = Follower::new(json);
        let outcome = tokio::select! {
            outcome = async {
                let id = submit(&handle, config, "command line").await?;
                follow(&handle, &id, &mut follower, |_| {}).await
            } => outcome,
            () = signals.first() => Err(Error::failed("interrupted; `provost serve` or the next --local goes on with the job")),
        };
        if !json && !follower.last().is_null() {
            show::line(&describe(follower.last(), Utc::now()));
        }
        stop_actors(&handle, settings.shutdown_deadline).await;
        outcome
    })
}
