//! What an attempt writes down while it runs: finished trials, and reports of its progress.

use crate::jobs::driver::Driver;
use crate::jobs::estimate;
use crate::jobs::step::{StepError, store_failed};
use crate::jobs::stop::JobStop;
use crate::jobs::writer::{Patience, WriteError};
use crate::journal::Finished;
use crate::options::JobsResources;
use crate::plan::Unit;
use provost_domain::JobId;
use provost_domain::event::outbound::Topic;
use provost_domain::job::{JobEventKind, JobProgress, JobTrial};
use provost_learn::train::TrialResult;
use provost_store::StoreError;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio::sync::watch;

/// Progress is announced on the bus in steps of so many per cent; the job's own event stream has all of it.
const ANNOUNCED_PERCENT: f64 = 10.0;
/// Events read in one call.
const EVENTS_READ: u32 = 500;

/// What the event stream does not say yet of trials that an earlier process finished: it may have died between the
/// two writes.
pub async fn untold(
    resources: &JobsResources,
    id: &JobId,
    unit: Unit,
    finished: &[TrialResult],
) -> Result<Vec<Value>, StepError> {
    if finished.is_empty() {
        return Ok(Vec::new());
    }
    let said = said(resources, id, unit).await.map_err(|e| store_failed(&e))?;
    Ok(finished.iter().filter(|t| !said.contains(&u64::from(t.index))).map(|t| told(unit, t)).collect())
}

/// Trials of the unit that the event stream tells of.
async fn said(resources: &JobsResources, id: &JobId, unit: Unit) -> Result<BTreeSet<u64>, StoreError> {
    let (mut said, mut after) = (BTreeSet::new(), 0);
    loop {
        let events = resources.jobs.job_events(id, after, EVENTS_READ).await?;
        let Some(last) = events.last() else { return Ok(said) };
        after = last.seq;
        let of_unit = |data: &Value| data["algorithm"] == json!(unit.algorithm);
        let trials = events.iter().filter(|e| e.kind == JobEventKind::Trial && of_unit(&e.data));
        said.extend(trials.filter_map(|e| e.data["index"].as_u64()));
    }
}

/// A trial as its event has it.
fn told(unit: Unit, trial: &TrialResult) -> Value {
    let event = JobTrial {
        algorithm: unit.algorithm,
        index: trial.index,
        params: trial.params.clone(),
        status: trial.status,
        score: trial.score,
        fold_scores: trial.fold_scores.clone(),
        seconds: trial.seconds,
    };
    // A plain struct: it always serialises.
    serde_json::to_value(event).unwrap_or_default()
}

/// Resolves at a request to stop that was not seen yet.
async fn new_wish(mut stop: watch::Receiver<JobStop>) {
    if stop.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl Driver {
    /// Records a trial and lets the fit go on.
    pub(super) async fn keep_trial(
        &mut self,
        unit: Unit,
        done: Finished,
        news: &mut Vec<Value>,
    ) -> Result<(), StoreError> {
        let trial = done.trial.clone();
        let resources = &self.env.resources;
        let kept = done
            .keep(&*resources.trials, &*resources.clock, &self.writer.id, unit.algorithm, self.writer.epoch())
            .await;
        if kept.is_ok() {
            resources.metrics.trial_recorded(unit.algorithm, trial.seconds);
            news.push(told(unit, &trial));
        }
        kept
    }

    /// Progress, CPU and memory into the record; `news` are the trials since the last report.
    pub(super) async fn report(
        &mut self,
        unit: Unit,
        share: f64,
        news: &mut Vec<Value>,
        patience: Patience,
    ) -> Result<(), StepError> {
        let percent = self.percent(share);
        let sample = self.sampler.sample();
        let seconds = self.writer.running_seconds().await;
        let limit = self.time_limit().as_secs_f64();
        let mut backoff = self.writer.backoff();
        while self.unsure {
            let said = tokio::select! {
                said = said(&self.env.resources, &self.writer.id, unit) => said,
                // A new wish comes first; a later report tells what this one does not.
                _ = new_wish(self.stop.clone()), if patience == Patience::Once => return Ok(()),
            };
            let failed = match said {
                Ok(said) => {
                    news.retain(|trial| trial["index"].as_u64().is_none_or(|index| !said.contains(&index)));
                    self.unsure = false;
                    break;
                }
                Err(e) => self.writer.wait_out(e, patience, &mut backoff).await,
            };
            match failed {
                Ok(()) => {}
                Err(WriteError::Lost) => return Err(StepError::Lost),
                Err(WriteError::Store(e)) => {
                    // Progress is not waited for: the next report says more.
                    self.writer.not_saved(&e);
                    return Ok(());
                }
            }
        }
        let saved = self
            .writer
            .update(patience, |r, n| {
                let progressed = !news.is_empty();
                for trial in news.iter() {
                    n.event(JobEventKind::Trial, trial);
                }
                if progressed {
                    r.units.entry(unit.algorithm).or_default().deaths = 0;
                }
                if let Some(sample) = sample {
                    r.job.cpu_usage_percent = sample.cpu_percent.or(r.job.cpu_usage_percent);
                    r.job.memory_usage_mb = Some(sample.memory_mb);
                }
                let percent = percent.max(r.job.progress_percentage);
                // Before that the past says too little about the rest.
                if percent >= 5.0 {
                    r.job.estimated_time_remaining_seconds = Some(estimate::seconds_left(seconds, percent, limit));
                }
                if progressed || percent > r.job.progress_percentage {
                    let told = (r.job.progress_percentage / ANNOUNCED_PERCENT).floor();
                    r.job.progress_percentage = percent;
                    if (percent / ANNOUNCED_PERCENT).floor() > told {
                        n.announce(r, Topic::JobProgress);
                    }
                    n.event(JobEventKind::Progress, &JobProgress::from(&r.job));
                }
            })
            .await;
        match saved {
            Ok(_) => {
                news.clear();
                Ok(())
            }
            Err(WriteError::Lost) => Err(StepError::Lost),
            // What could not be told now is told with the next report, if it was not saved after all; the trials
            // themselves are safe.
            Err(WriteError::Store(e)) => {
                self.unsure = true;
                self.writer.not_saved(&e);
                Ok(())
            }
        }
    }
}
