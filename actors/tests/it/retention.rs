//! Retention in a running system: what is over goes, and what the models need stays.

use crate::silence::start;
use crate::support::*;
use provost_actors::{Handle, RetentionOptions, TestClock};
use provost_domain::Algorithm;
use provost_domain::job::JobStatus;
use provost_domain::status::Health;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(86_400);

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Makes every artifact look as if it had been stored a year ago.
fn backdate(folder: &Path) {
    for file in files(&folder.join("artifacts")) {
        File::open(file).unwrap().set_modified(SystemTime::now() - 365 * DAY).unwrap();
    }
}

/// Moves time on until a round that began after it has ended.
async fn a_round(handle: &Handle, clock: &TestClock, by: Duration) -> serde_json::Value {
    let state = async || handle.components().await.remove("retention").unwrap().state;
    let before = state().await["last_round"].clone();
    clock.advance(by);
    loop {
        let now = state().await;
        if now["last_round"] != before {
            return now;
        }
        clock.advance(Duration::from_secs(1)); // the pauses between its steps
    }
}

#[actix_rt::test]
async fn what_is_over_goes_and_what_a_record_names_stays() {
    let folder = tempfile::tempdir().unwrap();
    let clock = TestClock::new(chrono::Utc::now());
    let mut options = options(folder.path()).await;
    options.clock = Arc::new(clock.clone());
    options.retention = Some(RetentionOptions::default());
    let (store, artifacts) = (options.store.clone(), options.artifacts.clone());
    let handle = start(options).await.unwrap();
    let mut models = Vec::new();
    for _ in 0..3 {
        let id = submit(&handle, config(&[Algorithm::LogisticRegression])).await;
        let job = finished(&handle, &id).await;
        assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error_message);
        models.push((id, job.best_model_id.unwrap()));
        clock.advance(Duration::from_secs(1)); // activations of one moment could not be told apart
        handle.activate(&models.last().unwrap().1, None, None).await.unwrap();
    }
    let old = artifacts.put(b"named by nobody").unwrap();
    backdate(folder.path());
    let young = artifacts.put(b"about to be named").unwrap();
    let sent: Vec<String> = store.outbox_pending("event", 1000).await.unwrap().into_iter().map(|m| m.id).collect();
    store.outbox_sent(sent[1..].to_vec()).await.unwrap();

    let state = a_round(&handle, &clock, 2 * Duration::from_secs(3600)).await;
    assert_eq!(
        (state["forgotten"]["trials"].as_u64(), state["artifacts_removed"].as_u64()),
        (Some(0), Some(1)),
        "{state}"
    );
    assert_eq!([artifacts.contains(&old), artifacts.contains(&young)], [false, true]);

    let state = a_round(&handle, &clock, 100 * DAY).await;
    let told = &state["forgotten"];
    assert_eq!((told["trials"].as_u64(), told["outbox"].as_u64()), (Some(6), Some(sent.len() as u64 - 1)), "{state}");
    assert_eq!(store.outbox_pending("event", 9).await.unwrap().len(), 1, "what waits stays");
    // Intermediate results went with the trials that led to them; models, snapshots and plots did not.
    assert!(state["artifacts_removed"].as_u64() > Some(1), "{state}");
    for name in store.artifacts_in_use().await.unwrap() {
        artifacts.get(&name).unwrap();
    }
    for (job, model) in &models {
        let record = store.job(job).await.unwrap().unwrap();
        assert_eq!(
            (record.job.status, record.job.trained_models.as_slice()),
            (JobStatus::Completed, &[model.clone()][..])
        );
        assert_eq!(store.job_events(job, 0, 9).await.unwrap(), []);
    }
    // The active model and its predecessor work, the others too.
    let ids = models.iter().map(|(_, model)| model.clone()).collect();
    assert_eq!(handle.compare(ids, provost_domain::TargetMetric::ALL.to_vec(), false).await.unwrap().models.len(), 3);
    assert_eq!(handle.rollback(None, None).await.unwrap().model_id, models[1].1);
    let status = handle.components().await.remove("retention").unwrap();
    assert_eq!((status.health, status.restarts), (Health::Up, 0));
}
