//! Processes that share one store share the work, and none does what another is at work on.

use super::support::{config, event, finished, long_search, options, submit};
use crate::silence::{System, expect, start};
use provost_actors::{Handle, Leases};
use provost_domain::job::{JobEventKind, JobRecord, JobStatus};
use provost_domain::{Algorithm, JobId, TrainingConfig};
use std::path::Path;
use std::time::Duration;

const TERM: Duration = Duration::from_millis(1500);

/// A system under this name on the store of the folder.
async fn process(folder: &Path, name: &str) -> System {
    let mut options = options(folder).await;
    options.leases = Some(Leases::new(options.store.clone(), options.clock.clone(), name, TERM));
    start(options).await.unwrap()
}

async fn record(handle: &Handle, id: &JobId) -> JobRecord {
    handle.store().job(id).await.unwrap().unwrap()
}

async fn runs(handle: &Handle, id: &JobId) {
    event(handle, id, |e| e.kind == JobEventKind::State && e.data["status"] == "running").await;
}

/// Who has worked on a job, by its log.
fn drivers(record: &JobRecord) -> Vec<String> {
    let said = |line: &String| line.split_once("started by ").map(|(_, name)| name.to_owned());
    record.job.logs.iter().filter_map(said).collect()
}

fn small(seed: u64) -> TrainingConfig {
    TrainingConfig { random_state: seed, ..config(&[Algorithm::LogisticRegression, Algorithm::GradientBoosting]) }
}

#[actix_rt::test]
async fn two_processes_share_the_jobs_and_do_none_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (process(folder.path(), "a").await, process(folder.path(), "b").await);
    let mut ids = Vec::new();
    for seed in 0..6 {
        ids.push(submit(&a, small(seed)).await);
    }
    let mut by = Vec::new();
    for id in &ids {
        // Followed by the process that did not take the job in.
        let job = finished(&b, id).await;
        assert_eq!((job.status, job.trained_models.len()), (JobStatus::Completed, 2), "{:?}", job.error_message);
        let drivers = drivers(&record(&a, id).await);
        assert_eq!(drivers.len(), 1, "{id} was driven by {drivers:?}");
        by.extend(drivers);
    }
    assert!(by.contains(&"a".to_owned()) && by.contains(&"b".to_owned()), "one process did it all: {by:?}");
    assert_eq!(a.store().model_count().await.unwrap(), 12, "a model for each algorithm of each job");
}

/// A process that fell silent between two saves, played by calls of the store.
#[actix_rt::test]
async fn a_silent_processs_job_is_taken_over_and_its_late_writes_change_nothing() {
    expect(&["taken over: its holder", "the lease is lost", "the job was not settled by this driver"]);
    let folder = tempfile::tempdir().unwrap();
    let a = process(folder.path(), "a").await;
    let store = a.store().clone();
    let other = submit(&a, long_search()).await;
    runs(&a, &other).await;
    let id = submit(&a, small(1)).await;
    let silent = store.take_lease(&format!("job:{id}"), "silent", None).await.unwrap().unwrap();
    let mut claimed = store.claim_job(&id, 0).await.unwrap();
    claimed.job.status = JobStatus::Running;
    let claimed = store.save_job(claimed, vec![], vec![]).await.unwrap();
    a.cancel(&other, None, false).await.unwrap();
    let began = std::time::Instant::now();
    let job = finished(&a, &id).await;
    assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error_message);
    assert!(began.elapsed() >= TERM / 2, "it was taken over while its holder was not yet silent for a term");
    let taken = record(&a, &id).await;
    assert!(taken.job.logs.iter().any(|line| line.contains("resumed by a after the process had died")));
    // It wakes up.
    assert!(store.save_job(claimed.clone(), vec![], vec![]).await.is_err());
    assert!(store.claim_job(&id, claimed.epoch).await.is_err());
    assert_eq!(store.renew_lease(&silent).await.unwrap(), None);
    assert_eq!(record(&a, &id).await, taken);
}

#[actix_rt::test]
async fn a_job_is_cancelled_through_another_process_than_the_one_that_drives_it() {
    let folder = tempfile::tempdir().unwrap();
    let a = process(folder.path(), "a").await;
    let id = submit(&a, long_search()).await;
    runs(&a, &id).await;
    let b = process(folder.path(), "b").await;
    let answered = b.cancel(&id, Some("b".to_owned()), false).await.unwrap();
    assert!(!answered.status.is_final(), "its driver ends it");
    let job = finished(&b, &id).await;
    assert_eq!(job.status, JobStatus::Cancelled);
    assert_eq!(drivers(&record(&a, &id).await), ["a"]);
}
