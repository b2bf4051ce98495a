//! Documents of the service that Provost replaces. They stay as they are, with their own ids; what the store needs is added to them
//! as one member, `provost`, once. Ids that are not of Provost's form become such, always the same ones: of the algorithm, the
//! time and a hash of the old id.
//!
//! A point counts if it is one by the contract's rules; one that is not, and an older twin of one that is, is left out and
//! says why (`provost.refused`). Models are listed, and the one that was active stays the active one until another is
//! activated, but there is no artifact of theirs that could be loaded. Jobs are history: what had not finished never will.

mod points;
mod turn;
mod words;

pub use points::CHUNK;

use super::connection::Db;
use super::documents::{self, number, object, text};
use super::{JOBS, MODELS, TRIGGERS, jobs, model_documents, pointer};
use crate::error::Result;
use crate::roles::triggers::TriggerRecord;
use chrono::{DateTime, Utc};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use provost_domain::job::{JobRecord, JobStatus};
use provost_domain::model::ModelRecord;
use provost_domain::schedule::{TrainingTrigger, TriggerType};
use provost_domain::{Algorithm, JobId, ModelId, ModelVersion, TrainingConfig, TrainingJob};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use words::Words;

/// `chunk`: points that are written together.
pub async fn adopt(db: &Db, chunk: usize) -> Result<()> {
    let mut words = Words::default();
    let points = points::adopt(db, chunk, &mut words).await?;
    let (models, names) = adopt_models(db, &mut words).await?;
    let jobs = adopt_jobs(db, &names, &mut words).await?;
    let triggers = triggers(db, &mut words).await?;
    words.tell();
    if points + models + jobs + triggers > 0 {
        tracing::info!(points, models, jobs, triggers, "documents of the replaced service were taken over");
    }
    let active = doc! {"provost.legacy": true, "is_active": true};
    let newest = doc! {"provost.at": -1, "provost.id": -1};
    if let Some(model) = db.all(MODELS, active, newest, Some(1)).await?.first() {
        let id = ModelId::parse(text(model, "provost.id").unwrap_or_default());
        if let (Ok(id), Some(at)) = (id, number(model, "provost.at").and_then(DateTime::from_timestamp_micros)) {
            pointer::adopt(db, &id, at).await?;
        }
    }
    Ok(())
}

/// Adds the store's part to a document that has none yet.
async fn add(db: &Db, collection: &str, document: &Document, meta: Document) -> Result<bool> {
    let id = document.get("_id").cloned().unwrap_or(Bson::Null);
    db.update(collection, doc! {"_id": id, "provost": {"$exists": false}}, doc! {"$set": {"provost": meta}}).await
}

/// The model that goes by this text, as an id of ours or one of the replaced service.
pub async fn model_named(db: &Db, name: &str) -> Result<Option<ModelId>> {
    let found = match ModelId::parse(name) {
        Ok(id) => model_documents::find(db, &id).await?,
        Err(_) => named(db, MODELS, "model_id", name).await?,
    };
    let id = found.as_ref().and_then(|document| text(document, "provost.id"));
    Ok(id.and_then(|id| ModelId::parse(id).ok()))
}

/// The job that goes by this text, as an id of ours or one of the replaced service.
pub async fn job_named(db: &Db, name: &str) -> Result<Option<JobId>> {
    let found = match JobId::parse(name) {
        Ok(id) => jobs::find(db, &id).await?,
        Err(_) => named(db, JOBS, "job_id", name).await?,
    };
    let id = found.as_ref().and_then(|document| text(document, "provost.id"));
    Ok(id.and_then(|id| JobId::parse(id).ok()))
}

/// The adopted document that had this id, in `member` or as the document's own.
async fn named(db: &Db, collection: &str, member: &str, name: &str) -> Result<Option<Document>> {
    let own = ObjectId::parse_str(name).map_or_else(|_| Bson::from(name), Bson::from);
    for (member, id) in [(member, Bson::from(name)), ("_id", own)] {
        if let Some(found) = db.one(collection, doc! {member: id, "provost.legacy": true}).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn refused(why: &str) -> Document {
    doc! {"w": 1_i64, "present": 0_i64, "at": 0_i64, "refused": why}
}

/// Documents that were not converted yet.
async fn new(db: &Db, collection: &str) -> Result<Vec<Document>> {
    db.all(collection, doc! {"provost.at": null}, doc! {"_id": 1}, None).await
}

fn hash(text: &str) -> u128 {
    Sha256::digest(text.as_bytes()).iter().take(16).fold(0, |n, b| n << 8 | u128::from(*b))
}

/// The time in a member, whether it is a date or a text; else that of the document's id.
fn time(document: &Document, member: &str) -> DateTime<Utc> {
    let millis = match document.get(member) {
        Some(Bson::DateTime(time)) => Some(time.timestamp_millis()),
        Some(Bson::String(s)) => DateTime::parse_from_rfc3339(s).ok().map(|t| t.timestamp_millis()),
        _ => None,
    };
    let of_id = || document.get("_id").and_then(Bson::as_object_id).map(|id| id.timestamp().timestamp_millis());
    millis.or_else(of_id).and_then(DateTime::from_timestamp_millis).unwrap_or(DateTime::UNIX_EPOCH)
}

/// The values of the members, with defaults for members that are missing or of another form.
fn over<T: DeserializeOwned>(base: Value, members: &Map<String, Value>) -> Option<T> {
    let mut all = base.as_object()?.clone();
    for name in all.keys().cloned().collect::<Vec<_>>() {
        let Some(value) = members.get(&name).filter(|value| !value.is_null()) else { continue };
        let before = all.insert(name.clone(), value.clone());
        if serde_json::from_value::<T>(Value::Object(all.clone())).is_err()
            && let Some(before) = before
        {
            all.insert(name, before);
        }
    }
    serde_json::from_value(Value::Object(all)).ok()
}

fn config(value: Option<&Value>, member: &'static str, words: &mut Words) -> Value {
    let read = value.filter(|value| !value.is_null()).map(TrainingConfig::from_json);
    let config = read.map(|read| {
        read.unwrap_or_else(|faults| {
            words.unknown(member, &faults.to_string(), "the default configuration");
            TrainingConfig::default()
        })
    });
    json!(config.unwrap_or_default())
}

/// How many were new, and by which id of ours the models of the replaced service go.
async fn adopt_models(db: &Db, words: &mut Words) -> Result<(u64, BTreeMap<String, ModelId>)> {
    let mut adopted = 0;
    for document in new(db, MODELS).await? {
        let meta = match model(&document, words) {
            Some(record) => {
                let (id, at) = (record.version.model_id.clone(), record.version.training_date);
                let mut meta = documents::listed(id.as_str(), at, "a model of the replaced service", &record)?;
                meta.extend(doc! {"w": 1_i64, "legacy": true});
                meta
            }
            None => {
                let word = text(&document, "algorithm").unwrap_or("(none)");
                words.unknown("ml_models.algorithm", word, "no model: it is left out");
                refused("it has no algorithm that is known")
            }
        };
        adopted += u64::from(add(db, MODELS, &document, meta).await?);
    }
    let known = db.all(MODELS, doc! {"provost.legacy": true}, doc! {}, None).await?;
    let names = known.iter().filter_map(|document| {
        let ours = ModelId::parse(text(document, "provost.id")?).ok()?;
        Some((text(document, "model_id")?.to_owned(), ours))
    });
    Ok((adopted, names.collect()))
}

fn model(document: &Document, words: &mut Words) -> Option<ModelRecord> {
    let algorithm = Algorithm::parse(text(document, "algorithm")?)?;
    let date = time(document, "training_date");
    let old = text(document, "model_id")
        .map_or_else(|| document.get("_id").map_or_else(String::new, Bson::to_string), str::to_owned);
    let id = ModelId::parse(&old).unwrap_or_else(|_| ModelId::new(algorithm, date, hash(&old)));
    let mut members = object(document);
    let metrics = json!({"accuracy": 0.0, "precision": 0.0, "recall": 0.0, "f1_score": 0.0, "auc_roc": 0.0,
        "confusion_matrix": [[0, 0], [0, 0]], "classification_report": {}, "cv_scores": [], "cv_mean": 0.0, "cv_std": 0.0,
        "training_time_seconds": 0.0, "iterations_completed": 0});
    let nothing = Map::new();
    let of_metrics = members.get("metrics").and_then(Value::as_object).unwrap_or(&nothing);
    let metrics: provost_domain::model::TrainingMetrics = over(metrics, of_metrics)?;
    let note = format!("model {old} of the replaced service");
    let notes = members.get("notes").and_then(Value::as_str).map_or_else(|| note.clone(), |n| format!("{n}\n{note}"));
    for (name, value) in [
        ("model_id", json!(id)),
        ("training_date", json!(date)),
        ("training_config", config(members.get("training_config"), "ml_models.training_config", words)),
        ("metrics", json!(metrics)),
        ("is_active", json!(false)),
        ("notes", json!(notes)),
    ] {
        members.insert(name.to_owned(), value);
    }
    let base = json!({"model_id": id, "version": date.format("%Y%m%d").to_string(), "algorithm": algorithm,
        "training_date": date, "training_samples": 0, "training_config": TrainingConfig::default(), "model_sha256": "",
        "metrics": metrics, "feature_importance": [], "hyperparameters": {}, "model_path": "", "scaler_path": null,
        "is_active": false, "is_deprecated": false, "parent_model_id": null, "created_by": null, "version_tag": null,
        "notes": null});
    let version: ModelVersion = over(base, &members)?;
    let job_id = JobId::new(date, hash(&old));
    Some(ModelRecord { version, job_id, snapshot: String::new(), threshold: 0.5, temporal: None })
}

async fn adopt_jobs(db: &Db, models: &BTreeMap<String, ModelId>, words: &mut Words) -> Result<u64> {
    let mut adopted = 0;
    for document in new(db, JOBS).await? {
        let meta = match job(&document, models, words) {
            Some(record) => {
                let (id, at) = (record.job.job_id.clone(), record.job.created_at);
                let mut meta = documents::listed(id.as_str(), at, "a job of the replaced service", &record)?;
                let status = record.job.status.as_str();
                meta.extend(doc! {"w": 1_i64, "legacy": true, "state": jobs::THERE, "rev": 1_i64, "epoch": 0_i64, "status": status});
                meta
            }
            None => {
                let why = "it cannot be read as a job";
                words.refused(JOBS, why, document.get("_id"));
                refused(why)
            }
        };
        adopted += u64::from(add(db, JOBS, &document, meta).await?);
    }
    Ok(adopted)
}

fn job(document: &Document, models: &BTreeMap<String, ModelId>, words: &mut Words) -> Option<JobRecord> {
    let created = time(document, "created_at");
    let old = text(document, "job_id")
        .map_or_else(|| document.get("_id").map_or_else(String::new, Bson::to_string), str::to_owned);
    let id = JobId::parse(&old).unwrap_or_else(|_| JobId::new(created, hash(&old)));
    let mut members = object(document);
    let ours = |value: &Value| value.as_str().and_then(|old| models.get(old));
    let trained: Vec<&ModelId> =
        members.get("trained_models").and_then(Value::as_array).into_iter().flatten().filter_map(ours).collect();
    let best = members.get("best_model_id").and_then(ours);
    if let Some(word) = text(document, "status").filter(|status| JobStatus::parse(status).is_none()) {
        words.unknown("training_jobs.status", word, "failed");
    }
    let unfinished = !matches!(text(document, "status"), Some("completed" | "failed" | "cancelled"));
    let mut changed = vec![
        ("job_id", json!(id)),
        ("created_at", json!(created)),
        ("config", config(members.get("config"), "training_jobs.config", words)),
        ("trained_models", json!(trained)),
        ("best_model_id", json!(best)),
    ];
    if unfinished {
        changed.push(("status", json!("failed")));
        changed.push(("error_message", json!("it had not finished when the replaced service ended")));
    }
    for (name, value) in changed {
        members.insert(name.to_owned(), value);
    }
    let base = TrainingJob { status: JobStatus::Failed, ..TrainingJob::new(id, TrainingConfig::default(), created) };
    let job: TrainingJob = over(json!(base), &members)?;
    Some(JobRecord { rev: 1, config_hash: String::new(), ..JobRecord::new(job) })
}

async fn triggers(db: &Db, words: &mut Words) -> Result<u64> {
    let mut adopted = 0;
    for document in new(db, TRIGGERS).await? {
        let record = trigger(&document, words);
        let mut meta =
            documents::listed(&record.id, record.trigger.triggered_at, "a trigger of the replaced service", &record)?;
        meta.extend(doc! {"w": 1_i64, "legacy": true, "pending": false});
        adopted += u64::from(add(db, TRIGGERS, &document, meta).await?);
    }
    Ok(adopted)
}

/// What it led to is not known; it leads to nothing any more.
fn trigger(document: &Document, words: &mut Words) -> TriggerRecord {
    let said = |member| text(document, member).map(str::to_owned);
    let word = text(document, "trigger_type").unwrap_or("(none)");
    let kind = TriggerType::parse(word).unwrap_or_else(|| {
        words.unknown("training_triggers.trigger_type", word, "manual");
        TriggerType::Manual
    });
    let at = time(document, "triggered_at");
    let mut trigger = TrainingTrigger::new(kind, at, said("triggered_by"), said("reason"));
    trigger.new_samples_count = number(document, "new_samples_count").and_then(|n| u64::try_from(n).ok());
    let id = document.get("_id").map(|id| id.as_object_id().map_or_else(|| id.to_string(), |id| id.to_hex()));
    TriggerRecord {
        id: format!("legacy-{}", id.unwrap_or_default()),
        trigger,
        config: None,
        activation: Default::default(),
        job_id: None,
        outcome: Some("it is one of the replaced service".to_owned()),
    }
}
