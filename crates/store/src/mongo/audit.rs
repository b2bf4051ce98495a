//! The audit log: a chain of entries, and where it ends.
//!
//! The head is moved by a change that compares, and carries the entries that it was moved by until they are in their
//! collection: whoever moves it next copies them there first, and whoever reads looks at the head first.

use super::STATE;
use super::connection::{Db, Tries};
use super::documents::{self, Part, list, number, text};
use crate::documents::{Cursor, encode, page_size};
use crate::error::Result;
use crate::page::Page;
use mongodb::bson::{Bson, Document, doc};
use provost_domain::audit::{AuditEntry, Deed, Head};
use std::collections::BTreeMap;

pub const AUDIT: &str = "audit";
const HEAD: &str = "audit_head";

fn head_in(document: Option<&Document>) -> Head {
    document.map_or_else(Head::origin, |document| Head {
        number: number(document, "number").unwrap_or(0).cast_unsigned(),
        hash: text(document, "hash").unwrap_or_default().to_owned(),
    })
}

/// Entries that the head carries, as rows of the collection.
fn carried(head: Option<&Document>) -> Vec<Document> {
    let rows = head.map_or(&[][..], |head| list(head, "provost.entries"));
    rows.iter().filter_map(|row| row.as_document().cloned()).collect()
}

pub async fn append(db: &Db, deeds: Vec<Deed>) -> Result<Vec<AuditEntry>> {
    if deeds.is_empty() {
        return Ok(Vec::new());
    }
    let mut tries = Tries::default();
    loop {
        tries.spend("the audit log").await?;
        if let Some(entries) = try_append(db, &deeds, None).await? {
            return Ok(entries);
        }
    }
}

/// Appends a deed unless it was appended under this name before: for what is finished after a crash.
pub async fn append_once(db: &Db, name: &str, deed: Deed) -> Result<()> {
    let deeds = [deed];
    let mut tries = Tries::default();
    loop {
        tries.spend("the audit log").await?;
        if try_append(db, &deeds, Some(name)).await?.is_some() {
            return Ok(());
        }
    }
}

/// None: others were quicker. With a name that was appended before, nothing is.
async fn try_append(db: &Db, deeds: &[Deed], name: Option<&str>) -> Result<Option<Vec<AuditEntry>>> {
    let was = db.one(STATE, doc! {"_id": HEAD}).await?;
    db.insert_all(AUDIT, carried(was.as_ref())).await?;
    // After the copying, and before the head moves on: no append under this name can hide.
    if let Some(name) = name
        && db.one(AUDIT, doc! {"name": name}).await?.is_some()
    {
        return Ok(Some(Vec::new()));
    }
    let mut end = head_in(was.as_ref());
    let mut entries = Vec::with_capacity(deeds.len());
    let mut rows = Vec::with_capacity(deeds.len());
    for deed in deeds {
        let entry = AuditEntry::after(&end, deed.clone());
        let mut row = doc! {"_id": entry.number.cast_signed(), "document": encode("an audit entry", &entry)?};
        if let Some(name) = name {
            row.insert("name", name);
        }
        rows.push(row);
        end = entry.head();
        entries.push(entry);
    }
    let carrying: Vec<Bson> = rows.iter().cloned().map(Bson::from).collect();
    let mut head = doc! {"_id": HEAD, "number": end.number.cast_signed(), "hash": end.hash};
    documents::set_meta(&mut head, "entries", carrying);
    if !db.put(STATE, was.as_ref(), head).await? {
        return Ok(None);
    }
    db.insert_all(AUDIT, rows).await?;
    Ok(Some(entries))
}

pub async fn head(db: &Db) -> Result<Head> {
    Ok(head_in(db.one(STATE, doc! {"_id": HEAD}).await?.as_ref()))
}

/// Rows that match by number, in this order, with those that only the head has.
async fn rows(db: &Db, above: i64, below: i64, order: i32, limit: u32) -> Result<Part> {
    let head = db.one(STATE, doc! {"_id": HEAD}).await?;
    let filter = doc! {"_id": {"$gt": above, "$lt": below}};
    let Part { documents, mut more } = db.part(AUDIT, filter, doc! {"_id": order}, limit, "document").await?;
    // What lies after this part is on a later page.
    let end = documents.last().and_then(|row| number(row, "_id")).filter(|_| more);
    let (above, below) = match end {
        Some(end) if order > 0 => (above, below.min(end + 1)),
        Some(end) => (above.max(end - 1), below),
        None => (above, below),
    };
    let all = documents.into_iter().chain(carried(head.as_ref()));
    let numbered = all.map(|row| (number(&row, "_id").unwrap_or(0), row));
    let all: BTreeMap<i64, Document> = numbered.filter(|(n, _)| *n > above && *n < below).collect();
    let mut documents: Vec<Document> = all.into_values().collect();
    if order < 0 {
        documents.reverse();
    }
    more |= documents.len() > limit as usize;
    documents.truncate(limit as usize);
    Ok(Part { documents, more })
}

fn read(row: &Document) -> Result<AuditEntry> {
    documents::read(row, "document", "an audit entry")
}

pub async fn page(db: &Db, cursor: Option<&str>, limit: u32) -> Result<Page<AuditEntry>> {
    let Cursor { at, .. } = Cursor::parse('a', cursor)?;
    let limit = page_size(limit);
    let found = rows(db, 0, at, -1, limit).await?;
    let items = found.documents.iter().map(read).collect::<Result<Vec<_>>>()?;
    let last = items.last().filter(|_| found.more).map(|last| last.number.cast_signed());
    let next = last.map(|at| Cursor { at, id: at.to_string() }.encode('a'));
    Ok(Page { items, next })
}

pub async fn after(db: &Db, number: u64, limit: u32) -> Result<Vec<AuditEntry>> {
    let Ok(number) = i64::try_from(number) else { return Ok(Vec::new()) };
    rows(db, number, i64::MAX, 1, limit).await?.documents.iter().map(read).collect()
}
