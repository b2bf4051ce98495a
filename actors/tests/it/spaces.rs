//! Jobs with search spaces that are too large to list.

use crate::silence::start;
use crate::support::*;
use provost_actors::executor::{Attempt, Executor, LocalExecutor, Outcome};
use provost_actors::testkit::Failpoints;
use provost_domain::config::{Grid, Tuning};
use provost_domain::job::JobStatus;
use provost_domain::{Algorithm, TrainingConfig};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// A forest's grid of lists of so many values each.
fn lists<const N: usize>(lists: [(&str, u64); N], tuning: Tuning) -> TrainingConfig {
    let values = |(name, n): (&str, u64)| (name.to_owned(), (2..n + 2).map(Value::from).collect());
    let grid = Grid::from(lists.map(values));
    TrainingConfig {
        hyperparameter_tuning: tuning,
        tuning_iterations: 10,
        grids: Some(BTreeMap::from([(Algorithm::RandomForest, grid)])),
        ..config(&[Algorithm::RandomForest])
    }
}

/// Says when an attempt has begun, or never begins one.
struct Watched {
    inner: Option<LocalExecutor>,
    begun: watch::Sender<usize>,
}

impl Watched {
    fn new(works: bool) -> Arc<Self> {
        let inner = works.then(|| LocalExecutor::new(2, false, Failpoints::default()));
        Arc::new(Self { inner, begun: watch::Sender::new(0) })
    }

    async fn begun(&self) {
        self.begun.subscribe().wait_for(|n| *n > 0).await.unwrap();
    }
}

impl Executor for Watched {
    fn start(&self, attempt: Attempt) -> oneshot::Receiver<Outcome> {
        self.begun.send_modify(|n| *n += 1);
        match &self.inner {
            Some(inner) => inner.start(attempt),
            None => {
                let (tx, rx) = oneshot::channel();
                std::mem::forget(tx);
                rx
            }
        }
    }
    fn running(&self) -> Vec<String> {
        self.inner.as_ref().map_or_else(Vec::new, Executor::running)
    }
}

/// An older version stored jobs whose grid nobody had counted.
#[actix_rt::test]
async fn an_oversized_grid_of_an_interrupted_job_fails_with_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let cube = ["n_estimators", "min_samples_split", "min_samples_leaf"].map(|name| (name, 2_000));
    let id = {
        let mut options = options(folder.path()).await;
        let idle = Watched::new(false);
        options.executor = Some(idle.clone());
        let handle = start(options).await.unwrap();
        let id = submit(&handle, lists(cube, Tuning::RandomSearch)).await;
        idle.begun().await;
        handle.shutdown(Duration::ZERO).await;
        id
    };
    // No door takes such a grid today.
    let database = rusqlite::Connection::open(folder.path().join(provost_store::DATABASE)).unwrap();
    let set = "UPDATE jobs SET document = json_set(document, '$.job.config.hyperparameter_tuning', 'grid_search')";
    assert_eq!(database.execute(set, []).unwrap(), 1);
    drop(database);
    let handle = system(folder.path()).await;
    let job = finished(&handle, &id).await;
    let error = job.error_message.unwrap_or_default();
    assert_eq!(job.status, JobStatus::Failed, "{error}");
    assert!(error.contains("the grid of random_forest has 8000000000 candidates"), "{error}");
    assert!(error.contains("at most 100000"), "{error}");
    let attempts = handle.store().job(&id).await.unwrap().unwrap().units[&Algorithm::RandomForest].attempts;
    assert_eq!(attempts, 0, "what would fail again is not tried again");
}

#[actix_rt::test]
async fn a_job_that_is_cancelled_while_it_reads_its_lists_is_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path()).await;
    let executor = Watched::new(true);
    options.executor = Some(executor.clone());
    let handle = start(options).await.unwrap();
    // Reading 300,000 values takes about a second.
    let id =
        submit(&handle, lists([("min_samples_split", 150_000), ("min_samples_leaf", 150_000)], Tuning::Bayesian)).await;
    executor.begun().await;
    handle.cancel(&id, None, false).await.unwrap();
    let job = finished(&handle, &id).await;
    assert_eq!(job.status, JobStatus::Cancelled, "{:?}", job.error_message);
    assert!(handle.store().trials(&id, Algorithm::RandomForest).await.unwrap().is_empty());
    assert!(job.warnings.is_empty(), "{:?}", job.warnings);
}

#[actix_rt::test]
async fn a_search_of_a_thousand_million_candidates_ends_and_its_record_holds_the_lists_alone() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    for tuning in [Tuning::RandomSearch, Tuning::Bayesian] {
        let config = lists([("n_estimators", 10), ("min_samples_split", 10_000), ("min_samples_leaf", 10_000)], tuning);
        let given = serde_json::to_string(&config).unwrap().len();
        let id = submit(&handle, config).await;
        let job = finished(&handle, &id).await;
        assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error_message);
        assert_eq!(handle.store().trials(&id, Algorithm::RandomForest).await.unwrap().len(), 10);
        let record = serde_json::to_string(&job).unwrap().len();
        assert!(record < given + 20_000, "{record} bytes for a configuration of {given}");
    }
}
