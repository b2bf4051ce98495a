//! Sessions of browsers, a document each. The bounds may be passed by sessions that begin in the same moment.

use super::connection::Db;
use super::documents::{number, text};
use crate::damaged_sessions::{leave_out, time};
use crate::error::{Result, StoreError};
use mongodb::bson::{Bson, Document, doc};
use provost_domain::session::{Session, SessionBounds};

pub const SESSIONS: &str = "sessions";

fn read(document: &Document) -> Result<Session> {
    let sha256 = text(document, "_id").unwrap_or_default().to_owned();
    let corrupt = |member: &str| StoreError::Corrupt {
        what: format!("session {sha256}"),
        why: format!("its member {member} is not what it should be"),
    };
    let at = |member: &str| time(number(document, member).ok_or_else(|| corrupt(member))?, &sha256);
    let (created_at, seen_at, expires_at) = (at("created_at_us")?, at("seen_at_us")?, at("expires_at_us")?);
    let key_id = text(document, "key_id").ok_or_else(|| corrupt("key_id"))?.to_owned();
    Ok(Session { key_id, created_at, seen_at, expires_at, sha256 })
}

/// Removes what is over, keeps the new one, and removes what is beyond the bounds.
pub async fn add(db: &Db, session: &Session, bounds: SessionBounds) -> Result<()> {
    let now = session.created_at.timestamp_micros();
    db.remove(SESSIONS, doc! {"expires_at_us": {"$lte": now}}).await?;
    let document = doc! {
        "_id": session.sha256.as_str(),
        "key_id": session.key_id.as_str(),
        "created_at_us": now,
        "seen_at_us": session.seen_at.timestamp_micros(),
        "expires_at_us": session.expires_at.timestamp_micros(),
    };
    if !db.insert(SESSIONS, document).await? {
        return Err(StoreError::Conflict { what: "session", id: session.sha256.clone() });
    }
    let others = doc! {"_id": {"$ne": session.sha256.as_str()}};
    let mut of_key = others.clone();
    of_key.insert("key_id", session.key_id.as_str());
    for (filter, most) in [(of_key, bounds.of_key), (others, bounds.of_all)] {
        let found = db.all(SESSIONS, filter, doc! {"seen_at_us": -1, "_id": 1}, None).await?;
        let beyond = found.iter().skip(most.max(1) as usize - 1);
        let ids: Vec<Bson> = beyond.filter_map(|document| document.get("_id").cloned()).collect();
        if !ids.is_empty() {
            db.remove(SESSIONS, doc! {"_id": {"$in": ids}}).await?;
        }
    }
    Ok(())
}

pub async fn all(db: &Db) -> Result<Vec<Session>> {
    let found = db.all(SESSIONS, doc! {}, doc! {"created_at_us": 1, "_id": 1}, None).await?;
    Ok(found.iter().filter_map(|document| read(document).inspect_err(leave_out).ok()).collect())
}

pub async fn seen(db: &Db, sessions: &[Session]) -> Result<()> {
    for session in sessions {
        let (seen, expires) = (session.seen_at.timestamp_micros(), session.expires_at.timestamp_micros());
        let older = doc! {"_id": session.sha256.as_str(), "seen_at_us": {"$lt": seen}};
        db.update(SESSIONS, older, doc! {"$set": {"seen_at_us": seen, "expires_at_us": expires}}).await?;
    }
    Ok(())
}

pub async fn end(db: &Db, sha256: &str) -> Result<bool> {
    Ok(db.remove(SESSIONS, doc! {"_id": sha256}).await? > 0)
}
