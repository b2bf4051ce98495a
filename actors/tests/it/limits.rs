//! Limits in running seconds, deadlines and deaths, on a clock that the tests move.

use crate::silence::start;
use crate::support::*;
use provost_actors::executor::{Attempt, Executor, LocalExecutor, Outcome};
use provost_actors::testkit::Failpoints;
use provost_actors::{Handle, Options, TestClock};
use provost_domain::job::JobStatus;
use provost_domain::{Algorithm, JobId, TrainingConfig};
use provost_learn::StopReason;
use provost_learn::train::{Journal, TrialResult};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// Takes every attempt and never ends one.
struct Stuck {
    attempts: watch::Sender<usize>,
    held: Mutex<Vec<(Attempt, oneshot::Sender<Outcome>)>>,
}
impl Stuck {
    fn new() -> Arc<Self> {
        Arc::new(Self { attempts: watch::Sender::new(0), held: Mutex::default() })
    }
    async fn attempts(&self, n: usize) {
        self.attempts.subscribe().wait_for(|have| *have >= n).await.unwrap();
    }
}
impl Executor for Stuck {
    fn start(&self, attempt: Attempt) -> oneshot::Receiver<Outcome> {
        let (tx, rx) = oneshot::channel();
        self.held.lock().unwrap().push((attempt, tx));
        self.attempts.send_modify(|n| *n += 1);
        rx
    }
    fn running(&self) -> Vec<String> {
        self.held.lock().unwrap().iter().map(|(a, _)| a.name()).collect()
    }
}

/// Runs attempts as usual, and counts the trials that are recorded.
struct Counting {
    inner: LocalExecutor,
    trials: Arc<watch::Sender<usize>>,
}
impl Executor for Counting {
    fn start(&self, attempt: Attempt) -> oneshot::Receiver<Outcome> {
        let journal = Arc::new(CountingJournal { inner: attempt.journal.clone(), trials: self.trials.clone() });
        self.inner.start(Attempt { journal, ..attempt })
    }
    fn running(&self) -> Vec<String> {
        self.inner.running()
    }
}

struct CountingJournal {
    inner: Arc<dyn Journal>,
    trials: Arc<watch::Sender<usize>>,
}
impl Journal for CountingJournal {
    fn finished(&self) -> Arc<[TrialResult]> {
        self.inner.finished()
    }
    fn record(&self, trial: &TrialResult) -> Result<(), String> {
        self.inner.record(trial)?;
        self.trials.send_modify(|n| *n += 1);
        Ok(())
    }
}

async fn on_a_test_clock(folder: &Path) -> (Options, TestClock) {
    let clock = TestClock::new(chrono::Utc::now());
    let mut options = options(folder).await;
    options.clock = Arc::new(clock.clone());
    (options, clock)
}

/// Moves time on until the job is final: each step is answered by a report or by the end.
async fn run_out(handle: &Handle, clock: &TestClock, id: &JobId, step: Duration) -> provost_domain::TrainingJob {
    loop {
        let job = handle.store().job(id).await.unwrap().unwrap().job;
        if job.status.is_final() {
            return job;
        }
        clock.advance(step);
        actix_rt::task::yield_now().await;
    }
}

#[actix_rt::test]
async fn the_soft_limit_keeps_the_best_so_far_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (mut options, clock) = on_a_test_clock(folder.path()).await;
    options.soft_limit = Duration::from_secs(7200);
    let counting = Counting {
        inner: LocalExecutor::new(2, false, Failpoints::default()),
        trials: Arc::new(watch::Sender::new(0)),
    };
    let mut trials = counting.trials.subscribe();
    options.executor = Some(Arc::new(counting));
    let handle = start(options).await.unwrap();
    let both = TrainingConfig {
        algorithms: vec![Algorithm::GradientBoosting, Algorithm::LogisticRegression],
        max_training_time_minutes: 10,
        ..long_search()
    };
    let id = submit(&handle, both).await;
    trials.wait_for(|n| *n >= 1).await.unwrap();
    clock.advance(Duration::from_secs(600));
    let job = finished(&handle, &id).await;
    assert_eq!(job.status, JobStatus::Completed, "{:?} {:?}", job.error_message, job.warnings);
    assert_eq!(job.algorithms_completed, [Algorithm::GradientBoosting]);
    let warned = |part: &str| job.warnings.iter().any(|w| w.contains(part));
    assert!(warned("time limit of 10 min"), "{:?}", job.warnings);
    assert!(warned("gradient_boosting: the time limit ended the search"), "{:?}", job.warnings);
    assert!(warned("logistic_regression: the time limit was reached before"), "{:?}", job.warnings);
}

/// Runs attempts as usual; keeps why each was stopped before it began.
struct Begun {
    inner: LocalExecutor,
    stopped: Mutex<Vec<Option<StopReason>>>,
}
impl Executor for Begun {
    fn start(&self, attempt: Attempt) -> oneshot::Receiver<Outcome> {
        self.stopped.lock().unwrap().push(attempt.control.token.reason());
        self.inner.start(attempt)
    }
    fn running(&self) -> Vec<String> {
        self.inner.running()
    }
}

#[actix_rt::test]
async fn a_soft_limit_that_is_reached_while_recorded_trials_are_read_ends_the_search_before_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    let id = {
        let handle = system(folder.path()).await;
        let config = TrainingConfig { max_training_time_minutes: 10, ..long_search() };
        let id = submit(&handle, config).await;
        trials_recorded(&handle, &id, 3).await;
        handle.shutdown(Duration::from_secs(20)).await;
        id
    };
    let database = rusqlite::Connection::open(folder.path().join(provost_store::DATABASE)).unwrap();
    let set = "UPDATE jobs SET document = json_set(document, '$.running_seconds', 700.0)";
    assert_eq!(database.execute(set, []).unwrap(), 1);
    drop(database);
    let mut options = options(folder.path()).await;
    let inner = LocalExecutor::new(2, false, Failpoints::default());
    let begun = Arc::new(Begun { inner, stopped: Mutex::default() });
    options.executor = Some(begun.clone());
    let before = options.store.trials(&id, Algorithm::GradientBoosting).await.unwrap();
    let handle = start(options).await.unwrap();
    let job = finished(&handle, &id).await;
    assert_eq!(job.status, JobStatus::Completed, "{:?} {:?}", job.error_message, job.warnings);
    assert_eq!(*begun.stopped.lock().unwrap(), [Some(StopReason::TimeLimit)]);
    let told = job.warnings.iter().filter(|warning| warning.contains("time limit of 10 min")).count();
    assert_eq!(told, 1, "{:?}", job.warnings);
    assert_eq!(handle.store().trials(&id, Algorithm::GradientBoosting).await.unwrap(), before);
}

#[actix_rt::test]
async fn the_hard_limit_fails_a_job_whose_fit_does_not_end() {
    let folder = tempfile::tempdir().unwrap();
    let (mut options, clock) = on_a_test_clock(folder.path()).await;
    let stuck = Stuck::new();
    options.executor = Some(stuck.clone());
    options.hard_limit = Duration::from_secs(3 * 3600);
    let handle = start(options).await.unwrap();
    let id = submit(&handle, config(&[Algorithm::LogisticRegression])).await;
    stuck.attempts(1).await;
    let job = run_out(&handle, &clock, &id, Duration::from_secs(60)).await;
    assert_eq!(
        (job.status, job.error_message.as_deref()),
        (JobStatus::Failed, Some("the hard time limit was reached"))
    );
    assert!(handle.store().job(&id).await.unwrap().unwrap().running_seconds >= 3.0 * 3600.0);
}

#[actix_rt::test]
async fn a_cancel_that_no_fit_acknowledges_is_settled_at_its_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let (mut options, clock) = on_a_test_clock(folder.path()).await;
    let stuck = Stuck::new();
    options.executor = Some(stuck.clone());
    let handle = start(options).await.unwrap();
    let id = submit(&handle, config(&[Algorithm::LogisticRegression])).await;
    stuck.attempts(1).await;
    handle.cancel(&id, None, false).await.unwrap();
    let job = run_out(&handle, &clock, &id, Duration::from_secs(1)).await;
    assert_eq!(job.status, JobStatus::Cancelled);
    assert!(job.warnings.iter().any(|w| w.contains("had not ended 30 s after it was stopped")), "{:?}", job.warnings);
}

#[actix_rt::test]
async fn a_shutdown_names_its_stragglers_at_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let (mut options, clock) = on_a_test_clock(folder.path()).await;
    let stuck = Stuck::new();
    options.executor = Some(stuck.clone());
    let handle = start(options).await.unwrap();
    let id = submit(&handle, config(&[Algorithm::LogisticRegression])).await;
    stuck.attempts(1).await;
    let closing = handle.clone();
    let report = actix_rt::spawn(async move { closing.shutdown(Duration::from_secs(5)).await });
    while !report.is_finished() {
        clock.advance(Duration::from_secs(1));
        actix_rt::task::yield_now().await;
    }
    let report = report.await.unwrap();
    assert_eq!((report.stragglers, report.interrupted), (vec!["fit-logistic_regression".to_owned()], vec![id.clone()]));
    assert_eq!(handle.store().job(&id).await.unwrap().unwrap().job.status, JobStatus::Pending);
}

#[actix_rt::test]
async fn two_jobs_run_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let (mut options, _) = on_a_test_clock(folder.path()).await;
    let stuck = Stuck::new();
    options.executor = Some(stuck.clone());
    options.max_running = 2;
    let handle = start(options).await.unwrap();
    for algorithm in [Algorithm::LogisticRegression, Algorithm::GradientBoosting, Algorithm::RandomForest] {
        submit(&handle, config(&[algorithm])).await;
    }
    stuck.attempts(2).await;
    let counts = handle.job_counts().await.unwrap();
    assert_eq!((counts[&JobStatus::Running], counts[&JobStatus::Pending]), (2, 1));
    assert_eq!(handle.components().await["jobs"].state["queued"], 1);
}

#[actix_rt::test]
async fn five_deaths_without_progress_fail_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let died = |folder: std::path::PathBuf| {
        let process = std::thread::spawn(move || {
            actix_rt::System::new().block_on(async {
                let (mut options, _) = on_a_test_clock(&folder).await;
                let stuck = Stuck::new();
                options.executor = Some(stuck.clone());
                let handle = start(options).await.unwrap();
                let id = match handle.store().unfinished_jobs().await.unwrap().first() {
                    Some(left) => left.job_id.clone(),
                    None => submit(&handle, config(&[Algorithm::LogisticRegression])).await,
                };
                stuck.attempts(1).await;
                id
            })
        });
        process.join().unwrap()
    };
    let id = died(folder.path().to_owned());
    for _ in 0..4 {
        assert_eq!(died(folder.path().to_owned()), id);
    }
    let handle = system(folder.path()).await;
    let job = finished(&handle, &id).await;
    assert_eq!(job.status, JobStatus::Failed);
    assert_eq!(job.error_message.as_deref(), Some("the process died 5 times in logistic_regression without progress"));
}
