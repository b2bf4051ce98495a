//! What needs a person.

use super::rows;
use crate::damage::Damage;
use crate::documents::{Cursor, encode, page_size};
use crate::error::{Result, StoreError};
use crate::page::Page;
use chrono::{DateTime, Utc};
use provost_domain::need::{Need, NeedDealing, NeedState};
use rusqlite::{Connection, Transaction, params};

pub fn get(c: &Connection, id: &str) -> Result<Option<Need>> {
    rows::one(c, &format!("need {id}"), "SELECT document FROM needs WHERE need_id = ?1", [id])
}

fn existing(c: &Connection, id: &str) -> Result<Need> {
    get(c, id)?.ok_or_else(|| StoreError::NotFound { what: "need", id: id.to_owned() })
}

fn put(t: &Transaction<'_>, need: &Need) -> Result<()> {
    let dealt = match (&need.acknowledged, need.withdrawn_at) {
        (Some(_), _) => 1,
        (None, Some(_)) => 2,
        (None, None) => 0,
    };
    t.prepare_cached(
        "INSERT INTO needs (need_id, since, dealt, dealt_at, snoozed_until, document) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (need_id) DO UPDATE SET since = excluded.since, dealt = excluded.dealt, dealt_at = excluded.dealt_at,
             snoozed_until = excluded.snoozed_until, document = excluded.document",
    )?
    .execute(params![
        need.need_id,
        need.since.timestamp_micros(),
        dealt,
        need.dealt_at().map(|at| at.timestamp_micros()),
        need.snoozed_until.map_or(0, |until| until.timestamp_micros()),
        encode(&format!("need {}", need.need_id), need)?,
    ])?;
    Ok(())
}

pub fn raise(t: &Transaction<'_>, need: &Need) -> Result<bool> {
    let Some(was) = get(t, &need.need_id)? else {
        put(t, need)?;
        return Ok(true);
    };
    let Some(becomes) = was.noticed_again(need) else { return Ok(false) };
    put(t, &becomes)?;
    Ok(was.dealt_at().is_some())
}

pub fn withdraw(t: &Transaction<'_>, id: &str, at: DateTime<Utc>) -> Result<bool> {
    let Some(becomes) = get(t, id)?.and_then(|was| was.withdrawn(at)) else { return Ok(false) };
    put(t, &becomes)?;
    Ok(true)
}

pub fn acknowledge(t: &Transaction<'_>, id: &str, dealing: NeedDealing) -> Result<Need> {
    let was = existing(t, id)?;
    let Some(becomes) = was.acknowledged(dealing) else { return Ok(was) };
    put(t, &becomes)?;
    Ok(becomes)
}

pub fn snooze(t: &Transaction<'_>, id: &str, until: DateTime<Utc>, dealing: NeedDealing) -> Result<Need> {
    let becomes = existing(t, id)?.snoozed(until, dealing);
    let becomes = becomes.ok_or_else(|| StoreError::Conflict { what: "need", id: id.to_owned() })?;
    put(t, &becomes)?;
    Ok(becomes)
}

pub fn page(
    c: &Connection,
    damage: &Damage,
    (state, now): (Option<NeedState>, DateTime<Utc>),
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<Need>> {
    let Cursor { at, id } = Cursor::parse('n', cursor)?;
    let limit = page_size(limit);
    let of_state = match state {
        None => "?4 = ?4",
        Some(NeedState::Open) => "dealt = 0 AND snoozed_until <= ?4",
        Some(NeedState::Snoozed) => "dealt = 0 AND snoozed_until > ?4",
        Some(NeedState::Acknowledged) => "dealt = 1 AND ?4 = ?4",
        Some(NeedState::Withdrawn) => "dealt = 2 AND ?4 = ?4",
    };
    let sql = format!(
        "SELECT document, since, need_id FROM needs WHERE (since, need_id) < (?1, ?2) AND {of_state}
         ORDER BY since DESC, need_id DESC LIMIT ?3"
    );
    rows::page(c, damage, 'n', "need", limit, &sql, params![at, id, i64::from(limit) + 1, now.timestamp_micros()])
}

pub fn open(c: &Connection, now: DateTime<Utc>) -> Result<u64> {
    let sql = "SELECT count(*) FROM needs WHERE dealt = 0 AND snoozed_until <= ?1";
    let count: i64 = c.prepare_cached(sql)?.query_row([now.timestamp_micros()], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}
