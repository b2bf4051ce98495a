//! Panics at named places of a running system, in this process: the places are armed by the test and unknown to the service.

use provost_actors::testkit::Failpoints;
use provost_actors::{
    Accepted, Handle, KeyedRequest, KeyedSubmission, Options, RestartBudget, RetentionOptions, Submission, Submitted,
    WrittenResponse, start,
};
use provost_domain::config::Tuning;
use provost_domain::gate::ActivationWish;
use provost_domain::job::JobStatus;
use provost_domain::rng::SplitMix64;
use provost_domain::{Algorithm, TrainingConfig, TrainingJob, sample};
use provost_store::{Artifacts, SqliteStore};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Where a panic is made: an actor's handler, or the thread of a fit.
const PLACES: [&str; 9] =
    ["fit", "fit:random_forest", "jobs", "loader", "trainer", "evaluator", "gate", "registry", "retention"];
/// These are met after the job, by an evaluation and an activation by hand.
const AFTER: [&str; 2] = ["evaluator", "registry"];

fn config() -> TrainingConfig {
    let grids = json!({"logistic_regression": {"C": [0.1, 1.0], "penalty": ["l2"]},
        "random_forest": {"n_estimators": [15, 20], "max_depth": [4]}});
    TrainingConfig {
        algorithms: vec![Algorithm::LogisticRegression, Algorithm::RandomForest],
        min_samples: 100,
        use_verified_only: false,
        hyperparameter_tuning: Tuning::GridSearch,
        cross_validation_folds: 3,
        grids: Some(serde_json::from_value(grids).unwrap()),
        ..TrainingConfig::default()
    }
}

async fn options(folder: &Path, failpoints: Failpoints) -> Options {
    let store = SqliteStore::open(folder, chrono::Utc::now()).unwrap();
    let artifacts = Artifacts::open(folder.join("artifacts")).unwrap();
    let options = Options::new(Arc::new(store), artifacts, folder.join("import"));
    if options.store.point_totals().await.unwrap().total == 0 {
        options.store.record_points(sample::draw(600, 7).map(|d| d.point).collect()).await.unwrap();
    }
    Options {
        backoff: Duration::ZERO,
        attempts: 20,
        deaths: 100,
        report_every: Duration::from_millis(20),
        schedule_enabled: false,
        retention: Some(RetentionOptions { every: Duration::from_millis(50), ..RetentionOptions::default() }),
        restart_budget: RestartBudget { restarts: 1000, backoff: Duration::ZERO, ..RestartBudget::default() },
        failpoints,
        ..options
    }
}

/// Submits until it is taken: a panic may cost an answer, and the key makes the next try the same job.
async fn submit(handle: &Handle, number: u64) -> provost_domain::JobId {
    loop {
        let mut submission = Submission::manual(config(), None, "a test", chrono::Utc::now());
        let request = KeyedRequest {
            owner: "anonymous".to_owned(),
            key: format!("key-{number}"),
            request_hash: "same".to_owned(),
        };
        let respond = |accepted: &Accepted| WrittenResponse {
            status: 202,
            location: None,
            body: json!({ "job_id": accepted.job.job_id }),
        };
        submission.idempotency = Some(KeyedSubmission { request, respond });
        submission.triggers[0].activation = ActivationWish::IfBetter;
        match handle.submit(submission).await {
            Ok(Submitted::New(accepted)) => return accepted.job.job_id,
            Ok(Submitted::Repeated(known)) => {
                return provost_domain::JobId::parse(known.body["job_id"].as_str().unwrap()).unwrap();
            }
            Err(e) => assert!(format!("{e:?}").contains("Restarted"), "{e:?}"),
        }
    }
}

async fn models(handle: &Handle, job: &TrainingJob) -> BTreeMap<Algorithm, String> {
    assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error_message);
    let mut models = BTreeMap::new();
    for id in &job.trained_models {
        let version = handle.store().model(id).await.unwrap().unwrap().version;
        assert!(models.insert(version.algorithm, version.model_sha256).is_none(), "two models of one algorithm");
    }
    models
}

/// The first of two may meet the panic; asking again is right.
async fn ask<T, E: std::fmt::Debug>(asked: impl AsyncFn() -> Result<T, E>) -> T {
    match asked().await {
        Ok(answer) => answer,
        Err(e) => asked().await.unwrap_or_else(|again| panic!("{e:?}, and then {again:?}")),
    }
}

/// `rounds` jobs, each with a panic at a place and a moment of its own; how many there were at each place.
pub fn panics(seed: u64, rounds: u64) -> BTreeMap<&'static str, u64> {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = SplitMix64::keyed(seed, &[9]);
    let mut made = BTreeMap::new();
    actix_rt::System::new().block_on(async {
        let failpoints = Failpoints::default();
        let handle = start(options(folder.path(), failpoints.clone()).await).await.unwrap();
        let calm = handle.finished(&submit(&handle, 0).await).await.unwrap().unwrap();
        let expected = models(&handle, &calm).await;
        assert_eq!(expected.len(), 2);
        for round in 1..=rounds {
            let place = PLACES[(round as usize - 1) % PLACES.len()];
            let after = AFTER.contains(&place);
            let before_submission = rng.below(2) == 0 && !after;
            if before_submission {
                failpoints.arm(place, 1);
            }
            let id = submit(&handle, round).await;
            if !before_submission && !after {
                tokio::time::sleep(Duration::from_millis(u64::from(rng.below(150)))).await;
                failpoints.arm(place, 1);
            }
            let job = handle.finished(&id).await.unwrap().unwrap();
            assert_eq!(models(&handle, &job).await, expected, "{place}: other bytes");
            assert_eq!(job.trained_models.len(), 2, "{place}");
            if after {
                failpoints.arm(place, 1);
            }
            let model = &job.trained_models[rng.below(2) as usize];
            ask(async || handle.evaluate(model, false).await).await;
            assert_eq!(ask(async || handle.activate(model, None, None).await).await.model_id, *model);
            assert_eq!(handle.store().active_model().await.unwrap().as_ref(), Some(model));
            if place == "retention" {
                let began = std::time::Instant::now();
                while failpoints.left(place) > 0 {
                    assert!(began.elapsed() < Duration::from_secs(60), "retention has stopped looking");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            // Not met: the job was past that place. Then it is not counted, and does not wait for the next one.
            if failpoints.left(place) == 0 {
                *made.entry(place).or_default() += 1;
            }
            failpoints.arm(place, 0);
        }
        let jobs = handle.store().list_jobs(None, None, 10_000).await.unwrap().items;
        assert_eq!(jobs.len() as u64, rounds + 1, "one job per key");
        handle.shutdown(Duration::from_secs(10)).await;
    });
    made
}
