//! The Evaluator scores models on their test part, draws their plots and keeps their evaluations.

mod audit;
mod data_checks;
mod performance_check;

pub use audit::{Audit, AuditModel, KnownAudit};
pub use data_checks::CheckData;
pub use performance_check::CheckPerformance;

use crate::background::WhileReachable;
use crate::blocking::blocking;
use crate::error::EvaluateError;
use crate::failures::{Kind, LONG_PAUSE};
use crate::loader::Loader;
use crate::options::EvaluatorResources;
use crate::pool::Busy;
use crate::retry::{Backoff, never, retry};
use crate::scoring::{labels, load_model, open};
use crate::snapshot::LoadedSnapshot;
use crate::supervise::{Slot, Status};
use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, MessageResult, ResponseActFuture, WrapFuture,
};
use provost_domain::evaluation::{EvaluationResults, PLOTS, PlotData};
use provost_domain::model::{FeatureImportance, ImportanceKind, TemporalFigures, TrainingMetrics};
use provost_domain::{ModelId, TargetMetric, limits};
use provost_learn::metrics::{
    calibration_bins, roc_curve, scores, set_coverage, threshold_counts, tiers, training_metrics,
};
use provost_learn::{LearnError, Model, Params};
use provost_plots::Format;
use provost_store::{Artifacts, EvaluationRecord, StoreError};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The result of a unit of work: the fitted model and how it was chosen.
#[derive(Debug, Clone)]
pub struct Fitted {
    pub model: Arc<Model>,
    /// The hyperparameters chosen.
    pub params: Params,
    /// In the target metric, one per fold.
    pub cv_scores: Vec<f64>,
    /// All features, highest first.
    pub importance: Vec<(String, f64)>,
    pub iterations: u64,
    pub seconds: f64,
    /// On the last years of its data, by a fit on those before.
    pub temporal: Option<TemporalFigures>,
}

/// Scores a fitted model on its test part and draws its plots; nothing is recorded before it is registered. Answers a
/// finished record.
pub struct Score {
    pub model_id: ModelId,
    pub fitted: Arc<Fitted>,
    pub data: Arc<LoadedSnapshot>,
    /// Rows of the test part.
    pub test: Arc<Vec<u32>>,
    /// How many rows the training part has.
    pub training_rows: u64,
    pub plots: bool,
}
impl Message for Score {
    type Result = Result<EvaluationRecord, EvaluateError>;
}

/// Evaluates a registered model again; answers the task's id at once, the work goes on behind.
pub struct Evaluate {
    pub model: ModelId,
    pub plots: bool,
}
impl Message for Evaluate {
    type Result = Result<String, EvaluateError>;
}

/// Does the work of an evaluation that the store knows of.
struct Perform {
    record: EvaluationRecord,
    plots: bool,
    /// Its part of the evaluations that may run or wait; none for one that an earlier instance or process took in.
    ticket: Option<OwnedSemaphorePermit>,
}
impl Message for Perform {
    type Result = ();
}

/// Starts again what an earlier instance or process left unfinished.
struct Resume;
impl Message for Resume {
    type Result = ();
}

/// The component's name in reports of failures.
const COMPONENT: &str = "evaluator";
const RESUMING: &str = "reading the unfinished evaluations";
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// Evaluations that are worked on at a time; each has a model and the rows of its snapshot in memory.
const AT_WORK: usize = 2;
/// Interval between looks for evaluations that other processes left.
const RESUME_EVERY: Duration = Duration::from_secs(5);

pub struct Evaluator {
    resources: Arc<EvaluatorResources>,
    loader: Slot<Loader>,
    /// By task.
    running: BTreeSet<String>,
    /// One for each evaluation that may run or wait.
    tickets: Arc<Semaphore>,
    /// Evaluations at work at a time.
    turns: Arc<Semaphore>,
    audits: audit::Audits,
    finished: u64,
    failed: u64,
    last_error: Option<String>,
}

impl Evaluator {
    pub fn new(resources: Arc<EvaluatorResources>, loader: Slot<Loader>) -> Self {
        Self {
            resources,
            loader,
            running: BTreeSet::new(),
            tickets: Arc::new(Semaphore::new(limits::EVALUATIONS)),
            turns: Arc::new(Semaphore::new(AT_WORK)),
            audits: audit::Audits::default(),
            finished: 0,
            failed: 0,
            last_error: None,
        }
    }
}

impl Evaluator {
    /// Whether the outcome of an evaluation is to be kept: not while that is given up.
    fn may_keep(&self, task_id: &str) -> bool {
        let now = self.resources.clock.monotonic();
        self.resources.failures.may_try(COMPONENT, &keeping(task_id), ("", now))
    }

    /// Looks for unfinished evaluations later. Where the store is shared it is looked at again anyhow.
    fn resume_in(&self, wait: Duration, context: &mut Context<Self>) {
        if self.resources.leases.is_some() {
            return;
        }
        let (me, clock) = (context.address().downgrade(), self.resources.clock.clone());
        context.spawn(WhileReachable::new(async move {
            clock.sleep(wait).await;
            if let Some(me) = me.upgrade() {
                me.do_send(Resume);
            }
        }));
    }
}

impl Actor for Evaluator {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.notify(Resume);
        let Some(leases) = &self.resources.leases else { return };
        // What other processes leave unfinished; what they are at work on is not taken.
        let (me, clock, pause) =
            (context.address().downgrade(), self.resources.clock.clone(), leases.look_every().max(RESUME_EVERY));
        context.spawn(WhileReachable::new(async move {
            loop {
                clock.sleep(pause).await;
                let Some(me) = me.upgrade() else { return };
                me.do_send(Resume);
            }
        }));
    }
}

crate::takes_messages!(Evaluator);

/// Address of a plot, below the facade's base path.
fn address(model: &ModelId, plot: &str) -> String {
    format!("/evaluate/{model}/plots/{plot}.png")
}

pub(crate) fn ranked(importance: &[(String, f64)]) -> Vec<FeatureImportance> {
    (1..)
        .zip(importance)
        .map(|(rank, (name, score))| FeatureImportance { feature_name: name.clone(), importance_score: *score, rank })
        .collect()
}

/// A model's predictions, and what is known of it beside them.
struct Subject<'a> {
    id: &'a ModelId,
    model: &'a Model,
    data: &'a LoadedSnapshot,
    test: &'a [u32],
    importance: Vec<FeatureImportance>,
    /// How many rows the training part has.
    training_rows: u64,
}

impl Subject<'_> {
    /// Everything of an evaluation but its times. `metrics` gets labels and probabilities of the test part.
    fn score(
        self,
        metrics: impl FnOnce(&[u8], &[f64]) -> TrainingMetrics,
        artifacts: Option<&Artifacts>,
        at: chrono::DateTime<chrono::Utc>,
    ) -> Result<(EvaluationResults, BTreeMap<String, String>), EvaluateError> {
        let y = labels(self.data, self.test);
        let p = self.model.predict_proba(self.data.dataset.x(), self.test).map_err(LearnError::from)?;
        let metrics = TrainingMetrics { set_coverage: set_coverage(self.model, &y, &p), ..metrics(&y, &p) };
        let brier = scores(&y, &p, self.model.threshold).brier;
        let bins = calibration_bins(&y, &p);
        let importance_kind = ImportanceKind::of(self.model.algorithm);
        let importance_rows = importance_kind.rows(self.training_rows);
        let mut plots = BTreeMap::new();
        if let Some(artifacts) = artifacts {
            let data = PlotData {
                algorithm: self.model.algorithm.title().to_owned(),
                model_id: self.id.to_string(),
                date: at.format("%Y-%m-%d").to_string(),
                confusion_matrix: metrics.confusion_matrix,
                threshold: self.model.threshold,
                roc: roc_curve(&y, &p),
                auc: metrics.auc_roc,
                auc_interval: metrics.intervals_95.get(TargetMetric::AucRoc.as_str()).copied(),
                feature_importance: self.importance.clone(),
                importance_kind,
                importance_rows,
                calibration: bins.clone(),
                brier,
            };
            for name in PLOTS {
                let narrow = format!("{name}_narrow");
                for (name, format) in [(name, Format::Png), (name, Format::Svg), (&narrow, Format::Svg)] {
                    let bytes = provost_plots::render(name, format, &data)
                        .map_err(|e| EvaluateError::Plot(format!("{name}: {e}")))?;
                    plots.insert(format!("{name}.{}", format.extension()), artifacts.put(&bytes)?);
                }
            }
        }
        let plot = |name: &str| plots.contains_key(&format!("{name}.png")).then(|| address(self.id, name));
        let results = EvaluationResults {
            model_id: self.id.clone(),
            evaluation_date: at,
            performance_by_university_tier: tiers(&y, &p, self.model.threshold),
            calibration_score: brier,
            calibration_bins: bins,
            feature_importance: self.importance,
            importance_kind: Some(importance_kind),
            importance_rows: Some(importance_rows),
            threshold_counts: Some(threshold_counts(&y, &p)),
            confusion_matrix_plot: plot("confusion_matrix"),
            roc_curve_plot: plot("roc_curve"),
            feature_importance_plot: plot("feature_importance"),
            calibration_plot: plot("calibration"),
            metrics,
        };
        Ok((results, plots))
    }
}

impl Handler<Score> for Evaluator {
    type Result = ResponseActFuture<Self, Result<EvaluationRecord, EvaluateError>>;
    fn handle(&mut self, m: Score, _: &mut Context<Self>) -> Self::Result {
        let (artifacts, at) = (self.resources.artifacts.clone(), self.resources.clock.now());
        let scored = blocking(move || {
            let f = &m.fitted;
            let subject = Subject {
                id: &m.model_id,
                model: &f.model,
                data: &m.data,
                test: &m.test,
                importance: ranked(&f.importance),
                training_rows: m.training_rows,
            };
            let metrics =
                |y: &[u8], p: &[f64]| training_metrics(y, p, f.model.threshold, &f.cv_scores, f.seconds, f.iterations);
            let (results, plots) = subject.score(metrics, m.plots.then_some(&artifacts), at)?;
            Ok(EvaluationRecord {
                task_id: task_id(),
                model_id: m.model_id.clone(),
                requested_at: at,
                results: Some(results),
                error: None,
                plots,
            })
        });
        Box::pin(scored.into_actor(self))
    }
}

fn task_id() -> String {
    format!("task_{}", uuid::Uuid::now_v7().simple())
}

impl Handler<Evaluate> for Evaluator {
    type Result = ResponseActFuture<Self, Result<String, EvaluateError>>;
    fn handle(&mut self, message: Evaluate, context: &mut Context<Self>) -> Self::Result {
        self.resources.failpoints.hit("evaluator");
        let (resources, me, ticket) =
            (self.resources.clone(), context.address(), self.tickets.clone().try_acquire_owned());
        let begun = async move {
            let ticket = ticket.map_err(|_| Busy { what: "evaluations", waiting: limits::EVALUATIONS })?;
            let Some(known) = resources.models.model(&message.model).await? else {
                return Err(EvaluateError::NotFound(message.model));
            };
            // A damaged artifact is an error of the request, not only a line in the log.
            load_model::<EvaluateError>(&resources.artifacts, &known.version).await?;
            let task_id = task_id();
            let record = EvaluationRecord {
                task_id: task_id.clone(),
                model_id: message.model,
                requested_at: resources.clock.now(),
                results: None,
                error: None,
                plots: BTreeMap::new(),
            };
            resources.evaluations.start_evaluation(record.clone()).await?;
            // Should the actor die first, its successor finds the record.
            me.do_send(Perform { record, plots: message.plots, ticket: Some(ticket) });
            Ok(task_id)
        };
        Box::pin(begun.into_actor(self))
    }
}

/// The task's name in reports of failures of an evaluation.
fn task_of(record: &EvaluationRecord) -> String {
    format!("evaluation {}", record.task_id)
}

/// Prefix of the task's name in reports of failures to store an outcome.
const KEEPING: &str = "keeping evaluation ";

fn keeping(task_id: &str) -> String {
    format!("{KEEPING}{task_id}")
}

/// The whole of one evaluation; the record comes back finished, with results or with the error. While the store is away it
/// is tried for as long as that lasts.
async fn perform(
    resources: Arc<EvaluatorResources>,
    loader: Slot<Loader>,
    mut record: EvaluationRecord,
    plots: bool,
) -> EvaluationRecord {
    let task = task_of(&record);
    loop {
        record = match perform_now(resources.clone(), loader.clone(), record, plots).await {
            Ok(record) => {
                resources.failures.succeeded(COMPONENT, &task);
                return record;
            }
            Err((record, error)) => {
                let wait = resources.failures.wait(COMPONENT, &task, error.kind(), &error.to_string(), PAUSES);
                resources.clock.sleep(wait).await;
                record
            }
        };
    }
}

async fn perform_now(
    resources: Arc<EvaluatorResources>,
    loader: Slot<Loader>,
    mut record: EvaluationRecord,
    plots: bool,
) -> Result<EvaluationRecord, (EvaluationRecord, EvaluateError)> {
    let evaluated = async {
        let known = resources.models.model(&record.model_id).await?;
        let known = known.ok_or_else(|| EvaluateError::NotFound(record.model_id.clone()))?;
        let opened = open::<EvaluateError>((&resources.artifacts, &*resources.installation), &loader, known).await?;
        let (artifacts, at) = (resources.artifacts.clone(), resources.clock.now());
        blocking(move || {
            let version = &opened.record.version;
            let subject = Subject {
                id: &version.model_id,
                model: &opened.model,
                data: &opened.data,
                test: &opened.test,
                importance: version.feature_importance.clone(),
                training_rows: version.training_samples,
            };
            let trained = &version.metrics;
            let metrics = |y: &[u8], p: &[f64]| {
                let (seconds, iterations) = (trained.training_time_seconds, trained.iterations_completed);
                training_metrics(y, p, opened.model.threshold, &trained.cv_scores, seconds, iterations)
            };
            subject.score(metrics, plots.then_some(&artifacts), at)
        })
        .await
    };
    match evaluated.await {
        Ok((results, plots)) => {
            record.results = Some(results);
            record.plots = plots;
        }
        // While the store is away the evaluation waits.
        Err(error) if error.is_store_away() => return Err((record, error)),
        Err(error) => record.error = Some(error.to_string()),
    }
    Ok(record)
}

/// Keeps the outcome; while the store is away for as long as that lasts. Of what fails otherwise the third failure is the
/// last for a day.
async fn keep(resources: &EvaluatorResources, record: EvaluationRecord) -> Result<(), StoreError> {
    let task = keeping(&record.task_id);
    let policy = Backoff::new(PAUSES.0, PAUSES.1).policy(|e: &StoreError, _| {
        let (kind, now) = (Kind::of(e), resources.clock.monotonic());
        !resources.failures.gives_up(COMPONENT, &task, kind, &e.to_string(), ("", now))
    });
    let finish = || async {
        match resources.evaluations.finish_evaluation(record.clone()).await {
            // Nobody waits for an evaluation that is gone: there is nothing to try again.
            Err(e @ StoreError::NotFound { .. }) => Ok(Err(e)),
            finished => finished.map(Ok),
        }
    };
    match retry(&*resources.clock, policy, never(), finish).await {
        Ok(kept) => {
            resources.failures.succeeded(COMPONENT, &task);
            kept
        }
        Err(ended) => ended.error().map_or(Ok(()), Err),
    }
}

/// Performs what no other process is at work on, and keeps the outcome; false if one is.
async fn perform_once(
    resources: Arc<EvaluatorResources>,
    loader: Slot<Loader>,
    record: EvaluationRecord,
    plots: bool,
) -> Result<bool, String> {
    let text = |e: StoreError| e.to_string();
    let task = task_of(&record);
    let lease = match &resources.leases {
        None => None,
        Some(leases) => match leases.take(&format!("evaluation:{}", record.task_id)).await.map_err(text)? {
            None => return Ok(false),
            Some(lease) => Some((leases, lease)),
        },
    };
    let performing = perform(resources.clone(), loader, record, plots);
    let record = match &lease {
        None => performing.await,
        Some((leases, lease)) => tokio::select! {
            record = performing => record,
            () = leases.keep(lease.clone()) => {
                // Another process's now, and its failures with it.
                resources.failures.succeeded(COMPONENT, &task);
                return Ok(false);
            }
        },
    };
    let error = record.error.clone();
    let kept = keep(&resources, record).await.map_err(text);
    if let Some((leases, lease)) = &lease {
        leases.release(lease).await;
    }
    match error {
        Some(error) => Err(error),
        None => kept.map(|()| true),
    }
}

impl Handler<Perform> for Evaluator {
    type Result = ();
    fn handle(&mut self, Perform { record, plots, ticket }: Perform, context: &mut Context<Self>) {
        let task = record.task_id.clone();
        if !self.running.insert(task.clone()) {
            return;
        }
        let (resources, loader, turns) = (self.resources.clone(), self.loader.clone(), self.turns.clone());
        let work = async move {
            let _ticket = ticket;
            // The semaphore is never closed.
            let _turn = turns.acquire_owned().await.ok();
            perform_once(resources, loader, record, plots).await
        };
        context.spawn(work.into_actor(self).map(move |performed, actor, context| {
            actor.running.remove(&task);
            if !actor.may_keep(&task) {
                actor.resume_in(LONG_PAUSE, context);
            }
            match performed {
                Ok(performed) => actor.finished += u64::from(performed),
                Err(error) => {
                    tracing::warn!(%error, "an evaluation failed");
                    actor.failed += 1;
                    actor.last_error = Some(error);
                }
            }
        }));
    }
}

impl Handler<Resume> for Evaluator {
    type Result = ();
    fn handle(&mut self, _: Resume, context: &mut Context<Self>) {
        let evaluations = self.resources.evaluations.clone();
        let unfinished = async move { evaluations.unfinished_evaluations().await };
        context.spawn(unfinished.into_actor(self).map(|unfinished, actor, context| match unfinished {
            Ok(records) => {
                let failures = &actor.resources.failures;
                failures.succeeded(COMPONENT, RESUMING);
                // What another process has finished is not to be kept any more.
                failures.keep(COMPONENT, KEEPING, |task| records.iter().any(|r| keeping(&r.task_id) == task));
                let all = records.len();
                // To do again what cannot be kept is for nothing.
                let due: Vec<EvaluationRecord> = records.into_iter().filter(|r| actor.may_keep(&r.task_id)).collect();
                if due.len() < all {
                    actor.resume_in(LONG_PAUSE, context);
                }
                due.into_iter().for_each(|record| context.notify(Perform { record, plots: true, ticket: None }));
            }
            Err(error) => {
                let kind = Kind::of(&error);
                let wait = actor.resources.failures.wait(COMPONENT, RESUMING, kind, &error.to_string(), PAUSES);
                actor.resume_in(wait, context);
            }
        }));
    }
}

impl Handler<Status> for Evaluator {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        MessageResult(json!({
            "running": self.running.len(),
            "finished": self.finished,
            "failed": self.failed,
            "last_evaluation_error": self.last_error,
        }))
    }
}
