//! The driver takes one job from its claim to its end: snapshot, units of work, settling.

use super::settlement::{Settlement, settlement};
use super::step::{End, StepError, UnitEnd};
use super::stop::JobStop;
use super::streams::Streams;
use super::writer::{Change, JobWriter, Patience, WriteError};
use super::{Peers, estimate};
use crate::clock::Clock;
use crate::error::{LoadError, RegistryError};
use crate::failures::{Failures, Kind};
use crate::loader::{Open, Take};
use crate::options::JobsResources;
use crate::plan::{self, Unit};
use crate::registry::Decide;
use crate::retry::{Ended, backoff, retry};
use crate::sampler::Sampler;
use crate::snapshot::LoadedSnapshot;
use provost_domain::event::outbound::Topic;
use provost_domain::gate::ActivationWish;
use provost_domain::job::{JobRecord, JobStatus, Transition};
use provost_domain::lease::{self, Lease};
use provost_domain::{Algorithm, JobId, TrainingConfig};
use provost_learn::split::Parts;
use provost_learn::train::Trained;
use provost_store::StoreError;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Share of the progress that taking the snapshot is.
const LOADED_PERCENT: f64 = 2.0;
/// Share at which all units are done.
const TRAINED_PERCENT: f64 = 98.0;
/// The component's name in reports of failures.
const COMPONENT: &str = "jobs";
const LOADING: &str = "loading the rows of a job";
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What all drivers share.
pub struct JobEnv {
    pub resources: Arc<JobsResources>,
    pub peers: Peers,
    pub streams: Streams,
}

pub struct Driver {
    pub(super) env: Arc<JobEnv>,
    pub(super) writer: Arc<JobWriter>,
    pub(super) stop: watch::Receiver<JobStop>,
    pub(super) config: TrainingConfig,
    pub(super) data: Arc<LoadedSnapshot>,
    pub(super) parts: Arc<Parts>,
    /// Results of the units that are done, for the ensemble.
    pub(super) results: BTreeMap<Algorithm, Arc<Trained>>,
    pub(super) sampler: Sampler,
    position: Position,
    /// The last report may have been saved or not.
    pub(super) unsure: bool,
}

/// Where a job is, in what its units weigh: those before the present one, that one, all.
struct Position {
    before: f64,
    present: f64,
    all: f64,
}

impl Position {
    /// At this unit.
    fn of(weights: &[f64], unit: usize) -> Self {
        let (before, rest) = weights.split_at(unit.min(weights.len()));
        let present = rest.first().copied().unwrap_or_default();
        Self { before: before.iter().sum(), present, all: weights.iter().sum() }
    }

    /// Of the whole job, with this share of the present unit.
    fn share(&self, of_present: f64) -> f64 {
        if self.all > 0.0 { (self.before + self.present * of_present.clamp(0.0, 1.0)) / self.all } else { 0.0 }
    }
}

/// Prefix of the task's name in reports of failures to claim a job.
pub(super) const CLAIMING: &str = "claiming job ";

pub(super) fn task_of(id: &JobId) -> String {
    format!("{CLAIMING}{id}")
}

/// Whether a job is to be claimed: not while that is given up.
pub(crate) fn may_claim(failures: &Failures, clock: &dyn Clock, id: &JobId) -> bool {
    failures.may_try(COMPONENT, &task_of(id), ("", clock.monotonic()))
}

/// Claims a job: from now on only this driver may write to it, and with a lease no other process will try to. None: it is
/// nobody's business any more, or another process is at work on it.
pub async fn claim(
    env: &JobEnv,
    id: &JobId,
    stop: &watch::Receiver<JobStop>,
) -> Option<(Arc<JobWriter>, Option<Lease>)> {
    let resources = &env.resources;
    let task = task_of(id);
    if !may_claim(&resources.failures, &*resources.clock, id) {
        return None;
    }
    let mut failures = 0;
    loop {
        if *stop.borrow() == JobStop::Shutdown {
            resources.failures.over(COMPONENT, &task);
            return None;
        }
        match try_claim(env, id).await {
            Ok(None) => {
                resources.failures.succeeded(COMPONENT, &task);
                return None;
            }
            Ok(Some((record, lease))) => {
                resources.failures.succeeded(COMPONENT, &task);
                return Some((Arc::new(JobWriter::new(record, resources.clone(), env.streams.clone())), lease));
            }
            // Another process changed it in between.
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => {
                let (kind, now) = (Kind::of(&error), resources.clock.monotonic());
                if resources.failures.gives_up(COMPONENT, &task, kind, &error.to_string(), ("", now)) {
                    return None;
                }
                sleep_or_stop(env, stop.clone(), backoff(resources.backoff, LONGEST_WAIT, failures)).await;
                failures += 1;
            }
        }
    }
}

async fn try_claim(env: &JobEnv, id: &JobId) -> Result<Option<(JobRecord, Option<Lease>)>, StoreError> {
    let resources = &env.resources;
    // Read before the lease is taken: a process that freezes in between claims nothing afterwards.
    let Some(record) = resources.jobs.job(id).await?.filter(|record| !record.job.status.is_final()) else {
        return Ok(None);
    };
    let lease = match &resources.leases {
        None => None,
        Some(leases) => match leases.take(&lease::of_job(id)).await? {
            None => return Ok(None),
            taken => taken,
        },
    };
    let claimed = resources.jobs.claim_job(id, record.epoch).await;
    if let (Err(_), Some(leases), Some(lease)) = (&claimed, &resources.leases, &lease) {
        leases.release(lease).await;
    }
    Ok(Some((claimed?, lease)))
}

/// Takes a claimed job to its end, or to where the next process can go on.
pub async fn drive(env: Arc<JobEnv>, writer: Arc<JobWriter>, stop: watch::Receiver<JobStop>) {
    let end = match begin(&env, &writer, &stop).await {
        Ok(Some(mut driver)) => match driver.units().await {
            End::AllDone => driver.gate().await,
            end => end,
        },
        Ok(None) => return,
        Err(e) => e.into(),
    };
    if let Err(error) = settle(&writer, &stop, end).await {
        tracing::warn!(job = %writer.id, %error, "the job was not settled by this driver");
    }
}

/// Marks the job as running and loads its rows. None: it is settled already.
async fn begin(
    env: &Arc<JobEnv>,
    writer: &Arc<JobWriter>,
    stop: &watch::Receiver<JobStop>,
) -> Result<Option<Driver>, StepError> {
    let record = writer.read().await;
    let units = plan::units(&record.job.config);
    let current = units.iter().map(|u| u.algorithm).find(|a| !is_over(&record, *a));
    let died = record.job.status == JobStatus::Running;
    let most = env.resources.deaths;
    let holder = env.resources.leases.as_ref().map(|leases| leases.holder());
    let record = writer
        .update(Patience::Forever, |r, n| {
            let first = r.job.started_at.is_none();
            r.job.started_at.get_or_insert(n.at);
            if died {
                let deaths = current.map(|unit| {
                    let unit = r.units.entry(unit).or_default();
                    unit.deaths += 1;
                    unit.deaths
                });
                let by = holder.map(|holder| format!(" by {holder}")).unwrap_or_default();
                let died = deaths.unwrap_or(1);
                n.log(r, &format!("resumed{by} after the process had died (death {died} in this step)"));
                return;
            }
            r.job.current_step = Some("starting".to_owned());
            n.transition(r, Transition::Start);
            let by = holder.map(|holder| format!(" by {holder}")).unwrap_or_default();
            n.log(r, &format!("{}{by}", if first { "started" } else { "resumed" }));
            if first {
                n.announce(r, Topic::JobStarted);
            }
        })
        .await?;
    if let Some(unit) = current.filter(|u| record.units.get(u).is_some_and(|u| u.deaths >= most)) {
        return Err(StepError::Final(format!("the process died {most} times in {unit} without progress")));
    }
    if let Some(wish) = &record.cancel
        && !(wish.keep_best && current.is_some())
    {
        return Err(StepError::Stopped);
    }
    let (data, parts) = load(env, writer, stop, current).await?;
    let config = record.job.config;
    let (env, writer, stop, parts) = (env.clone(), writer.clone(), stop.clone(), Arc::new(parts));
    let position = Position::of(&estimate::weights(&config, &env.resources), 0);
    Ok(Some(Driver {
        env,
        writer,
        stop,
        config,
        data,
        parts,
        results: BTreeMap::new(),
        sampler: Sampler::new(),
        position,
        unsure: false,
    }))
}

pub(super) fn is_over(record: &JobRecord, algorithm: Algorithm) -> bool {
    record.units.get(&algorithm).is_some_and(|u| u.done || u.error.is_some())
}

/// The job's snapshot: the one that it was begun on, else a new one. Failures that may pass count as attempts at the
/// first unit.
async fn load(
    env: &JobEnv,
    writer: &JobWriter,
    stop: &watch::Receiver<JobStop>,
    unit: Option<Algorithm>,
) -> Result<(Arc<LoadedSnapshot>, Parts), StepError> {
    let resources = &env.resources;
    // However this ends, the rows are not waited for any more.
    let _ending = resources.failures.ending(COMPONENT, LOADING);
    let mut away = 0;
    loop {
        let record = writer.read().await;
        let config = &record.job.config;
        // A request to stop ends the wait; the Loader may finish for its cache.
        let loading = async {
            let (data, arrivals) = match &record.snapshot {
                Some(sha) => {
                    (env.peers.loader.send(Open(sha.clone())).await.map_err(LoadError::from)??, record.arrivals)
                }
                None => {
                    let taken = env.peers.loader.send(Take(config.clone())).await.map_err(LoadError::from)??;
                    (taken.data, Some(taken.arrivals))
                }
            };
            let salt = resources.installation.installation().await?.salt;
            let (rows, config) = (data.clone(), config.clone());
            // Splitting many rows takes longer than an actors' thread may be held.
            let parts = tokio::task::spawn_blocking(move || rows.parts(&config, salt)).await;
            Ok::<_, LoadError>((data, arrivals, parts))
        };
        let loaded = tokio::select! {
            loaded = loading => loaded,
            () = told_to_end(stop.clone()) => return Err(StepError::Stopped),
        };
        match loaded {
            Ok((data, arrivals, parts)) => {
                resources.failures.succeeded(COMPONENT, LOADING);
                let parts = parts.map_err(|e| StepError::MayPass(e.to_string()))?;
                let parts = parts.map_err(|e| StepError::Final(e.to_string()))?;
                let before = record.snapshot.is_none();
                writer
                    .update(Patience::Forever, |r, n| {
                        r.job.progress_percentage = LOADED_PERCENT;
                        if before {
                            r.snapshot = Some(data.sha.clone());
                            r.arrivals = arrivals;
                            for warning in &data.snapshot.warnings {
                                n.warn(r, warning);
                            }
                            n.log(
                                r,
                                &format!(
                                    "{} rows: {} to train on, {} to validate, {} to test",
                                    data.dataset.rows(),
                                    parts.train.len(),
                                    parts.validation.len(),
                                    parts.test.len()
                                ),
                            );
                        }
                    })
                    .await?;
                return Ok((data, parts));
            }
            Err(e) if e.is_store_away() => {
                resources.failures.failed(COMPONENT, LOADING, Kind::Outage, &format!("job {}: {e}", writer.id));
                away += 1;
                sleep_or_stop(env, stop.clone(), backoff(resources.backoff, LONGEST_WAIT, away - 1)).await;
            }
            Err(e) if e.may_pass() => {
                let why = format!("the data could not be loaded: {e}");
                let Some(unit) = unit else { return Err(StepError::Final(why)) };
                let attempts = count_attempt(writer, unit, &why).await?;
                if attempts >= resources.attempts {
                    return Err(StepError::Final(why));
                }
                sleep_or_stop(env, stop.clone(), backoff(resources.backoff, LONGEST_WAIT, attempts - 1)).await;
                if *stop.borrow() != JobStop::No {
                    return Err(StepError::Stopped);
                }
            }
            Err(e) => return Err(StepError::Final(e.to_string())),
        }
    }
}

/// Counts a failed attempt at a unit; answers how many there were.
pub async fn count_attempt(writer: &JobWriter, unit: Algorithm, why: &str) -> Result<u32, WriteError> {
    writer.attempt_failed(unit);
    let saved = writer
        .update(Patience::Forever, |r, n| {
            let progress = r.units.entry(unit).or_default();
            progress.attempts += 1;
            let text = format!("{unit}: attempt {} failed: {why}", progress.attempts);
            n.log(r, &text);
        })
        .await?;
    Ok(saved.units.get(&unit).map_or(0, |u| u.attempts))
}

/// Resolves when the job's work is to end; one that is to keep its best needs its rows for that.
pub(super) async fn told_to_end(mut stop: watch::Receiver<JobStop>) {
    let ends = |stop: &JobStop| matches!(stop, JobStop::Cancel { keep_best: false } | JobStop::Shutdown);
    if stop.wait_for(ends).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Resolves once the job is told to stop, in whatever way.
async fn stopped(mut stop: watch::Receiver<JobStop>) {
    if stop.wait_for(|stop| *stop != JobStop::No).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Sleeps until the time is over or a new request to stop arrives.
pub async fn sleep_or_stop(env: &JobEnv, mut stop: watch::Receiver<JobStop>, wait: Duration) {
    stop.borrow_and_update();
    tokio::select! {
        () = env.resources.clock.sleep(wait) => {}
        _ = stop.changed() => {}
    }
}

impl Driver {
    async fn units(&mut self) -> End {
        let units = plan::units(&self.config);
        let weights = estimate::weights(&self.config, &self.env.resources);
        for (index, unit) in units.iter().copied().enumerate() {
            self.position = Position::of(&weights, index);
            let record = self.writer.read().await;
            if is_over(&record, unit.algorithm) {
                match self.reopen(unit, &record).await {
                    Ok(()) => continue,
                    // Its steps, repeatable all, wait for a store that is away and fit a damaged result again.
                    Err(StepError::StoreAway(_) | StepError::MayPass(_) | StepError::Final(_)) => {}
                    Err(e) => return e.into(),
                }
            }
            match self.unit(unit).await {
                UnitEnd::Done | UnitEnd::Failed => {}
                UnitEnd::Ended(end) => return end,
            }
            if *self.stop.borrow() != JobStop::No {
                return End::Stopped;
            }
        }
        End::AllDone
    }

    /// The result of a unit that was done by an earlier process, if the ensemble is still to come.
    async fn reopen(&mut self, unit: Unit, record: &JobRecord) -> Result<(), StepError> {
        let needed = self.config.algorithms.contains(&Algorithm::Ensemble) && !is_over(record, Algorithm::Ensemble);
        let result = record.units.get(&unit.algorithm).filter(|u| u.done).and_then(|u| u.result.clone());
        if let (true, Some(sha)) = (needed && unit.algorithm != Algorithm::Ensemble, result) {
            let trained = self.open_result(&sha).await?;
            self.results.insert(unit.algorithm, Arc::new(trained));
        }
        Ok(())
    }

    /// What becomes of the best model, where the job's triggers wish for more than its registration. A decision that cannot
    /// be made costs the job nothing: its models are there, and the active one stays.
    async fn gate(&self) -> End {
        let record = self.writer.read().await;
        let Some(challenger) = record.job.best_model_id.filter(|_| record.activation != ActivationWish::None) else {
            return End::AllDone;
        };
        let resources = &self.env.resources;
        let policy = |e: &RegistryError, failures: u32| {
            let again = e.is_store_away() || (e.may_pass() && failures + 1 < resources.attempts);
            again.then(|| backoff(resources.backoff, LONGEST_WAIT, failures))
        };
        let decide = || async {
            let (job_id, challenger) = (self.writer.id.clone(), challenger.clone());
            self.env.peers.registry.send(Decide { job_id, challenger, wish: record.activation }).await?
        };
        let decided = retry(&*resources.clock, policy, stopped(self.stop.clone()), decide).await;
        let (text, warning) = match decided {
            Ok(decision) => (format!("gate: {}", decision.reason), false),
            Err(Ended::Stopped) => return End::Stopped,
            Err(Ended::GaveUp(e)) => (format!("the gate could not decide, so the active model stays: {e}"), true),
        };
        let told =
            self.writer.update(Patience::Forever, |r, n| if warning { n.warn(r, &text) } else { n.log(r, &text) });
        match told.await {
            Ok(_) => End::AllDone,
            Err(e) => StepError::from(e).into(),
        }
    }

    /// Running seconds after which the search ends with the best so far.
    pub(super) fn time_limit(&self) -> Duration {
        let own = Duration::from_secs(60 * u64::from(self.config.max_training_time_minutes));
        own.min(self.env.resources.soft_limit)
    }

    /// The job's progress when its present unit has come this far.
    pub(super) fn percent(&self, share: f64) -> f64 {
        LOADED_PERCENT + (TRAINED_PERCENT - LOADED_PERCENT) * self.position.share(share)
    }
}

/// Writes down how the job ended.
async fn settle(writer: &JobWriter, stop: &watch::Receiver<JobStop>, end: End) -> Result<(), WriteError> {
    let stop = *stop.borrow();
    match settlement(&end, stop, &writer.read().await) {
        Settlement::Nothing => return Err(WriteError::Lost),
        Settlement::Interrupt => return interrupt(writer, Patience::Attempts).await.map(|_| ()),
        Settlement::Cancel | Settlement::Fail(_) | Settlement::Complete => {}
    }
    let mail = writer.mail(Patience::Forever).await;
    let saved = writer
        .update(Patience::Forever, |r, n| {
            // Of the record as it is now: the change may be applied again to one that was read anew.
            match settlement(&end, stop, r) {
                Settlement::Nothing | Settlement::Interrupt => {}
                Settlement::Cancel => cancelled(r, n),
                Settlement::Fail(why) => failed(r, n, &why),
                Settlement::Complete => {
                    r.job.progress_percentage = 100.0;
                    r.job.current_step = Some("completed".to_owned());
                    if n.transition(r, Transition::Complete) {
                        n.log(r, "completed");
                        n.announce(r, Topic::JobCompleted);
                    }
                }
            }
            n.write(&mail, r);
        })
        .await?;
    tracing::info!(job = %writer.id, status = %saved.job.status, "the job has ended");
    Ok(())
}

pub fn cancelled(r: &mut JobRecord, n: &mut Change) {
    r.job.current_step = Some("cancelled".to_owned());
    if n.transition(r, Transition::Cancel) {
        n.log(r, "cancelled");
        n.announce(r, Topic::JobCancelled);
    }
}

pub fn failed(r: &mut JobRecord, n: &mut Change, why: &str) {
    r.job.current_step = Some("failed".to_owned());
    r.job.error_message = Some(why.to_owned());
    if n.transition(r, Transition::Fail) {
        n.log(r, &format!("failed: {why}"));
        n.announce(r, Topic::JobFailed);
    }
}

/// Back to waiting: the next process goes on with it.
pub async fn interrupt(writer: &JobWriter, patience: Patience) -> Result<JobRecord, WriteError> {
    writer
        .update(patience, |r, n| {
            r.job.current_step = Some("interrupted".to_owned());
            if n.transition(r, Transition::Interrupt) {
                n.log(r, "interrupted by a shutdown; it goes on with the next start");
            }
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_goes_by_what_the_units_weigh() {
        let weights = [1.0, 1.0, 6.0];
        let shares = |unit, of_unit| Position::of(&weights, unit).share(of_unit);
        assert_eq!([shares(0, 0.0), shares(1, 0.0), shares(2, 0.0), shares(2, 0.5)], [0.0, 0.125, 0.25, 0.625]);
        assert_eq!((shares(2, 7.0), shares(3, 0.0), Position::of(&[], 0).share(1.0)), (1.0, 1.0, 0.0));
    }
}
