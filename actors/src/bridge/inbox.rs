//! From messages to the inbox: a batch is read, recorded in one step of the store, and each message gets its verdict.

use super::amqp::{Message, Received};
use crate::error::CancelError;
use crate::jobs::{Cancel, Jobs};
use crate::metrics::Metrics;
use crate::supervise::Slot;
use chrono::{DateTime, Utc};
use provost_domain::check::brief;
use provost_domain::event::{Inbound, InboundEvent, Refusal, RefusalCode, TriggerRequest};
use provost_domain::gate::ActivationWish;
use provost_domain::schedule::{TrainingTrigger, TriggerType};
use provost_domain::{AdmissionDataPoint, JobId};
use provost_store::{
    InboxEffect, InboxEntry, InboxOutcome, InboxStore, PointOutcome, PointStore, StoreError, TriggerRecord,
};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// Content type of events in structured mode.
pub const STRUCTURED: &str = "application/cloudevents+json";
/// Prefixes of attributes in headers.
const ATTRIBUTES: [&str; 2] = ["cloudEvents:", "cloudEvents_"];
/// Ids that a reason names; the others are counted.
const TOLD: usize = 5;

/// What happens to a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Its effect is on record, from this or an earlier delivery.
    Done,
    Park(Refusal),
    /// A failure that may pass.
    Later(String),
}

/// An event as the inbox takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    entry: InboxEntry,
    effect: InboxEffect,
    /// The job, and who wants it cancelled.
    cancel: Option<(JobId, String)>,
    /// Of a batch: the points that it must do without.
    refused: Option<Refusal>,
    /// Its own.
    time: DateTime<Utc>,
}

impl Event {
    fn to_record(&self) -> (InboxEntry, InboxEffect) {
        (self.entry.clone(), self.effect.clone())
    }
}

/// What recording a batch has changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub taken: u64,
    pub duplicates: u64,
    /// Points or triggers are new.
    pub news: bool,
}

/// Reads an event out of a message. Pure work: it belongs off the actors' thread.
pub fn read(message: &Message, max_bytes: usize, now: DateTime<Utc>) -> Result<Event, Refusal> {
    if message.body.len() > max_bytes {
        let detail =
            format!("the body has {} bytes; {max_bytes} are allowed (bridge.max_message_bytes)", message.body.len());
        return Err(Refusal::new(RefusalCode::Oversized, detail));
    }
    if let Some(encoding) = message.content_encoding().map(str::trim)
        && !encoding.is_empty()
        && !encoding.eq_ignore_ascii_case("identity")
    {
        let detail = format!("content_encoding {} is not supported", brief(encoding, 40));
        return Err(Refusal::new(RefusalCode::Malformed, detail));
    }
    let structured = message
        .content_type()
        .is_some_and(|t| t.get(..STRUCTURED.len()).is_some_and(|t| t.eq_ignore_ascii_case(STRUCTURED)));
    let attributes = if structured { Default::default() } else { message.headers_below(&ATTRIBUTES) };
    // Without attributes in headers they can only be in the body, whatever the content type says.
    let event = if attributes.is_empty() {
        InboundEvent::structured(&message.body)
    } else {
        InboundEvent::binary(&attributes, &message.body)
    }?;
    let refused = event.data.refusal();
    let InboundEvent { source, id, payload_hash, data, time, .. } = event;
    let (effect, cancel) = match data {
        Inbound::Points { points, .. } => (InboxEffect::Points(points), None),
        Inbound::Retraction(retraction) => (InboxEffect::Retraction(retraction), None),
        Inbound::Trigger(request) => (InboxEffect::Trigger(Box::new(trigger(&source, &id, *request, now))), None),
        Inbound::Cancel(job) => (InboxEffect::None, Some((job, source.clone()))),
    };
    Ok(Event { entry: InboxEntry { source, id, payload_hash, at: now }, effect, cancel, refused, time })
}

fn trigger(source: &str, id: &str, request: TriggerRequest, now: DateTime<Utc>) -> TriggerRecord {
    let hash = Sha256::new().chain_update(source).chain_update([0]).chain_update(id).finalize();
    let name: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    TriggerRecord {
        id: format!("event_{name}"),
        trigger: TrainingTrigger::new(TriggerType::Event, now, Some(source.to_owned()), Some(request.reason)),
        config: request.config,
        activation: match request.auto_activate {
            Some(true) => ActivationWish::IfBetter,
            Some(false) => ActivationWish::Approval,
            // The schedule decides, and the scheduler knows it.
            None => ActivationWish::None,
        },
        job_id: None,
        outcome: None,
    }
}

/// The store cannot record anything now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreAway(pub String);

/// Records events. The caller keeps the messages.
#[derive(Clone)]
pub struct Inbox {
    pub store: Arc<dyn InboxStore>,
    pub points: Arc<dyn PointStore>,
    pub jobs: Slot<Jobs>,
    pub max_bytes: usize,
    pub metrics: Metrics,
}

/// How long a batch is tried before the store counts as away. A store may wait by itself much longer than this; then once.
const TRY_FOR: Duration = Duration::from_secs(1);

impl Inbox {
    /// Records a batch of events that were read; a verdict for each, in order. Each body is parsed once: what the store needs a
    /// second time is copied.
    pub async fn record(
        &self,
        events: &[Result<Event, Refusal>],
        received: &[Received],
        now: DateTime<Utc>,
    ) -> Result<(Vec<Verdict>, Tally), StoreAway> {
        let mut tally = Tally::default();
        let mut verdicts: Vec<Verdict> = Vec::with_capacity(events.len());
        let mut readable = Vec::with_capacity(events.len());
        for (index, event) in events.iter().enumerate() {
            match event {
                Err(refusal) => verdicts.push(Verdict::Park(refusal.clone())),
                Ok(event) => {
                    verdicts.push(Verdict::Done);
                    readable.push((index, event));
                }
            }
        }
        if readable.is_empty() {
            return Ok((verdicts, tally));
        }
        let outcomes = self.store(|| readable.iter().map(|(_, event)| event.to_record()).collect()).await?;
        // One outcome per event; none where the batch cannot be recorded as one.
        let mut outcomes = outcomes.map(Vec::into_iter);
        for (index, event) in readable {
            let redelivered = received[index].redelivered;
            verdicts[index] = match outcomes.as_mut().map(Iterator::next) {
                Some(Some(outcome)) => self.judge(event, outcome, redelivered, now, &mut tally).await?,
                Some(None) => Verdict::Later("the store gave no outcome".to_owned()),
                None => self.alone(event, redelivered, now, &mut tally).await?,
            };
        }
        Ok((verdicts, tally))
    }

    /// The outcomes; None if the batch cannot be recorded as one.
    async fn store(
        &self,
        batch: impl Fn() -> Vec<(InboxEntry, InboxEffect)>,
    ) -> Result<Option<Vec<InboxOutcome>>, StoreAway> {
        // Real time: a busy store is a matter of other processes.
        let began = std::time::Instant::now();
        loop {
            match self.store.record_inbox(batch()).await {
                Ok(outcomes) => return Ok(Some(outcomes)),
                Err(e) if e.may_pass() && began.elapsed() < TRY_FOR => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(e) if e.may_pass() => return Err(StoreAway(e.to_string())),
                Err(e) => {
                    tracing::warn!(error = %e, events = batch().len(), "a batch of events is taken apart");
                    return Ok(None);
                }
            }
        }
    }

    /// One event by itself, so that it harms no other.
    async fn alone(
        &self,
        event: &Event,
        redelivered: bool,
        now: DateTime<Utc>,
        tally: &mut Tally,
    ) -> Result<Verdict, StoreAway> {
        match self.store.record_inbox(vec![event.to_record()]).await {
            Ok(outcomes) => match outcomes.into_iter().next() {
                Some(outcome) => self.judge(event, outcome, redelivered, now, tally).await,
                None => Ok(Verdict::Later("the store gave no outcome".to_owned())),
            },
            Err(e) if e.may_pass() => Err(StoreAway(e.to_string())),
            Err(StoreError::Invalid(why)) => Ok(Verdict::Park(Refusal::new(RefusalCode::InvalidData, why))),
            Err(e) => Ok(Verdict::Later(e.to_string())),
        }
    }

    async fn judge(
        &self,
        event: &Event,
        outcome: InboxOutcome,
        redelivered: bool,
        now: DateTime<Utc>,
        tally: &mut Tally,
    ) -> Result<Verdict, StoreAway> {
        let outcomes = match outcome {
            InboxOutcome::Mismatch => {
                let detail = "an event of this source and id was taken in before, with another type or other data";
                return Ok(Verdict::Park(Refusal::new(RefusalCode::Mismatch, detail)));
            }
            InboxOutcome::New(outcomes) => {
                tally.taken += 1;
                tally.news |= !matches!(event.effect, InboxEffect::None);
                self.metrics.event_recorded(event.time, now);
                outcomes
            }
            InboxOutcome::Duplicate => {
                tally.duplicates += 1;
                match &event.effect {
                    // Its first delivery may have ended between the record and the parking: what there was to say of it is
                    // found out again. Points that are recorded a second time stay as they are.
                    InboxEffect::Points(points) if redelivered => {
                        match self.points.record_points(points.clone()).await {
                            Ok(outcomes) => outcomes,
                            Err(e) if e.may_pass() => return Err(StoreAway(e.to_string())),
                            Err(e) => return Ok(Verdict::Later(e.to_string())),
                        }
                    }
                    _ if redelivered => Vec::new(),
                    _ => return self.cancelled(event.cancel.clone()).await,
                }
            }
        };
        match refusal(event, &outcomes) {
            Some(refusal) => Ok(Verdict::Park(refusal)),
            None => self.cancelled(event.cancel.clone()).await,
        }
    }

    /// Cancels after the event is on record: one that turns out to be another's must not take effect, and one whose
    /// delivery ends in between comes again as a duplicate, which cancels too.
    async fn cancelled(&self, wish: Option<(JobId, String)>) -> Result<Verdict, StoreAway> {
        let Some((id, by)) = wish else { return Ok(Verdict::Done) };
        match self.jobs.send(Cancel { id, by: Some(by), keep_best: false }).await.unwrap_or_else(|e| Err(e.into())) {
            Ok(_) | Err(CancelError::AlreadyFinal(_)) => Ok(Verdict::Done),
            Err(e @ CancelError::NotFound(_)) => {
                Ok(Verdict::Park(Refusal::new(RefusalCode::InvalidData, format!("`job_id`: {e}"))))
            }
            Err(CancelError::Store(e)) if e.may_pass() => Err(StoreAway(e.to_string())),
            Err(e) => Ok(Verdict::Later(e.to_string())),
        }
    }
}

/// Why an event that is on record is parked all the same: some of its points were refused.
fn refusal(event: &Event, outcomes: &[PointOutcome]) -> Option<Refusal> {
    if !outcomes.contains(&PointOutcome::Conflict) {
        return event.refused.clone();
    }
    let mut detail = conflicts(outcomes, event);
    if let Some(refused) = &event.refused {
        detail = format!("{detail}; {}", refused.detail);
    }
    Some(Refusal::new(RefusalCode::Conflict, detail))
}

/// Names the points that were refused for their content.
fn conflicts(outcomes: &[PointOutcome], event: &Event) -> String {
    let points: &[AdmissionDataPoint] = match &event.effect {
        InboxEffect::Points(points) => points,
        _ => &[],
    };
    let refused = points.iter().zip(outcomes).filter(|(_, outcome)| **outcome == PointOutcome::Conflict);
    let ids: Vec<String> = refused.map(|(point, _)| format!("`{}`", point.data_point_id)).collect();
    format!(
        "{} of {} points are stored with the same `seq` and other content, and stayed as they are: {}{}",
        ids.len(),
        outcomes.len(),
        ids[..ids.len().min(TOLD)].join(", "),
        if ids.len() > TOLD { ", …" } else { "" }
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lapin::BasicProperties;

    #[test]
    fn a_packed_event_is_refused_before_it_is_read() {
        let read = |encoding: &str| {
            let mut message = Message::new("ml.events", "a.b", STRUCTURED, "m", b"packed".to_vec());
            message.properties = BasicProperties::default().with_content_encoding(encoding.into());
            read(&message, 100, DateTime::UNIX_EPOCH).unwrap_err()
        };
        let refusal = read("gzip");
        assert_eq!(refusal.code, RefusalCode::Malformed);
        assert!(refusal.detail.contains("content_encoding gzip is not supported"), "{}", refusal.detail);
        for plain in ["", "identity", "Identity"] {
            assert!(!read(plain).detail.contains("content_encoding"), "{plain}");
        }
    }
}
