//! What a database needs before it is used: its version, indexes, the installation, and what earlier users left in it.

use super::artifacts::CHUNKS;
use super::audit::AUDIT;
use super::connection::Db;
use super::documents::{self, number};
use super::evaluations::EVALUATIONS;
use super::inbox::INBOX;
use super::jobs::{EVENTS, TRIALS};
use super::needs::NEEDS;
use super::outbox::{ANNOUNCERS, OUTBOX};
use super::pointer::DECISIONS;
use super::predictions::PREDICTIONS;
use super::response_documents::RESPONSES;
use super::watch::WINDOWS;
use super::{JOBS, MODELS, POINTS, STATE, TRIGGERS, UNITS, inbox, jobs, legacy, outbox, pointer, settlement, totals};
use crate::documents::encode;
use crate::error::{Result, StoreError};
use crate::roles::installation::Installation;
use chrono::{DateTime, Utc};
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};

const SCHEMA: &str = "schema";
/// The schema's version that this binary writes. A higher one is refused.
const VERSION: u32 = 1;
const INSTALLATION: &str = "installation";

/// Indexes by collection. Those of `ml_models` and `training_jobs` that are not ours are the replaced service's. What must be there
/// once is an `_id`, which needs none. (`provost.present` and `provost.at` also find what has no such field yet.)
fn indexes() -> Vec<(&'static str, Vec<Document>)> {
    let newest = || doc! {"provost.at": -1, "provost.id": -1};
    vec![
        (
            POINTS,
            vec![
                doc! {"data_point_id": 1},
                doc! {"provost.present": 1, "data_point_id": 1},
                doc! {"provost.recorded": 1, "data_point_id": 1},
            ],
        ),
        (MODELS, vec![doc! {"is_active": 1}, doc! {"training_date": 1}, newest(), doc! {"provost.id": 1}]),
        (
            JOBS,
            vec![
                doc! {"status": 1},
                doc! {"created_at": 1},
                newest(),
                doc! {"provost.id": 1},
                doc! {"provost.status": 1, "provost.at": -1, "provost.id": -1},
                doc! {"provost.took": -1, "provost.id": -1},
                doc! {"provost.status": 1, "provost.took": -1, "provost.id": -1},
                doc! {"provost.score": -1, "provost.id": -1},
                doc! {"provost.status": 1, "provost.score": -1, "provost.id": -1},
            ],
        ),
        (TRIGGERS, vec![newest(), doc! {"provost.pending": 1}]),
        (UNITS, vec![doc! {"unit_state": 1}, doc! {"job_id": 1}]),
        (EVENTS, vec![doc! {"job_id": 1, "seq": 1}]),
        (TRIALS, vec![doc! {"job_id": 1, "algorithm": 1, "number": 1}]),
        (EVALUATIONS, vec![doc! {"model_id": 1, "scored": -1, "finished": -1}, doc! {"finished": 1}]),
        (DECISIONS, vec![doc! {"at": -1, "_id": -1}]),
        (OUTBOX, vec![doc! {"channel": 1, "sent": 1, "position": 1}, doc! {"position": 1}]),
        (INBOX, vec![doc! {"pending": 1}, doc! {"at": 1}]),
        (RESPONSES, vec![doc! {"at": 1}, doc! {"owner": 1, "at": 1}]),
        (AUDIT, vec![doc! {"name": 1}]),
        (
            PREDICTIONS,
            vec![
                doc! {"prediction_id": 1},
                doc! {"at": 1, "prediction_id": 1},
                doc! {"model_id": 1, "at": 1, "prediction_id": 1},
                doc! {"outcome": 1, "at": 1},
                doc! {"data_point_id": 1},
                doc! {"caller": 1, "at": 1},
            ],
        ),
        (
            NEEDS,
            vec![newest(), doc! {"provost.dealt": 1, "provost.at": -1, "provost.id": -1}, doc! {"provost.dealt_at": 1}],
        ),
        (WINDOWS, vec![newest(), doc! {"model_id": 1, "kind": 1, "provost.at": -1, "provost.id": -1}]),
        (CHUNKS, vec![doc! {"upload": 1}, doc! {"stored_at": 1, "upload": 1}]),
    ]
}

pub async fn prepare(db: &Db, now: DateTime<Utc>) -> Result<()> {
    check_version(db).await?;
    for (collection, mut keys) in indexes() {
        if ANNOUNCERS.contains(&collection) {
            keys.push(doc! {"provost.announces": 1});
        }
        let there = db.index_names(collection).await?;
        keys.retain(|keys| !there.contains(&name(keys)));
        let missing: Vec<IndexModel> = keys.into_iter().map(|keys| IndexModel::builder().keys(keys).build()).collect();
        if !missing.is_empty() {
            if !there.is_empty() {
                tracing::info!(collection, "indexes are created, which takes longer the more documents there are");
            }
            db.create_indexes(collection, missing).await?;
        }
    }
    install(db, now).await?;
    legacy::adopt(db, legacy::CHUNK).await?;
    jobs::rank_all(db).await?;
    for (what, left) in [
        ("jobs", settlement::finish_all(db).await),
        ("the inbox", inbox::finish_all(db).await),
        ("the active model", pointer::finish_all(db).await),
        ("the outbox", outbox::flush_all(db).await),
        ("the points' totals", totals::forget_the_dead(db, now).await),
    ] {
        match left {
            Ok(()) => {}
            Err(e) if e.may_pass() => return Err(e),
            // The others are to be served all the same.
            Err(e) => tracing::error!(error = %e, "what was left unfinished of {what} stays so"),
        }
    }
    Ok(())
}

/// As the driver calls an index.
fn name(keys: &Document) -> String {
    keys.iter().map(|(member, order)| format!("{member}_{order}")).collect::<Vec<_>>().join("_")
}

async fn check_version(db: &Db) -> Result<()> {
    db.insert(STATE, doc! {"_id": SCHEMA, "version": i64::from(VERSION)}).await?;
    let found = db.one(STATE, doc! {"_id": SCHEMA}).await?;
    let found = found.and_then(|document| number(&document, "version")).and_then(|v| u32::try_from(v).ok());
    match found {
        Some(found) if found > VERSION => Err(StoreError::NewerSchema { found, known: VERSION }),
        Some(_) => Ok(()),
        None => Err(StoreError::Corrupt { what: "the schema's version".to_owned(), why: "it is no number".to_owned() }),
    }
}

/// Writes the installation's salt, if there is none.
async fn install(db: &Db, now: DateTime<Utc>) -> Result<()> {
    let salt = uuid::Uuid::new_v4().as_u64_pair();
    // Of the 128 bits six are fixed, in different places of the two halves.
    let installation = Installation { salt: salt.0.rotate_left(17) ^ salt.1, created_at: now };
    let text = encode("the installation", &installation)?;
    db.insert(STATE, doc! {"_id": INSTALLATION, "document": text}).await.map(|_| ())
}

pub async fn installation(db: &Db) -> Result<Installation> {
    let missing = || StoreError::Corrupt { what: "the installation".to_owned(), why: "it is gone".to_owned() };
    let found = db.one(STATE, doc! {"_id": INSTALLATION}).await?.ok_or_else(missing)?;
    documents::read(&found, "document", "the installation")
}
