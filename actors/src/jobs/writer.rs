//! The one writer of a running job's record: applies a change, saves it with its events, and answers a conflict by
//! reading anew.

use super::streams::Streams;
use crate::failures::Kind;
use crate::notifier::mail_content::JobMail;
use crate::options::JobsResources;
use crate::outbox::announcement_of;
use crate::retry::backoff;
use chrono::{DateTime, SecondsFormat, Utc};
use provost_domain::event::outbound::{JobAnnouncement, Topic};
use provost_domain::job::{JobEventKind, JobLogLine, JobRecord, JobStateChange, JobStatus, Transition};
use provost_domain::{Algorithm, JobId};
use provost_store::{NewJobEvent, OutboxMessage, StoreError};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// The component's name in reports of failures.
const COMPONENT: &str = "jobs";
/// Log lines that a record keeps.
const LOG_LINES: usize = 200;
/// Conflicts with other writers after which a save is given up.
const CONFLICTS: u32 = 8;
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Why a change was not saved.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Another process has claimed or settled the job: this driver writes to it no more.
    #[error("another process has claimed this job")]
    Lost,
    #[error(transparent)]
    Store(StoreError),
}

/// How long a save is tried while the store is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Once: what it says is not worth waiting for.
    Once,
    /// As often as a unit of work is.
    Attempts,
    /// Until it is saved.
    Forever,
}

/// What is written along with a change.
pub struct Change {
    pub at: DateTime<Utc>,
    pub events: Vec<NewJobEvent>,
    pub outbox: Vec<OutboxMessage>,
}

impl Change {
    pub fn new(at: DateTime<Utc>) -> Self {
        Self { at, events: Vec::new(), outbox: Vec::new() }
    }

    pub fn event(&mut self, kind: JobEventKind, data: &impl Serialize) {
        // What events say are plain structs of texts, numbers and lists: they always serialise.
        let data = serde_json::to_value(data).unwrap_or_default();
        self.events.push(NewJobEvent { at: self.at, kind, data });
    }

    pub fn log(&mut self, record: &mut JobRecord, text: &str) {
        let line = format!("{} {text}", self.at.to_rfc3339_opts(SecondsFormat::Millis, true));
        self.event(JobEventKind::Log, &JobLogLine { message: text.to_owned() });
        let logs = &mut record.job.logs;
        logs.push(line);
        if logs.len() > LOG_LINES {
            logs.drain(..logs.len() - LOG_LINES);
        }
    }

    /// A line in the warnings, once, and in the log.
    pub fn warn(&mut self, record: &mut JobRecord, text: &str) {
        if !record.job.warnings.iter().any(|w| w == text) {
            record.job.warnings.push(text.to_owned());
            self.log(record, &format!("warning: {text}"));
        }
    }

    /// Moves the job's state. An illegal move (another writer was faster) changes nothing and answers false.
    pub fn transition(&mut self, record: &mut JobRecord, transition: Transition) -> bool {
        let Ok(next) = record.job.status.after(transition) else { return false };
        record.job.status = next;
        if next.is_final() {
            record.job.completed_at = Some(self.at);
            record.job.estimated_time_remaining_seconds = None;
        }
        self.event(JobEventKind::State, &JobStateChange::from(&record.job));
        true
    }

    /// Writes to people about the end that the record tells of, if it does.
    pub fn write(&mut self, mail: &JobMail, record: &JobRecord) {
        self.outbox.extend(mail.about(record, self.at));
    }

    /// Announces what became of the job on the event bus.
    pub fn announce(&mut self, record: &JobRecord, topic: Topic) {
        let job = &record.job;
        let announcement = JobAnnouncement {
            job_id: job.job_id.clone(),
            status: job.status,
            progress_percentage: job.progress_percentage,
            current_step: job.current_step.clone(),
            algorithms: job.config.algorithms.clone(),
            trained_models: job.trained_models.clone(),
            best_model_id: job.best_model_id.clone(),
            best_score: job.best_score,
            error_message: job.error_message.clone(),
            warnings: job.warnings.clone(),
            created_by: job.created_by.clone(),
            triggers: job.triggers.clone(),
        };
        let id = uuid::Uuid::new_v4().simple().to_string();
        self.outbox.push(announcement_of(id, topic, &announcement, self.at));
    }
}

struct Held {
    record: JobRecord,
    /// Running seconds up to `since`.
    base_seconds: f64,
    /// When this process's share of the running time began.
    since: Option<Duration>,
}

/// Dropping the writer ends the reports of failures to save.
pub struct JobWriter {
    pub id: JobId,
    /// The task's name in reports of failures to save.
    saving: String,
    epoch: u64,
    resources: Arc<JobsResources>,
    streams: Streams,
    held: Mutex<Held>,
}

impl JobWriter {
    /// `record` as it was claimed.
    pub fn new(record: JobRecord, resources: Arc<JobsResources>, streams: Streams) -> Self {
        let held = Held { base_seconds: record.running_seconds, since: None, record };
        let id = held.record.job.job_id.clone();
        let saving = format!("saving job {id}");
        Self { id, saving, epoch: held.record.epoch, resources, streams, held: Mutex::new(held) }
    }

    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub async fn read(&self) -> JobRecord {
        self.held.lock().await.record.clone()
    }

    /// Seconds in state `running`, over all processes.
    pub async fn running_seconds(&self) -> f64 {
        let held = self.held.lock().await;
        self.seconds(&held)
    }

    fn seconds(&self, held: &Held) -> f64 {
        let own = held.since.map_or(Duration::ZERO, |since| self.resources.clock.monotonic().saturating_sub(since));
        held.base_seconds + own.as_secs_f64()
    }

    /// A unit of work failed for a reason that may pass.
    pub(super) fn attempt_failed(&self, unit: Algorithm) {
        self.resources.metrics.attempt_failed(unit);
    }

    /// Applies a change and saves it. The change may be applied again to a record that was read anew. `Lost` also where
    /// the job has ended.
    pub async fn update(
        &self,
        patience: Patience,
        change: impl Fn(&mut JobRecord, &mut Change),
    ) -> Result<JobRecord, WriteError> {
        let mut held = self.held.lock().await;
        let (mut conflicts, mut failures) = (0, 0);
        // A change that the store went away under: it is tried again as it was, since it may have been saved.
        let mut unsure: Option<(JobRecord, Change)> = None;
        loop {
            // An end is an end, for the one who wrote it too.
            if held.record.job.status.is_final() {
                return Err(self.lost());
            }
            let again = unsure.is_some();
            let (next, notes) = unsure.take().unwrap_or_else(|| self.changed(&held, &change));
            let saved = self.resources.jobs.save_job(next.clone(), notes.events.clone(), notes.outbox.clone()).await;
            match saved {
                Ok(saved) => {
                    self.resources.failures.succeeded(COMPONENT, &self.saving);
                    return Ok(self.saved(&mut held, saved));
                }
                Err(StoreError::Conflict { .. }) if conflicts < CONFLICTS => {
                    conflicts += 1;
                    match self.resources.jobs.job(&self.id).await {
                        // Applied again, it would be told twice.
                        Ok(Some(found)) if again && is_saved(&next, &found) => {
                            self.resources.failures.succeeded(COMPONENT, &self.saving);
                            return Ok(self.saved(&mut held, found));
                        }
                        Ok(Some(found)) if found.epoch == self.epoch => held.record = found,
                        Ok(_) => return Err(self.lost()),
                        Err(e) => {
                            unsure = again.then_some((next, notes));
                            self.wait_out(e, patience, &mut failures).await?;
                        }
                    }
                }
                Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => return Err(self.lost()),
                Err(e) => {
                    unsure = Some((next, notes));
                    self.wait_out(e, patience, &mut failures).await?;
                }
            }
        }
    }

    /// Nothing of the job is to be saved here any more.
    fn lost(&self) -> WriteError {
        self.resources.failures.over(COMPONENT, &self.saving);
        WriteError::Lost
    }

    /// The record with the change applied, and what is written along with it.
    fn changed(&self, held: &Held, change: impl Fn(&mut JobRecord, &mut Change)) -> (JobRecord, Change) {
        let (mut next, mut notes) = (held.record.clone(), Change::new(self.resources.clock.now()));
        next.running_seconds = self.seconds(held);
        change(&mut next, &mut notes);
        // Progress never goes back.
        next.job.progress_percentage =
            next.job.progress_percentage.max(held.record.job.progress_percentage).clamp(0.0, 100.0);
        (next, notes)
    }

    fn saved(&self, held: &mut Held, saved: JobRecord) -> JobRecord {
        self.resources.metrics.job_saved(saved.job.status);
        let running = saved.job.status == JobStatus::Running;
        if running != held.since.is_some() {
            held.base_seconds = saved.running_seconds;
            held.since = running.then(|| self.resources.clock.monotonic());
        }
        held.record = saved.clone();
        self.streams.moved(&self.id, saved.next_event);
        saved
    }

    /// What mails about the job's end need, to be read before the end is saved, and as patiently: while the store is away
    /// the end cannot be saved either. What fails for good leads to no mail; the job goes on.
    pub async fn mail(&self, patience: Patience) -> JobMail {
        let (record, mut failures) = (self.read().await, 0);
        loop {
            let error = match JobMail::read(&self.resources.mail, &record).await {
                Ok(mail) => return mail,
                Err(e) if e.may_pass() => match self.wait_out(e, patience, &mut failures).await {
                    Ok(()) => continue,
                    Err(e) => e.to_string(),
                },
                Err(e) => e.to_string(),
            };
            tracing::error!(job = %self.id, error, "no mail about the job's end: it could not be prepared");
            return JobMail::default();
        }
    }

    /// Tells of a failure to save, or to see what was saved.
    pub(super) fn not_saved(&self, error: &StoreError) {
        self.resources.failures.failed(COMPONENT, &self.saving, Kind::of(error), &error.to_string());
    }

    pub(super) async fn wait_out(
        &self,
        error: StoreError,
        patience: Patience,
        failures: &mut u32,
    ) -> Result<(), WriteError> {
        *failures += 1;
        let again = match patience {
            Patience::Once => false,
            Patience::Attempts => error.may_pass() && *failures < self.resources.attempts,
            Patience::Forever => error.may_pass(),
        };
        if !again {
            return Err(WriteError::Store(error));
        }
        self.not_saved(&error);
        self.resources.clock.sleep(backoff(self.resources.backoff, LONGEST_WAIT, *failures - 1)).await;
        Ok(())
    }
}

impl Drop for JobWriter {
    fn drop(&mut self) {
        self.resources.failures.over(COMPONENT, &self.saving);
    }
}

/// Whether the record that was found is what a save of `tried` makes of it.
fn is_saved(tried: &JobRecord, found: &JobRecord) -> bool {
    let JobRecord { rev, next_event, .. } = *found;
    rev == tried.rev + 1 && JobRecord { rev, next_event, ..tried.clone() } == *found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::jobs::messages::Submission;
    use crate::jobs::queue::new_record;
    use crate::options::Options;
    use provost_domain::TrainingConfig;
    use provost_store::sqlite::SqliteStore;
    use provost_store::{Artifacts, NewJob, Store};

    async fn writer(folder: &std::path::Path) -> (JobWriter, Arc<dyn Store>) {
        let now = DateTime::UNIX_EPOCH;
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder, now).unwrap());
        let artifacts = Artifacts::open(folder.join("artifacts")).unwrap();
        let submission = Submission::manual(TrainingConfig::default(), None, "a test", now);
        let record = new_record(submission, now);
        let id = record.job.job_id.clone();
        store.create_job(NewJob { max_waiting: 9, ..NewJob::new(record) }).await.unwrap();
        let claimed = store.claim_job(&id, 0).await.unwrap();
        let options = Options::new(store.clone(), artifacts, folder.join("import"));
        let resources = Arc::new(JobsResources::from(&options));
        (JobWriter::new(claimed, resources, Streams::default()), store)
    }

    #[tokio::test]
    async fn a_change_is_applied_again_to_what_another_writer_left() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, store) = writer(folder.path()).await;
        let mut other = store.job(&writer.id).await.unwrap().unwrap();
        other.job.warnings.push("theirs".to_owned());
        store.save_job(other, vec![], vec![]).await.unwrap();
        let saved = writer.update(Patience::Once, |r, n| n.warn(r, "ours")).await.unwrap();
        assert_eq!(saved.job.warnings, ["theirs", "ours"]);
        assert_eq!(store.job(&writer.id).await.unwrap().unwrap().job.warnings, ["theirs", "ours"]);
    }

    /// A store that goes away after a save and before its answer.
    #[tokio::test]
    async fn a_save_whose_answer_was_lost_is_known_again() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, store) = writer(folder.path()).await;
        let (next, notes) = writer.changed(&*writer.held.lock().await, |r, n| n.warn(r, "once"));
        store.save_job(next.clone(), notes.events, notes.outbox).await.unwrap();
        let mut found = store.job(&writer.id).await.unwrap().unwrap();
        assert!(is_saved(&next, &found));
        found.job.warnings.push("theirs".to_owned());
        assert!(!is_saved(&next, &found), "another writer's");
    }

    #[tokio::test]
    async fn whoever_claims_the_job_takes_it_over() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, store) = writer(folder.path()).await;
        store.claim_job(&writer.id, writer.epoch()).await.unwrap();
        let refused = writer.update(Patience::Forever, |r, n| n.warn(r, "late")).await;
        assert!(matches!(refused, Err(WriteError::Lost)), "{refused:?}");
        assert!(store.job(&writer.id).await.unwrap().unwrap().job.warnings.is_empty());
    }

    /// A store that is away for longer than is waited for: nobody tries any more, so nothing is told to fail.
    #[tokio::test]
    async fn a_save_that_was_given_up_is_no_failure_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, store) = writer(folder.path()).await;
        let mut resources = (*writer.resources).clone();
        (resources.attempts, resources.backoff) = (5, Duration::ZERO);
        writer.resources = Arc::new(resources);
        let failures = writer.resources.failures.clone();
        store.close();
        let refused = writer.update(Patience::Attempts, |r, n| n.warn(r, "late")).await;
        assert!(matches!(refused, Err(WriteError::Store(_))), "{refused:?}");
        let told = failures.of(COMPONENT).unwrap();
        assert!(told.contains(writer.id.as_str()), "for as long as its driver may try again: {told}");
        drop(writer);
        assert_eq!(failures.of(COMPONENT), None);
    }

    #[tokio::test]
    async fn logs_are_bounded_and_progress_never_goes_back() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, store) = writer(folder.path()).await;
        for percent in [10.0, 50.0, 20.0, f64::NAN] {
            writer.update(Patience::Once, |r, _| r.job.progress_percentage = percent).await.unwrap();
        }
        let saved = writer
            .update(Patience::Once, |r, n| (0..250).for_each(|line| n.log(r, &format!("line {line}"))))
            .await
            .unwrap();
        assert_eq!(saved.job.progress_percentage, 50.0);
        assert_eq!(saved.job.logs.len(), LOG_LINES);
        assert!(saved.job.logs[0].ends_with(" line 50"), "{}", saved.job.logs[0]);
        let events = store.job_events(&writer.id, 0, 1000).await.unwrap();
        assert_eq!(events.len(), 250);
    }
}
