//! Entries of the prediction log, a document each. They are written in bulk and in any order.

mod callers;

use super::connection::Db;
use super::documents::{Part, at, flag, number, text};
use super::points::retracted;
use crate::documents::{Cursor, decode, encode, page_size};
use crate::error::{Result, StoreError};
use crate::known_outcomes::KnownOutcome;
use crate::log_shares::surplus_of;
use crate::page::Page;
use crate::roles::predictions::{LoggedPredictions, PredictionFilter, PredictionTotals, ScoredOutcome, ShadowTally};
use callers::CALLER;
use chrono::{DateTime, Utc};
use mongodb::bson::{Bson, Document, doc};
use provost_domain::ModelId;
use provost_domain::prediction::{LoggedFeatures, PredictionRecord, ServingAnswer};
use provost_domain::record::Decision;
use provost_domain::watch_record::LogRange;
use std::collections::HashSet;

pub const PREDICTIONS: &str = "predictions";

fn document(record: &PredictionRecord) -> Result<Document> {
    let time = record.predicted_at;
    let mut document = doc! {
        "_id": format!("{}/{}", record.prediction_id, record.model_id),
        "prediction_id": record.prediction_id.as_str(),
        "model_id": record.model_id.as_str(),
        CALLER: &*record.caller,
        "at": time.timestamp_micros(),
        "probability": record.probability,
        "accepted": record.predicted_outcome == Decision::Accepted,
        "outcome": record.outcome.map(Decision::as_str),
        "features": encode("the features of a prediction", &record.features)?,
        "shadow": record.serving.is_some(),
    };
    if let Some(point) = &record.data_point_id {
        document.insert("data_point_id", point.as_str());
    }
    if let Some(serving) = &record.serving {
        let accepted = serving.predicted_outcome == Decision::Accepted;
        document.insert(
            "serving",
            doc! {"model_id": serving.model_id.as_str(), "probability": serving.probability, "accepted": accepted},
        );
        document.insert("agrees", record.predicted_outcome == serving.predicted_outcome);
        document.insert("difference", record.probability - serving.probability);
    }
    Ok(document)
}

fn decision(accepted: bool) -> Decision {
    if accepted { Decision::Accepted } else { Decision::Rejected }
}

fn read(document: &Document) -> Result<PredictionRecord> {
    let what = || format!("prediction {}", text(document, "prediction_id").unwrap_or_default());
    let corrupt =
        |member: &str| StoreError::Corrupt { what: what(), why: format!("its member {member} cannot be read") };
    let real = |path: &str| at(document, path).and_then(Bson::as_f64).ok_or_else(|| corrupt(path));
    let model = |path: &str| text(document, path).and_then(|id| ModelId::parse(id).ok()).ok_or_else(|| corrupt(path));
    let features: LoggedFeatures = decode(&what(), text(document, "features").ok_or_else(|| corrupt("features"))?)?;
    let serving = match document.contains_key("serving") {
        false => None,
        true => Some(ServingAnswer {
            model_id: model("serving.model_id")?,
            probability: real("serving.probability")?,
            predicted_outcome: decision(flag(document, "serving.accepted")),
        }),
    };
    let micros = number(document, "at").ok_or_else(|| corrupt("at"))?;
    Ok(PredictionRecord {
        prediction_id: text(document, "prediction_id").ok_or_else(|| corrupt("prediction_id"))?.to_owned(),
        predicted_at: DateTime::from_timestamp_micros(micros).ok_or_else(|| corrupt("at"))?,
        model_id: model("model_id")?,
        data_point_id: text(document, "data_point_id").map(str::to_owned),
        probability: real("probability")?,
        predicted_outcome: decision(flag(document, "accepted")),
        outcome: text(document, "outcome").and_then(Decision::parse),
        features,
        serving,
        caller: text(document, CALLER).unwrap_or_default().into(),
    })
}

/// Appends entries; returns how many are new.
pub async fn append(db: &Db, mut batch: Vec<PredictionRecord>) -> Result<u64> {
    for record in &batch {
        record.check().map_err(StoreError::Invalid)?;
    }
    let ids: Vec<&str> = batch.iter().filter_map(|record| record.data_point_id.as_deref()).collect();
    if !ids.is_empty() {
        let retracted = retracted(db, &ids).await?;
        batch.retain(|record| record.data_point_id.as_ref().is_none_or(|id| !retracted.contains(id)));
    }
    let documents = batch.iter().map(document).collect::<Result<Vec<_>>>()?;
    let known: HashSet<usize> = db.insert_all(PREDICTIONS, documents).await?.into_iter().collect();
    let new = batch.iter().enumerate().filter(|(at, _)| !known.contains(at));
    callers::count(db, new.map(|(_, record)| (&*record.caller, 1))).await?;
    Ok((batch.len() - known.len()) as u64)
}

pub async fn list(
    db: &Db,
    filter: &PredictionFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<PredictionRecord>> {
    let cursor = Cursor::parse('p', cursor)?;
    let mut matching = doc! {"shadow": false};
    if let Some(model) = &filter.model_id {
        matching.insert("model_id", model.as_str());
    }
    if let Some(outcome) = filter.outcome {
        matching.insert("outcome", outcome.as_str());
    }
    let mut time = Document::new();
    if let Some(from) = filter.from {
        time.insert("$gte", from.timestamp_micros());
    }
    if let Some(to) = filter.to {
        time.insert("$lt", to.timestamp_micros());
    }
    if !time.is_empty() {
        matching.insert("at", time);
    }
    if cursor != Cursor::start() {
        let same = doc! {"at": cursor.at, "prediction_id": {"$lt": cursor.id.as_str()}};
        matching.insert("$or", vec![doc! {"at": {"$lt": cursor.at}}, same]);
    }
    let order = doc! {"at": -1, "prediction_id": -1};
    let Part { documents, more } = db.part(PREDICTIONS, matching, order, limit, "features").await?;
    let items = documents.iter().map(read).collect::<Result<Vec<_>>>()?;
    let last = items.last().filter(|_| more);
    let next = last.map(|last| {
        let (at, id) = (last.predicted_at.timestamp_micros(), last.prediction_id.clone());
        Cursor { at, id }.encode('p')
    });
    Ok(Page { items, next })
}

pub async fn get(db: &Db, id: &str) -> Result<Option<PredictionRecord>> {
    let found = db.one(PREDICTIONS, doc! {"prediction_id": id, "shadow": false}).await?;
    found.as_ref().map(read).transpose()
}

pub async fn totals(db: &Db) -> Result<PredictionTotals> {
    let entries = db.size(PREDICTIONS).await?;
    let oldest = db.all(PREDICTIONS, doc! {}, doc! {"at": 1}, Some(1)).await?;
    let oldest = oldest.first().and_then(|first| number(first, "at")).and_then(DateTime::from_timestamp_micros);
    Ok(PredictionTotals { entries, oldest })
}

pub async fn shadow_tally(db: &Db, model: &ModelId, since: DateTime<Utc>) -> Result<ShadowTally> {
    let compared = doc! {"model_id": model.as_str(), "shadow": true, "at": {"$gte": since.timestamp_micros()}};
    let mut agreeing = compared.clone();
    agreeing.insert("agrees", true);
    let sum = doc! {"$group": {"_id": null, "sum": {"$sum": "$difference"}}};
    let rows = db.aggregate(PREDICTIONS, vec![doc! {"$match": compared.clone()}, sum]).await?;
    Ok(ShadowTally {
        predictions: db.count(PREDICTIONS, compared).await?,
        agreeing: db.count(PREDICTIONS, agreeing).await?,
        difference_sum: rows.first().and_then(|row| at(row, "sum")).and_then(Bson::as_f64).unwrap_or(0.0),
    })
}

pub async fn scored(db: &Db, model: &ModelId, since: DateTime<Utc>, limit: u32) -> Result<Vec<ScoredOutcome>> {
    let known = doc! {
        "model_id": model.as_str(), "at": {"$gte": since.timestamp_micros()},
        "outcome": {"$in": [Decision::Accepted.as_str(), Decision::Rejected.as_str()]},
    };
    // Two members of each: with their features fifty thousand entries take a hundred megabytes.
    let newest_first = doc! {"at": -1};
    let found = db.members(PREDICTIONS, known, newest_first, Some(limit), &["probability", "outcome"]).await?;
    let scored = |document: &Document| {
        Some(ScoredOutcome {
            probability: at(document, "probability")?.as_f64()?,
            accepted: text(document, "outcome")? == Decision::Accepted.as_str(),
        })
    };
    Ok(found.iter().filter_map(scored).collect())
}

/// What finds the predictions that a model answered in a part of the log.
pub fn in_range(model: &ModelId, range: &LogRange) -> Document {
    let (after, upto) = (&range.after, &range.upto);
    let (first, last) = (after.at.timestamp_micros(), upto.at.timestamp_micros());
    let mut found = doc! {"model_id": model.as_str(), "shadow": false};
    if first == last {
        found.extend(doc! {"at": first, "prediction_id": {"$gt": after.id.as_str(), "$lte": upto.id.as_str()}});
    } else {
        let between = doc! {"at": {"$gt": first, "$lt": last}};
        let begins = doc! {"at": first, "prediction_id": {"$gt": after.id.as_str()}};
        let ends = doc! {"at": last, "prediction_id": {"$lte": upto.id.as_str()}};
        found.insert("at", doc! {"$gte": first, "$lte": last});
        found.insert("$or", vec![between, begins, ends]);
    }
    found
}

pub async fn count_logged(db: &Db, in_range: Document, most: u32) -> Result<u64> {
    Ok(db.count(PREDICTIONS, in_range).await?.min(u64::from(most)))
}

pub async fn logged(db: &Db, in_range: Document, limit: u32) -> Result<LoggedPredictions> {
    let limit = page_size(limit);
    let newest_first = doc! {"at": -1, "prediction_id": -1};
    let found = db.all(PREDICTIONS, in_range, newest_first, Some(limit.saturating_add(1))).await?;
    let newest = found.get(..limit as usize).unwrap_or(&found);
    let predictions = newest.iter().rev().map(read).collect::<Result<Vec<_>>>()?;
    Ok(LoggedPredictions { predictions, cut: found.len() > newest.len() })
}

/// Whether there are predictions for any point: most stores have none, and then nothing is looked for.
async fn any_for_points(db: &Db) -> Result<bool> {
    Ok(db.one(PREDICTIONS, doc! {"data_point_id": {"$gt": ""}}).await?.is_some())
}

/// Brings outcomes to the predictions for these points.
pub async fn join(db: &Db, known: &[KnownOutcome]) -> Result<()> {
    if known.is_empty() || !any_for_points(db).await? {
        return Ok(());
    }
    let update = |outcome: &KnownOutcome| {
        let word = outcome.accepted.map(|accepted| decision(accepted).as_str());
        let of_point = doc! {"data_point_id": outcome.data_point_id.as_str()};
        doc! {"q": of_point, "u": {"$set": {"outcome": word}}, "multi": true}
    };
    db.update_each(PREDICTIONS, known.iter().map(update).collect()).await.map(|_| ())
}

/// Removes the predictions for these points.
pub async fn retract(db: &Db, ids: &[String]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let of_points = doc! {"data_point_id": {"$in": ids.to_vec()}};
    let found = db.members(PREDICTIONS, of_points.clone(), doc! {}, None, &[CALLER]).await?;
    db.remove(PREDICTIONS, of_points).await?;
    uncount(db, &found).await
}

/// Removes up to `limit` entries that are too old or too many; returns how many.
pub async fn forget(db: &Db, before: DateTime<Utc>, keep: u64, limit: u32) -> Result<u64> {
    let aged = oldest(db, doc! {"at": {"$lt": before.timestamp_micros()}}, limit.into()).await?;
    let mut removed = remove(db, &aged).await?;
    let left = u64::from(limit).saturating_sub(removed);
    let surplus = db.size(PREDICTIONS).await?.saturating_sub(keep).min(left);
    if surplus == 0 {
        return Ok(removed);
    }
    let counts = callers::counts(db).await?;
    // After a crash the server's estimate of the size may be too high, and the callers' counts up to 1 % too low. Only what is above the
    // limit by both is removed, so the log may have up to 1 % more entries than its limit.
    let counted: u64 = counts.iter().map(|(_, entries)| entries).sum();
    let surplus = surplus.min(counted.saturating_sub(keep));
    for (caller, share) in surplus_of(counts, counted.saturating_sub(surplus), surplus) {
        let found = oldest(db, callers::entries_of(&caller), share).await?;
        removed += remove(db, &found).await?;
        if (found.len() as u64) < share {
            callers::has_none(db, &caller).await?;
        }
    }
    Ok(removed)
}

/// The ids and callers of the oldest entries that match.
async fn oldest(db: &Db, matching: Document, limit: u64) -> Result<Vec<Document>> {
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    db.members(PREDICTIONS, matching, doc! {"at": 1}, Some(limit), &[CALLER]).await
}

/// Removes these entries, of which ids and callers are known; returns how many there were.
async fn remove(db: &Db, found: &[Document]) -> Result<u64> {
    if found.is_empty() {
        return Ok(0);
    }
    let ids: Vec<Bson> = found.iter().filter_map(|document| document.get("_id").cloned()).collect();
    let removed = db.remove(PREDICTIONS, doc! {"_id": {"$in": ids}}).await?;
    uncount(db, found).await?;
    Ok(removed)
}

/// These entries are no longer there.
async fn uncount(db: &Db, removed: &[Document]) -> Result<()> {
    callers::count(db, removed.iter().map(|document| (text(document, CALLER).unwrap_or_default(), -1))).await
}
