//! One attempt at a unit of work: starts it on its Trainer, records its trials, reports its progress and stops it.

use super::driver::{Driver, told_to_end};
use super::step::{StepError, store_failed};
use super::stop::JobStop;
use super::writer::{Patience, WriteError};
use crate::clock::Sleep;
use crate::executor::{Attempt, AttemptError, Outcome, Work};
use crate::journal::{self, Finished, Meter};
use crate::plan::{self, Unit};
use crate::trainer::Run;
use provost_domain::event::outbound::Topic;
use provost_domain::job::{JobEventKind, JobProgress, JobTrial};
use provost_learn::control::Token;
use provost_learn::train::{Trained, TrialResult};
use provost_learn::{Control, LearnError, StopReason};
use provost_store::StoreError;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Progress is announced on the bus in steps of so many per cent; the job's own event stream has all of it.
const ANNOUNCED_PERCENT: f64 = 10.0;
/// Events read in one call.
const EVENTS_READ: u32 = 500;

/// Stops the fit when the driver no longer waits for it.
struct TripOnDrop(Token);
impl Drop for TripOnDrop {
    fn drop(&mut self) {
        self.0.trip(StopReason::Shutdown);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Limit {
    Soft,
    Hard,
}

/// What is there of a unit before an attempt at it.
struct Recorded {
    finished: Arc<[TrialResult]>,
    /// Trials that the event stream does not tell of yet.
    news: Vec<Value>,
    /// Reached while these were read.
    limit: Option<Limit>,
}

impl Driver {
    /// Runs one attempt to its end. What it finished is in the store when this returns, whatever it returns.
    pub(super) async fn attempt(&mut self, unit: Unit, work: Work) -> Result<Trained, StepError> {
        let resources = self.env.resources.clone();
        let algorithm = unit.algorithm;
        let (searching, finishing) = (matches!(work, Work::Search), matches!(work, Work::Finish));
        let (token, meter) = (Token::new(), Meter::default());
        let _end_it = TripOnDrop(token.clone());
        // Beside the loop below, whose saves may have to wait for the store.
        let _hear = AbortOnDrop(tokio::spawn(trip_at_wish(self.stop.clone(), finishing, token.clone())));
        let Recorded { finished, mut news, limit: reached } = self.recorded(unit, searching, &token).await?;
        let (journal, mut trials) = journal::journal(finished);
        if reached == Some(Limit::Soft) {
            token.trip(StopReason::TimeLimit);
        }
        // Beyond the search the time limit changes nothing: what there is is kept.
        let for_fit = if searching { token.clone() } else { token.past_time_limit() };
        let attempt = Attempt {
            job: self.writer.id.clone(),
            epoch: self.writer.epoch(),
            algorithm,
            work,
            data: self.data.clone(),
            parts: self.parts.clone(),
            config: self.config.clone(),
            spec: plan::spec(&self.config, algorithm, &resources.grids),
            journal: Arc::new(journal),
            control: Control { token: for_fit, on_progress: Some(meter.reader()) },
            threads: plan::threads(&self.config),
        };
        let Some(trainer) = self.env.peers.trainers.get(&algorithm).cloned() else {
            return Err(StepError::Final(format!("there is no trainer for {algorithm}")));
        };
        let mut outcome = pin!(trainer.send(Run(attempt)));

        let mut tick = resources.clock.sleep(resources.report_every);
        let mut deadline: Option<Sleep> = None;
        let (mut hard, mut record_error) = (false, None);
        let (mut next_limit, mut limit) = self.limit(reached).await;
        // A wish that came before the fit began.
        let mut stop = *self.stop.borrow_and_update();
        let outcome = loop {
            if let Some(reason) = trips(stop, finishing)
                && deadline.is_none()
            {
                token.trip(reason);
                if stop != JobStop::Shutdown {
                    deadline = Some(resources.clock.sleep(resources.cancel_deadline));
                }
            }
            tokio::select! {
                biased;
                Some(done) = trials.recv() => {
                    match self.keep_trial(unit, done, &mut news).await {
                        // At once: it is progress, which a death in the next moment must find written down.
                        Ok(()) => self.report(unit, meter.share(), &mut news, Patience::Once).await?,
                        Err(e) => {
                            record_error.get_or_insert(e);
                        }
                    }
                }
                outcome = &mut outcome => break outcome,
                changed = self.stop.changed() => {
                    stop = if changed.is_ok() { *self.stop.borrow_and_update() } else { JobStop::Shutdown };
                }
                () = &mut limit => {
                    match next_limit {
                        Limit::Soft => {
                            token.trip(StopReason::TimeLimit);
                            if searching {
                                // A request to stop is handled by the next turn of the loop.
                                tokio::select! {
                                    biased;
                                    () = told_to_end(self.stop.clone()) => {}
                                    warned = self.warn_of_limit() => warned?,
                                }
                            }
                        }
                        Limit::Hard => {
                            hard = true;
                            token.trip(StopReason::Cancelled);
                            deadline.get_or_insert_with(|| resources.clock.sleep(resources.cancel_deadline));
                        }
                    }
                    (next_limit, limit) = self.limit(Some(next_limit)).await;
                }
                () = &mut tick => {
                    self.report(unit, meter.share(), &mut news, Patience::Once).await?;
                    tick = resources.clock.sleep(resources.report_every);
                }
                () = overdue(&mut deadline) => {
                    let late = format!("{algorithm}: the fit had not ended {} s after it was stopped", resources.cancel_deadline.as_secs());
                    self.writer.update(Patience::Forever, |r, n| n.warn(r, &late)).await?;
                    return Err(if hard { StepError::HardLimit } else { StepError::Stopped });
                }
            }
        };
        self.report(unit, meter.share(), &mut news, Patience::Forever).await?;
        if hard {
            return Err(StepError::HardLimit);
        }
        let outcome: Outcome = outcome.map_err(|e| StepError::MayPass(e.to_string()))?;
        outcome.map_err(|e| match (e, record_error) {
            (AttemptError::Learn(LearnError::Stopped(StopReason::TimeLimit)), _) => StepError::OutOfTime,
            (AttemptError::Learn(LearnError::Stopped(_)), _) => StepError::Stopped,
            (_, Some(e)) => store_failed(&e),
            (AttemptError::Elsewhere(e), None) if e.store_away => StepError::StoreAway(e.text),
            (e, None) if e.may_pass() => StepError::MayPass(e.to_string()),
            (e, None) => StepError::Final(e.to_string()),
        })
    }

    /// The trials that an earlier process finished, and what the event stream does not say yet of them. There may be very
    /// many: a cancel, a shutdown and the limits are heard while they are read. At the soft limit the job says so, and the rest
    /// is read, since the best of all is kept.
    async fn recorded(&self, unit: Unit, searching: bool, token: &Token) -> Result<Recorded, StepError> {
        let read = async {
            let finished =
                journal::recorded(&*self.env.resources.trials, &self.writer.id, unit.algorithm, token).await?;
            let news = self.untold(unit, &finished).await?;
            Ok::<_, StepError>((finished, news))
        };
        let mut read = pin!(read);
        let (mut next, mut limit) = self.limit(None).await;
        let mut reached = None;
        loop {
            tokio::select! {
                biased;
                () = told_to_end(self.stop.clone()) => return Err(StepError::Stopped),
                () = &mut limit => {
                    if next == Limit::Hard {
                        return Err(StepError::HardLimit);
                    }
                    if searching {
                        // The store may be away for long.
                        tokio::select! {
                            biased;
                            () = told_to_end(self.stop.clone()) => return Err(StepError::Stopped),
                            warned = self.warn_of_limit() => warned?,
                        }
                    }
                    reached = Some(next);
                    (next, limit) = self.limit(reached).await;
                }
                read = &mut read => return read.map(|(finished, news)| Recorded { finished, news, limit: reached }),
            }
        }
    }

    /// What the event stream does not say yet of trials that an earlier process finished: it may have died between the
    /// two writes.
    async fn untold(&self, unit: Unit, finished: &[TrialResult]) -> Result<Vec<Value>, StepError> {
        if finished.is_empty() {
            return Ok(Vec::new());
        }
        let said = self.said(unit).await.map_err(|e| store_failed(&e))?;
        Ok(finished.iter().filter(|t| !said.contains(&u64::from(t.index))).map(|t| told(unit, t)).collect())
    }

    /// Trials of the unit that the event stream tells of.
    async fn said(&self, unit: Unit) -> Result<BTreeSet<u64>, StoreError> {
        let (store, id) = (&self.env.resources.jobs, &self.writer.id);
        let (mut said, mut after) = (BTreeSet::new(), 0);
        loop {
            let events = store.job_events(id, after, EVENTS_READ).await?;
            let Some(last) = events.last() else { return Ok(said) };
            after = last.seq;
            let of_unit = |data: &Value| data["algorithm"] == json!(unit.algorithm);
            let trials = events.iter().filter(|e| e.kind == JobEventKind::Trial && of_unit(&e.data));
            said.extend(trials.filter_map(|e| e.data["index"].as_u64()));
        }
    }

    /// Records a trial and lets the fit go on.
    async fn keep_trial(&mut self, unit: Unit, done: Finished, news: &mut Vec<Value>) -> Result<(), StoreError> {
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
    async fn report(
        &mut self,
        unit: Unit,
        share: f64,
        news: &mut Vec<Value>,
        patience: Patience,
    ) -> Result<(), StepError> {
        let percent = self.percent(share);
        let sample = self.sampler.sample();
        let seconds = self.writer.running_seconds().await;
        let mut failures = 0;
        while self.unsure {
            let said = tokio::select! {
                said = self.said(unit) => said,
                // A new wish comes first; a later report tells what this one does not.
                _ = new_wish(self.stop.clone()), if patience == Patience::Once => return Ok(()),
            };
            let failed = match said {
                Ok(said) => {
                    news.retain(|trial| trial["index"].as_u64().is_none_or(|index| !said.contains(&index)));
                    self.unsure = false;
                    break;
                }
                Err(e) => self.writer.wait_out(e, patience, &mut failures).await,
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
                    r.job.estimated_time_remaining_seconds = Some(seconds * (100.0 - percent) / percent);
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

    /// The limit after `last`, and a sleep until it is reached.
    async fn limit(&self, last: Option<Limit>) -> (Limit, Sleep) {
        let (resources, seconds) = (&self.env.resources, self.writer.running_seconds().await);
        let until =
            |limit: Duration| resources.clock.sleep(limit.saturating_sub(Duration::from_secs_f64(seconds.max(0.0))));
        match last {
            None => (Limit::Soft, until(self.time_limit())),
            Some(Limit::Soft) => (Limit::Hard, until(resources.hard_limit)),
            Some(Limit::Hard) => (Limit::Hard, Box::pin(std::future::pending())),
        }
    }

    async fn warn_of_limit(&self) -> Result<(), StepError> {
        let own = Duration::from_secs(60 * u64::from(self.config.max_training_time_minutes));
        let text = if self.time_limit() == own {
            format!(
                "the time limit of {} min was reached: the best so far is kept",
                self.config.max_training_time_minutes
            )
        } else {
            format!("the service's limit of {} s was reached: the best so far is kept", self.time_limit().as_secs())
        };
        self.writer.update(Patience::Forever, |r, n| n.warn(r, &text)).await?;
        Ok(())
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

/// Why a wish ends this work, if it does: one that keeps the best ends a search, and not the fit of the best.
fn trips(stop: JobStop, finishing: bool) -> Option<StopReason> {
    match stop {
        JobStop::No => None,
        JobStop::Cancel { keep_best: true } if finishing => None,
        JobStop::Cancel { .. } => Some(StopReason::Cancelled),
        JobStop::Shutdown => Some(StopReason::Shutdown),
    }
}

/// Trips the token once the job is to stop.
async fn trip_at_wish(mut stop: watch::Receiver<JobStop>, finishing: bool, token: Token) {
    if let Ok(wish) = stop.wait_for(|stop| trips(*stop, finishing).is_some()).await
        && let Some(reason) = trips(*wish, finishing)
    {
        token.trip(reason);
    }
}

struct AbortOnDrop(JoinHandle<()>);
impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Resolves at a request to stop that was not seen yet.
async fn new_wish(mut stop: watch::Receiver<JobStop>) {
    if stop.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn overdue(deadline: &mut Option<Sleep>) {
    match deadline {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
    }
}
