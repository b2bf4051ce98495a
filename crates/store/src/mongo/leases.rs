//! Leases and units of work.

use super::connection::{Db, Tries};
use super::documents::{self, number, text};
use super::{UNITS, jobs, outbox};
use crate::error::{Result, StoreError};
use crate::roles::outbox::OutboxMessage;
use mongodb::bson::{Bson, Document, doc};
use provost_domain::lease::{Lease, WorkUnit};

pub const LEASES: &str = "leases";

fn read(document: &Document, name: &str) -> Lease {
    let count = |member| number(document, member).unwrap_or(0).cast_unsigned();
    let holder = text(document, "holder").unwrap_or_default().to_owned();
    Lease { name: name.to_owned(), holder, epoch: count("epoch"), beat: count("beat") }
}

pub async fn get(db: &Db, name: &str) -> Result<Option<Lease>> {
    Ok(db.one(LEASES, doc! {"_id": name}).await?.map(|document| read(&document, name)))
}

/// Replaces a lease by what `next` makes of it; None: it leaves it.
async fn change(db: &Db, name: &str, next: impl Fn(Option<Lease>) -> Option<Lease>) -> Result<Option<Lease>> {
    let mut tries = Tries::default();
    loop {
        tries.spend(&format!("lease {name}")).await?;
        let was = db.one(LEASES, doc! {"_id": name}).await?;
        let Some(lease) = next(was.as_ref().map(|was| read(was, name))) else { return Ok(None) };
        let document = doc! {
            "_id": name,
            "holder": lease.holder.as_str(),
            "epoch": lease.epoch.cast_signed(),
            "beat": lease.beat.cast_signed(),
        };
        if db.put(LEASES, was.as_ref(), document).await? {
            return Ok(Some(lease));
        }
    }
}

pub async fn take(db: &Db, name: &str, holder: &str, seen: Option<Lease>) -> Result<Option<Lease>> {
    change(db, name, |stored| {
        let free = |lease: &Lease| !lease.is_held() || lease.holder == holder || seen.as_ref() == Some(lease);
        let epoch = stored.as_ref().map_or(1, |lease| lease.epoch + 1);
        let free = stored.as_ref().is_none_or(free);
        free.then(|| Lease { name: name.to_owned(), holder: holder.to_owned(), epoch, beat: 0 })
    })
    .await
}

/// The stored lease, if it is still this one except for its beat.
fn held(stored: Option<Lease>, lease: &Lease) -> Option<Lease> {
    stored.filter(|stored| (stored.epoch, &stored.holder) == (lease.epoch, &lease.holder))
}

pub async fn renew(db: &Db, lease: &Lease) -> Result<Option<Lease>> {
    change(db, &lease.name, |stored| held(stored, lease).map(|l| Lease { beat: l.beat + 1, ..l })).await
}

pub async fn release(db: &Db, lease: &Lease) -> Result<()> {
    change(db, &lease.name, |stored| held(stored, lease).map(|l| Lease { holder: String::new(), ..l })).await?;
    Ok(())
}

fn what(id: &str) -> String {
    format!("unit of work {id}")
}

fn conflict(id: &str) -> StoreError {
    StoreError::Conflict { what: "unit of work", id: id.to_owned() }
}

fn document(unit: &WorkUnit, was: Option<&Document>) -> Result<Document> {
    let mut meta = was.and_then(|was| was.get_document(documents::META).ok().cloned()).unwrap_or_default();
    meta.extend(documents::listed(&unit.id, unit.created_at, &what(&unit.id), unit)?);
    Ok(
        doc! {"_id": unit.id.as_str(), "job_id": unit.job_id.as_str(), "unit_state": unit.state.as_str(), "provost": meta},
    )
}

/// What errors call a unit.
fn named(document: &Document) -> String {
    what(text(document, "_id").unwrap_or_default())
}

fn read_unit(document: &Document) -> Result<WorkUnit> {
    documents::read(document, "provost.document", &named(document))
}

/// The job's epoch is checked before. A unit that is offered while the job is being claimed is harmless, because nobody
/// may record anything under its epoch.
pub async fn offer(db: &Db, mut unit: WorkUnit, announced: &[OutboxMessage]) -> Result<WorkUnit> {
    jobs::hold_epoch(db, &unit.job_id, unit.job_epoch).await?;
    unit.rev = 1;
    let mut new = document(&unit, None)?;
    outbox::embed(&mut new, &outbox::numbered(db, announced).await?);
    if !db.put(UNITS, None, new).await? {
        return Err(conflict(&unit.id));
    }
    if !announced.is_empty() {
        outbox::flush(db, UNITS, Bson::from(unit.id.as_str())).await?;
    }
    Ok(unit)
}

pub async fn unit(db: &Db, id: &str) -> Result<Option<WorkUnit>> {
    db.one(UNITS, doc! {"_id": id}).await?.as_ref().map(read_unit).transpose()
}

pub async fn open(db: &Db) -> Result<Vec<WorkUnit>> {
    let found = db.all(UNITS, doc! {"unit_state": "open"}, doc! {"provost.at": 1, "provost.id": 1}, None).await?;
    documents::intact(&db.damage, &found, named, read_unit)
}

pub async fn save(db: &Db, unit: WorkUnit) -> Result<WorkUnit> {
    let mut tries = Tries::default();
    loop {
        tries.spend(&what(&unit.id)).await?;
        let was = db.one(UNITS, doc! {"_id": unit.id.as_str()}).await?;
        let was = was.ok_or_else(|| StoreError::NotFound { what: "unit of work", id: unit.id.clone() })?;
        if read_unit(&was)?.rev != unit.rev {
            return Err(conflict(&unit.id));
        }
        let next = WorkUnit { rev: unit.rev + 1, ..unit.clone() };
        if db.put(UNITS, Some(&was), document(&next, Some(&was))?).await? {
            return Ok(next);
        }
    }
}
