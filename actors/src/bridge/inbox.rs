//! From messages to the inbox: a batch is read, recorded in one step of the store, and each message gets its verdict.

mod event;
mod verdict;

pub use event::{Event, STRUCTURED, read};
pub use verdict::{StoreAway, Tally, Verdict};

use super::amqp::Received;
use crate::jobs::{Cancel, Jobs};
use crate::metrics::Metrics;
use crate::supervise::Slot;
use chrono::{DateTime, Utc};
use provost_domain::event::Refusal;
use provost_store::{InboxEffect, InboxEntry, InboxOutcome, InboxStore, PointStore};
use std::sync::Arc;
use std::time::Duration;
use verdict::{AfterFailure, Next, after_cancel, after_failed_batch, after_points, after_record, failed_alone};

/// Records events. The caller keeps the messages.
#[derive(Clone)]
pub struct Inbox {
    pub store: Arc<dyn InboxStore>,
    pub points: Arc<dyn PointStore>,
    pub jobs: Slot<Jobs>,
    pub max_bytes: usize,
    pub metrics: Metrics,
}

/// Interval between tries of a batch while the store is away.
const TRY_EVERY: Duration = Duration::from_millis(100);

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
            let error = match self.store.record_inbox(batch()).await {
                Ok(outcomes) => return Ok(Some(outcomes)),
                Err(error) => error,
            };
            match after_failed_batch(&error, began.elapsed()) {
                AfterFailure::TryAgain => tokio::time::sleep(TRY_EVERY).await,
                AfterFailure::GiveBack => return Err(StoreAway(error.to_string())),
                AfterFailure::TakeApart => {
                    tracing::warn!(%error, events = batch().len(), "a batch of events is taken apart");
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
            Err(e) => failed_alone(e),
        }
    }

    /// What becomes of an event that the store has an outcome for.
    async fn judge(
        &self,
        event: &Event,
        outcome: InboxOutcome,
        redelivered: bool,
        now: DateTime<Utc>,
        tally: &mut Tally,
    ) -> Result<Verdict, StoreAway> {
        tally.count(event, &outcome);
        if let InboxOutcome::New(_) = outcome {
            self.metrics.event_recorded(event.time, now);
        }
        let mut next = after_record(event, &outcome, redelivered);
        loop {
            next = match next {
                Next::Settled(verdict) => return Ok(verdict),
                Next::StoreAway(why) => return Err(StoreAway(why)),
                Next::RecordPoints(points) => after_points(event, self.points.record_points(points).await),
                Next::Cancel { job, by } => {
                    let cancel = Cancel { id: job, by: Some(by), keep_best: false };
                    after_cancel(self.jobs.send(cancel).await.unwrap_or_else(|e| Err(e.into())))
                }
            };
        }
    }
}
