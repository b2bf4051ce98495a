//! The inbox. An event's row is written first, pending, with what the event does; then that is done; then the row says so. What
//! it does may be done again without harm, so whoever finds a pending row (the event's next delivery, or the next start)
//! does it to the end. A delivery is answered only when its event's row says that it is done.

use super::connection::Db;
use super::documents::{self, flag, text};
use super::points::{self, Change};
use super::{audit, triggers};
use crate::error::{Result, StoreError};
use crate::roles::inbox::{InboxEffect, InboxEntry, InboxOutcome};
use crate::roles::points::PointOutcome;
use crate::roles::triggers::TriggerRecord;
use mongodb::bson::{Bson, Document, doc};
use provost_domain::AdmissionDataPoint;
use provost_domain::audit::Deed;
use provost_domain::event::Retraction;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub const INBOX: &str = "inbox";
/// Pending rows that are finished in one step: as many as the bridge records together.
const FINISHED_TOGETHER: u32 = 500;

/// What an event does, as its row keeps it while it is pending.
#[derive(Serialize, Deserialize)]
enum Effect {
    Nothing,
    Points(Vec<AdmissionDataPoint>),
    Retraction(String, u64),
    Trigger(Box<TriggerRecord>),
}

/// Checked, and ready to be done.
enum Work {
    Nothing,
    Changes(Vec<Change>),
    Trigger(Box<TriggerRecord>),
}

impl Effect {
    fn new(effect: InboxEffect) -> Self {
        match effect {
            InboxEffect::None => Self::Nothing,
            InboxEffect::Points(points) => Self::Points(points),
            InboxEffect::Retraction(r) => Self::Retraction(r.data_point_id, r.seq),
            InboxEffect::Trigger(trigger) => Self::Trigger(trigger),
        }
    }

    /// What it led to: of a batch its first point.
    fn led_to(&self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Points(points) => points.first().map(|p| p.data_point_id.clone()),
            Self::Retraction(id, _) => Some(id.clone()),
            Self::Trigger(trigger) => Some(trigger.id.clone()),
        }
    }

    fn work(self) -> Result<Work> {
        Ok(match self {
            Self::Nothing => Work::Nothing,
            Self::Points(points) => Work::Changes(points::encode(points)?),
            Self::Retraction(data_point_id, seq) => {
                Work::Changes(vec![Change::Retract(Retraction { data_point_id, seq })])
            }
            Self::Trigger(trigger) => Work::Trigger(trigger),
        })
    }
}

fn key(entry: &InboxEntry) -> String {
    format!("{}:{}{}", entry.source.len(), entry.source, entry.id)
}

pub async fn record(db: &Db, events: Vec<(InboxEntry, InboxEffect)>) -> Result<Vec<InboxOutcome>> {
    let entries: Vec<(String, InboxEntry)> = events.iter().map(|(entry, _)| (key(entry), entry.clone())).collect();
    let mut hashes: BTreeMap<String, String> = BTreeMap::new();
    let (mut rows, mut works) = (Vec::new(), Vec::new());
    for (i, (entry, effect)) in events.into_iter().enumerate() {
        let (key, hash) = (&entries[i].0, &entry.payload_hash);
        if hashes.contains_key(key) {
            continue;
        }
        hashes.insert(key.clone(), hash.clone());
        let effect = Effect::new(effect);
        let mut row = doc! {
            "_id": key.as_str(),
            "source": entry.source.as_str(),
            "id": entry.id.as_str(),
            "payload_hash": hash.as_str(),
            "at": entry.at.timestamp_micros(),
            "led_to": effect.led_to(),
            "pending": true,
        };
        let text = serde_json::to_string(&effect);
        // Checked before anything is written: a row that cannot be processed could never be completed.
        works.push((i, effect.work()?));
        row.insert("effect", text.map_err(|e| StoreError::Invalid(format!("an event cannot be stored: {e}")))?);
        rows.push(row);
    }
    let keys: Vec<Bson> = rows.iter().map(|row| row.get("_id").cloned().unwrap_or(Bson::Null)).collect();
    let there = db.insert_all(INBOX, rows).await?;
    if !there.is_empty() {
        let keys: Vec<Bson> = there.iter().filter_map(|&row| keys.get(row).cloned()).collect();
        let known = db.all(INBOX, doc! {"_id": {"$in": keys}}, doc! {}, None).await?;
        for row in &known {
            let (key, hash) = (text(row, "_id").unwrap_or_default(), text(row, "payload_hash").unwrap_or_default());
            hashes.insert(key.to_owned(), hash.to_owned());
        }
        // What somebody else began is not ours to answer for, but done before we say that it is.
        finish(db, known.into_iter().filter(|row| flag(row, "pending")).collect()).await?;
    }

    let same = |(key, entry): &(String, InboxEntry)| hashes.get(key) == Some(&entry.payload_hash);
    let outcome = |known| if known { InboxOutcome::Duplicate } else { InboxOutcome::Mismatch };
    let mut outcomes: Vec<InboxOutcome> = entries.iter().map(|event| outcome(same(event))).collect();
    let mismatches = entries
        .iter()
        .filter(|event| !same(event))
        .map(|(_, entry)| Deed::event_mismatch(&entry.source, &entry.id, &entry.payload_hash, entry.at));
    audit::append(db, mismatches.collect()).await?;
    let new: Vec<usize> = (0..keys.len()).filter(|row| !there.contains(row)).collect();
    let mut changes = Vec::new();
    let mut shares = Vec::new();
    for (row, (i, work)) in works.into_iter().enumerate() {
        if new.binary_search(&row).is_err() {
            continue;
        }
        outcomes[i] = InboxOutcome::New(Vec::new());
        match work {
            Work::Nothing => {}
            Work::Changes(all) => {
                shares.push((i, all.len()));
                changes.extend(all);
            }
            Work::Trigger(trigger) => {
                triggers::add(db, &trigger, &[]).await?;
            }
        }
    }
    let mut points: std::vec::IntoIter<PointOutcome> = points::apply(db, &changes).await?.into_iter();
    for (i, share) in shares {
        outcomes[i] = InboxOutcome::New(points.by_ref().take(share).collect());
    }
    done(db, new.into_iter().filter_map(|row| keys.get(row).cloned()).collect()).await?;
    Ok(outcomes)
}

/// Does what pending rows say, all of it together, and says that it is done.
async fn finish(db: &Db, rows: Vec<Document>) -> Result<()> {
    let mut all = Vec::new();
    for row in &rows {
        let effect: Effect = documents::read(row, "effect", "an event in the inbox")?;
        match effect.work()? {
            Work::Nothing => {}
            Work::Changes(changes) => all.extend(changes),
            Work::Trigger(trigger) => {
                triggers::add(db, &trigger, &[]).await?;
            }
        }
    }
    points::apply(db, &all).await?;
    done(db, rows.iter().filter_map(|row| row.get("_id").cloned()).collect()).await
}

async fn done(db: &Db, keys: Vec<Bson>) -> Result<()> {
    if !keys.is_empty() {
        let update = doc! {"$unset": {"pending": "", "effect": ""}};
        db.update_all(INBOX, doc! {"_id": {"$in": keys}}, update).await?;
    }
    Ok(())
}

/// Finishes what a process that died had begun, the oldest first.
pub async fn finish_all(db: &Db) -> Result<()> {
    loop {
        let left = db.all(INBOX, doc! {"pending": true}, doc! {"at": 1}, Some(FINISHED_TOGETHER)).await?;
        if left.is_empty() {
            return Ok(());
        }
        tracing::info!(events = left.len(), "events that were left unfinished are finished");
        finish(db, left).await?;
    }
}
