//! The driver takes one job from its claim to its end: snapshot, units of work, settling.

use super::change::{cancelled, failed};
use super::env::JobEnv;
use super::estimate;
use super::position::{Position, current_unit, ends_at_begin, is_over};
use super::rows::{LOADED_PERCENT, load};
use super::settlement::{Settlement, settlement};
use super::step::{End, StepError, UnitEnd};
use super::stop::JobStop;
use super::wait::stopped;
use super::writer::{JobWriter, Patience, WriteError};
use crate::error::RegistryError;
use crate::plan::{self, Unit};
use crate::registry::Decide;
use crate::retry::{Ended, retry};
use crate::sampler::Sampler;
use crate::snapshot::LoadedSnapshot;
use provost_domain::event::outbound::Topic;
use provost_domain::gate::ActivationWish;
use provost_domain::job::{JobRecord, JobStatus, Transition};
use provost_domain::{Algorithm, TrainingConfig};
use provost_learn::split::Parts;
use provost_learn::train::Trained;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Share at which all units are done.
const TRAINED_PERCENT: f64 = 98.0;

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

/// Takes a claimed job to its end, or to where the next process can go on.
pub async fn drive(env: Arc<JobEnv>, writer: Arc<JobWriter>, stop: watch::Receiver<JobStop>) {
    let end = match begin(&env, &writer, &stop).await {
        Ok(mut driver) => match driver.units().await {
            End::AllDone => driver.gate().await,
            end => end,
        },
        Err(e) => e.into(),
    };
    if let Err(error) = settle(&writer, &stop, end).await {
        tracing::warn!(job = %writer.id, %error, "the job was not settled by this driver");
    }
}

/// Marks the job as running and loads its rows.
async fn begin(
    env: &Arc<JobEnv>,
    writer: &Arc<JobWriter>,
    stop: &watch::Receiver<JobStop>,
) -> Result<Driver, StepError> {
    let record = writer.read().await;
    let current = current_unit(&record);
    let died = record.job.status == JobStatus::Running;
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
    if let Some(why) = ends_at_begin(&record, current, env.resources.deaths) {
        return Err(why);
    }
    let (data, parts) = load(env, writer, stop, current).await?;
    let config = record.job.config;
    let (env, writer, stop, parts) = (env.clone(), writer.clone(), stop.clone(), Arc::new(parts));
    let position = Position::of(&estimate::weights(&config, &env.resources), 0);
    Ok(Driver {
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
    })
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
        let again = |e: &RegistryError, failures| e.is_store_away() || (e.may_pass() && failures < resources.attempts);
        let decide = || async {
            let (job_id, challenger) = (self.writer.id.clone(), challenger.clone());
            self.env.peers.registry.send(Decide { job_id, challenger, wish: record.activation }).await?
        };
        let policy = self.env.backoff().policy(again);
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
        Settlement::Interrupt => return writer.interrupt(Patience::Attempts).await.map(|_| ()),
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
