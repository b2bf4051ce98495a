//! One unit of work on one worker: its rows, its fit, its trials into the store, its beats.

use super::{UnitKind, UnitSpec, reason};
use crate::blocking::blocking;
use crate::executor::{Attempt, AttemptError, Executor, Work};
use crate::failures::{Kind, LONG_PAUSE};
use crate::journal::{self, Meter, ReadError};
use crate::lease::Leases;
use crate::metrics::FitEnd;
use crate::options::FleetResources;
use crate::panics::off_the_arbiter;
use crate::plan;
use crate::retry::{never, retry};
use crate::snapshot::{LoadedSnapshot, read_snapshot};
use crate::trainer::end_of;
use provost_domain::lease::{UnitFailure, UnitState, WorkUnit};
use provost_learn::control::Token;
use provost_learn::{Control, LearnError, StopReason};
use provost_store::StoreError;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The component's name in reports of failures.
const COMPONENT: &str = "fleet";
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Why a unit has no result.
enum Failure {
    /// Another worker has claimed the unit, or it was withdrawn.
    Lost,
    Told(UnitFailure),
}

impl Failure {
    fn told(may_pass: bool, text: impl ToString) -> Self {
        Failure::Told(UnitFailure { text: text.to_string(), may_pass, ..UnitFailure::default() })
    }
}

impl From<StoreError> for Failure {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::Conflict { .. } => Failure::Lost,
            e => Failure::Told(UnitFailure::of_store(e.to_string(), e.may_pass())),
        }
    }
}

impl From<ReadError> for Failure {
    fn from(e: ReadError) -> Self {
        match e {
            ReadError::Store(e) => e.into(),
            ReadError::Unreadable(why) => Failure::told(false, why),
            ReadError::Stopped(reason) => AttemptError::Learn(LearnError::Stopped(reason)).into(),
        }
    }
}

impl From<AttemptError> for Failure {
    fn from(e: AttemptError) -> Self {
        let stopped = matches!(e, AttemptError::Learn(LearnError::Stopped(_)));
        Failure::Told(UnitFailure { text: e.to_string(), may_pass: e.may_pass(), stopped, ..UnitFailure::default() })
    }
}

#[derive(Clone)]
pub struct UnitRun {
    pub resources: Arc<FleetResources>,
    pub leases: Leases,
    pub executor: Arc<dyn Executor>,
}

impl UnitRun {
    /// Takes a claimed unit to its end, unless it is lost or `stop` says to leave it to others.
    pub async fn work(&self, mut unit: WorkUnit, mut stop: watch::Receiver<bool>) {
        let (token, meter) = (Token::new(), Meter::default());
        let performed = {
            let offered = unit.clone();
            let mut performing = pin!(self.perform(&offered, token.clone(), meter.clone()));
            let mut leaving = false;
            loop {
                tokio::select! {
                    biased;
                    performed = &mut performing => break performed,
                    () = self.resources.clock.sleep(self.leases.beat_every()) => {
                        unit.progress = meter.share();
                        match self.beat(unit.clone()).await {
                            Ok(saved) => unit = saved,
                            Err(Failure::Lost) => {
                                token.trip(StopReason::Shutdown);
                                tracing::warn!(unit = %unit.id, "the unit of work is lost to another worker, or withdrawn");
                                return;
                            }
                            Err(Failure::Told(why)) => tracing::warn!(unit = %unit.id, error = why.text, "a beat was not recorded"),
                        }
                        if let Some(wish) = &unit.stop {
                            token.trip(reason(wish));
                        }
                    }
                    _ = stop.wait_for(|stop| *stop), if !leaving => {
                        leaving = true;
                        token.trip(StopReason::Shutdown);
                    }
                }
            }
        };
        let left = *stop.borrow() && unit.stop.is_none();
        match performed {
            Err(Failure::Lost) => return,
            Ok(sha) => {
                tracing::info!(unit = %unit.id, algorithm = %unit.algorithm, "done");
                (unit.state, unit.result, unit.progress) = (UnitState::Done, Some(sha), 1.0);
            }
            // Another worker may continue at once.
            Err(Failure::Told(why)) if left && why.stopped => unit.lease.holder.clear(),
            Err(Failure::Told(why)) => {
                if why.stopped {
                    tracing::info!(unit = %unit.id, algorithm = %unit.algorithm, why = why.text, "stopped");
                } else {
                    tracing::warn!(unit = %unit.id, algorithm = %unit.algorithm, error = why.text, "the unit of work failed");
                }
                (unit.state, unit.failure) = (UnitState::Failed, Some(why));
            }
        }
        let failures = &self.resources.failures;
        let task = format!("recording the outcome of {}", unit.id);
        let policy = |failure: &Failure| match failure {
            Failure::Lost => None,
            Failure::Told(why) => {
                let kind = if why.may_pass || why.store_away { Kind::Outage } else { Kind::Fault };
                let wait = failures.wait(COMPONENT, &task, kind, &why.text, PAUSES);
                // Given up: its lease falls silent, and another worker does the unit again.
                (wait < LONG_PAUSE).then_some(wait)
            }
        };
        match retry(&*self.resources.clock, policy, never(), || self.beat(unit.clone())).await {
            Ok(_) => failures.succeeded(COMPONENT, &task),
            Err(_) => failures.over(COMPONENT, &task),
        }
    }

    /// Saves the unit as this worker has it, with a beat; takes over what its owner wishes meanwhile.
    async fn beat(&self, mut unit: WorkUnit) -> Result<WorkUnit, Failure> {
        unit.lease.beat += 1;
        loop {
            match self.resources.units.save_unit(unit.clone()).await {
                Err(StoreError::Conflict { .. }) => {
                    let stored = self.resources.units.unit(&unit.id).await?.ok_or(Failure::Lost)?;
                    let held = (&stored.lease.holder, stored.lease.epoch) == (&unit.lease.holder, unit.lease.epoch);
                    // One that is given up has no holder any more.
                    if stored.state != UnitState::Open || !(held || unit.lease.holder.is_empty()) {
                        return Err(Failure::Lost);
                    }
                    (unit.rev, unit.stop) = (stored.rev, stored.stop);
                }
                saved => return Ok(saved?),
            }
        }
    }

    /// Does the unit; answers the artifact of the result.
    async fn perform(&self, unit: &WorkUnit, token: Token, meter: Meter) -> Result<String, Failure> {
        let resources = &self.resources;
        let spec: UnitSpec = serde_json::from_value(unit.order.clone())
            .map_err(|e| Failure::told(false, format!("the specification is not readable by this worker: {e}")))?;
        let (artifacts, sha) = (resources.artifacts.clone(), spec.snapshot);
        let loading = blocking(move || read_snapshot(&artifacts, sha));
        let data: Arc<LoadedSnapshot> =
            Arc::new(loading.await.map_err(|e| Failure::told(e.may_pass(), format!("the rows: {e}")))?);
        let salt = resources.installation.installation().await?.salt;
        let parts = data.parts(&spec.config, salt).map_err(|e| Failure::told(false, e))?;
        let finished = journal::recorded(&*resources.trials, &unit.job_id, unit.algorithm, &token).await?;
        let (journal, mut trials) = journal::journal(finished);
        let work = match spec.kind {
            UnitKind::Search => Work::Search,
            UnitKind::Finish => Work::Finish,
        };
        let attempt = Attempt {
            job: unit.job_id.clone(),
            epoch: unit.job_epoch,
            algorithm: unit.algorithm,
            work,
            spec: plan::spec(&spec.config, unit.algorithm, &resources.grids),
            threads: plan::threads(&spec.config),
            config: spec.config,
            data,
            parts: Arc::new(parts),
            journal: Arc::new(journal),
            control: Control { token, on_progress: Some(meter.reader()) },
        };
        let began = resources.clock.monotonic();
        let mut outcome = self.executor.start(attempt);
        let mut refused = None;
        let outcome = loop {
            tokio::select! {
                biased;
                Some(done) = trials.recv() => {
                    let seconds = done.trial.seconds;
                    // Under the epoch that the unit was offered in.
                    match done.keep(&*resources.trials, &*resources.clock, &unit.job_id, unit.algorithm, unit.job_epoch).await {
                        Ok(()) => resources.metrics.trial_recorded(unit.algorithm, seconds),
                        Err(e) => {
                            refused.get_or_insert(e);
                        }
                    }
                }
                outcome = &mut outcome => break outcome,
            }
        };
        let took = resources.clock.monotonic().saturating_sub(began);
        resources.metrics.fit_ended(unit.algorithm, outcome.as_ref().map_or(FitEnd::Failed, end_of), took);
        let trained = match (outcome, refused) {
            (Ok(Ok(trained)), _) => trained,
            // The journal's refusal ended the fit.
            (_, Some(e)) => return Err(e.into()),
            (Ok(Err(e)), None) => return Err(e.into()),
            (Err(_), None) => return Err(Failure::told(true, "the executor went away")),
        };
        let artifacts = resources.artifacts.clone();
        let kept = off_the_arbiter(move || artifacts.put(&trained.to_bytes()));
        Ok(kept.await.map_err(|e| Failure::told(true, e))??)
    }
}
