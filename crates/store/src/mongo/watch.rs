//! Watched windows, a document each, and how far the watching has come. A window is written before what says that it is there, so
//! that a crash between both leaves a window that the next one of its number replaces.

use super::connection::{Db, Tries};
use super::documents::{self, number, text};
use super::{STATE, outbox};
use crate::documents::{Cursor, encode};
use crate::error::Result;
use crate::page::Page;
use crate::roles::outbox::OutboxMessage;
use crate::roles::watch::WindowFilter;
use mongodb::bson::{Document, doc};
use provost_domain::watch_record::{WatchState, WatchedWindow};

pub const WINDOWS: &str = "watched_windows";
/// Id of the document.
const ID: &str = "watch state";

fn named(document: &Document) -> String {
    format!("window {}", text(document, "provost.id").unwrap_or_default())
}

fn read(document: &Document) -> Result<WatchedWindow> {
    documents::read(document, documents::DOCUMENT, &named(document))
}

fn document(window: &WatchedWindow) -> Result<Document> {
    let meta = documents::listed(window.id(), window.closed_at, &format!("window {}", window.id()), window)?;
    let kind = window.drift.kind.as_str();
    Ok(doc! {"_id": window.id(), "model_id": window.model_id.as_str(), "kind": kind, documents::META: meta})
}

pub async fn state(db: &Db) -> Result<Option<WatchState>> {
    let found = db.one(STATE, doc! {"_id": ID}).await?;
    found.map(|document| documents::read(&document, "document", "the watch state")).transpose()
}

pub async fn record(
    db: &Db,
    new: &WatchState,
    window: Option<&WatchedWindow>,
    announced: &[OutboxMessage],
) -> Result<bool> {
    // What the writer before has left to announce would be lost with its document.
    outbox::flush(db, STATE, ID.into()).await?;
    let was = db.one(STATE, doc! {"_id": ID}).await?;
    let revision = was.as_ref().and_then(|was| number(was, "revision")).unwrap_or(0);
    if revision.cast_unsigned() + 1 != new.revision {
        return Ok(false);
    }
    if let Some(window) = window {
        let mut tries = Tries::default();
        loop {
            tries.spend("a watched window").await?;
            let was = db.one(WINDOWS, doc! {"_id": window.id()}).await?;
            if db.put(WINDOWS, was.as_ref(), document(window)?).await? {
                break;
            }
        }
    }
    let text = encode("the watch state", new)?;
    let mut document = doc! {"_id": ID, "revision": new.revision.cast_signed(), "document": text};
    outbox::embed(&mut document, &outbox::numbered(db, announced).await?);
    let recorded = db.put(STATE, was.as_ref(), document).await?;
    if recorded && !announced.is_empty() {
        outbox::flush(db, STATE, ID.into()).await?;
    }
    Ok(recorded)
}

pub async fn update(db: &Db, windows: &[WatchedWindow]) -> Result<()> {
    for window in windows {
        let mut tries = Tries::default();
        loop {
            tries.spend("a watched window").await?;
            let Some(was) = db.one(WINDOWS, doc! {"_id": window.id()}).await? else { break };
            if db.put(WINDOWS, Some(&was), document(window)?).await? {
                break;
            }
        }
    }
    Ok(())
}

pub async fn get(db: &Db, id: &str) -> Result<Option<WatchedWindow>> {
    let found = db.one(WINDOWS, doc! {"_id": id}).await?;
    found.as_ref().map(read).transpose()
}

pub async fn list(db: &Db, filter: &WindowFilter, cursor: Option<&str>, limit: u32) -> Result<Page<WatchedWindow>> {
    let cursor = Cursor::parse('w', cursor)?;
    let mut matching = Document::new();
    if let Some(model) = &filter.model_id {
        matching.insert("model_id", model.as_str());
    }
    if let Some(kind) = filter.kind {
        matching.insert("kind", kind.as_str());
    }
    let (matching, order) = documents::after(matching, &cursor);
    let found = db.part(WINDOWS, matching, order, limit, documents::DOCUMENT).await?;
    documents::page(&db.damage, 'w', &found, named, read)
}
