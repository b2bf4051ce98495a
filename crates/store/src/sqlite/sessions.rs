//! Sessions of browsers.

use crate::damaged_sessions::{leave_out, time};
use crate::error::{Result, StoreError};
use provost_domain::session::{Session, SessionBounds};
use rusqlite::{Connection, Row, Transaction, params};

/// Removes what is over, keeps the new one, and removes what is beyond the bounds.
pub fn add(t: &Transaction<'_>, session: &Session, bounds: SessionBounds) -> Result<()> {
    let now = session.created_at.timestamp_micros();
    t.prepare_cached("DELETE FROM sessions WHERE expires_at <= ?1")?.execute([now])?;
    let inserted = t
        .prepare_cached(
            "INSERT INTO sessions (sha256, key_id, created_at, seen_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            session.sha256,
            session.key_id,
            now,
            session.seen_at.timestamp_micros(),
            session.expires_at.timestamp_micros()
        ])?;
    if inserted == 0 {
        return Err(StoreError::Conflict { what: "session", id: session.sha256.clone() });
    }
    t.prepare_cached(
        "DELETE FROM sessions WHERE sha256 IN
         (SELECT sha256 FROM sessions WHERE key_id = ?1 AND sha256 <> ?2 ORDER BY seen_at DESC, sha256 LIMIT -1 OFFSET ?3)",
    )?
    .execute(params![session.key_id, session.sha256, bounds.of_key.max(1) - 1])?;
    t.prepare_cached(
        "DELETE FROM sessions WHERE sha256 IN
         (SELECT sha256 FROM sessions WHERE sha256 <> ?1 ORDER BY seen_at DESC, sha256 LIMIT -1 OFFSET ?2)",
    )?
    .execute(params![session.sha256, bounds.of_all.max(1) - 1])?;
    Ok(())
}

pub fn all(c: &Connection) -> Result<Vec<Session>> {
    let mut statement = c.prepare_cached(
        "SELECT sha256, key_id, created_at, seen_at, expires_at FROM sessions ORDER BY created_at, sha256",
    )?;
    let mut rows = statement.query([])?;
    let mut sessions = Vec::new();
    while let Some(row) = rows.next()? {
        match read(row) {
            Ok(session) => sessions.push(session),
            Err(error) => leave_out(&error),
        }
    }
    Ok(sessions)
}

fn read(row: &Row<'_>) -> Result<Session> {
    let sha256: String = row.get(0)?;
    let time = |micros: i64| time(micros, &sha256);
    let (created_at, seen_at, expires_at) = (time(row.get(2)?)?, time(row.get(3)?)?, time(row.get(4)?)?);
    let key_id = row.get(1)?;
    Ok(Session { created_at, seen_at, expires_at, key_id, sha256 })
}

pub fn seen(t: &Transaction<'_>, sessions: &[Session]) -> Result<()> {
    let mut update =
        t.prepare_cached("UPDATE sessions SET seen_at = ?2, expires_at = ?3 WHERE sha256 = ?1 AND seen_at < ?2")?;
    for session in sessions {
        let (seen, expires) = (session.seen_at.timestamp_micros(), session.expires_at.timestamp_micros());
        update.execute(params![session.sha256, seen, expires])?;
    }
    Ok(())
}

pub fn end(t: &Transaction<'_>, sha256: &str) -> Result<bool> {
    Ok(t.prepare_cached("DELETE FROM sessions WHERE sha256 = ?1")?.execute([sha256])? > 0)
}
