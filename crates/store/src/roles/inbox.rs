//! Inbound events and what they do to the store.

use crate::error::Result;
use crate::roles::points::PointOutcome;
use crate::roles::triggers::TriggerRecord;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::AdmissionDataPoint;
use provost_domain::event::Retraction;
use serde::{Deserialize, Serialize};

/// An inbound event that was taken in, for deduplication on (source, id).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InboxEntry {
    /// The event's `source`: with `id` it names the event.
    pub source: String,
    /// The event's `id`.
    pub id: String,
    /// SHA-256 of the payload; distinguishes a repetition from another event with the same id.
    pub payload_hash: String,
    /// When the event was taken in.
    pub at: DateTime<Utc>,
}

/// What an inbound event does to the store.
#[derive(Debug, Clone, PartialEq)]
pub enum InboxEffect {
    /// Nothing beyond being remembered.
    None,
    /// Data points to record.
    Points(Vec<AdmissionDataPoint>),
    /// A data point to remove.
    Retraction(Retraction),
    /// A pending trigger; the scheduler decides what becomes of it.
    Trigger(Box<TriggerRecord>),
}

/// What became of an inbound event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboxOutcome {
    /// With an outcome per point that it carried, in order; of a retraction, whether it took effect (`Superseded`, else
    /// `Stale`).
    New(Vec<PointOutcome>),
    /// The same event was taken in before.
    Duplicate,
    /// The same key with another payload.
    Mismatch,
}

/// Records inbound events with their effects: for the Bridge only.
#[async_trait]
pub trait InboxStore: Send + Sync + 'static {
    /// Records inbound events with their effects; an outcome per event. Only a new event has an effect. A mismatch is in the
    /// audit log ([`Deed::event_mismatch`](provost_domain::audit::Deed::event_mismatch)) with the same step.
    async fn record_inbox(&self, events: Vec<(InboxEntry, InboxEffect)>) -> Result<Vec<InboxOutcome>>;
}
