//! The handle: all that the process can ask of the actors.

mod metrics;

use crate::admission::Admission;
use crate::bridge::{Bridge, BridgeStop};
use crate::component_look::{ComponentLook, Look};
use crate::error::{ActorError, CancelError, EvaluateError, RegistryError, SubmitError};
use crate::evaluator::{Audit, AuditModel, CheckData, Evaluate, Evaluator, KnownAudit};
use crate::executor::{Executor, LocalExecutor};
use crate::fleet::FleetExecutor;
use crate::jobs::{Cancel, Jobs, Peers, Shutdown, ShutdownReport, Streams, Submission, Submitted};
use crate::loader::{Loader, Purpose};
use crate::needs::Needs;
use crate::notifier::Notifier;
use crate::options::{
    BridgeResources, EvaluatorResources, FleetResources, JobsResources, LoaderResources, NeedsResources,
    NotifierResources, Options, RegistryResources, RetentionResources, SchedulerResources, ServingResources,
    WatchResources,
};
use crate::panics::Panics;
use crate::pool::Pool;
use crate::pulse::{OUTCOME_WITHIN, Pulse};
use crate::registry::{Activate, Compare, KnownComparison, Registry, Rollback};
use crate::retention::Retention;
use crate::root::{ANSWER_WITHIN, Root};
use crate::scheduler::Scheduler;
use crate::serving::{
    BadRow, NotExplained, PredictOptions, PredictionError, PredictionService, Predictions, ServedModel, Serving,
    ServingState, ShadowReport,
};
use crate::supervise::{Child, Slot, supervise_in};
use crate::trainer::Trainer;
use crate::watch::Watch;
use provost_domain::data_checks::DataChecks;
use provost_domain::evaluation::ModelComparisonResponse;
use provost_domain::job::JobStatus;
use provost_domain::prediction::PredictionRecord;
use provost_domain::quality::DataQualityReport;
use provost_domain::queue::{Waiting, waiting_jobs};
use provost_domain::status::ComponentStatus;
use provost_domain::{Algorithm, JobId, ModelId, ModelVersion, TargetMetric, TrainingConfig, TrainingJob, limits};
use provost_predict::application::Application;
use provost_predict::serving::{Explanation, Prediction};
use provost_store::{Artifacts, Store};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Requests of one purpose that look at the data at a time. Mostly the data is in memory; what reads it anew does so one after
/// the other.
const REPORTS: usize = 4;

/// How long a shutdown waits for the prediction log.
const LOGGED_WITHIN: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct Handle {
    options: Arc<Options>,
    streams: Streams,
    components: Arc<ComponentLook>,
    jobs: Slot<Jobs>,
    admission: Admission,
    bridge: Slot<Bridge>,
    scheduler: Slot<Scheduler>,
    evaluator: Slot<Evaluator>,
    registry: Slot<Registry>,
    predictions: PredictionService,
    /// Quality reports, which viewers may ask for.
    reports: Pool,
    /// Checks of what a new job is to learn from. They have places of their own, so that no viewer is in an operator's way.
    checks: Pool,
    comparisons: Pool,
    /// Fairness audits and data checks.
    audits: Pool,
}

/// Starts all actors on the current arbiter; unfinished jobs go on at once.
pub async fn start(options: Options) -> Result<Handle, ActorError> {
    if options.max_running == 0 {
        return Err(ActorError::Setting { name: "jobs.max_running", why: "0; at least 1 is needed".to_owned() });
    }
    if options.threads == 0 {
        return Err(ActorError::Setting { name: "threads", why: "0; at least 1 is needed".to_owned() });
    }
    options.store.ping().await?;
    let options = Arc::new(options);
    let streams = Streams::default();
    let panics = options.panics.clone();
    let budget = || options.restart_budget.clone();
    let clock = || options.clock.clone();

    let o = Arc::new(LoaderResources::from(&*options));
    let loader = supervise_in(&panics, "loader", budget(), clock(), move || Loader::new(o.clone()));
    let (o, l) = (Arc::new(EvaluatorResources::from(&*options)), loader.clone());
    let evaluator = supervise_in(&panics, "evaluator", budget(), clock(), move || Evaluator::new(o.clone(), l.clone()));
    let serving_state = ServingState::new(ServingResources::from(&*options))?;
    let s = serving_state.clone();
    let serving = supervise_in(&panics, "serving", budget(), clock(), move || Serving::new(s.clone()));
    let (o, l, s) = (Arc::new(RegistryResources::from(&*options)), loader.clone(), serving.clone());
    let registry =
        supervise_in(&panics, "registry", budget(), clock(), move || Registry::new(o.clone(), l.clone(), s.clone()));
    let executor = options.executor.clone().unwrap_or_else(|| {
        let local = LocalExecutor::new(options.threads, options.idle_priority, options.failpoints.clone());
        match (&options.leases, options.fleet) {
            (Some(leases), Some(patience)) => {
                let fleet = Arc::new(FleetResources::from(&*options));
                Arc::new(FleetExecutor::new(fleet, leases.clone(), patience, local)) as Arc<dyn Executor>
            }
            _ => Arc::new(local),
        }
    });
    let trainers: BTreeMap<Algorithm, Slot<Trainer>> = Algorithm::ALL
        .into_iter()
        .map(|algorithm| {
            let (e, o) = (executor.clone(), options.clone());
            let make = move || Trainer::new(algorithm, e.clone(), &o);
            (algorithm, supervise_in(&panics, format!("trainer_{algorithm}"), budget(), clock(), make))
        })
        .collect();
    let peers = Peers {
        loader: loader.clone(),
        evaluator: evaluator.clone(),
        registry: registry.clone(),
        trainers: trainers.clone(),
        executor,
    };
    let (o, s) = (Arc::new(JobsResources::from(&*options)), streams.clone());
    let jobs = supervise_in(&panics, "jobs", budget(), clock(), move || Jobs::new(o.clone(), peers.clone(), s.clone()));

    let admission = Admission {
        clock: options.clock.clone(),
        responses: options.store.clone(),
        grids: Arc::new(options.grids.clone()),
        loader: loader.clone(),
        jobs: jobs.clone(),
    };
    let (o, d, e) = (SchedulerResources::from(&*options), admission.clone(), evaluator.clone());
    let make = move || Scheduler::new(o.clone(), d.clone(), e.clone());
    let scheduler = supervise_in(&panics, "scheduler", budget(), clock(), make);
    let predictions = serving_state.service();
    let (o, j, p) = (Arc::new(BridgeResources::from(&*options)), jobs.clone(), predictions.clone());
    let bridge =
        supervise_in(&panics, "bridge", budget(), clock(), move || Bridge::new(o.clone(), j.clone(), p.clone()));
    let o = Arc::new(NotifierResources::from(&*options));
    let notifier = supervise_in(&panics, "notifier", budget(), clock(), move || Notifier::new(o.clone()));
    let o = Arc::new(RetentionResources::from(&*options));
    let retention = supervise_in(&panics, "retention", budget(), clock(), move || Retention::new(o.clone()));
    let o = NeedsResources::from(&*options);
    let observed = o.components.clone();
    let needs = supervise_in(&panics, "needs", budget(), clock(), move || Needs::new(o.clone()));
    let (o, l) = (WatchResources::from(&*options), loader.clone());
    let watch = supervise_in(&panics, "watch", budget(), clock(), move || Watch::new(o.clone(), l.clone()));

    let mut children: Vec<Arc<dyn Child>> = vec![
        Arc::new(loader.clone()),
        Arc::new(evaluator.clone()),
        Arc::new(registry.clone()),
        Arc::new(serving),
        Arc::new(scheduler.clone()),
        Arc::new(bridge.clone()),
        Arc::new(notifier),
        Arc::new(retention),
        Arc::new(needs),
        Arc::new(watch),
        Arc::new(jobs.clone()),
    ];
    children.extend(trainers.into_values().map(|t| Arc::new(t) as Arc<dyn Child>));
    let pulse = Pulse::of(options.store.clone());
    let (known, p) = (children.clone(), pulse.clone());
    let root = supervise_in(&panics, "root", budget(), clock(), move || Root::new(known.clone(), p.clone()));
    let (store, failures) = (options.store.clone(), options.failures.clone());
    let components = Arc::new(ComponentLook { root, pulse, children, store, failures });
    // Set once, here.
    let _ = observed.set(Arc::downgrade(&components));
    let reports = Pool::new("requests for a look at the data", REPORTS, limits::COMPUTE_QUEUE);
    let checks = Pool::new("requests for a job", REPORTS, limits::COMPUTE_QUEUE);
    let comparisons = Pool::new("comparisons", 1, limits::COMPARISONS);
    let audits = Pool::new("audits and data checks", 1, limits::AUDITS);
    Ok(Handle {
        options,
        streams,
        components,
        jobs,
        admission,
        bridge,
        scheduler,
        evaluator,
        registry,
        predictions,
        reports,
        checks,
        comparisons,
        audits,
    })
}

impl Handle {
    /// Checks the data, persists the job and answers; the training goes on behind.
    pub async fn submit(&self, submission: Submission) -> Result<Submitted, SubmitError> {
        let place = self.checks.place().await?;
        self.admission.submit(submission, Some(place)).await
    }

    /// Records the wish; the job is `cancelled` once its fit has stopped, or at a deadline. Answers the job as it is now.
    pub async fn cancel(&self, id: &JobId, by: Option<String>, keep_best: bool) -> Result<TrainingJob, CancelError> {
        self.jobs.send(Cancel { id: id.clone(), by, keep_best }).await?
    }

    /// The report on the data of a configuration, of which all else is refused that `submit` refuses.
    pub async fn quality(&self, config: TrainingConfig) -> Result<Arc<DataQualityReport>, SubmitError> {
        let place = self.reports.place().await?;
        self.admission.check(&config).await?;
        Ok(self.admission.quality(config, Purpose::Look, Some(place)).await?)
    }

    /// Refuses a configuration that is to be submitted later, where its search cannot be done.
    pub async fn check(&self, config: &TrainingConfig) -> Result<(), SubmitError> {
        let _place = self.reports.place().await?;
        self.admission.check(config).await
    }

    /// Evaluates a model again, behind; answers the task's id at once.
    pub async fn evaluate(&self, model: &ModelId, plots: bool) -> Result<String, EvaluateError> {
        self.evaluator.send(Evaluate { model: model.clone(), plots }).await?
    }

    /// Leaks, near duplicates and contradicted labels of the data that a configuration selects.
    pub async fn check_data(&self, config: TrainingConfig) -> Result<DataChecks, EvaluateError> {
        let place = self.audits.place().await?;
        self.evaluator.send(CheckData { config, place }).await?
    }

    /// How a model treats the groups of its test part, and what its data is like.
    pub async fn fairness_audit(&self, model: &ModelId) -> Result<Arc<Audit>, EvaluateError> {
        // One that is known waits for no place.
        if let Some(known) = self.evaluator.send(KnownAudit(model.clone())).await?? {
            return Ok(known);
        }
        let place = self.audits.place().await?;
        self.evaluator.send(AuditModel { id: model.clone(), place }).await?
    }

    pub async fn activate(
        &self,
        id: &ModelId,
        by: Option<String>,
        reason: Option<String>,
    ) -> Result<ModelVersion, RegistryError> {
        self.registry.send(Activate { id: id.clone(), by, reason }).await?
    }

    pub async fn rollback(&self, by: Option<String>, reason: Option<String>) -> Result<ModelVersion, RegistryError> {
        self.registry.send(Rollback { by, reason }).await?
    }

    pub async fn compare(
        &self,
        ids: Vec<ModelId>,
        metrics: Vec<TargetMetric>,
        visualizations: bool,
    ) -> Result<ModelComparisonResponse, RegistryError> {
        // A result that is known waits for no place.
        if !visualizations {
            let known = KnownComparison { ids: ids.clone(), metrics: metrics.clone() };
            if let Some(known) = self.registry.send(known).await?? {
                return Ok(known);
            }
        }
        let place = self.comparisons.place().await?;
        // Dropped with this future, when whoever asked has left.
        let asking = Arc::new(());
        let asked_for = Arc::downgrade(&asking);
        self.registry.send(Compare { ids, metrics, visualizations, place, asked_for }).await?
    }

    /// The serving model, or none. Neither waits nor asks an actor.
    pub fn serving(&self) -> Option<Arc<ServedModel>> {
        self.predictions.serving()
    }

    /// The model that answers: the serving one, or the one that is named, which may have to be opened.
    pub async fn pin(&self, model: Option<&ModelId>) -> Result<Arc<ServedModel>, PredictionError> {
        self.predictions.pin(model).await
    }

    /// One answer per application, in order.
    pub async fn predict(
        &self,
        rows: impl Into<Arc<Vec<Application>>>,
        options: PredictOptions,
    ) -> Result<Predictions, PredictionError> {
        self.predictions.predict(rows, options).await
    }

    /// As `predict`, by this model, whatever the options name.
    pub async fn predict_with(
        &self,
        model: &Arc<ServedModel>,
        rows: impl Into<Arc<Vec<Application>>>,
        options: &PredictOptions,
    ) -> Result<Predictions, PredictionError> {
        self.predictions.predict_with(model, rows, options).await
    }

    /// From feature values in the order of the model's names; one bad row fails all of them.
    pub async fn predict_features(
        &self,
        model: &Arc<ServedModel>,
        rows: Vec<Vec<f32>>,
        options: &PredictOptions,
    ) -> Result<Result<Vec<Prediction>, BadRow>, PredictionError> {
        self.predictions.predict_features(model, rows, options).await
    }

    /// The explanation of a logged prediction by the model that made it.
    pub async fn explain_logged(
        &self,
        record: &PredictionRecord,
    ) -> Result<Result<Explanation, NotExplained>, PredictionError> {
        self.predictions.explain_logged(record).await
    }

    /// What the shadow models have found.
    pub async fn shadow(&self) -> Result<ShadowReport, PredictionError> {
        self.predictions.shadow().await
    }

    /// These models score every prediction from now on; none are left for an empty list.
    pub async fn set_shadow(&self, ids: Vec<ModelId>) -> Result<ShadowReport, PredictionError> {
        self.predictions.set_shadow(ids).await
    }

    /// Every actor's and the store's state, told within a second: of a store that is slow or away, what was last known.
    pub async fn components(&self) -> BTreeMap<String, ComponentStatus> {
        self.look(ANSWER_WITHIN).await.components
    }

    /// As `components`, and whether the store answered: one that holds unreadable records is degraded, and answers.
    pub async fn components_and_store(&self) -> (BTreeMap<String, ComponentStatus>, bool) {
        let Look { components, store_answers, .. } = self.look(ANSWER_WITHIN).await;
        (components, store_answers)
    }

    /// Every actor's and the store's state, and whether what requests need is up: the store and the job queue. What fails
    /// again and again behind them degrades their state, but keeps no request from being answered. A store that takes two seconds is slow, and
    /// not away.
    pub async fn readiness(&self) -> (BTreeMap<String, ComponentStatus>, bool) {
        let Look { components, ready, .. } = self.look(OUTCOME_WITHIN).await;
        (components, ready)
    }

    async fn look(&self, store_within: Duration) -> Look {
        self.components.look(store_within).await
    }

    /// Every actor, the Root too.
    pub(crate) fn every_child(&self) -> impl Iterator<Item = &dyn Child> {
        self.components.every_child()
    }

    /// Rebuilds of all actors so far.
    pub fn restarts(&self) -> u64 {
        self.every_child().map(Child::restarts).sum()
    }

    /// The panics of this system's actors and of their work.
    pub fn panics(&self) -> &Panics {
        &self.options.panics
    }

    /// Moves when the job's event stream has grown; the events themselves are read with `Store::job_events`.
    pub fn watch(&self, id: &JobId) -> watch::Receiver<u64> {
        self.streams.watch(id)
    }

    /// The job once it is final.
    pub async fn finished(&self, id: &JobId) -> Result<Option<TrainingJob>, provost_store::StoreError> {
        let mut grown = self.watch(id);
        loop {
            match self.options.store.job(id).await? {
                Some(record) if record.job.status.is_final() => return Ok(Some(record.job)),
                None => return Ok(None),
                Some(_) => {}
            }
            if grown.changed().await.is_err() {
                grown = self.watch(id);
            }
        }
    }

    /// What each unfinished job waits for, and how long it will still take.
    pub async fn waiting(&self) -> Result<BTreeMap<JobId, Waiting>, provost_store::StoreError> {
        Ok(waiting_jobs(&self.options.store.unfinished_jobs().await?, self.options.max_running))
    }

    /// Counts of jobs by status.
    pub async fn job_counts(&self) -> Result<BTreeMap<JobStatus, u64>, provost_store::StoreError> {
        self.options.store.job_counts().await
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.options.store
    }

    pub fn artifacts(&self) -> &Artifacts {
        &self.options.artifacts
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Admits no more jobs, stops the running fits, waits for them to the deadline, records their jobs as interrupted, and
    /// ends the actors. The system itself is stopped by the caller.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let began = std::time::Instant::now();
        // A bridge that is down consumes nothing.
        let _ = tokio::time::timeout(deadline / 3, self.bridge.send(BridgeStop::Consuming)).await;
        Slot::stop(&self.scheduler);
        let report =
            self.jobs.send(Shutdown { deadline: deadline.saturating_sub(began.elapsed()) }).await.unwrap_or_default();
        let left = deadline.saturating_sub(began.elapsed()).max(Duration::from_secs(1));
        let _ = tokio::time::timeout(left, self.bridge.send(BridgeStop::All)).await;
        self.predictions.flush(LOGGED_WITHIN).await;
        for child in self.every_child() {
            child.stop();
        }
        report
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_store::sqlite::SqliteStore;

    #[actix_rt::test]
    async fn requests_that_only_look_take_no_job_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path(), chrono::DateTime::UNIX_EPOCH).unwrap());
        let artifacts = Artifacts::open(folder.path().join("artifacts")).unwrap();
        let handle = start(Options::new(store, artifacts, folder.path().join("import"))).await.unwrap();
        let taken = futures_util::future::join_all((0..REPORTS).map(|_| handle.reports.place())).await;
        let mut looks = Box::pin(handle.quality(TrainingConfig::default()));
        assert!(futures_util::poll!(looks.as_mut()).is_pending());
        let now = handle.options.clock.now();
        let submitted = handle.submit(Submission::manual(TrainingConfig::default(), None, "a test", now)).await;
        assert!(matches!(submitted, Err(SubmitError::Quality(_))), "there are no points to train on: {submitted:?}");
        assert!(futures_util::poll!(looks.as_mut()).is_pending());
        drop(taken);
        assert!(!looks.await.unwrap().passes_quality_check);
        handle.shutdown(Duration::from_secs(5)).await;
    }
}
