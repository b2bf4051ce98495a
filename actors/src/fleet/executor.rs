//! Attempts on other machines: offered as units of work in the store and done by the worker that claims them.

mod decision;

use super::{UnitSpec, reason, unit, wish};
use crate::executor::{Attempt, AttemptError, Executor, LocalExecutor, Outcome};
use crate::failures::Kind;
use crate::journal::read;
use crate::lease::Leases;
use crate::options::FleetResources;
use crate::outbox::announcement_of;
use crate::panics::off_the_arbiter;
use crate::retry::{Backoff, never, retry};
use decision::{Decision, Found, decide};
use provost_domain::event::outbound::{Topic, UnitAnnouncement};
use provost_domain::lease::{UnitFailure, UnitState, WorkUnit};
use provost_learn::train::Trained;
use provost_learn::{LearnError, StopReason};
use provost_store::{StoreError, TRIALS_READ};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// The task's name in reports of failures.
const LOOKING: &str = "looking at a unit of work";
const LONGEST_WAIT: Duration = Duration::from_secs(5);

pub struct FleetExecutor {
    resources: Arc<FleetResources>,
    leases: Leases,
    /// How long a unit waits for a worker before it is done in this process.
    patience: Duration,
    local: Arc<LocalExecutor>,
    /// Units that have not ended, by attempt.
    running: Arc<Mutex<BTreeMap<String, String>>>,
}

impl FleetExecutor {
    pub fn new(resources: Arc<FleetResources>, leases: Leases, patience: Duration, local: LocalExecutor) -> Self {
        Self { resources, leases, patience, local: Arc::new(local), running: Arc::default() }
    }
}

impl Executor for FleetExecutor {
    fn start(&self, attempt: Attempt) -> oneshot::Receiver<Outcome> {
        let Some(spec) = UnitSpec::of(&attempt) else { return self.local.start(attempt) };
        let (tx, rx) = oneshot::channel();
        let offered = unit(&attempt, &spec, self.resources.clock.now());
        let (id, running) = (offered.id.clone(), self.running.clone());
        lock(&running).insert(id.clone(), format!("{} of {} (fleet)", attempt.name(), attempt.job));
        let mut watcher = Watcher {
            resources: self.resources.clone(),
            leases: self.leases.clone(),
            patience: self.patience,
            local: self.local.clone(),
            forwarded: attempt.journal.finished().iter().map(|t| t.index).collect(),
            first_new: 0,
            attempt,
        };
        tokio::spawn(async move {
            let outcome = watcher.watch(offered).await;
            drop(watcher);
            lock(&running).remove(&id);
            // An error means that the receiver is gone and the outcome is not needed.
            let _ = tx.send(outcome);
        });
        rx
    }

    fn running(&self) -> Vec<String> {
        let mut all: Vec<String> = lock(&self.running).values().cloned().collect();
        all.extend(self.local.running());
        all
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches one unit until it has an outcome.
struct Watcher {
    resources: Arc<FleetResources>,
    leases: Leases,
    patience: Duration,
    local: Arc<LocalExecutor>,
    attempt: Attempt,
    /// Trials that the driver knows of.
    forwarded: BTreeSet<u32>,
    /// All before this one are among them.
    first_new: u32,
}

fn failed(text: String, may_pass: bool) -> AttemptError {
    AttemptError::Elsewhere(UnitFailure { text, may_pass, ..UnitFailure::default() })
}

impl From<StoreError> for AttemptError {
    fn from(e: StoreError) -> Self {
        AttemptError::Elsewhere(UnitFailure::of_store(format!("the unit of work: {e}"), e.may_pass()))
    }
}

impl Watcher {
    async fn watch(&mut self, offered: WorkUnit) -> Outcome {
        let clock = self.resources.clock.clone();
        let id = offered.id.clone();
        self.offer(offered).await?;
        // However this ends, the unit is no longer polled.
        let _ending = self.resources.failures.ending("jobs", LOOKING);
        // Since when no worker works on it, by the monotonic clock.
        let mut alone = Some(clock.monotonic());
        let mut failures = 0;
        loop {
            let wait = if failures == 0 { self.leases.look_every() } else { LONGEST_WAIT.min(self.patience) };
            clock.sleep(wait).await;
            let found = match self.resources.units.unit(&id).await {
                Ok(found) => found,
                // A store that is away is waited for: the worker does the same.
                Err(e) if e.may_pass() => {
                    self.resources.failures.failed("jobs", LOOKING, Kind::Outage, &e.to_string());
                    failures += 1;
                    continue;
                }
                Err(e) => return Err(e.into()),
            };
            self.resources.failures.succeeded("jobs", LOOKING);
            failures = 0;
            let unit = found.ok_or_else(|| failed("the unit of work is gone".to_owned(), true))?;
            self.forward().await?;
            let units = (unit.progress.clamp(0.0, 1.0) * 1e6) as u64;
            self.attempt.control.progress(units, 1_000_000);
            match unit.state {
                UnitState::Done => return self.result(&unit).await,
                UnitState::Failed => return Err(self.failure(unit)),
                UnitState::Withdrawn => return Err(failed("the unit of work was withdrawn".to_owned(), true)),
                UnitState::Open => {}
            }
            let manned = unit.lease.is_held() && !self.leases.is_silent(&unit.lease);
            alone = if manned { None } else { alone.or(Some(clock.monotonic())) };
            let found = Found {
                unit: &unit,
                is_manned: manned,
                alone_for: alone.map(|since| clock.monotonic().saturating_sub(since)),
                stop: self.attempt.control.token.reason(),
            };
            match decide(found, self.resources.deaths, self.patience) {
                Decision::Wait => {}
                Decision::AskToStop(why) => {
                    self.save(WorkUnit { stop: Some(wish(why)), ..unit }).await?;
                }
                Decision::Stop(why) => {
                    if self.withdraw(unit).await? {
                        return Err(AttemptError::Learn(LearnError::Stopped(why)));
                    }
                }
                Decision::Fail => {
                    let text = format!("{} workers took it and did not end it", unit.lease.epoch);
                    if self.withdraw(unit).await? {
                        return Err(failed(text, true));
                    }
                }
                Decision::DoHere => {
                    if self.withdraw(unit).await? {
                        tracing::warn!(unit = %id, "no worker has taken the unit: it is done in this process");
                        let outcome = self.local.start(self.attempt.clone()).await;
                        return outcome.unwrap_or_else(|_| {
                            Err(AttemptError::NotStarted("its thread could not be made".to_owned()))
                        });
                    }
                }
            }
        }
    }

    /// With what earlier drivers of the job had offered withdrawn.
    async fn offer(&self, unit: WorkUnit) -> Result<(), AttemptError> {
        let announcement =
            UnitAnnouncement { unit_id: unit.id.clone(), job_id: unit.job_id.clone(), algorithm: unit.algorithm };
        let (units, resources) = (&self.resources.units, &self.resources);
        let again = |e: &StoreError, failures| e.may_pass() && failures < resources.attempts;
        let policy = Backoff::new(resources.backoff, LONGEST_WAIT).policy(again);
        let offer = || async {
            let message = announcement_of(unit.id.clone(), Topic::UnitOffered, &announcement, unit.created_at);
            for old in units.open_units().await?.into_iter().filter(|u| u.job_id == unit.job_id && u.id != unit.id) {
                self.withdraw(old).await?;
            }
            match units.offer_unit(unit.clone(), vec![message]).await {
                // An answer was lost on the way.
                Err(StoreError::Conflict { .. }) if units.unit(&unit.id).await?.is_some() => Ok(()),
                offered => offered.map(|_| ()),
            }
        };
        let offered = retry(&*resources.clock, policy, never(), offer).await;
        offered.or_else(|ended| ended.error().map_or(Ok(()), |e| Err(e.into())))
    }

    /// False if the unit was changed meanwhile and has to be read again.
    async fn save(&self, unit: WorkUnit) -> Result<bool, StoreError> {
        match self.resources.units.save_unit(unit).await {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(e) if e.may_pass() => Ok(false),
            Err(e) => Err(e),
        }
    }

    async fn withdraw(&self, unit: WorkUnit) -> Result<bool, StoreError> {
        self.save(WorkUnit { state: UnitState::Withdrawn, ..unit }).await
    }

    /// Tells the driver of the trials that the worker has recorded.
    async fn forward(&mut self) -> Result<(), AttemptError> {
        while self.first_new < u32::MAX && self.forwarded.contains(&self.first_new) {
            self.first_new += 1;
        }
        let mut next = Some(self.first_new);
        while let Some(from) = next {
            let part = match self
                .resources
                .trials
                .trials_from(&self.attempt.job, self.attempt.algorithm, from, TRIALS_READ)
                .await
            {
                Ok(part) => part,
                Err(e) if e.may_pass() => return Ok(()),
                Err(e) => return Err(e.into()),
            };
            next = part.last().and_then(|trial| trial.index.checked_add(1));
            for trial in part.into_iter().filter(|t| !self.forwarded.contains(&t.index)).collect::<Vec<_>>() {
                let result = read(trial).map_err(|e| failed(e, false))?;
                let index = result.index;
                let journal = self.attempt.journal.clone();
                let told = off_the_arbiter(move || journal.record(&result)).await;
                told.map_err(|e| failed(e, true))?.map_err(|e| AttemptError::Learn(LearnError::Journal(e)))?;
                self.forwarded.insert(index);
            }
        }
        Ok(())
    }

    async fn result(&self, unit: &WorkUnit) -> Outcome {
        let sha = unit.result.clone().ok_or_else(|| failed("the unit of work has no result".to_owned(), true))?;
        let artifacts = self.resources.artifacts.clone();
        let bytes = off_the_arbiter(move || artifacts.get(&sha)).await;
        let bytes = bytes.map_err(|e| failed(e, true))??;
        Ok(Trained::from_bytes(&bytes)?)
    }

    fn failure(&self, unit: WorkUnit) -> AttemptError {
        let none = || UnitFailure { text: "no reason given".to_owned(), may_pass: true, ..UnitFailure::default() };
        let failure = unit.failure.unwrap_or_else(none);
        if failure.stopped {
            let why = self.attempt.control.token.reason().or_else(|| unit.stop.as_ref().map(reason));
            return AttemptError::Learn(LearnError::Stopped(why.unwrap_or(StopReason::Shutdown)));
        }
        AttemptError::Elsewhere(failure)
    }
}
