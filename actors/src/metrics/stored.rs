//! Figures from the store, read at most once a second and awaited at most as long.

use crate::outbox::{EVENTS, MAIL};
use chrono::{DateTime, Utc};
use provost_domain::ModelId;
use provost_domain::job::JobStatus;
use provost_store::{Store, StoreError};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long a reading is reused before the store is queried again.
const FRESH: Duration = Duration::from_secs(1);
const READ_WITHIN: Duration = Duration::from_millis(900);

/// The active model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Active {
    id: ModelId,
    pub trained: DateTime<Utc>,
    pub activated: DateTime<Utc>,
}

/// Figures of the store at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figures {
    pub jobs: BTreeMap<JobStatus, u64>,
    pub announcements: u64,
    pub mails: u64,
    pub points: u64,
    pub models: u64,
    pub active: Option<Active>,
}

#[derive(Debug)]
struct Reading {
    at: Instant,
    /// None: the store did not answer in time, or with an error.
    figures: Option<Figures>,
}

/// The last reading. Requests that come during a reading wait for it.
#[derive(Debug, Default)]
pub(crate) struct Stored(Mutex<Option<Reading>>);

impl Stored {
    /// None: the store is away.
    pub async fn figures(&self, store: &dyn Store) -> Option<Figures> {
        let mut last = self.0.lock().await;
        if let Some(reading) = last.as_ref().filter(|reading| reading.at.elapsed() < FRESH) {
            return reading.figures.clone();
        }
        let known = last.as_ref().and_then(|reading| reading.figures.as_ref()?.active.clone());
        // Real time, because the store uses real time.
        let read = tokio::time::timeout(READ_WITHIN, read(store, known)).await;
        let figures = read.ok().and_then(Result::ok);
        *last = Some(Reading { at: Instant::now(), figures: figures.clone() });
        figures
    }
}

async fn read(store: &dyn Store, known: Option<Active>) -> Result<Figures, StoreError> {
    let (jobs, announcements, mails, mark, models, active) = tokio::try_join!(
        store.job_counts(),
        store.outbox_count(EVENTS),
        store.outbox_count(MAIL),
        store.point_totals(),
        store.model_count(),
        active(store, known),
    )?;
    Ok(Figures { jobs, announcements, mails, points: mark.total, models, active })
}

/// The active model. Its long record is read once.
async fn active(store: &dyn Store, known: Option<Active>) -> Result<Option<Active>, StoreError> {
    let Some(activation) = store.activations(None, 1).await?.items.into_iter().next() else { return Ok(None) };
    let (id, activated) = (activation.model_id, activation.activated_at);
    let trained = match known.filter(|known| known.id == id) {
        Some(known) => known.trained,
        None => match store.model(&id).await? {
            Some(record) => record.version.training_date,
            None => return Ok(None),
        },
    };
    Ok(Some(Active { id, trained, activated }))
}
