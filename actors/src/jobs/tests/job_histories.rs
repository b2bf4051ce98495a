//! Histories of jobs: events in any order, on the real store, and what may and may not happen to a job's record.
//!
//! The writers of dead and frozen processes are kept and go on writing, so that any step may come from a late writer.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::jobs::change::{cancelled, failed};
use crate::jobs::messages::Submission;
use crate::jobs::queue::new_record;
use crate::jobs::streams::Streams;
use crate::jobs::writer::{JobWriter, Patience, WriteError};
use crate::options::{JobsResources, Options};
use chrono::DateTime;
use proptest::prelude::*;
use provost_domain::job::{
    CancelWish, JobEvent, JobEventKind, JobProgress, JobRecord, JobStatus, Transition, TrialRecord,
};
use provost_domain::{Algorithm, JobId, TrainingConfig};
use provost_store::sqlite::SqliteStore;
use provost_store::{Artifacts, JobCreation, NewJob, NewJobEvent, Store, StoreError, StoredResponse};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;

/// Indices are taken modulo what is there.
#[derive(Debug, Clone)]
enum Step {
    Create {
        key: Option<u8>,
    },
    Claim {
        job: usize,
    },
    Begin {
        writer: usize,
    },
    Progress {
        writer: usize,
        percent: f64,
    },
    Trial {
        writer: usize,
        index: u32,
    },
    Attempt {
        writer: usize,
    },
    Interrupt {
        writer: usize,
    },
    Complete {
        writer: usize,
    },
    Fail {
        writer: usize,
    },
    /// As a client's wish reaches a driver (`by_driver`), or a job that waits.
    Cancel {
        job: usize,
        by_driver: Option<usize>,
    },
    /// A record that was read at some time is changed and saved past every rule.
    Forge {
        memory: usize,
        status: usize,
    },
    /// The process dies and a new one opens the store; whoever held a cell holds it still.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let index = 0usize..64;
    prop_oneof![
        2 => proptest::option::of(0u8..2).prop_map(|key| Step::Create { key }),
        3 => index.clone().prop_map(|job| Step::Claim { job }),
        4 => index.clone().prop_map(|writer| Step::Begin { writer }),
        4 => (index.clone(), prop_oneof![-10.0..120.0, Just(f64::NAN)])
            .prop_map(|(writer, percent)| Step::Progress { writer, percent }),
        2 => (index.clone(), 0u32..3).prop_map(|(writer, index)| Step::Trial { writer, index }),
        1 => index.clone().prop_map(|writer| Step::Attempt { writer }),
        2 => index.clone().prop_map(|writer| Step::Interrupt { writer }),
        2 => index.clone().prop_map(|writer| Step::Complete { writer }),
        1 => index.clone().prop_map(|writer| Step::Fail { writer }),
        2 => (index.clone(), proptest::option::of(index.clone()))
            .prop_map(|(job, by_driver)| Step::Cancel { job, by_driver }),
        2 => (index, 0usize..5).prop_map(|(memory, status)| Step::Forge { memory, status }),
        1 => Just(Step::Restart),
    ]
}

/// What the store says of one job.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    record: JobRecord,
    events: Vec<JobEvent>,
    trials: Vec<TrialRecord>,
}

/// What a step may do to the record that it is about.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Expected {
    /// Nothing at all: the writer is late, the job has ended, or the save is refused.
    Nothing,
    /// The job's status is this afterwards.
    Status(JobStatus),
}

struct World {
    folder: TempDir,
    options: Arc<Options>,
    jobs: Vec<JobId>,
    keys: BTreeMap<u8, JobId>,
    writers: Vec<JobWriter>,
    /// Records as they were read at some time.
    memory: Vec<JobRecord>,
}

const UNIT: Algorithm = Algorithm::RandomForest;

fn opened(folder: &TempDir) -> Arc<Options> {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), DateTime::UNIX_EPOCH).unwrap());
    let artifacts = Artifacts::open(folder.path().join("artifacts")).unwrap();
    Arc::new(Options::new(store, artifacts, folder.path().join("import")))
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = opened(&folder);
        Self { folder, options, jobs: Vec::new(), keys: BTreeMap::new(), writers: Vec::new(), memory: Vec::new() }
    }

    fn store(&self) -> &Arc<dyn Store> {
        &self.options.store
    }

    async fn seen(&self) -> BTreeMap<JobId, Seen> {
        let mut all = BTreeMap::new();
        for id in &self.jobs {
            let record = self.store().job(id).await.unwrap().expect("a job that was accepted is there");
            let events = self.store().job_events(id, 0, 10_000).await.unwrap();
            let trials = self.store().trials(id, UNIT).await.unwrap();
            all.insert(id.clone(), Seen { record, events, trials });
        }
        all
    }

    async fn create(&mut self, key: Option<u8>) {
        let now = self.options.clock.now();
        let record = new_record(Submission::manual(TrainingConfig::default(), None, "a test", now), now);
        let id = record.job.job_id.clone();
        let response = key.map(|key| StoredResponse {
            key: format!("key-{key}"),
            owner: "anonymous".to_owned(),
            request_hash: "h".to_owned(),
            status: 202,
            location: None,
            body: json!({ "job_id": id }),
            at: now,
        });
        let first = vec![NewJobEvent { at: now, kind: JobEventKind::State, data: json!({ "status": "pending" }) }];
        match self.store().create_job(NewJob { events: first, response, ..NewJob::new(record) }).await.unwrap() {
            JobCreation::Created(_) => {
                assert!(key.is_none_or(|key| !self.keys.contains_key(&key)), "a key led to two jobs");
                self.keys.extend(key.map(|key| (key, id.clone())));
                self.jobs.push(id);
            }
            JobCreation::Known(known) => {
                let before = &self.keys[&key.expect("only a key is known")];
                assert_eq!(known.body["job_id"], json!(before));
            }
            other => panic!("{other:?}"),
        }
    }

    /// Takes the step; answers which job it was about, and what it may have done to it.
    async fn take(&mut self, step: &Step, before: &BTreeMap<JobId, Seen>) -> Option<(JobId, Expected)> {
        let writer = match step {
            Step::Begin { writer: w }
            | Step::Progress { writer: w, .. }
            | Step::Trial { writer: w, .. }
            | Step::Attempt { writer: w }
            | Step::Interrupt { writer: w }
            | Step::Complete { writer: w }
            | Step::Fail { writer: w }
            | Step::Cancel { by_driver: Some(w), .. } => Some(w % self.writers.len().max(1)),
            _ => None,
        };
        let job = |at: usize| self.jobs.get(at % self.jobs.len().max(1)).cloned();
        match *step {
            Step::Create { key } => {
                self.create(key).await;
                None
            }
            Step::Restart => {
                self.options = opened(&self.folder);
                None
            }
            Step::Claim { job: at } => {
                let id = job(at)?;
                let status = before[&id].record.job.status;
                match self.store().claim_job(&id, before[&id].record.epoch).await {
                    Ok(record) => {
                        assert!(!status.is_final(), "a job that has ended was claimed");
                        assert_eq!(record.epoch, before[&id].record.epoch + 1);
                        self.writers.push(JobWriter::new(
                            record,
                            Arc::new(JobsResources::from(&*self.options)),
                            Streams::default(),
                        ));
                        Some((id, Expected::Status(status)))
                    }
                    Err(StoreError::Conflict { .. }) => {
                        assert!(status.is_final(), "a job that goes on was not to be claimed");
                        Some((id, Expected::Nothing))
                    }
                    Err(e) => panic!("{e}"),
                }
            }
            Step::Cancel { job: at, by_driver: None } => {
                let id = job(at)?;
                let found = self.store().job(&id).await.unwrap().unwrap();
                let cell = JobWriter::new(found, Arc::new(JobsResources::from(&*self.options)), Streams::default());
                let result = cell.update(Patience::Once, cancelled).await;
                Some((id.clone(), self.outcome(&id, cell.epoch(), before, result, Transition::Cancel)))
            }
            Step::Forge { memory, status } => {
                let mut record = self.memory.get(memory % self.memory.len().max(1)).cloned()?;
                let id = record.job.job_id.clone();
                let stored = &before[&id].record;
                if (record.rev, record.epoch) == (stored.rev, stored.epoch) {
                    return None; // not a late one
                }
                record.job.status = JobStatus::ALL[status];
                record.job.progress_percentage = 1.0;
                let forged = NewJobEvent { at: record.job.created_at, kind: JobEventKind::Log, data: json!("forged") };
                let refused = self.store().save_job(record, vec![forged], vec![]).await;
                assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
                Some((id, Expected::Nothing))
            }
            Step::Trial { index, .. } => {
                let cell = self.writers.get(writer?)?;
                let trial = TrialRecord {
                    job_id: cell.id.clone(),
                    algorithm: UNIT,
                    index,
                    result: json!({ "score": 0.1, "epoch": cell.epoch() }),
                    finished_at: DateTime::UNIX_EPOCH,
                };
                let recorded = self.store().record_trial(cell.epoch(), trial).await;
                let stored = &before[&cell.id].record;
                assert_eq!(recorded.is_ok(), cell.epoch() == stored.epoch, "{recorded:?}");
                let expected = recorded.map_or(Expected::Nothing, |()| Expected::Status(stored.job.status));
                Some((cell.id.clone(), expected))
            }
            _ => {
                let cell = self.writers.get(writer?)?;
                let mut transition = None;
                let result = match *step {
                    Step::Begin { .. } => {
                        transition = Some(Transition::Start);
                        cell.update(Patience::Once, |r, n| {
                            n.transition(r, Transition::Start);
                        })
                        .await
                    }
                    Step::Progress { percent, .. } => {
                        cell.update(Patience::Once, |r, n| {
                            r.job.progress_percentage = percent;
                            n.event(JobEventKind::Progress, &JobProgress::from(&r.job));
                        })
                        .await
                    }
                    Step::Attempt { .. } => match cell.count_attempt(UNIT, "a test").await {
                        Ok(_) => Ok(cell.read().await),
                        Err(e) => Err(e),
                    },
                    Step::Interrupt { .. } => {
                        transition = Some(Transition::Interrupt);
                        cell.interrupt(Patience::Once).await
                    }
                    Step::Complete { .. } => {
                        transition = Some(Transition::Complete);
                        cell.update(Patience::Once, |r, n| {
                            n.transition(r, Transition::Complete);
                        })
                        .await
                    }
                    Step::Fail { .. } => {
                        transition = Some(Transition::Fail);
                        cell.update(Patience::Once, |r, n| failed(r, n, "a test")).await
                    }
                    _ => {
                        transition = Some(Transition::Cancel);
                        cell.update(Patience::Once, |r, n| {
                            r.cancel = Some(CancelWish { at: n.at, by: None, keep_best: false });
                            cancelled(r, n);
                        })
                        .await
                    }
                };
                let expected = match transition {
                    Some(transition) => self.outcome(&cell.id, cell.epoch(), before, result, transition),
                    None => {
                        let stored = &before[&cell.id].record;
                        self.judged(cell.epoch(), stored, result, stored.job.status)
                    }
                };
                Some((cell.id.clone(), expected))
            }
        }
    }

    fn outcome(
        &self,
        id: &JobId,
        epoch: u64,
        before: &BTreeMap<JobId, Seen>,
        result: Result<JobRecord, WriteError>,
        transition: Transition,
    ) -> Expected {
        let stored = &before[id].record;
        let next = stored.job.status.after(transition).unwrap_or(stored.job.status);
        self.judged(epoch, stored, result, next)
    }

    /// A writer that is not late changes a job that has not ended; every other is told that it lost.
    fn judged(
        &self,
        epoch: u64,
        stored: &JobRecord,
        result: Result<JobRecord, WriteError>,
        next: JobStatus,
    ) -> Expected {
        let may = epoch == stored.epoch && !stored.job.status.is_final();
        match result {
            Ok(record) => {
                assert!(may, "epoch {epoch} wrote to a job of epoch {} that is {}", stored.epoch, stored.job.status);
                assert_eq!(record.job.status, next);
                Expected::Status(next)
            }
            Err(WriteError::Lost) => {
                assert!(!may, "a writer that may was told that it lost");
                Expected::Nothing
            }
            Err(WriteError::Store(e)) => panic!("{e}"),
        }
    }
}

/// What holds between any two looks at one job, whatever was done in between.
fn never(before: &Seen, after: &Seen) {
    let (old, new) = (&before.record, &after.record);
    assert!(new.rev >= old.rev && new.epoch >= old.epoch);
    assert!(new.rev > old.rev || new == old, "a change without a revision");
    let (from, to) = (old.job.status, new.job.status);
    let all = [Transition::Start, Transition::Interrupt, Transition::Complete, Transition::Fail, Transition::Cancel];
    assert!(from == to || all.iter().any(|t| from.after(*t) == Ok(to)), "from {from} to {to}");
    let percent = new.job.progress_percentage;
    assert!((old.job.progress_percentage..=100.0).contains(&percent), "{old:?} to {percent}");
    assert_eq!(after.events[..before.events.len()], before.events[..], "an event was changed");
    assert_eq!(after.trials.len().min(before.trials.len()), before.trials.len());
    assert!(before.trials.iter().all(|t| after.trials.contains(t)), "a trial was changed");
    let numbers: Vec<u64> = after.events.iter().map(|e| e.seq).collect();
    assert_eq!(numbers, (1..=after.events.len() as u64).collect::<Vec<_>>(), "a gap");
    assert_eq!(new.next_event, after.events.len() as u64 + 1);
    // Each status is told once, when it is entered.
    let told = after.events.iter().rfind(|e| e.kind == JobEventKind::State).unwrap();
    assert_eq!(told.data["status"], json!(to));
    assert_eq!(new.job.completed_at.is_some(), to.is_final());
    if from.is_final() {
        assert_eq!((old, &before.events), (new, &after.events), "a job that had ended was changed");
    }
}

async fn live(steps: Vec<Step>) {
    let mut world = World::new();
    world.create(None).await;
    for step in steps {
        let before = world.seen().await;
        world.memory.extend(before.values().map(|seen| seen.record.clone()));
        let about = world.take(&step, &before).await;
        let after = world.seen().await;
        for (id, old) in &before {
            never(old, &after[id]);
            match &about {
                Some((about, Expected::Status(status))) if about == id => {
                    assert_eq!(after[id].record.job.status, *status, "{step:?}");
                }
                // Another job, or a step that had no say: not a byte has changed.
                _ => assert_eq!(&after[id], old, "{step:?}"),
            }
        }
        let unfinished = world.store().unfinished_jobs().await.unwrap().len();
        assert_eq!(unfinished, after.values().filter(|s| !s.record.job.status.is_final()).count());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 400, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_a_job_goes_legal_ways_and_late_writers_change_nothing(
        steps in proptest::collection::vec(step(), 1..40)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(live(steps));
    }
}
