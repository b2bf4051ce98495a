//! Whole jobs: training, cancelling, panics, queueing, resuming.

use crate::silence::{expect, expect_panics, expect_restarts, start};
use crate::support::*;
use provost_actors::failures::Kind;
use provost_actors::testkit::Failpoints;
use provost_actors::{
    Accepted, CancelError, Handle, KeyedRequest, KeyedSubmission, Submission, SubmitError, Submitted, WrittenResponse,
};
use provost_domain::config::Tuning;
use provost_domain::job::{JobEventKind, JobStatus};
use provost_domain::status::Health;
use provost_domain::{Algorithm, JobId, TrainingConfig, TrainingJob};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

async fn sha_of(handle: &Handle, job: &TrainingJob) -> Vec<String> {
    let mut shas = Vec::new();
    for id in &job.trained_models {
        shas.push(handle.store().model(id).await.unwrap().unwrap().version.model_sha256);
    }
    shas
}

#[actix_rt::test]
async fn a_job_trains_evaluates_and_registers() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let algorithms = [Algorithm::LogisticRegression, Algorithm::Ensemble, Algorithm::GradientBoosting];
    let id = submit(&handle, config(&algorithms)).await;
    let job = finished(&handle, &id).await;
    assert_eq!(job.status, JobStatus::Completed, "{:?}\n{:?}", job.error_message, job.logs);
    assert_eq!(job.progress_percentage, 100.0);
    let order = [Algorithm::LogisticRegression, Algorithm::GradientBoosting, Algorithm::Ensemble];
    assert_eq!(job.algorithms_completed, order);
    assert_eq!(job.trained_models.len(), 3);
    assert!(job.started_at.unwrap() <= job.completed_at.unwrap());
    assert!(job.memory_usage_mb.unwrap() > 1.0);

    let mut best = (f64::MIN, None);
    for id in &job.trained_models {
        let record = handle.store().model(id).await.unwrap().unwrap();
        assert!(record.temporal.is_some_and(|t| t.rows >= 300 && t.auc > 0.6), "{id}: {:?}", record.temporal);
        let version = record.version;
        assert!(version.metrics.auc_roc > 0.6, "{id}: {}", version.metrics.auc_roc);
        assert!(handle.artifacts().contains(&version.model_sha256));
        assert!(handle.store().evaluation(id).await.unwrap().unwrap().results.is_some());
        if version.metrics.cv_mean > best.0 {
            best = (version.metrics.cv_mean, Some(id.clone()));
        }
    }
    assert_eq!((job.best_score, job.best_model_id.clone()), (Some(best.0), best.1));

    let events = handle.store().job_events(&id, 0, 10_000).await.unwrap();
    assert!(events.iter().zip(1..).all(|(e, n)| e.seq == n), "numbered from 1 without a gap");
    let states: Vec<_> = events.iter().filter(|e| e.kind == JobEventKind::State).map(|e| &e.data["status"]).collect();
    assert_eq!(states, ["pending", "running", "completed"]);
    assert_eq!(events.iter().filter(|e| e.kind == JobEventKind::Trial).count(), 4);
    let progress: Vec<f64> = events
        .iter()
        .filter_map(|e| e.data["progress_percentage"].as_f64().filter(|_| e.kind == JobEventKind::Progress))
        .collect();
    assert!(progress.is_sorted() && !progress.is_empty(), "{progress:?}");
    let outbox = handle.store().outbox_pending("event", 100).await.unwrap();
    let jobs: Vec<&str> = outbox.iter().map(|m| m.topic.as_str()).filter(|t| t.starts_with("training.job.")).collect();
    let (progress, states): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|t| *t == "training.job.progress");
    assert_eq!(states, ["training.job.queued", "training.job.started", "training.job.completed"]);
    assert!((1..=10).contains(&progress.len()), "in steps of ten per cent: {}", progress.len());
}

#[actix_rt::test]
async fn an_ensemble_alone_trains_the_others_without_registering_them() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let config = TrainingConfig { hyperparameter_tuning: Tuning::None, ..config(&[Algorithm::Ensemble]) };
    let id = submit(&handle, config).await;
    let job = finished(&handle, &id).await;
    assert_eq!(job.status, JobStatus::Completed, "{:?}\n{:?}", job.error_message, job.logs);
    assert_eq!(job.algorithms_completed, [Algorithm::Ensemble]);
    assert_eq!(handle.store().model_count().await.unwrap(), 1);
}

#[actix_rt::test]
async fn a_running_job_is_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let id = submit(&handle, long_search()).await;
    trials_recorded(&handle, &id, 1).await;
    let asked = handle.cancel(&id, Some("a test".to_owned()), false).await.unwrap();
    assert_eq!(asked.status, JobStatus::Running);
    let job = finished(&handle, &id).await;
    assert_eq!(job.status, JobStatus::Cancelled);
    assert!(job.trained_models.is_empty());
    assert!(matches!(handle.cancel(&id, None, false).await, Err(CancelError::AlreadyFinal(JobStatus::Cancelled))));
    let unknown = JobId::new(chrono::Utc::now(), 1);
    assert!(matches!(handle.cancel(&unknown, None, false).await, Err(CancelError::NotFound(_))));
}

#[actix_rt::test]
async fn a_cancelled_job_keeps_its_best_trial_if_asked() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let id = submit(&handle, long_search()).await;
    trials_recorded(&handle, &id, 2).await;
    handle.cancel(&id, None, true).await.unwrap();
    let job = finished(&handle, &id).await;
    assert_eq!((job.status, job.trained_models.len()), (JobStatus::Cancelled, 1), "{:?}", job.logs);
    assert_eq!(job.best_model_id, job.trained_models.first().cloned());
    assert!(job.warnings.iter().any(|w| w.contains("the best of these was kept")), "{:?}", job.warnings);
}

#[actix_rt::test]
async fn a_panic_in_a_fit_fails_its_attempt_and_nothing_else() {
    expect_panics("failpoint fit", 7);
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path()).await;
    let failpoints = Failpoints::default();
    options.failpoints = failpoints.clone();
    let handle = start(options).await.unwrap();

    failpoints.arm("fit:logistic_regression", 1);
    let id = submit(&handle, config(&[Algorithm::LogisticRegression])).await;
    let job = finished(&handle, &id).await;
    assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error_message);
    assert!(
        job.logs.iter().any(|l| l.contains("attempt 1 failed") && l.contains("failpoint fit:logistic")),
        "{:?}",
        job.logs
    );

    failpoints.arm("fit:logistic_regression", 3);
    let id = submit(&handle, config(&[Algorithm::LogisticRegression])).await;
    let job = finished(&handle, &id).await;
    assert_eq!(job.status, JobStatus::Failed);
    assert!(job.error_message.unwrap().contains("the fit panicked: failpoint fit:logistic_regression"));

    // One algorithm's failure leaves the other's model.
    failpoints.arm("fit:logistic_regression", 3);
    let id = submit(&handle, config(&[Algorithm::LogisticRegression, Algorithm::GradientBoosting])).await;
    let job = finished(&handle, &id).await;
    assert_eq!((job.status, job.algorithms_completed), (JobStatus::Completed, vec![Algorithm::GradientBoosting]));
    assert!(job.warnings.iter().any(|w| w.contains("logistic_regression: the fit panicked")), "{:?}", job.warnings);
    let components = handle.components().await;
    let well = |h: Health| matches!(h, Health::Up | Health::Disabled);
    assert!(components.values().all(|c| well(c.health) && c.restarts == 0), "{components:?}");
}

#[actix_rt::test]
async fn a_panic_of_an_actor_is_a_rebuild() {
    expect_panics("failpoint jobs", 1);
    expect_panics("failpoint trainer", 1);
    expect_restarts(2);
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path()).await;
    let failpoints = Failpoints::default();
    options.failpoints = failpoints.clone();
    let handle = start(options).await.unwrap();
    // Under way when the Jobs actor dies: it is claimed anew and goes on.
    let first = submit(&handle, long_search()).await;
    trials_recorded(&handle, &first, 1).await;
    failpoints.arm("jobs", 1);
    let lost = handle.submit(submission(config(&[Algorithm::LogisticRegression]))).await;
    assert!(matches!(lost, Err(SubmitError::Unreachable(_))), "{lost:?}");
    let second = submit(&handle, config(&[Algorithm::LogisticRegression])).await;
    event(&handle, &first, |e| e.data["message"].as_str().is_some_and(|m| m.starts_with("resumed"))).await;
    handle.cancel(&first, None, false).await.unwrap();
    assert_eq!(finished(&handle, &first).await.status, JobStatus::Cancelled);
    assert_eq!(finished(&handle, &second).await.status, JobStatus::Completed);
    let jobs = &handle.components().await["jobs"];
    assert_eq!((jobs.health, jobs.restarts, jobs.last_error.as_deref()), (Health::Up, 1, Some("failpoint jobs")));

    // A Trainer that dies takes the attempt with it, not the job.
    failpoints.arm("trainer", 1);
    let third = submit(&handle, config(&[Algorithm::LogisticRegression])).await;
    let job = finished(&handle, &third).await;
    assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error_message);
    assert_eq!(handle.components().await["trainer_logistic_regression"].restarts, 1);
}

#[actix_rt::test]
async fn what_fails_behind_the_job_queue_degrades_it_and_keeps_no_request_away() {
    expect(&["something behind"]);
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    for _ in 0..3 {
        handle.options().failures.failed("jobs", "something behind", Kind::Outage, "away");
    }
    let (components, ready) = handle.readiness().await;
    assert_eq!((components["jobs"].health, ready), (Health::Degraded, true));
    handle.options().failures.succeeded("jobs", "something behind");
    let (components, ready) = handle.readiness().await;
    assert_eq!((components["jobs"].health, ready), (Health::Up, true));
    handle.shutdown(Duration::from_secs(5)).await;
    assert!(!handle.readiness().await.1, "an actor that has ended takes no jobs");
}

fn respond(accepted: &Accepted) -> WrittenResponse {
    let (id, status) = (&accepted.job.job_id, accepted.job.status);
    WrittenResponse { status: 202, location: Some(format!("/jobs/{id}")), body: json!({"job_id": id, "was": status}) }
}

#[actix_rt::test]
async fn the_queue_is_bounded_and_an_idempotency_key_repeats_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path()).await;
    options.max_queued = 1;
    let handle = start(options).await.unwrap();
    let with_key = |key: &str, hash: &str| Submission {
        idempotency: Some(KeyedSubmission {
            request: KeyedRequest { owner: "anonymous".to_owned(), key: key.to_owned(), request_hash: hash.to_owned() },
            respond,
        }),
        ..submission(long_search())
    };
    let Submitted::New(accepted) = handle.submit(with_key("a", "1")).await.unwrap() else { panic!() };
    let job = &accepted.job;
    let waiting = submit(&handle, config(&[Algorithm::LogisticRegression])).await;
    let full = handle.submit(submission(config(&[Algorithm::LogisticRegression]))).await;
    assert!(matches!(full, Err(SubmitError::QueueFull { max_queued: 1 })), "{full:?}");
    // A repetition is no new job, so it needs no place.
    let Submitted::Repeated(stored) = handle.submit(with_key("a", "1")).await.unwrap() else { panic!() };
    let written = respond(&accepted);
    assert_eq!((stored.status, stored.location, stored.body), (written.status, written.location, written.body));
    assert!(matches!(handle.submit(with_key("a", "2")).await, Err(SubmitError::Mismatch)));
    // A waiting job is cancelled at once, and its place is free.
    assert_eq!(handle.cancel(&waiting, None, false).await.unwrap().status, JobStatus::Cancelled);
    let next = submit(&handle, config(&[Algorithm::LogisticRegression])).await;
    handle.cancel(&job.job_id, None, false).await.unwrap();
    assert_eq!(finished(&handle, &next).await.status, JobStatus::Completed);
}

#[actix_rt::test]
async fn data_that_fails_its_check_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let config = TrainingConfig { min_samples: 100_000, ..config(&[Algorithm::LogisticRegression]) };
    let Err(SubmitError::Quality(report)) = handle.submit(submission(config)).await else { panic!() };
    assert!(!report.passes_quality_check && !report.quality_issues.is_empty());
}

#[actix_rt::test]
async fn a_shutdown_interrupts_and_the_next_start_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let id = submit(&handle, long_search()).await;
    trials_recorded(&handle, &id, 2).await;
    let report = handle.shutdown(Duration::from_secs(60)).await;
    assert_eq!((report.interrupted, report.stragglers), (vec![id.clone()], vec![]));
    let record = handle.store().job(&id).await.unwrap().unwrap();
    assert_eq!(record.job.status, JobStatus::Pending);
    assert!(record.job.progress_percentage > 2.0 && record.running_seconds > 0.0);
    assert!(record.units.values().all(|u| u.deaths == 0 && u.attempts == 0));
    let closed = handle.submit(submission(config(&[Algorithm::LogisticRegression]))).await;
    assert!(matches!(closed, Err(SubmitError::Unreachable(_) | SubmitError::ShuttingDown | SubmitError::Data(_))));
    drop(handle);

    let handle = system(folder.path()).await;
    event(&handle, &id, |e| e.data["message"] == "resumed").await;
    handle.cancel(&id, None, true).await.unwrap();
    assert_eq!(finished(&handle, &id).await.status, JobStatus::Cancelled);
}

/// A search that takes its time, and ends.
fn twenty_trials(algorithms: &[Algorithm]) -> TrainingConfig {
    let grids = json!({
        "logistic_regression": { "C": [0.1], "penalty": ["l2"] },
        "gradient_boosting": {
            "n_estimators": [200], "max_depth": [2, 3, 4, 5, 6], "learning_rate": [0.03, 0.05, 0.1, 0.2],
        },
    });
    TrainingConfig { grids: Some(serde_json::from_value(grids).unwrap()), ..config(algorithms) }
}

/// Runs a system on a thread of its own and lets it die after `trials` trials, without a word to anybody.
fn die_after(folder: &Path, config: &TrainingConfig, trials: usize) -> JobId {
    let (folder, config) = (folder.to_owned(), config.clone());
    let died = std::thread::spawn(move || {
        actix_rt::System::new().block_on(async {
            let handle = system(&folder).await;
            let id = match handle.store().unfinished_jobs().await.unwrap().first() {
                Some(left) => left.job_id.clone(),
                None => submit(&handle, config).await,
            };
            let before = handle.store().trials(&id, Algorithm::GradientBoosting).await.unwrap().len();
            let mut grown = handle.watch(&id);
            while handle.store().trials(&id, Algorithm::GradientBoosting).await.unwrap().len() < before + trials {
                grown.changed().await.unwrap();
            }
            id
        })
    });
    died.join().unwrap()
}

#[actix_rt::test]
async fn a_job_that_died_twice_ends_with_the_same_model_as_an_undisturbed_one() {
    let config = twenty_trials(&[Algorithm::GradientBoosting]);
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let id = submit(&handle, config.clone()).await;
    let undisturbed = finished(&handle, &id).await;
    assert_eq!(undisturbed.status, JobStatus::Completed, "{:?}", undisturbed.error_message);
    let expected = sha_of(&handle, &undisturbed).await;
    handle.shutdown(Duration::from_secs(10)).await;
    drop(handle);

    // The same data folder, so the same salt and rows.
    let id = die_after(folder.path(), &config, 2);
    assert_eq!(die_after(folder.path(), &config, 1), id);
    let handle = system(folder.path()).await;
    let job = finished(&handle, &id).await;
    assert_eq!(job.status, JobStatus::Completed, "{:?}\n{:?}", job.error_message, job.logs);
    assert!(
        job.logs.iter().filter(|l| l.contains("resumed after the process had died")).count() == 2,
        "{:?}",
        job.logs
    );
    assert_eq!(sha_of(&handle, &job).await, expected);
    assert_eq!(handle.store().model_count().await.unwrap(), 2);
}

/// The ensemble needs the result of a unit that an earlier process had done.
#[actix_rt::test]
async fn a_damaged_result_of_a_unit_that_was_done_is_fitted_again() {
    expect(&["a damaged artifact is replaced"]);
    let config = twenty_trials(&[Algorithm::LogisticRegression, Algorithm::GradientBoosting, Algorithm::Ensemble]);
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let id = submit(&handle, config.clone()).await;
    let undisturbed = finished(&handle, &id).await;
    let expected = sha_of(&handle, &undisturbed).await;
    assert_eq!(expected.len(), 3, "{:?}\n{:?}", undisturbed.error_message, undisturbed.logs);
    handle.shutdown(Duration::from_secs(10)).await;
    drop(handle);

    let id = die_after(folder.path(), &config, 1);
    let options = options(folder.path()).await;
    let record = options.store.job(&id).await.unwrap().unwrap();
    let done = &record.units[&Algorithm::LogisticRegression];
    assert!(done.done);
    let sha = done.result.as_ref().unwrap();
    let file = folder.path().join("artifacts").join(&sha[..2]).join(&sha[2..4]).join(sha);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let handle = start(options).await.unwrap();
    let job = finished(&handle, &id).await;
    assert_eq!(job.status, JobStatus::Completed, "{:?}\n{:?}", job.error_message, job.logs);
    assert!(job.logs.iter().any(|l| l.contains("it is fitted again")), "{:?}", job.logs);
    assert_eq!(sha_of(&handle, &job).await, expected);
    assert_eq!(handle.store().model_count().await.unwrap(), 6);
}
