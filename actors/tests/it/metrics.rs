//! What the system tells of itself to whoever watches it: work done, panics, restarts, failures, a store that is away.

use crate::silence::{expect, expect_panics, expect_restarts, start};
use crate::support::*;
use provost_actors::failures::Kind;
use provost_actors::metrics::{Family, Sample, Value};
use provost_actors::{Handle, RegistryError};
use provost_domain::job::JobStatus;
use provost_domain::{Algorithm, ModelId};
use provost_store::TimedStore;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The value of a sample, of a histogram how often something was observed; None where there is no such sample.
fn value(families: &[Family], name: &str, labels: &[&str]) -> Option<f64> {
    let family = families.iter().find(|family| family.name == name).unwrap_or_else(|| panic!("no metric {name}"));
    let is_it = |sample: &&Sample| sample.labels.iter().map(|(_, value)| &**value).eq(labels.iter().copied());
    Some(match &family.samples.iter().find(is_it)?.value {
        Value::Whole(n) => *n as f64,
        Value::Number(n) => *n,
        Value::Observed(observed) => observed.count() as f64,
    })
}

/// The value of a sample of a running system.
pub async fn read(handle: &Handle, name: &str, labels: &[&str]) -> Option<f64> {
    value(&handle.metrics().await, name, labels)
}

#[actix_rt::test]
async fn a_job_shows_in_counts_of_jobs_trials_and_fits() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path()).await;
    options.store = Arc::new(TimedStore::new(options.store.clone(), Arc::new(options.metrics.clone())));
    let handle = start(options).await.unwrap();
    let before = handle.metrics().await;
    assert_eq!(value(&before, "provost_jobs_ended", &["completed"]), Some(0.0), "there before the first");
    assert_eq!(value(&before, "provost_active_model", &[]), Some(0.0));
    assert_eq!(value(&before, "provost_active_model_age_seconds", &[]), None);

    let job = finished(&handle, &submit(&handle, config(&[Algorithm::LogisticRegression])).await).await;
    assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error_message);
    handle.activate(&job.trained_models[0], None, None).await.unwrap();
    // What the store holds is read at most once a second.
    while read(&handle, "provost_active_model", &[]).await != Some(1.0) {
        actix_rt::task::yield_now().await;
    }
    let after = handle.metrics().await;
    let algorithm = "logistic_regression";
    for (name, labels, expected) in [
        ("provost_jobs_submitted", vec![], 1.0),
        ("provost_jobs_ended", vec!["completed"], 1.0),
        ("provost_jobs_ended", vec!["failed"], 0.0),
        ("provost_jobs", vec!["completed"], 1.0),
        ("provost_queue_jobs", vec![], 0.0),
        ("provost_running_jobs", vec![], 0.0),
        ("provost_trial_seconds", vec![algorithm], 2.0),
        ("provost_fit_seconds", vec![algorithm], 1.0),
        ("provost_fits", vec![algorithm, "finished"], 1.0),
        ("provost_fits", vec!["xgboost", "finished"], 0.0),
        ("provost_models", vec![], 1.0),
        ("provost_store_up", vec![], 1.0),
        ("provost_component_up", vec!["jobs"], 1.0),
        ("provost_component_health", vec!["bridge", "disabled"], 1.0),
        ("provost_panics", vec!["trainer_logistic_regression"], 0.0),
    ] {
        assert_eq!(value(&after, name, &labels), Some(expected), "{name} {labels:?}");
    }
    for (name, labels) in [
        ("provost_active_model_age_seconds", vec![]),
        ("provost_mailbox_wait_seconds", vec!["trainer_logistic_regression"]),
        ("provost_mailbox_wait_seconds", vec!["jobs"]),
        ("provost_store_seconds", vec!["trials", "write"]),
        ("provost_scheduler_looks", vec![]),
        ("provost_scheduler_last_look_timestamp_seconds", vec![]),
        ("provost_last_success_timestamp_seconds", vec!["scheduler"]),
        ("provost_disk_free_bytes", vec![]),
    ] {
        assert!(value(&after, name, &labels).is_some_and(|n| n > 0.0), "{name} {labels:?}");
    }
}

#[actix_rt::test]
async fn the_families_and_their_samples_are_the_same_whatever_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    // By then the scheduler has told something of itself.
    while read(&handle, "provost_last_success_timestamp_seconds", &["scheduler"]).await.is_none() {
        actix_rt::task::yield_now().await;
    }
    // When a component first succeeds is its own matter.
    let series = |families: &[Family]| -> Vec<(&str, usize)> {
        let comparable = families.iter().filter(|f| f.name != "provost_last_success_timestamp_seconds");
        comparable.map(|f| (f.name, f.samples.len())).collect()
    };
    let before = handle.metrics().await;
    for _ in 0..3 {
        let job = finished(&handle, &submit(&handle, config(&[Algorithm::LogisticRegression])).await).await;
        assert_eq!(job.status, JobStatus::Completed);
    }
    assert_eq!(series(&before), series(&handle.metrics().await));
}

#[actix_rt::test]
async fn a_panic_is_counted_with_the_restart_that_answers_it() {
    expect_panics("failpoint registry", 1);
    expect_restarts(1);
    expect(&["the actor died"]);
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path()).await;
    let failpoints = options.failpoints.clone();
    let handle = start(options).await.unwrap();
    let metrics = handle.metrics().await;
    assert_eq!(value(&metrics, "provost_panics", &["registry"]), Some(0.0));
    failpoints.arm("registry", 1);
    let nothing = ModelId::new(Algorithm::Xgboost, chrono::Utc::now(), 7);
    let asked = handle.activate(&nothing, None, None).await;
    assert!(matches!(asked, Err(RegistryError::Unreachable(_))), "{asked:?}");
    // The actor answers the next message only after it was rebuilt.
    handle.activate(&nothing, None, None).await.unwrap_err();
    let metrics = handle.metrics().await;
    assert_eq!(value(&metrics, "provost_panics", &["registry"]), Some(1.0));
    assert_eq!(value(&metrics, "provost_actor_restarts", &["registry"]), Some(1.0));
    assert_eq!(value(&metrics, "provost_panics", &["jobs"]), Some(0.0));
    assert_eq!(value(&metrics, "provost_mailbox_messages", &["registry"]), Some(0.0), "the lost one waits no more");
}

#[actix_rt::test]
async fn a_component_that_fails_in_silence_is_seen_as_degraded() {
    expect(&["failed"]);
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    for _ in 0..3 {
        handle.options().failures.failed("notifier", "reaching the mail server", Kind::Outage, "no answer");
    }
    handle.options().failures.failed("retention", "a round", Kind::Fault, "no such folder");
    let metrics = handle.metrics().await;
    for (name, labels, expected) in [
        ("provost_failing_tasks", vec!["notifier"], 1.0),
        ("provost_failing_tasks", vec!["retention"], 0.0),
        ("provost_failures", vec!["notifier", "outage"], 3.0),
        ("provost_failures", vec!["notifier", "fault"], 0.0),
        ("provost_failures", vec!["retention", "fault"], 1.0),
    ] {
        assert_eq!(value(&metrics, name, &labels), Some(expected), "{name} {labels:?}");
    }
    for _ in 0..2 {
        handle.options().failures.failed("retention", "a round", Kind::Fault, "no such folder");
    }
    let metrics = handle.metrics().await;
    let health = |state| value(&metrics, "provost_component_health", &["retention", state]);
    assert_eq!((health("degraded"), health("up"), health("down")), (Some(1.0), Some(0.0), Some(0.0)));
    assert_eq!(value(&metrics, "provost_component_up", &["retention"]), Some(1.0));
}

#[actix_rt::test]
async fn without_the_store_everything_else_is_told_within_a_second() {
    expect(&["failed", "store is"]);
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path()).await;
    let store = options.store.clone();
    let handle = start(options).await.unwrap();
    assert_eq!(read(&handle, "provost_store_up", &[]).await, Some(1.0));
    store.close();
    let began = Instant::now();
    while read(&handle, "provost_store_up", &[]).await == Some(1.0) {
        actix_rt::task::yield_now().await;
    }
    // The last reading is told for a second; what is slower than that is the machine.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let metrics = handle.metrics().await;
    assert_eq!(value(&metrics, "provost_component_health", &["store", "down"]), Some(1.0));
    assert_eq!(value(&metrics, "provost_component_up", &["store"]), Some(0.0));
    assert_eq!(value(&metrics, "provost_jobs", &["completed"]), None);
    assert_eq!(value(&metrics, "provost_outbox_messages", &[]), None);
    assert_eq!(value(&metrics, "provost_jobs_ended", &["completed"]), Some(0.0));
    assert_eq!(value(&metrics, "provost_running_jobs", &[]), Some(0.0));
}
