//! The fairness audit of a model on its test part, with facts about its data. Audits are kept until the data changes.

use super::Evaluator;
use crate::blocking::blocking;
use crate::error::{EvaluateError, LoadError};
use crate::fairness::{groups, report};
use crate::loader::{FeaturePresence, Loader, SourceKey, SourceState};
use crate::options::EvaluatorResources;
use crate::pool::Place;
use crate::scoring::{labels, open};
use crate::supervise::Slot;
use actix::{Context, Handler, Message, ResponseActFuture, WrapFuture};
use provost_domain::ModelId;
use provost_domain::fairness::FairnessReport;
use provost_domain::features::FEATURES;
use provost_domain::model::ModelRecord;
use provost_domain::snapshot::{Presence, SnapshotFacts};
use provost_learn::LearnError;
use provost_learn::watch::fairness::AuditRows;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// How many audits are kept in memory.
const KEPT: usize = 16;

/// Audits a registered model on its test part.
pub struct AuditModel {
    pub id: ModelId,
    /// Held until the audit has ended.
    pub place: Place,
}
impl Message for AuditModel {
    type Result = Result<Arc<Audit>, EvaluateError>;
}

/// Requests an audit that is in memory and still current.
pub struct KnownAudit(pub ModelId);
impl Message for KnownAudit {
    type Result = Result<Option<Arc<Audit>>, EvaluateError>;
}

/// The result of an audit.
#[derive(Debug)]
pub struct Audit {
    pub fairness: FairnessReport,
    pub data: SnapshotFacts,
}

struct Known {
    id: ModelId,
    /// None if the source could not be read, which may be temporary.
    key: Option<SourceKey>,
    audit: Arc<Audit>,
}

/// The newest audits.
#[derive(Clone, Default)]
pub(super) struct Audits(Arc<Mutex<VecDeque<Known>>>);

impl Audits {
    fn find(&self, id: &ModelId, key: Option<&SourceKey>) -> Option<Arc<Audit>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |k: &&Known| k.id == *id && k.key.is_some() && k.key.as_ref() == key;
        known.iter().find(same).map(|k| k.audit.clone())
    }

    fn keep(&self, new: Known) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|k| k.id != new.id);
        known.push_front(new);
        known.truncate(KEPT);
    }
}

/// The model's record, the state of its source, and the audit that is known for it.
async fn known(
    resources: &EvaluatorResources,
    loader: &Slot<Loader>,
    audits: &Audits,
    id: &ModelId,
) -> Result<(ModelRecord, Option<SourceKey>, Option<Arc<Audit>>), EvaluateError> {
    let record = resources.models.model(id).await?.ok_or_else(|| EvaluateError::NotFound(id.clone()))?;
    let key = loader.send(SourceState(record.version.training_config.clone())).await?.ok();
    let known = audits.find(id, key.as_ref());
    Ok((record, key, known))
}

async fn audit(
    resources: Arc<EvaluatorResources>,
    loader: Slot<Loader>,
    audits: Audits,
    AuditModel { id, place }: AuditModel,
) -> Result<Arc<Audit>, EvaluateError> {
    // The state before reading: rows that arrive during the reading make the audit outdated.
    let (record, key, known) = known(&resources, &loader, &audits, &id).await?;
    if let Some(known) = known {
        return Ok(known);
    }
    let config = record.version.training_config.clone();
    let opened = open::<EvaluateError>((&resources.artifacts, &*resources.installation), &loader, record).await?;
    let ids = opened.test.iter().map(|row| opened.data.snapshot.row_ids[*row as usize]).collect();
    let snapshot = &opened.data.snapshot;
    let wanted = FeaturePresence {
        config: config.clone(),
        rows: snapshot.row_ids.clone(),
        extended: snapshot.feature_names.len() > FEATURES.len(),
    };
    let presence = match loader.send(wanted).await? {
        Ok(presence) => presence,
        // The source cannot be read any more; the report says so.
        Err(LoadError::Data(_)) => Presence::default(),
        Err(error) => return Err(error.into()),
    };
    let (columns, warnings) = groups(&loader, config, ids, resources.fairness.names()).await?;
    let of = id.clone();
    let found = blocking(move || {
        let _place = place;
        let (data, test) = (&opened.data, &opened.test[..]);
        let p = opened.model.predict_proba(&data.rows_for(&opened.model), test).map_err(LearnError::from)?;
        let applicants: Vec<u64> = test.iter().map(|row| data.snapshot.applicants[*row as usize]).collect();
        let y = labels(data, test);
        let rows = AuditRows { y: &y, p: &p, threshold: opened.model.threshold, applicants: &applicants };
        let fairness = report(of, &rows, &columns, warnings);
        let data = SnapshotFacts::of(&data.sha, &data.snapshot, data.dataset.y(), test.len() as u64, &presence);
        Ok::<_, EvaluateError>(Arc::new(Audit { fairness, data }))
    })
    .await?;
    audits.keep(Known { id, key, audit: found.clone() });
    Ok(found)
}

impl Handler<AuditModel> for Evaluator {
    type Result = ResponseActFuture<Self, Result<Arc<Audit>, EvaluateError>>;
    fn handle(&mut self, message: AuditModel, _: &mut Context<Self>) -> Self::Result {
        let audited = audit(self.resources.clone(), self.loader.clone(), self.audits.clone(), message);
        Box::pin(audited.into_actor(self))
    }
}

impl Handler<KnownAudit> for Evaluator {
    type Result = ResponseActFuture<Self, Result<Option<Arc<Audit>>, EvaluateError>>;
    fn handle(&mut self, KnownAudit(id): KnownAudit, _: &mut Context<Self>) -> Self::Result {
        let (resources, loader, audits) = (self.resources.clone(), self.loader.clone(), self.audits.clone());
        let found = async move { Ok(known(&resources, &loader, &audits, &id).await?.2) };
        Box::pin(found.into_actor(self))
    }
}
