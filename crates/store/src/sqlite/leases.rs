//! Leases and units of work.

use super::{jobs, messages, rows};
use crate::damage::Damage;
use crate::documents::encode;
use crate::error::{Result, StoreError};
use crate::roles::outbox::OutboxMessage;
use provost_domain::lease::{Lease, WorkUnit};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

pub fn get(c: &Connection, name: &str) -> Result<Option<Lease>> {
    let found = c
        .prepare_cached("SELECT holder, epoch, beat FROM leases WHERE name = ?1")?
        .query_row([name], |row| {
            let (epoch, beat) = (row.get::<_, i64>(1)?.cast_unsigned(), row.get::<_, i64>(2)?.cast_unsigned());
            Ok(Lease { name: name.to_owned(), holder: row.get(0)?, epoch, beat })
        })
        .optional()?;
    Ok(found)
}

pub fn take(
    transaction: &Transaction<'_>,
    name: String,
    holder: String,
    seen: Option<&Lease>,
) -> Result<Option<Lease>> {
    let stored = get(transaction, &name)?;
    let free = |lease: &Lease| !lease.is_held() || lease.holder == holder || seen == Some(lease);
    if !stored.as_ref().is_none_or(free) {
        return Ok(None);
    }
    let lease = Lease { name, holder, epoch: stored.map_or(1, |l| l.epoch + 1), beat: 0 };
    put(transaction, &lease)?;
    Ok(Some(lease))
}

pub fn renew(transaction: &Transaction<'_>, lease: &Lease) -> Result<Option<Lease>> {
    let Some(mut stored) = held(transaction, lease)? else { return Ok(None) };
    stored.beat += 1;
    put(transaction, &stored)?;
    Ok(Some(stored))
}

pub fn release(transaction: &Transaction<'_>, lease: &Lease) -> Result<()> {
    if let Some(mut stored) = held(transaction, lease)? {
        stored.holder.clear();
        put(transaction, &stored)?;
    }
    Ok(())
}

/// The stored lease, if it is still this one except for its beat.
fn held(c: &Connection, lease: &Lease) -> Result<Option<Lease>> {
    Ok(get(c, &lease.name)?.filter(|stored| (stored.epoch, &stored.holder) == (lease.epoch, &lease.holder)))
}

fn put(transaction: &Transaction<'_>, lease: &Lease) -> Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO leases (name, holder, epoch, beat) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name) DO UPDATE SET holder = ?2, epoch = ?3, beat = ?4",
        )?
        .execute(params![lease.name, lease.holder, lease.epoch.cast_signed(), lease.beat.cast_signed()])?;
    Ok(())
}

fn what(id: &str) -> String {
    format!("unit of work {id}")
}

fn conflict(id: &str) -> StoreError {
    StoreError::Conflict { what: "unit of work", id: id.to_owned() }
}

pub fn offer(transaction: &Transaction<'_>, mut unit: WorkUnit, outbox: &[OutboxMessage]) -> Result<WorkUnit> {
    jobs::hold_epoch(transaction, &unit.job_id, unit.job_epoch)?;
    unit.rev = 1;
    let inserted = transaction
        .prepare_cached(
            "INSERT INTO work_units (unit_id, job_id, created_at, document) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            unit.id,
            unit.job_id.as_str(),
            unit.created_at.timestamp_micros(),
            encode(&what(&unit.id), &unit)?
        ])?;
    if inserted == 0 {
        return Err(conflict(&unit.id));
    }
    messages::announce(transaction, outbox)?;
    Ok(unit)
}

pub fn unit(c: &Connection, id: &str) -> Result<Option<WorkUnit>> {
    rows::one(c, &what(id), "SELECT document FROM work_units WHERE unit_id = ?1", [id])
}

pub fn open(c: &Connection, damage: &Damage) -> Result<Vec<WorkUnit>> {
    let sql = "SELECT document, unit_id FROM work_units WHERE state = 'open' ORDER BY created_at, unit_id";
    rows::intact(c, damage, "unit of work", sql, [])
}

pub fn save(transaction: &Transaction<'_>, mut unit: WorkUnit) -> Result<WorkUnit> {
    let stored = self::unit(transaction, &unit.id)?
        .ok_or_else(|| StoreError::NotFound { what: "unit of work", id: unit.id.clone() })?;
    if stored.rev != unit.rev {
        return Err(conflict(&unit.id));
    }
    unit.rev += 1;
    transaction
        .prepare_cached("UPDATE work_units SET document = ?2 WHERE unit_id = ?1")?
        .execute(params![unit.id, encode(&what(&unit.id), &unit)?])?;
    Ok(unit)
}
