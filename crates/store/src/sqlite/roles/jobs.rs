//! [`JobReader`] and [`JobStore`] on SQLite.

use crate::error::Result;
use crate::page::Page;
use crate::roles::jobs::{JobCreation, JobRank, JobReader, JobStore, NewJob, NewJobEvent};
use crate::roles::outbox::OutboxMessage;
use crate::roles::triggers::TriggerRecord;
use crate::sqlite::{SqliteStore, jobs};
use async_trait::async_trait;
use provost_domain::job::{JobEvent, JobRecord, JobStatus};
use provost_domain::queue::QueuedJob;
use provost_domain::{JobId, TrainingJob};
use std::collections::BTreeMap;

#[async_trait]
impl JobReader for SqliteStore {
    async fn job(&self, id: &JobId) -> Result<Option<JobRecord>> {
        let id = id.clone();
        self.list(move |c, damage| {
            let found = jobs::get(c, &id)?;
            damage.repaired(&format!("job {id}"));
            Ok(found)
        })
        .await
    }

    async fn job_named(&self, name: &str) -> Result<Option<JobId>> {
        let Ok(id) = JobId::parse(name) else { return Ok(None) };
        Ok(self.job(&id).await?.map(|record| record.job.job_id))
    }

    async fn list_jobs(
        &self,
        status: Option<JobStatus>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<TrainingJob>> {
        let cursor = cursor.map(str::to_owned);
        self.list(move |c, damage| jobs::list(c, damage, status, cursor.as_deref(), limit)).await
    }

    async fn ranked_jobs(
        &self,
        rank: JobRank,
        status: Option<JobStatus>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<TrainingJob>> {
        let cursor = cursor.map(str::to_owned);
        self.list(move |c, damage| jobs::ranked(c, damage, rank, status, cursor.as_deref(), limit)).await
    }

    async fn unfinished_jobs(&self) -> Result<Vec<QueuedJob>> {
        self.list(jobs::unfinished).await
    }

    async fn job_counts(&self) -> Result<BTreeMap<JobStatus, u64>> {
        self.read(jobs::counts).await
    }

    async fn job_events(&self, id: &JobId, after: u64, limit: u32) -> Result<Vec<JobEvent>> {
        let id = id.clone();
        self.read(move |c| jobs::events(c, &id, after, limit)).await
    }
}

#[async_trait]
impl JobStore for SqliteStore {
    async fn create_job(&self, job: NewJob) -> Result<JobCreation> {
        self.write(move |t| jobs::create(t, job)).await
    }

    async fn save_job(
        &self,
        record: JobRecord,
        events: Vec<NewJobEvent>,
        outbox: Vec<OutboxMessage>,
    ) -> Result<JobRecord> {
        self.write(move |t| jobs::save(t, record, events, &outbox)).await
    }

    async fn join_job(
        &self,
        record: JobRecord,
        events: Vec<NewJobEvent>,
        triggers: Vec<TriggerRecord>,
    ) -> Result<JobRecord> {
        self.write(move |t| jobs::join(t, record, events, triggers)).await
    }

    async fn claim_job(&self, id: &JobId, epoch: u64) -> Result<JobRecord> {
        let id = id.clone();
        self.write(move |t| jobs::claim(t, &id, epoch)).await
    }
}
