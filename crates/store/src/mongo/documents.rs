//! Documents as MongoDB has them: what is readable in them, and what is the store's own below `provost`.

use crate::damage::Damage;
use crate::documents::{Cursor, decode, encode};
use crate::error::{Result, StoreError};
use crate::page::Page;
use chrono::{DateTime, NaiveDate, Utc};
use mongodb::bson::{self, Bson, Document, doc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

/// The field that holds what is the store's own in a document.
pub const META: &str = "provost";

/// Members that hold a day or a time, which MongoDB has a type for.
const DATES: [&str; 9] = [
    "created_at",
    "updated_at",
    "decision_date",
    "application_deadline",
    "date_taken",
    "training_date",
    "started_at",
    "completed_at",
    "triggered_at",
];

/// Where a listed record lies as JSON.
pub const DOCUMENT: &str = "provost.document";

/// Documents in their order, and whether there are more after them.
pub struct Part {
    pub documents: Vec<Document>,
    pub more: bool,
}

/// The value at a dotted path.
pub fn at<'d>(document: &'d Document, path: &str) -> Option<&'d Bson> {
    match path.split_once('.') {
        None => document.get(path),
        Some((head, rest)) => at(document.get_document(head).ok()?, rest),
    }
}

pub fn text<'d>(document: &'d Document, path: &str) -> Option<&'d str> {
    at(document, path).and_then(Bson::as_str)
}

pub fn number(document: &Document, path: &str) -> Option<i64> {
    match at(document, path)? {
        Bson::Int64(n) => Some(*n),
        Bson::Int32(n) => Some(i64::from(*n)),
        Bson::Double(x) if x.fract() == 0.0 && x.abs() < 9e15 => Some(*x as i64),
        _ => None,
    }
}

pub fn flag(document: &Document, path: &str) -> bool {
    at(document, path).and_then(Bson::as_bool).unwrap_or(false)
}

pub fn list<'d>(document: &'d Document, path: &str) -> &'d [Bson] {
    at(document, path).and_then(Bson::as_array).map_or(&[], Vec::as_slice)
}

/// Sets one of the store's own members.
pub fn set_meta(document: &mut Document, name: &str, value: impl Into<Bson>) {
    match document.get_document_mut(META) {
        Ok(meta) => {
            meta.insert(name, value);
        }
        Err(_) => {
            document.insert(META, doc! { name: value.into() });
        }
    }
}

pub fn unset_meta(document: &mut Document, name: &str) {
    if let Ok(meta) = document.get_document_mut(META) {
        meta.remove(name);
    }
}

/// What the JSON text at `path` says.
pub fn read<T: DeserializeOwned>(document: &Document, path: &str, what: &str) -> Result<T> {
    let missing = || StoreError::Corrupt { what: what.to_owned(), why: format!("it has no text at {path}") };
    decode(what, text(document, path).ok_or_else(missing)?)
}

/// A record in readable form: its members at the top level, for people who use MongoDB's own tools.
pub fn readable<T: Serialize>(record: &T) -> Result<Document> {
    let value = serde_json::to_value(record).map_err(|e| StoreError::Invalid(format!("cannot be stored: {e}")))?;
    match to_bson("", &value) {
        Bson::Document(document) => Ok(document),
        _ => Err(StoreError::Invalid("only objects can be stored".to_owned())),
    }
}

/// BSON of this JSON. Numbers keep their bits; a whole number above 2^63 - 1, which BSON has not, becomes its digits. Days and
/// times become dates, to the millisecond.
pub fn to_bson(name: &str, value: &Value) -> Bson {
    match value {
        Value::Null => Bson::Null,
        Value::Bool(b) => Bson::Boolean(*b),
        Value::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(whole), _) => Bson::Int64(whole),
            (None, Some(x)) if n.is_f64() => Bson::Double(x),
            _ => Bson::String(n.to_string()),
        },
        Value::String(s) => match DATES.contains(&name).then(|| moment(s)).flatten() {
            Some(time) => Bson::DateTime(bson::DateTime::from_millis(time.timestamp_millis())),
            None => Bson::String(s.clone()),
        },
        Value::Array(all) => Bson::Array(all.iter().map(|v| to_bson(name, v)).collect()),
        Value::Object(members) => {
            Bson::Document(members.iter().map(|(name, value)| (name.clone(), to_bson(name, value))).collect())
        }
    }
}

/// Writes arrays in arrays as their JSON, for a server that has none. They are for other readers only.
pub fn unnest(document: &mut Document) {
    for (_, value) in document.iter_mut() {
        match value {
            Bson::Array(all) if all.iter().any(|inner| matches!(inner, Bson::Array(_))) => {
                *value = Bson::String(to_json(value).to_string());
            }
            Bson::Array(all) => all.iter_mut().filter_map(Bson::as_document_mut).for_each(unnest),
            Bson::Document(inner) => unnest(inner),
            _ => {}
        }
    }
}

/// The moment that a text names; of a day its midnight.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text).ok().map(|t| t.with_timezone(&Utc));
    time.or_else(|| Some(text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0)?.and_utc()))
}

/// Converts BSON of any writer to JSON: dates as RFC 3339 texts, values without a JSON form as null.
pub fn to_json(value: &Bson) -> Value {
    match value {
        Bson::Double(x) => Number::from_f64(*x).map_or(Value::Null, Value::Number),
        Bson::String(s) => Value::from(s.as_str()),
        Bson::Array(all) => Value::Array(all.iter().map(to_json).collect()),
        Bson::Document(document) => Value::Object(object(document)),
        Bson::Boolean(b) => Value::from(*b),
        Bson::Int32(n) => Value::from(*n),
        Bson::Int64(n) => Value::from(*n),
        Bson::DateTime(time) => DateTime::from_timestamp_millis(time.timestamp_millis())
            .map_or(Value::Null, |t| Value::from(t.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))),
        Bson::ObjectId(id) => Value::from(id.to_hex()),
        Bson::Decimal128(n) => n.to_string().parse().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number),
        _ => Value::Null,
    }
}

/// The members of a document without its id and the store's own members.
pub fn object(document: &Document) -> Map<String, Value> {
    let own = |name: &str| name == "_id" || name == META;
    document.iter().filter(|(name, _)| !own(name)).map(|(name, value)| (name.clone(), to_json(value))).collect()
}

/// The store's own part of a document that lists: its id, its place in the list, and the record itself, which comes back as it
/// was written, numbers bit for bit and members in order.
pub fn listed<T: Serialize + DeserializeOwned>(
    id: &str,
    time: DateTime<Utc>,
    what: &str,
    record: &T,
) -> Result<Document> {
    Ok(doc! {"id": id, "at": time.timestamp_micros(), "document": encode(what, record)?})
}

/// By what lists are ordered that show the newest first.
const AGE: &str = "provost.at";

/// The filter of what follows a cursor in a list, newest first, and its order.
pub fn after(filter: Document, cursor: &Cursor) -> (Document, Document) {
    after_by(AGE, filter, cursor)
}

/// The filter of what follows a cursor in a list by this member, the greatest first, and its order.
pub fn after_by(member: &str, mut filter: Document, cursor: &Cursor) -> (Document, Document) {
    if cursor.at != i64::MAX || !cursor.id.is_empty() {
        filter.insert(
            "$or",
            vec![
                doc! {member: {"$lt": cursor.at}},
                doc! {member: cursor.at, "provost.id": {"$lt": cursor.id.as_str()}},
            ],
        );
    }
    (filter, doc! {member: -1, "provost.id": -1})
}

/// Those of the documents that can be read; `named` says what each is.
pub fn intact<T>(
    damage: &Damage,
    found: &[Document],
    named: impl Fn(&Document) -> String,
    read: impl Fn(&Document) -> Result<T>,
) -> Result<Vec<T>> {
    let mut items = Vec::with_capacity(found.len());
    for document in found {
        items.extend(damage.left_out(&named(document), read(document))?);
    }
    Ok(items)
}

/// The page that these documents make. What cannot be read is left out of it.
pub fn page<T>(
    damage: &Damage,
    kind: char,
    found: &Part,
    named: impl Fn(&Document) -> String,
    read: impl Fn(&Document) -> Result<T>,
) -> Result<Page<T>> {
    page_by(AGE, damage, kind, found, named, read)
}

/// As `page`, of a list by this member.
pub fn page_by<T>(
    member: &str,
    damage: &Damage,
    kind: char,
    found: &Part,
    named: impl Fn(&Document) -> String,
    read: impl Fn(&Document) -> Result<T>,
) -> Result<Page<T>> {
    let items = intact(damage, &found.documents, named, read)?;
    let next = found.documents.last().filter(|_| found.more).map(|last| {
        let cursor = Cursor {
            at: number(last, member).unwrap_or(i64::MIN),
            id: text(last, "provost.id").unwrap_or_default().to_owned(),
        };
        cursor.encode(kind)
    });
    Ok(Page { items, next })
}
