//! Serving owns the serving model: it opens, checks and warms the active model before it replaces the one before, and is the
//! only one that replaces it. Handlers read it without asking the actor.
//!
//! It reconciles: at each look it compares the active model of the store with the one in memory. It looks when it is told
//! of an activation, and now and then, so that an activation by another process is seen within two seconds.

mod answer;
mod batch;
mod current;
mod error;
mod log_writer;
mod logged;
mod pool;
mod request;
mod served_model;
mod service;
mod shadow;
mod shadow_report;
mod similar;

pub use answer::{PredictAnswer, RowAnswer};
pub use error::PredictionError;
pub use logged::NotExplained;
pub use request::{PredictRequest, RequestBounds, RequestOptions, RowError, application};
pub use served_model::ServedModel;
use service::OtherModels;
pub(crate) use service::PredictionService;
pub use service::{Answered, BadRow, PredictOptions, Predictions};
pub use shadow_report::{MetricWithInterval, ShadowModelReport, ShadowReport};
pub use similar::{NoSimilarRows, SimilarRow, SimilarRows};

use crate::background::WhileReachable;
use crate::error::ActorError;
use crate::failures::Kind;
use crate::options::ServingResources;
use crate::pool::Pool;
use crate::supervise::Status;
use actix::{Actor, AsyncContext, Context, Handler, Message, MessageResult, ResponseActFuture, WrapFuture};
use batch::BatchQueue;
use current::{CurrentModel, Finding};
use log_writer::LogWriter;
use pool::PredictionPool;
use provost_domain::{ModelId, ModelVersion, limits};
use serde_json::json;
use served_model::ModelOpener;
use shadow::Shadow;
use similar::SimilarService;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Between two looks at the store.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The component's name in reports of failures.
const COMPONENT: &str = "serving";
const READING: &str = "reading the active model";
const READING_SHADOW: &str = "reading the shadow selection";
const OPENING: &str = "opening the active model";
const OPENING_SHADOW: &str = "opening a shadow model";
const LOGGING: &str = "keeping all predictions for the log";
/// After so long without a loss the log keeps up again.
const KEEPS_UP_AFTER: Duration = Duration::from_secs(60);

/// What the actor and the handlers share. It outlives the actor, so that a rebuild costs no answer.
#[derive(Clone)]
pub(crate) struct ServingState {
    resources: Arc<ServingResources>,
    current: CurrentModel,
    shadow: Shadow,
    log: Option<BatchQueue>,
    pool: PredictionPool,
    reports: Pool,
    openings: Pool,
    others: OtherModels,
    opener: ModelOpener,
}

impl ServingState {
    /// # Errors
    /// The threads for predictions cannot be started.
    pub fn new(resources: ServingResources) -> Result<Self, ActorError> {
        let pool = PredictionPool::new(resources.predict.threads, resources.predict.waiting)?;
        let log = resources.predict.log.then(|| BatchQueue::new(log_writer::MOST_WAITING));
        let opener = ModelOpener { artifacts: resources.artifacts.clone(), tables: resources.tables.clone() };
        let reports = Pool::new("reports on the shadow models", 1, limits::SHADOW_REPORTS);
        let openings = Pool::new("models to be opened", 1, limits::MODEL_OPENINGS);
        let (current, shadow, others) = Default::default();
        Ok(Self { resources: Arc::new(resources), current, shadow, log, pool, reports, openings, others, opener })
    }

    /// What answers requests.
    pub fn service(&self) -> PredictionService {
        let resources = &self.resources;
        let similar = SimilarService {
            models: resources.models.clone(),
            points: resources.points.clone(),
            installation: resources.installation.clone(),
            artifacts: resources.artifacts.clone(),
            pool: self.pool.clone(),
            clock: resources.clock.clone(),
            indices: Arc::default(),
        };
        PredictionService {
            similar,
            current: self.current.clone(),
            opener: self.opener.clone(),
            models: self.resources.models.clone(),
            pool: self.pool.clone(),
            shadow: self.shadow.clone(),
            selection: self.resources.shadow.clone(),
            predictions: self.resources.predictions.clone(),
            log: self.log.clone(),
            changeable: self.resources.predict.changeable.as_slice().into(),
            clock: self.resources.clock.clone(),
            reports: self.reports.clone(),
            openings: self.openings.clone(),
            others: self.others.clone(),
        }
    }
}

/// Opens a model that is about to become the active one, and keeps it for the look that follows.
pub(crate) struct Prepare(pub ModelVersion);
impl Message for Prepare {
    type Result = Result<(), PredictionError>;
}

/// Looks at the store now: a model was activated.
pub(crate) struct Look;
impl Message for Look {
    type Result = ();
}

/// The looks, apart from the actor: handlers only start futures.
struct Looks {
    state: ServingState,
    /// One look at a time: an older one must not undo a later one's swap.
    looking: tokio::sync::Mutex<()>,
    /// The model that was last prepared.
    prepared: Mutex<Option<Arc<ServedModel>>>,
    swaps: AtomicU64,
    losses: Mutex<Losses>,
}

/// Predictions that were not logged, for want of room.
struct Losses {
    /// At the last look.
    dropped: u64,
    /// When the number last rose, by the monotonic clock.
    rose: Option<Duration>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Looks {
    /// Without an end.
    async fn run(self: Arc<Self>) {
        loop {
            self.look().await;
            self.look_at_shadow().await;
            self.look_at_losses();
            self.state.resources.clock.sleep(LOOK_EVERY).await;
        }
    }

    /// Swaps to the store's active model, if that is another one than serves. A model that does not open leaves the one that
    /// serves in its place.
    async fn look(&self) {
        let _one = self.looking.lock().await;
        let resources = &self.state.resources;
        let read = resources.models.active_model().await;
        resources.failures.note(COMPONENT, READING, &read, Kind::of);
        let Ok(active) = read else { return };
        let Some(id) = active else { return self.state.current.found(Finding::NoneActive) };
        if self.state.current.get().is_some_and(|serving| serving.model_id == id) {
            if self.state.current.finding() != Finding::Serves {
                // The model that could not be opened is not the active one any more.
                resources.failures.over(COMPONENT, OPENING);
                self.state.current.found(Finding::Serves);
            }
            return;
        }
        let input = (id.as_str(), resources.clock.monotonic());
        if !resources.failures.may_try(COMPONENT, OPENING, input) {
            return;
        }
        match self.open(&id).await {
            Ok(model) => {
                resources.failures.succeeded(COMPONENT, OPENING);
                tracing::info!(model = %id, algorithm = %model.algorithm, "the active model serves");
                self.state.current.swap(model);
                self.swaps.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                let (why, may_pass) = (error.to_string(), error.may_pass());
                let kind = if may_pass { Kind::Outage } else { Kind::Fault };
                resources.failures.gives_up(COMPONENT, OPENING, kind, &why, input);
                self.state.current.found(Finding::Failed { model: id.clone(), why, may_pass });
            }
        }
    }

    /// Takes over the shadow selection of the store, which another process may have made.
    async fn look_at_shadow(&self) {
        let resources = &self.state.resources;
        let read = resources.shadow.shadow_selection().await;
        resources.failures.note(COMPONENT, READING_SHADOW, &read, Kind::of);
        let Ok(Some(selection)) = read else { return };
        if self.state.shadow.selected().since == Some(selection.since) {
            return;
        }
        let service = self.state.service();
        let mut models = Vec::with_capacity(selection.model_ids.len());
        for id in &selection.model_ids {
            match service.pin(Some(id)).await {
                Ok(model) => models.push(model),
                Err(e) if e.may_pass() => {
                    resources.failures.failed(COMPONENT, OPENING_SHADOW, Kind::Outage, &e.to_string());
                    return;
                }
                Err(error) => tracing::warn!(model = %id, %error, "a shadow model cannot be opened"),
            }
        }
        resources.failures.over(COMPONENT, OPENING_SHADOW);
        self.state.shadow.select(models, selection.since);
    }

    /// Tells of predictions that were dropped on their way to the log, until none were for a while.
    fn look_at_losses(&self) {
        let Some(log) = &self.state.log else { return };
        let (failures, now) = (&self.state.resources.failures, self.state.resources.clock.monotonic());
        let (mut losses, dropped) = (lock(&self.losses), log.dropped());
        let lost = dropped.saturating_sub(losses.dropped);
        losses.dropped = dropped;
        if lost > 0 {
            losses.rose = Some(now);
            let text = format!("{lost} predictions were not logged: more were made than the log could take");
            failures.failed(COMPONENT, LOGGING, Kind::Outage, &text);
        } else if losses.rose.is_some_and(|rose| now.saturating_sub(rose) >= KEEPS_UP_AFTER) {
            losses.rose = None;
            failures.succeeded(COMPONENT, LOGGING);
        }
    }

    /// The model that was prepared, or one opened anew.
    async fn open(&self, id: &ModelId) -> Result<Arc<ServedModel>, PredictionError> {
        let prepared = lock(&self.prepared).take_if(|prepared| prepared.model_id == *id);
        if let Some(model) = prepared {
            return Ok(model);
        }
        let resources = &self.state.resources;
        let record = resources.models.model(id).await?.ok_or_else(|| PredictionError::UnknownModel(id.clone()))?;
        self.state.opener.open(&record.version, resources.clock.now()).await
    }

    async fn prepare(&self, version: ModelVersion) -> Result<(), PredictionError> {
        if self.state.current.get().is_some_and(|serving| serving.model_id == version.model_id) {
            return Ok(());
        }
        let model = self.state.opener.open(&version, self.state.resources.clock.now()).await?;
        *lock(&self.prepared) = Some(model);
        Ok(())
    }
}

pub struct Serving {
    looks: Arc<Looks>,
}

impl Serving {
    pub(crate) fn new(state: ServingState) -> Self {
        let (looking, prepared, swaps) = Default::default();
        let losses = Losses { dropped: state.log.as_ref().map_or(0, BatchQueue::dropped), rose: None };
        let losses = Mutex::new(losses);
        Self { looks: Arc::new(Looks { state, looking, prepared, swaps, losses }) }
    }
}

impl Actor for Serving {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.spawn(WhileReachable::new(self.looks.clone().run()));
        let state = &self.looks.state;
        let (log, failures) = (state.resources.predictions.clone(), state.resources.failures.clone());
        context.spawn(WhileReachable::new(state.shadow.clone().run(state.pool.clone(), log.clone(), failures.clone())));
        if let Some(queue) = state.log.clone() {
            let (sample, clock) = (state.resources.predict.log_sample, state.resources.clock.clone());
            let watch_nudge = state.resources.watch_nudge.clone();
            let writer = LogWriter { queue, log, sample, clock, failures, watch_nudge };
            context.spawn(WhileReachable::new(writer.run()));
        }
    }
}

crate::takes_messages!(Serving);

impl Handler<Prepare> for Serving {
    type Result = ResponseActFuture<Self, Result<(), PredictionError>>;
    fn handle(&mut self, Prepare(version): Prepare, _: &mut Context<Self>) -> Self::Result {
        self.looks.state.resources.failpoints.hit("serving");
        let looks = self.looks.clone();
        Box::pin(async move { looks.prepare(version).await }.into_actor(self))
    }
}

impl Handler<Look> for Serving {
    type Result = ResponseActFuture<Self, ()>;
    fn handle(&mut self, _: Look, _: &mut Context<Self>) -> Self::Result {
        let looks = self.looks.clone();
        Box::pin(async move { looks.look().await }.into_actor(self))
    }
}

impl Handler<Status> for Serving {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        let state = &self.looks.state;
        let serving = state.current.get();
        let failed = match state.current.finding() {
            Finding::Failed { model, why, .. } => Some(json!({ "model_id": model, "why": why })),
            _ => None,
        };
        let shadow = state.shadow.selected();
        MessageResult(json!({
            "health": if failed.is_some() { "degraded" } else { "up" },
            "model_id": serving.as_ref().map(|model| &model.model_id),
            "algorithm": serving.as_ref().map(|model| model.algorithm),
            "opened_at": serving.as_ref().map(|model| model.opened_at),
            "swaps": self.looks.swaps.load(Ordering::Relaxed),
            "not_opened": failed,
            "log_waiting": state.log.as_ref().map(BatchQueue::waiting),
            "log_dropped": state.log.as_ref().map(BatchQueue::dropped),
            "shadow_models": shadow.ids(),
            "shadow_dropped": state.shadow.dropped(),
        }))
    }
}
