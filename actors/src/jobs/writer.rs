//! The one writer of a running job's record: applies a change, saves it with its events, and answers a conflict by
//! reading anew.

mod save;

use super::change::Change;
use super::streams::Streams;
use crate::failures::Kind;
use crate::notifier::mail_content::JobMail;
use crate::options::JobsResources;
use crate::retry::{Backoff, never, retry};
use provost_domain::job::{JobRecord, JobStatus, Transition};
use provost_domain::{Algorithm, JobId};
use provost_store::StoreError;
use save::{AfterConflict, AfterFailure, after_conflict, after_failed_save};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// The component's name in reports of failures.
const COMPONENT: &str = "jobs";
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

impl Patience {
    /// Whether another try follows after so many failures in a row, of which the last may pass or not; `attempts` is how often
    /// a unit of work is tried.
    fn tries_again(self, may_pass: bool, failures: u32, attempts: u32) -> bool {
        match self {
            Patience::Once => false,
            Patience::Attempts => may_pass && failures < attempts,
            Patience::Forever => may_pass,
        }
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

    /// Counts a failed attempt at a unit; answers how many there were.
    pub async fn count_attempt(&self, unit: Algorithm, why: &str) -> Result<u32, WriteError> {
        self.resources.metrics.attempt_failed(unit);
        let count = |r: &mut JobRecord, n: &mut Change| {
            let progress = r.units.entry(unit).or_default();
            progress.attempts += 1;
            let text = format!("{unit}: attempt {} failed: {why}", progress.attempts);
            n.log(r, &text);
        };
        let saved = self.update(Patience::Forever, count).await?;
        Ok(saved.units.get(&unit).map_or(0, |u| u.attempts))
    }

    /// Back to waiting: the next process goes on with it.
    pub async fn interrupt(&self, patience: Patience) -> Result<JobRecord, WriteError> {
        let interrupt = |r: &mut JobRecord, n: &mut Change| {
            r.job.current_step = Some("interrupted".to_owned());
            if n.transition(r, Transition::Interrupt) {
                n.log(r, "interrupted by a shutdown; it goes on with the next start");
            }
        };
        self.update(patience, interrupt).await
    }

    /// Applies a change and saves it. The change may be applied again to a record that was read anew. `Lost` also where
    /// the job has ended.
    pub async fn update(
        &self,
        patience: Patience,
        change: impl Fn(&mut JobRecord, &mut Change),
    ) -> Result<JobRecord, WriteError> {
        let mut held = self.held.lock().await;
        let (mut conflicts, mut backoff) = (0, self.backoff());
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
            let error = match saved {
                Ok(saved) => return Ok(self.saved(&mut held, saved)),
                Err(error) => error,
            };
            match after_failed_save(&error, conflicts) {
                AfterFailure::Lost => return Err(self.lost()),
                AfterFailure::Wait => {
                    unsure = Some((next, notes));
                    self.wait_out(error, patience, &mut backoff).await?;
                    continue;
                }
                AfterFailure::Read => conflicts += 1,
            }
            let found = match self.resources.jobs.job(&self.id).await {
                Ok(found) => found,
                Err(error) => {
                    unsure = again.then_some((next, notes));
                    self.wait_out(error, patience, &mut backoff).await?;
                    continue;
                }
            };
            match (after_conflict(&next, again, found.as_ref(), self.epoch), found) {
                (AfterConflict::Saved, Some(found)) => return Ok(self.saved(&mut held, found)),
                (AfterConflict::Apply, Some(found)) => held.record = found,
                (AfterConflict::Lost, _) | (_, None) => return Err(self.lost()),
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
        self.resources.failures.succeeded(COMPONENT, &self.saving);
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
        let record = self.read().await;
        let policy = self.backoff().policy(|e: &StoreError, failures| {
            let again = patience.tries_again(e.may_pass(), failures, self.resources.attempts);
            if again {
                self.not_saved(e);
            }
            again
        });
        let read = || JobMail::read(&self.resources.mail, &record);
        retry(&*self.resources.clock, policy, never(), read).await.unwrap_or_else(|ended| {
            if let Some(e) = ended.error() {
                let error = e.to_string();
                tracing::error!(job = %self.id, error, "no mail about the job's end: it could not be prepared");
            }
            JobMail::default()
        })
    }

    /// Tells of a failure to save, or to see what was saved.
    pub(super) fn not_saved(&self, error: &StoreError) {
        self.resources.failures.failed(COMPONENT, &self.saving, Kind::of(error), &error.to_string());
    }

    /// The waits of something that is tried again while the store is away.
    pub(super) fn backoff(&self) -> Backoff {
        Backoff::new(self.resources.backoff, LONGEST_WAIT)
    }

    pub(super) async fn wait_out(
        &self,
        error: StoreError,
        patience: Patience,
        backoff: &mut Backoff,
    ) -> Result<(), WriteError> {
        let wait = backoff.failed();
        if !patience.tries_again(error.may_pass(), backoff.failures(), self.resources.attempts) {
            return Err(WriteError::Store(error));
        }
        self.not_saved(&error);
        self.resources.clock.sleep(wait).await;
        Ok(())
    }
}

impl Drop for JobWriter {
    fn drop(&mut self) {
        self.resources.failures.over(COMPONENT, &self.saving);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::jobs::change::LOG_LINES;
    use crate::jobs::messages::Submission;
    use crate::jobs::queue::new_record;
    use crate::options::Options;
    use chrono::DateTime;
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

    #[test]
    fn how_often_a_save_is_tried() {
        let tries = |patience: Patience, may_pass| {
            (1..).take(9).take_while(|failures| patience.tries_again(may_pass, *failures, 3)).count()
        };
        for (patience, again) in [(Patience::Once, 0), (Patience::Attempts, 2), (Patience::Forever, 9)] {
            assert_eq!((tries(patience, true), tries(patience, false)), (again, 0), "{patience:?}");
        }
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
        let after = |found: &JobRecord| after_conflict(&next, true, Some(found), writer.epoch());
        assert_eq!(after(&found), AfterConflict::Saved);
        found.job.warnings.push("theirs".to_owned());
        assert_eq!(after(&found), AfterConflict::Apply, "another writer's");
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
