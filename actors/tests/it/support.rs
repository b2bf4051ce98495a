//! What the tests of whole jobs share: a system over the real SQLite store, small and long searches, ways to wait.

use crate::silence::{System, start};
use provost_actors::{Handle, Options, RestartBudget, Submission, Submitted};
use provost_domain::config::{Pruning, Tuning};
use provost_domain::job::{JobEvent, JobEventKind};
use provost_domain::{Algorithm, JobId, TrainingConfig, TrainingJob, sample};
use provost_store::Artifacts;
use provost_store::sqlite::SqliteStore;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const ROWS: usize = 1200;

/// What a process has: a data folder that outlives it, with the sample in it.
pub async fn options(folder: &Path) -> Options {
    let options = bare_options(folder);
    if options.store.point_totals().await.unwrap().total == 0 {
        known_salt(folder);
        let points = sample::draw(ROWS, 7).map(|d| d.point).collect();
        options.store.record_points(points).await.unwrap();
    }
    options
}

/// As `options`, without data.
pub fn bare_options(folder: &Path) -> Options {
    let store = SqliteStore::open(folder, chrono::Utc::now()).unwrap();
    let artifacts = Artifacts::open(folder.join("artifacts")).unwrap();
    let mut options = Options::new(Arc::new(store), artifacts, folder.join("import"));
    options.backoff = Duration::ZERO;
    options.report_every = Duration::from_millis(20);
    options.threads = 2;
    options.idle_priority = false;
    // The sample is enough for a job of the scheduler's own; its tests switch it on.
    options.schedule_enabled = false;
    // Predictions of the tests are enough for windows, which take their time; the tests of these switch them on.
    options.watch.enabled = false;
    options.restart_budget = RestartBudget { backoff: Duration::ZERO, ..RestartBudget::default() };
    options
}

/// A salt that is not chance: whether a model is found to be better depends on the rows that it is tested on.
fn known_salt(folder: &Path) {
    let database = rusqlite::Connection::open(folder.join(provost_store::DATABASE)).unwrap();
    let set = "UPDATE installation SET document = json_set(document, '$.salt', 2718281828)";
    assert_eq!(database.execute(set, []).unwrap(), 1);
}

pub async fn system(folder: &Path) -> System {
    start(options(folder).await).await.unwrap()
}

pub fn config(algorithms: &[Algorithm]) -> TrainingConfig {
    let grids = json!({
        "logistic_regression": { "C": [0.1, 1.0], "penalty": ["l2"] },
        "gradient_boosting": { "n_estimators": [20, 40], "max_depth": [2] },
    });
    TrainingConfig {
        algorithms: algorithms.to_vec(),
        min_samples: 500,
        use_verified_only: false,
        hyperparameter_tuning: Tuning::GridSearch,
        cross_validation_folds: 3,
        grids: Some(serde_json::from_value(grids).unwrap()),
        ..TrainingConfig::default()
    }
}

/// A search that is still at work long after its first trial.
pub fn long_search() -> TrainingConfig {
    let grids = json!({ "gradient_boosting": {
        "n_estimators": [300], "max_depth": [3, 4, 5, 6, 7], "learning_rate": [0.01, 0.02, 0.03, 0.05, 0.1],
        "min_samples_leaf": [1, 2, 3, 4, 5],
    }});
    TrainingConfig {
        grids: Some(serde_json::from_value(grids).unwrap()),
        pruning: Pruning::None,
        ..config(&[Algorithm::GradientBoosting])
    }
}

pub fn submission(config: TrainingConfig) -> Submission {
    Submission::manual(config, Some("a test".to_owned()), "a test", chrono::Utc::now())
}

pub async fn submit(handle: &Handle, config: TrainingConfig) -> JobId {
    match handle.submit(submission(config)).await.unwrap() {
        Submitted::New(accepted) => accepted.job.job_id,
        Submitted::Repeated(_) => panic!("nothing to repeat"),
    }
}

pub async fn finished(handle: &Handle, id: &JobId) -> TrainingJob {
    handle.finished(id).await.unwrap().unwrap()
}

/// Follows the job's events until one satisfies `condition`.
pub async fn event(handle: &Handle, id: &JobId, condition: impl Fn(&JobEvent) -> bool) -> JobEvent {
    let (mut grown, mut after) = (handle.watch(id), 0);
    loop {
        for event in handle.store().job_events(id, after, 1000).await.unwrap() {
            after = event.seq;
            if condition(&event) {
                return event;
            }
            if event.kind == JobEventKind::State && event.data["status"] == "failed" {
                panic!("the job failed: {}", event.data);
            }
        }
        grown.changed().await.unwrap();
    }
}

pub async fn trials_recorded(handle: &Handle, id: &JobId, at_least: usize) {
    let seen = std::cell::Cell::new(0);
    event(handle, id, |e| {
        seen.set(seen.get() + usize::from(e.kind == JobEventKind::Trial));
        seen.get() >= at_least
    })
    .await;
}
