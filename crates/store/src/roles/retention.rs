//! Removal of records that are older than the retention settings allow.

use crate::error::Result;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The times before which records of each kind may be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cutoffs {
    /// Inbound events that were taken in before this time. A repetition of a removed event has its effect again.
    pub inbox: DateTime<Utc>,
    /// Announcements and mails from before this time that were sent or given up.
    pub outbox: DateTime<Utc>,
    /// Event streams and log lines of jobs that ended before this time.
    pub job_events: DateTime<Utc>,
    /// Trials, units of work and intermediate results of jobs that ended before this time.
    pub trials: DateTime<Utc>,
    /// Needs that were dealt with before this time.
    pub needs: DateTime<Utc>,
    /// Windows of predictions and points that were closed before this time.
    pub windows: DateTime<Utc>,
    /// The present, by which stored responses have outlived [`RESPONSE_LIFETIME_HOURS`](crate::RESPONSE_LIFETIME_HOURS), and sessions have expired.
    pub now: DateTime<Utc>,
}

/// How many records of each kind were removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Inbound events.
    pub inbox: u64,
    /// Announcements and mails.
    pub outbox: u64,
    /// Stored responses.
    pub responses: u64,
    /// Sessions of browsers.
    pub sessions: u64,
    /// Events of jobs.
    pub job_events: u64,
    /// Trials of searches.
    pub trials: u64,
    /// Units of work.
    pub units: u64,
    /// Needs that were dealt with.
    #[serde(default)]
    pub needs: u64,
    /// Windows of predictions and points.
    pub windows: u64,
    /// Jobs whose log lines or intermediate results were removed.
    pub jobs: u64,
}

impl Forgotten {
    /// Rows of all kinds. Jobs are counted apart.
    pub fn total(&self) -> u64 {
        self.inbox
            + self.outbox
            + self.responses
            + self.sessions
            + self.job_events
            + self.trials
            + self.units
            + self.needs
            + self.windows
            + self.jobs
    }
}

impl std::ops::AddAssign for Forgotten {
    fn add_assign(&mut self, other: Self) {
        self.inbox += other.inbox;
        self.outbox += other.outbox;
        self.responses += other.responses;
        self.sessions += other.sessions;
        self.job_events += other.job_events;
        self.trials += other.trials;
        self.units += other.units;
        self.needs += other.needs;
        self.windows += other.windows;
        self.jobs += other.jobs;
    }
}

/// Removes old records, and says which artifacts are in use: only for the Retention actor.
#[async_trait]
pub trait RetentionStore: Send + Sync + 'static {
    /// Removes up to about `limit` records that are older than the cutoffs, oldest first: a small step, so that no other writer
    /// waits long. Nothing is left to remove when a step removes nothing. Jobs, models, evaluations, activations,
    /// decisions, triggers and points are never forgotten, nor is anything of a job that has not ended.
    async fn forget(&self, before: Cutoffs, limit: u32) -> Result<Forgotten>;
    /// SHA-256 of every artifact that a record names: models and their snapshots, snapshots and intermediate results of
    /// jobs, plots.
    async fn artifacts_in_use(&self) -> Result<BTreeSet<String>>;
}
