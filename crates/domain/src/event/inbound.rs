//! Inbound events: envelope and data, read and checked; every fault is named.

mod kind;

pub use kind::InboundType;

use super::SPEC_VERSION;
use crate::check::{Faults, brief};
use crate::config::TrainingConfig;
use crate::hash::hex;
use crate::ids::JobId;
use crate::record::{AdmissionDataPoint, shape};
use crate::words::word_enum;
use crate::{json, limits};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Maximum number of points of one batch.
pub const MAX_BATCH: usize = limits::EVENT_POINTS;
/// Maximum number of bytes of an event's source, id and type, which are keys of the inbox.
pub const MAX_KEY: usize = limits::EVENT_KEY;
/// Maximum number of characters of a refusal's detail.
const MAX_DETAIL: usize = 4000;
/// Faulty points of one batch that the reason names; the others are counted.
const TOLD: usize = 5;

word_enum!(
    /// Why an event is parked.
    RefusalCode {
        Malformed = "malformed",
        Oversized = "oversized",
        UnknownType = "unknown_type",
        UnsupportedVersion = "unsupported_version",
        InvalidData = "invalid_data",
        Mismatch = "mismatch",
        Conflict = "conflict",
        Exhausted = "exhausted",
    }
);

impl InboundType {
    fn read(self, data: &[u8]) -> Result<Inbound, Refusal> {
        match self {
            InboundType::Recorded | InboundType::Corrected => point(data),
            InboundType::Batch => batch(data),
            InboundType::Retracted => retraction(data),
            InboundType::Trigger => trigger(data),
            InboundType::Cancel => cancel(data),
        }
    }
}

/// An event that cannot be taken in, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Refusal {
    /// The kind of fault.
    pub code: RefusalCode,
    /// Names the attribute or field, the value and what is allowed.
    pub detail: String,
}

impl Refusal {
    /// A refusal with its details.
    pub fn new(code: RefusalCode, detail: impl Into<String>) -> Self {
        // The error of a parser may quote a long value in full.
        let detail = detail.into();
        Self { code, detail: brief(&detail, MAX_DETAIL).into_owned() }
    }
}

/// A point that is superseded by nothing: it is out of the data in every version up to `seq`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Retraction {
    /// The point to remove.
    pub data_point_id: String,
    /// Points of this `seq` and of lower ones are removed.
    #[schema(minimum = 0)]
    pub seq: u64,
}

/// Points in one event.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PointBatch {
    /// The points.
    #[schema(min_items = 1)]
    pub points: Vec<AdmissionDataPoint>,
}

/// A job that is not wanted any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Cancellation {
    /// The job to cancel.
    pub job_id: JobId,
}

/// A request for a training job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TriggerRequest {
    /// Why to train.
    pub reason: String,
    /// None: the schedule's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<TrainingConfig>,
    /// None: as the schedule says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_activate: Option<bool>,
}

/// A point of a batch that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchFault {
    /// The point's index in the batch, from 0.
    pub index: usize,
    /// What is wrong with the point.
    pub faults: Faults,
}

/// The data of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Inbound {
    /// Recorded or corrected points. Points of a batch that cannot be used are listed apart; the others are recorded
    /// nevertheless.
    Points {
        /// Points that can be recorded.
        points: Vec<AdmissionDataPoint>,
        /// Points that cannot, and why.
        refused: Vec<BatchFault>,
    },
    /// A point to remove.
    Retraction(Retraction),
    /// A reason to train.
    Trigger(Box<TriggerRequest>),
    /// A job to cancel.
    Cancel(JobId),
}

impl Inbound {
    /// The points of a batch that were refused, in words.
    pub fn refusal(&self) -> Option<Refusal> {
        let Inbound::Points { refused, points } = self else { return None };
        if refused.is_empty() {
            return None;
        }
        let told: Vec<String> =
            refused.iter().take(TOLD).map(|f| format!("/points/{}: {}", f.index, f.faults)).collect();
        let more = if refused.len() > TOLD { "; …" } else { "" };
        let all = refused.len() + points.len();
        let detail = format!(
            "{} of {all} points cannot be used, the others were recorded: {}{more}",
            refused.len(),
            told.join("; ")
        );
        Some(Refusal::new(RefusalCode::InvalidData, detail))
    }
}

/// An event that was read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct InboundEvent {
    /// The event's `source`.
    pub source: String,
    /// The event's `id`.
    pub id: String,
    /// The type with its version, `admission.data.recorded.v1`.
    pub kind: String,
    /// The event's `time`.
    pub time: DateTime<Utc>,
    /// SHA-256 of type and data, in hexadecimal digits. Two events with the same type and data have the same hash.
    pub payload_hash: String,
    /// The event's data.
    pub data: Inbound,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    specversion: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    source: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl InboundEvent {
    /// Reads an event in structured mode: one JSON object with attributes and data. Unknown attributes are ignored.
    ///
    /// # Errors
    /// [`Refusal`] names the first attribute or field at fault.
    pub fn structured(body: &[u8]) -> Result<Self, Refusal> {
        let wire: Wire<'_> = json::from_slice(body)
            .map_err(|e| Refusal::new(RefusalCode::Malformed, format!("the body is no CloudEvent in JSON: {e}")))?;
        let data = wire.data.ok_or_else(|| missing("data"))?;
        Self::read(
            [wire.specversion, wire.id, wire.source, wire.kind, wire.time].map(|a| a.map(Cow::into_owned)),
            data.get().as_bytes(),
        )
    }

    /// Reads an event in binary mode: attributes (without the prefix of their headers), and the data as the body.
    ///
    /// # Errors
    /// As [`Self::structured`].
    pub fn binary(attributes: &BTreeMap<String, String>, body: &[u8]) -> Result<Self, Refusal> {
        let read = ["specversion", "id", "source", "type", "time"].map(|name| attributes.get(name).cloned());
        Self::read(read, body)
    }

    fn read(attributes: [Option<String>; 5], data: &[u8]) -> Result<Self, Refusal> {
        let [specversion, id, source, kind, time] = attributes;
        let required = |name: &str, value: Option<String>| value.ok_or_else(|| missing(name));
        let specversion = required("specversion", specversion)?;
        if specversion != SPEC_VERSION {
            let detail = format!("`specversion` is `{}`; {SPEC_VERSION} is allowed", cut(&specversion));
            return Err(Refusal::new(RefusalCode::Malformed, detail));
        }
        let key = |name: &str, value: Option<String>| {
            let value = required(name, value)?;
            if value.is_empty() || value.len() > MAX_KEY {
                let detail = format!("`{name}` has {} bytes; 1 to {MAX_KEY} are allowed", value.len());
                return Err(Refusal::new(RefusalCode::Malformed, detail));
            }
            Ok(value)
        };
        let (id, source, kind) = (key("id", id)?, key("source", source)?, key("type", kind)?);
        let time = required("time", time)?;
        let time = DateTime::parse_from_rfc3339(&time).map_err(|_| {
            let detail = format!("`time` is `{}`; a time as in RFC 3339 is allowed", cut(&time));
            Refusal::new(RefusalCode::Malformed, detail)
        })?;
        let known = InboundType::named(&kind)?;
        let mut hash = Sha256::new();
        hash.update(kind.as_bytes());
        hash.update([0]);
        hash.update(data);
        Ok(Self { source, id, time: time.to_utc(), payload_hash: hex(&hash.finalize()), data: known.read(data)?, kind })
    }
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

fn missing(name: &str) -> Refusal {
    Refusal::new(RefusalCode::Malformed, format!("`{name}` is missing; it is required"))
}

fn invalid(faults: &Faults) -> Refusal {
    Refusal::new(RefusalCode::InvalidData, faults.to_string())
}

fn point(data: &[u8]) -> Result<Inbound, Refusal> {
    let point = AdmissionDataPoint::from_json(data).map_err(|f| invalid(&f))?;
    Ok(Inbound::Points { points: vec![point], refused: Vec::new() })
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    points: Vec<&'a RawValue>,
}

fn batch(data: &[u8]) -> Result<Inbound, Refusal> {
    let batch: Batch<'_> = parse(data)?;
    if batch.points.is_empty() || batch.points.len() > MAX_BATCH {
        let detail = format!("`points` has {} points; 1 to {MAX_BATCH} are allowed", batch.points.len());
        return Err(Refusal::new(RefusalCode::InvalidData, detail));
    }
    let (mut points, mut refused) = (Vec::with_capacity(batch.points.len()), Vec::new());
    for (index, text) in batch.points.iter().enumerate() {
        match AdmissionDataPoint::from_json(text.get().as_bytes()) {
            Ok(point) => points.push(point),
            Err(faults) => refused.push(BatchFault { index, faults }),
        }
    }
    Ok(Inbound::Points { points, refused })
}

fn parse<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Result<T, Refusal> {
    json::from_slice(data).map_err(|e| Refusal::new(RefusalCode::InvalidData, format!("data: {e}")))
}

fn retraction(data: &[u8]) -> Result<Inbound, Refusal> {
    let retraction: Retraction = parse(data)?;
    if !shape::is_id(&retraction.data_point_id) {
        let (id, most) = (brief(&retraction.data_point_id, 60), limits::POINT_ID);
        let detail = format!(
            "`data_point_id` is `{id}`; a string of 1 to {most} characters without control characters is allowed"
        );
        return Err(Refusal::new(RefusalCode::InvalidData, detail));
    }
    Ok(Inbound::Retraction(retraction))
}

#[derive(Deserialize)]
struct WireTrigger {
    reason: String,
    config: Option<Value>,
    auto_activate: Option<bool>,
}

fn trigger(data: &[u8]) -> Result<Inbound, Refusal> {
    let wire: WireTrigger = parse(data)?;
    if !limits::fits(&wire.reason, limits::REASON) {
        let (length, most) = (wire.reason.chars().count(), limits::REASON);
        let detail = format!("`reason` has {length} characters; at most {most} are allowed");
        return Err(Refusal::new(RefusalCode::InvalidData, detail));
    }
    // The configuration is checked as one that is sent over HTTP. Unknown fields are refused, because a misspelt field
    // would train another model.
    let config = wire.config.filter(|c| !c.is_null());
    let config = config.map(|c| TrainingConfig::from_json(&c).map_err(|f| invalid(&f.below("config")))).transpose()?;
    Ok(Inbound::Trigger(Box::new(TriggerRequest { reason: wire.reason, config, auto_activate: wire.auto_activate })))
}

#[derive(Deserialize)]
struct WireCancel {
    job_id: String,
}

fn cancel(data: &[u8]) -> Result<Inbound, Refusal> {
    let wire: WireCancel = parse(data)?;
    let id = JobId::parse(&wire.job_id)
        .map_err(|e| Refusal::new(RefusalCode::InvalidData, format!("`job_id`: {e}; the id of a job is allowed")))?;
    Ok(Inbound::Cancel(id))
}

#[cfg(test)]
mod tests;
