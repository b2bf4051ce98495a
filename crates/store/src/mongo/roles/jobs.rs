//! [`JobReader`] and [`JobStore`] on MongoDB.

use crate::error::Result;
use crate::mongo::{MongoStore, creation, jobs, legacy};
use crate::page::Page;
use crate::roles::jobs::{JobCreation, JobRank, JobReader, JobStore, NewJob, NewJobEvent};
use crate::roles::outbox::OutboxMessage;
use crate::roles::triggers::TriggerRecord;
use async_trait::async_trait;
use provost_domain::job::{JobEvent, JobRecord, JobStatus};
use provost_domain::queue::QueuedJob;
use provost_domain::{JobId, TrainingJob};
use std::collections::BTreeMap;

#[async_trait]
impl JobReader for MongoStore {
    async fn job(&self, id: &JobId) -> Result<Option<JobRecord>> {
        let id = id.clone();
        self.run(|db| async move {
            let found = jobs::get(&db, &id).await?;
            db.damage.repaired(&format!("job {id}"));
            Ok(found)
        })
        .await
    }

    async fn job_named(&self, name: &str) -> Result<Option<JobId>> {
        let name = name.to_owned();
        self.run(|db| async move { legacy::job_named(&db, &name).await }).await
    }

    async fn list_jobs(
        &self,
        status: Option<JobStatus>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<TrainingJob>> {
        let cursor = cursor.map(str::to_owned);
        self.run(|db| async move { jobs::list_page(&db, status, cursor.as_deref(), limit).await }).await
    }

    async fn ranked_jobs(
        &self,
        rank: JobRank,
        status: Option<JobStatus>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<TrainingJob>> {
        let cursor = cursor.map(str::to_owned);
        self.run(|db| async move { jobs::ranked_page(&db, rank, status, cursor.as_deref(), limit).await }).await
    }

    async fn unfinished_jobs(&self) -> Result<Vec<QueuedJob>> {
        self.run(|db| async move { jobs::unfinished(&db).await }).await
    }

    async fn job_counts(&self) -> Result<BTreeMap<JobStatus, u64>> {
        self.run(|db| async move { jobs::counts(&db).await }).await
    }

    async fn job_events(&self, id: &JobId, after: u64, limit: u32) -> Result<Vec<JobEvent>> {
        let id = id.clone();
        self.run(|db| async move { jobs::events(&db, &id, after, limit).await }).await
    }
}

#[async_trait]
impl JobStore for MongoStore {
    async fn create_job(&self, job: NewJob) -> Result<JobCreation> {
        self.run(|db| async move { creation::create(&db, job).await }).await
    }

    async fn save_job(
        &self,
        record: JobRecord,
        events: Vec<NewJobEvent>,
        outbox: Vec<OutboxMessage>,
    ) -> Result<JobRecord> {
        self.run(|db| async move { jobs::save(&db, record, events, &outbox).await }).await
    }

    async fn join_job(
        &self,
        record: JobRecord,
        events: Vec<NewJobEvent>,
        triggers: Vec<TriggerRecord>,
    ) -> Result<JobRecord> {
        self.run(|db| async move { creation::join(&db, record, events, triggers).await }).await
    }

    async fn claim_job(&self, id: &JobId, epoch: u64) -> Result<JobRecord> {
        let id = id.clone();
        self.run(|db| async move { jobs::claim(&db, &id, epoch).await }).await
    }
}
