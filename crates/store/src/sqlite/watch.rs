//! Watched windows, and how far the watching has come.

use super::{messages, rows, settings};
use crate::damage::Damage;
use crate::documents::{Cursor, encode, page_size};
use crate::error::Result;
use crate::page::Page;
use crate::roles::outbox::OutboxMessage;
use crate::roles::watch::WindowFilter;
use provost_domain::watch_record::{WatchState, WatchedWindow};
use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, params, params_from_iter};

/// Name of the row.
const STATE: &str = "watch state";

pub fn state(c: &Connection) -> Result<Option<WatchState>> {
    settings::get(c, STATE)
}

pub fn record(
    t: &Transaction<'_>,
    new: &WatchState,
    window: Option<&WatchedWindow>,
    announced: &[OutboxMessage],
) -> Result<bool> {
    let revision = state(t)?.map_or(0, |known| known.revision);
    if revision + 1 != new.revision {
        return Ok(false);
    }
    settings::put(t, STATE, new)?;
    if let Some(window) = window {
        let document = encode(&what(window.id()), window)?;
        let at = window.closed_at.timestamp_micros();
        t.prepare_cached(
            "INSERT INTO watched_windows (window_id, model_id, kind, created_at, document) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (window_id) DO UPDATE SET created_at = ?4, document = ?5",
        )?
        .execute(params![window.id(), window.model_id.as_str(), window.drift.kind.as_str(), at, document])?;
    }
    messages::announce(t, announced)?;
    Ok(true)
}

pub fn update(t: &Transaction<'_>, windows: &[WatchedWindow]) -> Result<()> {
    let mut update = t.prepare_cached("UPDATE watched_windows SET document = ?2 WHERE window_id = ?1")?;
    for window in windows {
        update.execute(params![window.id(), encode(&what(window.id()), window)?])?;
    }
    Ok(())
}

fn what(id: &str) -> String {
    format!("window {id}")
}

pub fn get(c: &Connection, id: &str) -> Result<Option<WatchedWindow>> {
    rows::one(c, &what(id), "SELECT document FROM watched_windows WHERE window_id = ?1", [id])
}

pub fn list(
    c: &Connection,
    damage: &Damage,
    filter: &WindowFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<WatchedWindow>> {
    let Cursor { at, id } = Cursor::parse('w', cursor)?;
    let limit = page_size(limit);
    let mut sql =
        "SELECT document, created_at, window_id FROM watched_windows WHERE (created_at, window_id) < (?, ?)".to_owned();
    let mut values = vec![Value::from(at), Value::from(id)];
    if let Some(model) = &filter.model_id {
        sql.push_str(" AND model_id = ?");
        values.push(Value::from(model.as_str().to_owned()));
    }
    if let Some(kind) = filter.kind {
        sql.push_str(" AND kind = ?");
        values.push(Value::from(kind.as_str().to_owned()));
    }
    sql.push_str(" ORDER BY created_at DESC, window_id DESC LIMIT ?");
    values.push(Value::from(i64::from(limit) + 1));
    rows::page(c, damage, 'w', "window", limit, &sql, params_from_iter(values))
}
