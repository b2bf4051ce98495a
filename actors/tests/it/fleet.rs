//! A job's fits on workers: the same models, whoever does them and whoever dies.

use super::support::{config, event, finished, long_search, options, submit, trials_recorded};
use crate::silence::{System, expect, start};
use provost_actors::fleet::{self, Fleet, algorithms};
use provost_actors::metrics::Value;
use provost_actors::{Handle, Leases, Options, TestClock};
use provost_domain::job::{JobEventKind, JobStatus};
use provost_domain::lease::{UnitState, WorkUnit};
use provost_domain::{Algorithm, JobId, TrainingConfig};
use provost_store::{Store, TimedStore};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TERM: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(3600);

async fn shared(folder: &Path, name: &str) -> Options {
    let mut options = options(folder).await;
    options.leases = Some(Leases::new(options.store.clone(), options.clock.clone(), name, TERM));
    options
}

/// A server that does no fit itself within `patience`.
async fn server(folder: &Path, patience: Duration) -> System {
    start(Options { fleet: Some(patience), ..shared(folder, "server").await }).await.unwrap()
}

async fn worker(folder: &Path, name: &str) -> Fleet {
    let mut options = shared(folder, name).await;
    options.store = Arc::new(TimedStore::new(options.store, Arc::new(options.metrics.clone())));
    fleet::start(options, algorithms().collect()).await.unwrap()
}

fn job() -> TrainingConfig {
    config(&[Algorithm::LogisticRegression, Algorithm::GradientBoosting, Algorithm::Ensemble])
}

/// SHA-256 of the job's models, by algorithm.
async fn models(handle: &Handle, id: &JobId) -> Vec<String> {
    let job = finished(handle, id).await;
    assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error_message);
    let mut hashes = Vec::new();
    for id in &job.trained_models {
        hashes.push(handle.store().model(id).await.unwrap().unwrap().version.model_sha256);
    }
    hashes
}

async fn open_unit(store: &Arc<dyn Store>, condition: impl Fn(&WorkUnit) -> bool) -> WorkUnit {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(unit) = store.open_units().await.unwrap().into_iter().find(|u| condition(u)) {
            return unit;
        }
        assert!(Instant::now() < deadline, "no such unit");
        tokio::task::yield_now().await;
    }
}

#[actix_rt::test]
async fn workers_make_the_models_that_a_server_alone_makes() {
    let folder = tempfile::tempdir().unwrap();
    let local = start(options(folder.path()).await).await.unwrap();
    let id = submit(&local, job()).await;
    let expected = models(&local, &id).await;
    local.shutdown(LONG).await;

    let server = server(folder.path(), LONG).await;
    let (one, two) = (worker(folder.path(), "one").await, worker(folder.path(), "two").await);
    let id = submit(&server, job()).await;
    assert_eq!(models(&server, &id).await, expected);
    // The trials are told as if they had been made here.
    let events = server.store().job_events(&id, 0, 1000).await.unwrap();
    let told = events.iter().filter(|e| e.kind == JobEventKind::Trial).count();
    assert_eq!(told, 4, "two candidates of each algorithm");
    let taken: u64 = [one.status().await, two.status().await]
        .concat()
        .iter()
        .map(|status| status.state["taken"].as_u64().unwrap())
        .sum();
    assert_eq!(taken, 2, "each unit once; the ensemble is put together where the job is driven");
    let counted = |name: &str| -> u64 {
        let families = [one.metrics().read(), two.metrics().read()].concat();
        let samples = families.into_iter().filter(|family| family.name == name).flat_map(|family| family.samples);
        let count = |value| match value {
            Value::Whole(count) => count,
            Value::Observed(observed) => observed.count(),
            Value::Number(_) => 0,
        };
        samples.map(|sample| count(sample.value)).sum()
    };
    assert_eq!((counted("provost_fits"), counted("provost_fit_seconds"), counted("provost_trial_seconds")), (2, 2, 4));
    assert!(counted("provost_store_seconds") > 0 && counted("provost_panics") == 0);
    assert!(one.shutdown(LONG).await && two.shutdown(LONG).await);
}

/// A worker that died with a unit, played by calls of the store; the living one's clock is moved by the test.
#[actix_rt::test]
async fn a_dead_workers_unit_is_taken_over_within_lease_and_a_second_and_its_late_writes_are_refused() {
    expect(&["taken over: its worker", "the unit of work is lost"]);
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), LONG).await;
    let store = server.store().clone();
    let id = submit(&server, job()).await;
    let mut unit = open_unit(&store, |_| true).await;
    (unit.lease.holder, unit.lease.epoch) = ("dead".to_owned(), 1);
    let mut dead = store.save_unit(unit).await.unwrap();
    let clock = Arc::new(TestClock::new(chrono::Utc::now()));
    let leases = Leases::new(store.clone(), clock.clone(), "living", TERM);
    let look = leases.look_every();
    let options = Options { clock: clock.clone(), leases: Some(leases), ..shared(folder.path(), "living").await };
    let mut sleeps = clock.sleeps();
    let worker = fleet::start(options, algorithms().collect()).await.unwrap();
    sleeps.wait_for(|n| *n == 1).await.unwrap();
    // It lives while it beats, and the living one measures from the last beat.
    dead.lease.beat += 1;
    let dead = store.save_unit(dead).await.unwrap();
    let (mut after, mut looks) = (Duration::ZERO, 1);
    loop {
        clock.advance(look);
        (after, looks) = (after + look, looks + 1);
        sleeps.wait_for(|n| *n >= looks).await.unwrap();
        if store.unit(&dead.id).await.unwrap().unwrap().lease.holder != "dead" {
            break;
        }
    }
    assert!(after >= TERM && after <= TERM + Duration::from_secs(1), "taken over after {after:?}");
    assert!(store.save_unit(WorkUnit { state: UnitState::Failed, ..dead }).await.is_err(), "a late writer");
    // A unit that is taken waits for nobody's clock; a worker that finds none looks again later.
    let moving = actix_rt::spawn(async move {
        loop {
            clock.advance(look);
            sleeps.changed().await.unwrap();
        }
    });
    assert_eq!(models(&server, &id).await.len(), 3);
    moving.abort();
    worker.shutdown(LONG).await;
}

#[actix_rt::test]
async fn a_worker_that_stops_leaves_its_unit_to_others_who_go_on_from_its_trials() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), LONG).await;
    let first = worker(folder.path(), "first").await;
    let config = TrainingConfig {
        grids: Some(
            serde_json::from_value(serde_json::json!({ "gradient_boosting": {
                "n_estimators": [300], "max_depth": [5, 6, 7, 8, 9], "learning_rate": [0.02, 0.05, 0.1],
                "min_samples_leaf": [1, 3] } }))
            .unwrap(),
        ),
        ..long_search()
    };
    let id = submit(&server, config).await;
    trials_recorded(&server, &id, 2).await;
    assert!(first.shutdown(LONG).await);
    let store = server.store().clone();
    let left = open_unit(&store, |u| !u.lease.is_held()).await;
    assert_eq!(left.lease.epoch, 1);
    let before = store.trials(&id, Algorithm::GradientBoosting).await.unwrap();
    let second = worker(folder.path(), "second").await;
    let job = finished(&server, &id).await;
    assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error_message);
    let trials = store.trials(&id, Algorithm::GradientBoosting).await.unwrap();
    assert_eq!(trials.len(), 30);
    for trial in before {
        assert!(trials.contains(&trial), "trial {} was made again", trial.index);
    }
    second.shutdown(LONG).await;
}

#[actix_rt::test]
async fn a_cancel_reaches_the_worker() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), LONG).await;
    let worker = worker(folder.path(), "worker").await;
    let id = submit(&server, long_search()).await;
    trials_recorded(&server, &id, 1).await;
    server.cancel(&id, None, false).await.unwrap();
    assert_eq!(finished(&server, &id).await.status, JobStatus::Cancelled);
    assert!(server.store().open_units().await.unwrap().is_empty());
    worker.shutdown(LONG).await;
}

#[actix_rt::test]
async fn without_a_worker_the_server_does_it_itself() {
    expect(&["no worker has taken the unit"]);
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), Duration::from_millis(300)).await;
    let id = submit(&server, config(&[Algorithm::LogisticRegression])).await;
    event(&server, &id, |e| e.kind == JobEventKind::Trial).await;
    assert_eq!(models(&server, &id).await.len(), 1);
}
