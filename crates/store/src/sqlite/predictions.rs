//! Entries of the prediction log: appending, listing, counting, and what becomes known of them later.

use crate::documents::{Cursor, decode, encode, page_size};
use crate::error::{Result, StoreError};
use crate::known_outcomes::KnownOutcome;
use crate::log_shares::surplus_of;
use crate::page::Page;
use crate::roles::predictions::{LoggedPredictions, PredictionFilter, PredictionTotals, ScoredOutcome, ShadowTally};
use chrono::{DateTime, Utc};
use provost_domain::ModelId;
use provost_domain::prediction::{LoggedFeatures, PredictionRecord, ServingAnswer};
use provost_domain::record::Decision;
use provost_domain::watch_record::LogRange;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params, params_from_iter};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const COLUMNS: &str =
    "SELECT prediction_id, m.model_id, predicted_at, data_point_id, probability, accepted, outcome, names,
     features, s.model_id, serving_probability, serving_accepted, a.name
     FROM predictions p JOIN models m ON m.model = p.model JOIN columns c ON c.columns = p.columns
     LEFT JOIN callers a ON a.caller = p.caller
     LEFT JOIN models s ON s.model = p.serving_model";

fn is_accepted(decision: Decision) -> bool {
    decision == Decision::Accepted
}

fn decision(accepted: bool) -> Decision {
    if accepted { Decision::Accepted } else { Decision::Rejected }
}

/// The number of a model or of a list of names, made if it has none.
fn number(t: &Transaction<'_>, insert: &str, select: &str, text: &str) -> Result<i64> {
    t.prepare_cached(insert)?.execute([text])?;
    Ok(t.prepare_cached(select)?.query_row([text], |row| row.get(0))?)
}

fn model_number(t: &Transaction<'_>, id: &ModelId) -> Result<i64> {
    let insert = "INSERT INTO models (model_id) VALUES (?1) ON CONFLICT DO NOTHING";
    number(t, insert, "SELECT model FROM models WHERE model_id = ?1", id.as_str())
}

fn caller_number(t: &Transaction<'_>, name: &str) -> Result<i64> {
    let insert = "INSERT INTO callers (name, entries) VALUES (?1, 0) ON CONFLICT DO NOTHING";
    number(t, insert, "SELECT caller FROM callers WHERE name = ?1", name)
}

/// None for a model that has predicted nothing.
fn known_model(c: &Connection, id: &ModelId) -> Result<Option<i64>> {
    let mut select = c.prepare_cached("SELECT model FROM models WHERE model_id = ?1")?;
    Ok(select.query_row([id.as_str()], |row| row.get(0)).optional()?)
}

/// Appends entries; returns how many are new.
pub fn append(t: &Transaction<'_>, batch: &[PredictionRecord]) -> Result<u64> {
    let mut insert = t.prepare_cached(
        "INSERT INTO predictions (prediction_id, model, predicted_at, data_point_id, probability, accepted, outcome, columns,
         features, serving_model, serving_probability, serving_accepted, caller)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT DO NOTHING",
    )?;
    let (mut models, mut columns, mut callers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut new = 0;
    for record in batch {
        let mut model = |id: &ModelId| -> Result<i64> {
            if let Some(known) = models.get(id) {
                return Ok(*known);
            }
            let number = model_number(t, id)?;
            models.insert(id.clone(), number);
            Ok(number)
        };
        let serving = record.serving.as_ref();
        let (model, serving_model) = (model(&record.model_id)?, serving.map(|s| model(&s.model_id)).transpose()?);
        let names = record.features.names();
        let columns = match columns.get(names) {
            Some(known) => *known,
            None => {
                let insert = "INSERT INTO columns (names) VALUES (?1) ON CONFLICT DO NOTHING";
                let text = encode("the names of features", &names.to_vec())?;
                let number = number(t, insert, "SELECT columns FROM columns WHERE names = ?1", &text)?;
                columns.insert(Arc::clone(names), number);
                number
            }
        };
        let caller = match callers.get(&record.caller) {
            Some(known) => *known,
            None => {
                let number = caller_number(t, &record.caller)?;
                callers.insert(Arc::clone(&record.caller), number);
                number
            }
        };
        let features: Vec<u8> = record.features.values().iter().flat_map(|value| value.to_le_bytes()).collect();
        new += insert.execute(params![
            record.prediction_id,
            model,
            record.predicted_at.timestamp_micros(),
            record.data_point_id,
            record.probability,
            is_accepted(record.predicted_outcome),
            record.outcome.map(is_accepted),
            columns,
            features,
            serving_model,
            serving.map(|s| s.probability),
            serving.map(|s| is_accepted(s.predicted_outcome)),
            caller,
        ])? as u64;
    }
    Ok(new)
}

/// Reads rows of [`COLUMNS`]; lists of names, and callers, are kept once.
#[derive(Default)]
struct Reader {
    names: BTreeMap<String, Arc<[String]>>,
    callers: BTreeSet<Arc<str>>,
}

impl Reader {
    fn read(&mut self, row: &Row<'_>) -> Result<PredictionRecord> {
        let prediction_id: String = row.get(0)?;
        let corrupt =
            |why: &str| StoreError::Corrupt { what: format!("prediction {prediction_id}"), why: why.to_owned() };
        let model = |text: String| ModelId::parse(&text).map_err(|e| corrupt(&e.to_string()));
        let names: String = row.get(7)?;
        let names = match self.names.get(&names) {
            Some(known) => Arc::clone(known),
            None => {
                let read: Arc<[String]> = decode::<Vec<String>>("the names of features", &names)?.into();
                self.names.insert(names, Arc::clone(&read));
                read
            }
        };
        let features: Vec<u8> = row.get(8)?;
        let (values, rest) = features.as_chunks::<8>();
        let values = values.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
        let features = LoggedFeatures::of_columns(names, values).filter(|_| rest.is_empty());
        let features = features.ok_or_else(|| corrupt("names and values of its features do not match"))?;
        let serving = match row.get::<_, Option<String>>(9)? {
            None => None,
            Some(id) => Some(ServingAnswer {
                model_id: model(id)?,
                probability: row.get(10)?,
                predicted_outcome: decision(row.get(11)?),
            }),
        };
        let caller: String = row.get(12)?;
        let caller = match self.callers.get(caller.as_str()) {
            Some(known) => Arc::clone(known),
            None => {
                let caller: Arc<str> = caller.into();
                self.callers.insert(Arc::clone(&caller));
                caller
            }
        };
        let at: i64 = row.get(2)?;
        Ok(PredictionRecord {
            predicted_at: DateTime::from_timestamp_micros(at).ok_or_else(|| corrupt("its time is out of range"))?,
            model_id: model(row.get(1)?)?,
            data_point_id: row.get(3)?,
            probability: row.get(4)?,
            predicted_outcome: decision(row.get(5)?),
            outcome: row.get::<_, Option<bool>>(6)?.map(decision),
            features,
            serving,
            caller,
            prediction_id,
        })
    }
}

pub fn list(
    c: &Connection,
    filter: &PredictionFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<PredictionRecord>> {
    let Cursor { at, id } = Cursor::parse('p', cursor)?;
    let limit = page_size(limit) as usize;
    let mut sql = format!("{COLUMNS} WHERE p.serving_model IS NULL AND (predicted_at, prediction_id) < (?, ?)");
    let mut values = vec![Value::from(at), Value::from(id)];
    if let Some(model) = &filter.model_id {
        let Some(model) = known_model(c, model)? else { return Ok(Page { items: Vec::new(), next: None }) };
        sql.push_str(" AND p.model = ?");
        values.push(Value::from(model));
    }
    if let Some(from) = filter.from {
        sql.push_str(" AND predicted_at >= ?");
        values.push(Value::from(from.timestamp_micros()));
    }
    if let Some(to) = filter.to {
        sql.push_str(" AND predicted_at < ?");
        values.push(Value::from(to.timestamp_micros()));
    }
    if let Some(outcome) = filter.outcome {
        sql.push_str(" AND outcome IS NOT NULL AND outcome = ?");
        values.push(Value::from(i64::from(is_accepted(outcome))));
    }
    sql.push_str(" ORDER BY predicted_at DESC, prediction_id DESC LIMIT ?");
    values.push(Value::from(limit as i64 + 1));
    let mut statement = c.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let (mut reader, mut items) = (Reader::default(), Vec::new());
    while let Some(row) = rows.next()? {
        items.push(reader.read(row)?);
    }
    let next = (items.len() > limit).then(|| {
        items.truncate(limit);
        let last = items.last().map(|last| (last.predicted_at.timestamp_micros(), last.prediction_id.clone()));
        last.map(|(at, id)| Cursor { at, id }.encode('p'))
    });
    Ok(Page { items, next: next.flatten() })
}

pub fn get(c: &Connection, id: &str) -> Result<Option<PredictionRecord>> {
    let sql = format!("{COLUMNS} WHERE prediction_id = ?1 AND p.serving_model IS NULL LIMIT 1");
    let mut statement = c.prepare_cached(&sql)?;
    let mut rows = statement.query([id])?;
    rows.next()?.map(|row| Reader::default().read(row)).transpose()
}

/// By the counts of the callers: counting the rows of a large log would take seconds.
pub fn totals(c: &Connection) -> Result<PredictionTotals> {
    let entries = "SELECT coalesce(sum(entries), 0) FROM callers";
    let entries: i64 = c.prepare_cached(entries)?.query_row([], |row| row.get(0))?;
    let oldest = "SELECT min(predicted_at) FROM predictions";
    let oldest: Option<i64> = c.prepare_cached(oldest)?.query_row([], |row| row.get(0))?;
    Ok(PredictionTotals { entries: entries.cast_unsigned(), oldest: oldest.and_then(DateTime::from_timestamp_micros) })
}

pub fn shadow_tally(c: &Connection, model: &ModelId, since: DateTime<Utc>) -> Result<ShadowTally> {
    let Some(model) = known_model(c, model)? else { return Ok(ShadowTally::default()) };
    let sql = "SELECT count(*), coalesce(sum(accepted = serving_accepted), 0),
               coalesce(sum(probability - serving_probability), 0.0)
               FROM predictions WHERE model = ?1 AND serving_model IS NOT NULL AND predicted_at >= ?2";
    let tally = |row: &Row<'_>| {
        Ok(ShadowTally {
            predictions: row.get::<_, i64>(0)?.cast_unsigned(),
            agreeing: row.get::<_, i64>(1)?.cast_unsigned(),
            difference_sum: row.get(2)?,
        })
    };
    Ok(c.prepare_cached(sql)?.query_row(params![model, since.timestamp_micros()], tally)?)
}

pub fn scored(c: &Connection, model: &ModelId, since: DateTime<Utc>, limit: u32) -> Result<Vec<ScoredOutcome>> {
    let Some(model) = known_model(c, model)? else { return Ok(Vec::new()) };
    let sql =
        "SELECT probability, outcome FROM predictions WHERE model = ?1 AND predicted_at >= ?2 AND outcome IS NOT NULL
               ORDER BY predicted_at DESC LIMIT ?3";
    let mut statement = c.prepare_cached(sql)?;
    let scored = |row: &Row<'_>| Ok(ScoredOutcome { probability: row.get(0)?, accepted: row.get(1)? });
    let rows = statement.query_map(params![model, since.timestamp_micros(), limit], scored)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The values of [`IN_RANGE`], and a limit.
fn range_values(model: i64, range: &LogRange, limit: u32) -> [Value; 6] {
    let (after, upto) = (&range.after, &range.upto);
    [
        Value::from(model),
        Value::from(after.at.timestamp_micros()),
        Value::from(after.id.clone()),
        Value::from(upto.at.timestamp_micros()),
        Value::from(upto.id.clone()),
        Value::from(i64::from(limit)),
    ]
}

const IN_RANGE: &str = "p.model = ?1 AND p.serving_model IS NULL AND (predicted_at, prediction_id) > (?2, ?3)
     AND (predicted_at, prediction_id) <= (?4, ?5)";

pub fn count_logged(c: &Connection, model: &ModelId, range: &LogRange, most: u32) -> Result<u64> {
    let Some(model) = known_model(c, model)? else { return Ok(0) };
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM predictions p WHERE {IN_RANGE} LIMIT ?6)");
    let values = params_from_iter(range_values(model, range, most));
    let count: i64 = c.prepare_cached(&sql)?.query_row(values, |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

pub fn logged(c: &Connection, model: &ModelId, range: &LogRange, limit: u32) -> Result<LoggedPredictions> {
    let none = LoggedPredictions { predictions: Vec::new(), cut: false };
    let Some(model) = known_model(c, model)? else { return Ok(none) };
    let limit = page_size(limit);
    let sql = format!("{COLUMNS} WHERE {IN_RANGE} ORDER BY predicted_at DESC, prediction_id DESC LIMIT ?6");
    let mut statement = c.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(range_values(model, range, limit.saturating_add(1))))?;
    let (mut reader, mut predictions) = (Reader::default(), Vec::new());
    while let Some(row) = rows.next()? {
        predictions.push(reader.read(row)?);
    }
    let cut = predictions.len() > limit as usize;
    predictions.truncate(limit as usize);
    predictions.reverse();
    Ok(LoggedPredictions { predictions, cut })
}

/// Brings outcomes to the predictions for these points.
pub fn join(t: &Transaction<'_>, known: &[KnownOutcome]) -> Result<()> {
    let mut update = t.prepare_cached(
        "UPDATE predictions SET outcome = ?2 WHERE data_point_id IS NOT NULL AND data_point_id = ?1 AND outcome IS NOT ?2",
    )?;
    for outcome in known {
        update.execute(params![outcome.data_point_id, outcome.accepted])?;
    }
    Ok(())
}

/// Removes the predictions for these points.
pub fn retract(t: &Transaction<'_>, ids: &[String]) -> Result<()> {
    let mut delete =
        t.prepare_cached("DELETE FROM predictions WHERE data_point_id IS NOT NULL AND data_point_id = ?1")?;
    for id in ids {
        delete.execute([id])?;
    }
    Ok(())
}

/// Removes up to `limit` entries that are too old or too many; returns how many.
pub fn forget(t: &Transaction<'_>, before: DateTime<Utc>, keep: u64, limit: u32) -> Result<u64> {
    let sql = "DELETE FROM predictions WHERE position IN
               (SELECT position FROM predictions WHERE predicted_at < ?1 ORDER BY predicted_at LIMIT ?2)";
    let aged = t.prepare_cached(sql)?.execute(params![before.timestamp_micros(), limit])? as u64;
    let left = u64::from(limit).saturating_sub(aged);
    t.prepare_cached("DELETE FROM callers WHERE entries = 0")?.execute([])?;
    let mut callers = t.prepare_cached("SELECT caller, entries FROM callers")?;
    let count = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?.cast_unsigned()));
    let counts: Vec<(i64, u64)> = callers.query_map([], count)?.collect::<rusqlite::Result<_>>()?;
    let sql = "DELETE FROM predictions WHERE position IN
               (SELECT position FROM predictions WHERE caller = ?1 ORDER BY position LIMIT ?2)";
    let mut oldest = t.prepare_cached(sql)?;
    let mut surplus = 0;
    for (caller, entries) in surplus_of(counts, keep, left) {
        surplus += oldest.execute(params![caller, entries.cast_signed()])? as u64;
    }
    Ok(aged + surplus)
}
