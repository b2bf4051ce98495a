//! The Registry owns the model versions: registration, the active model, comparisons.

mod compare;
mod comparison;
mod gate;
mod recent;
mod stored;

pub use compare::{Compare, KnownComparison};
pub use gate::Decide;

use crate::blocking::blocking;
use crate::error::RegistryError;
use crate::evaluator::{Fitted, ranked};
use crate::loader::Loader;
use crate::notifier::mail_content::{Switch, about_activation};
use crate::options::RegistryResources;
use crate::outbox::announcement_of;
use crate::serving::{Look, Prepare, Serving};
use crate::supervise::{Slot, Status};
use actix::{Actor, Context, Handler, Message, MessageResult, ResponseActFuture, WrapFuture};
use chrono::{DateTime, Utc};
use provost_domain::event::outbound::{ActivatedAnnouncement, RegisteredAnnouncement, Topic};
use provost_domain::gate::GateDecision;
use provost_domain::model::ModelRecord;
use provost_domain::{JobId, ModelId, ModelVersion, TrainingConfig, limits};
use provost_store::{EvaluationRecord, OutboxMessage, StoreError};
use recent::RecentComparisons;
use serde_json::json;
use std::sync::Arc;

/// Stores a fitted model's artifact, and registers its version together with its evaluation. Registering the same id
/// again returns the existing version.
pub struct Register {
    pub model_id: ModelId,
    pub job_id: JobId,
    pub config: TrainingConfig,
    pub fitted: Arc<Fitted>,
    /// SHA-256 of the snapshot's artifact.
    pub snapshot: String,
    /// Rows of the training part.
    pub training_samples: u64,
    pub created_by: Option<String>,
    pub evaluation: EvaluationRecord,
}
impl Message for Register {
    type Result = Result<ModelVersion, RegistryError>;
}

/// Activates a model.
pub struct Activate {
    pub id: ModelId,
    pub by: Option<String>,
    pub reason: Option<String>,
}
impl Message for Activate {
    type Result = Result<ModelVersion, RegistryError>;
}

/// Activates the previously active model again.
pub struct Rollback {
    pub by: Option<String>,
    /// A reason that is added to the history's own text.
    pub reason: Option<String>,
}
impl Message for Rollback {
    type Result = Result<ModelVersion, RegistryError>;
}

/// The parts that messages work with, apart from the actor: handlers only start futures.
#[derive(Clone)]
struct ModelService {
    resources: Arc<RegistryResources>,
    loader: Slot<Loader>,
    serving: Slot<Serving>,
    compared: RecentComparisons,
}

impl ModelService {
    async fn record(&self, id: &ModelId) -> Result<ModelRecord, RegistryError> {
        self.resources.models.model(id).await?.ok_or_else(|| RegistryError::NotFound(id.clone()))
    }

    async fn register(&self, m: Register) -> Result<ModelVersion, RegistryError> {
        if let Some(known) = self.resources.models.model(&m.model_id).await? {
            return Ok(known.version);
        }
        let Some(results) = m.evaluation.results.as_ref() else {
            return Err(RegistryError::Invalid(format!("{} has no evaluation", m.model_id)));
        };
        let (artifacts, fitted) = (self.resources.artifacts.clone(), m.fitted.clone());
        // Written and synced before any record names it.
        let sha256 = blocking(move || artifacts.put(&fitted.model.to_bytes()).map_err(RegistryError::from)).await?;
        let now = self.resources.clock.now();
        let version = ModelVersion {
            model_id: m.model_id.clone(),
            version: format!("{}_{}", now.format("%Y%m%d"), m.training_samples),
            algorithm: m.fitted.model.algorithm,
            training_date: now,
            training_samples: m.training_samples,
            model_sha256: sha256.clone(),
            metrics: results.metrics.clone(),
            feature_importance: ranked(&m.fitted.importance),
            hyperparameters: m.fitted.params.clone(),
            model_path: sha256.clone(),
            scaler_path: Some(sha256),
            is_active: false,
            is_deprecated: false,
            parent_model_id: self.resources.models.active_model().await?,
            created_by: m.created_by,
            version_tag: m.config.version_tag.clone(),
            notes: m.config.notes.clone(),
            training_config: m.config,
        };
        let event = RegisteredAnnouncement {
            model_id: version.model_id.clone(),
            job_id: m.job_id.clone(),
            algorithm: version.algorithm,
            version: version.version.clone(),
            cv_mean: version.metrics.cv_mean,
            auc_roc: version.metrics.auc_roc,
        };
        let id = format!("{}:{}", Topic::ModelRegistered, m.model_id);
        let outbox = vec![announcement_of(id, Topic::ModelRegistered, &event, now)];
        let record = ModelRecord {
            version,
            job_id: m.job_id,
            snapshot: m.snapshot,
            threshold: m.fitted.model.threshold,
            temporal: m.fitted.temporal,
        };
        self.resources.models.register_model(record, m.evaluation, outbox).await?;
        Ok(self.record(&m.model_id).await?.version)
    }

    async fn activate(&self, m: Activate) -> Result<ModelVersion, RegistryError> {
        let record = self.record(&m.id).await?;
        self.prepare(&record.version).await?;
        let now = self.resources.clock.now();
        let outbox = self.activation_notes(&record.version, m.by.clone(), m.reason.clone(), now).await?;
        match self.resources.activation.activate_model(&m.id, m.by, m.reason, now, outbox).await {
            Ok(record) => {
                self.activated().await;
                Ok(record.version)
            }
            Err(StoreError::NotFound { .. }) => Err(RegistryError::NotFound(m.id)),
            Err(e) => Err(e.into()),
        }
    }

    /// Lets Serving open and warm the model: a model that cannot serve is not activated.
    async fn prepare(&self, version: &ModelVersion) -> Result<(), RegistryError> {
        if !version.has_artifact() {
            return Err(StoreError::NoArtifact { model: version.model_id.to_string() }.into());
        }
        Ok(self.serving.send(Prepare(version.clone())).await??)
    }

    /// Lets Serving switch to the activated model at once. If that fails, the next look at the store does it.
    async fn activated(&self) {
        if let Err(error) = self.serving.send(Look).await {
            tracing::warn!(%error, "the new model serves a moment later");
        }
    }

    /// The announcement of an activation, and the mails about it.
    async fn activation_notes(
        &self,
        model: &ModelVersion,
        by: Option<String>,
        reason: Option<String>,
        now: DateTime<Utc>,
    ) -> Result<Vec<OutboxMessage>, RegistryError> {
        let event = ActivatedAnnouncement {
            model_id: model.model_id.clone(),
            previous_model_id: self.resources.models.active_model().await?,
            activated_by: by,
            reason,
        };
        let id = format!("{}:{}", Topic::ModelActivated, uuid::Uuid::now_v7().simple());
        let switch = Switch {
            occasion: &id,
            model,
            previous: event.previous_model_id.as_ref(),
            by: event.activated_by.as_deref(),
            reason: event.reason.as_deref(),
            at: now,
        };
        let mut outbox = about_activation(&self.resources.mail, switch).await;
        outbox.push(announcement_of(id, Topic::ModelActivated, &event, now));
        Ok(outbox)
    }

    async fn rollback(&self, m: Rollback) -> Result<ModelVersion, RegistryError> {
        let latest = self.resources.models.activations(None, 1).await?.items.into_iter().next();
        let Some((now, before)) = latest.and_then(|a| Some((a.model_id, a.previous_model_id?))) else {
            return Err(RegistryError::NothingBefore);
        };
        let why = m.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let reason = format!("rolled back from {now}{why}").chars().take(limits::REASON).collect();
        self.activate(Activate { id: before, by: m.by, reason: Some(reason) }).await
    }
}

impl Handler<Decide> for Registry {
    type Result = ResponseActFuture<Self, Result<GateDecision, RegistryError>>;
    fn handle(&mut self, message: Decide, _: &mut Context<Self>) -> Self::Result {
        self.models.resources.failpoints.hit("gate");
        self.decisions += 1;
        let models = self.models.clone();
        Box::pin(async move { models.decide(message).await }.into_actor(self))
    }
}

pub struct Registry {
    models: ModelService,
    activated: u64,
    registered: u64,
    decisions: u64,
}

impl Registry {
    pub fn new(resources: Arc<RegistryResources>, loader: Slot<Loader>, serving: Slot<Serving>) -> Self {
        Self {
            models: ModelService { resources, loader, serving, compared: RecentComparisons::default() },
            activated: 0,
            registered: 0,
            decisions: 0,
        }
    }
}

impl Actor for Registry {
    type Context = Context<Self>;
}

crate::takes_messages!(Registry);

impl Handler<Status> for Registry {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        MessageResult(
            json!({"registrations_asked": self.registered, "activations_asked": self.activated, "decisions_asked": self.decisions}),
        )
    }
}

impl Handler<Register> for Registry {
    type Result = ResponseActFuture<Self, Result<ModelVersion, RegistryError>>;
    fn handle(&mut self, message: Register, _: &mut Context<Self>) -> Self::Result {
        self.registered += 1;
        let models = self.models.clone();
        Box::pin(async move { models.register(message).await }.into_actor(self))
    }
}

impl Handler<Activate> for Registry {
    type Result = ResponseActFuture<Self, Result<ModelVersion, RegistryError>>;
    fn handle(&mut self, message: Activate, _: &mut Context<Self>) -> Self::Result {
        self.models.resources.failpoints.hit("registry");
        self.activated += 1;
        let models = self.models.clone();
        Box::pin(async move { models.activate(message).await }.into_actor(self))
    }
}

impl Handler<Rollback> for Registry {
    type Result = ResponseActFuture<Self, Result<ModelVersion, RegistryError>>;
    fn handle(&mut self, message: Rollback, _: &mut Context<Self>) -> Self::Result {
        self.activated += 1;
        let models = self.models.clone();
        Box::pin(async move { models.rollback(message).await }.into_actor(self))
    }
}
