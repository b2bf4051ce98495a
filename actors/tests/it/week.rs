//! A week of simulated time with every rule of the scheduler, every sweep and every watch at work: over no data, over little,
//! over one class, over much that grows every day. Each test ends in silence, as all do, and with every rule's count above 0.

use crate::silence::{System, expect, start};
use crate::support::*;
use provost_actors::{Leases, Options, RetentionOptions, TestClock};
use provost_domain::job::JobStatus;
use provost_domain::schedule::ScheduledTrainingConfig;
use provost_domain::status::Health;
use provost_domain::{AdmissionDataPoint, Algorithm, sample};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);
/// From one step of the clock to the next.
const STEP: Duration = Duration::from_secs(2 * 3_600);
const STEPS: u32 = 7 * 12;

/// A slot each night, a threshold that the growth of two days crosses, and models that are old after three days.
fn schedule() -> ScheduledTrainingConfig {
    ScheduledTrainingConfig {
        schedule_cron: "0 1 * * *".to_owned(),
        min_new_samples: 150,
        max_model_age_days: 3,
        auto_activate_if_better: true,
        training_config: config(&[Algorithm::LogisticRegression]),
        ..ScheduledTrainingConfig::default()
    }
}

/// A system as of Monday noon, with leases, as one of several processes would have them.
async fn monday(folder: &Path, points: Vec<AdmissionDataPoint>) -> (System, TestClock) {
    let clock = TestClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let shared: Arc<TestClock> = Arc::new(clock.clone());
    let bare = bare_options(folder);
    let options = Options {
        leases: Some(Leases::new(bare.store.clone(), shared.clone(), "the only one", Duration::from_secs(10))),
        clock: shared,
        schedule_enabled: true,
        retention: Some(RetentionOptions { every: HOUR, ..RetentionOptions::default() }),
        ..bare
    };
    options.store.record_points(points).await.unwrap();
    options.store.put_schedule(schedule()).await.unwrap();
    (start(options).await.unwrap(), clock)
}

async fn state(system: &System, component: &str) -> Value {
    system.components().await[component].state.clone()
}

/// Whole looks of the scheduler, until no job is unfinished and no evaluation is at work.
async fn settled(system: &System) {
    loop {
        let looks = async || state(system, "scheduler").await["looks"].as_u64().unwrap_or(0);
        let before = looks().await;
        while looks().await < before + 2 {
            system.options().nudge.notify_one();
            tokio::task::yield_now().await;
        }
        let unfinished = system.store().unfinished_jobs().await.unwrap();
        for job in &unfinished {
            finished(system, &job.job_id).await;
        }
        if unfinished.is_empty() && state(system, "evaluator").await["running"] == 0 {
            return;
        }
    }
}

/// Moves the clock through seven days; `daily` is called once a day.
async fn a_week(system: &System, clock: &TestClock, mut daily: impl AsyncFnMut(u32)) {
    settled(system).await;
    for step in 0..STEPS {
        if step % 12 == 0 {
            daily(step / 12).await;
            settled(system).await;
        }
        clock.advance(STEP);
        settled(system).await;
    }
}

/// Every rule was looked at in every step, and nothing is degraded.
async fn all_has_run(system: &System) -> Value {
    let components = system.components().await;
    for (name, component) in &components {
        assert!(matches!(component.health, Health::Up | Health::Disabled), "{name}: {component:?}");
        assert_eq!((component.panics, component.restarts), (0, 0), "{name}");
    }
    let rules = components["scheduler"].state["rules"].clone();
    for rule in ["slot", "threshold", "age", "performance"] {
        assert!(rules[rule]["looks"].as_u64().unwrap() > u64::from(STEPS), "{rule}: {rules}");
        assert_eq!(rules[rule]["failures"], 0, "{rule}: {rules}");
    }
    let rounds = components["retention"].state["rounds"].as_u64().unwrap();
    // A round takes real time while the clock moves on in steps, so that there is not one in each step.
    assert!(rounds >= 7, "{rounds} rounds of retention, which are to be one a day at least");
    rules
}

/// Slots and thresholds over data that fails its check: each is settled with the reason.
async fn no_job_comes_of(points: Vec<AdmissionDataPoint>) {
    expect(&["triggers lead to no job"]);
    let folder = tempfile::tempdir().unwrap();
    let (system, clock) = monday(folder.path(), points).await;
    a_week(&system, &clock, async |_| {}).await;
    let rules = all_has_run(&system).await;
    assert_eq!((&rules["slot"]["triggers"], &rules["performance"]["tests"]), (&7.into(), &0.into()), "{rules}");
    assert!(system.store().list_jobs(None, None, 10).await.unwrap().items.is_empty());
    let triggers = system.store().list_triggers(None, 100).await.unwrap().items;
    assert!(triggers.len() >= 7 && triggers.iter().all(|t| t.outcome.is_some()), "{triggers:?}");
}

fn drawn(number: usize, seed: u64) -> Vec<AdmissionDataPoint> {
    let points = sample::draw(number, seed).map(|d| d.point);
    points.map(|p| AdmissionDataPoint { data_point_id: format!("{seed}-{}", p.data_point_id), ..p }).collect()
}

#[actix_rt::test]
async fn no_data_at_all() {
    no_job_comes_of(Vec::new()).await;
}

#[actix_rt::test]
async fn thirty_points() {
    no_job_comes_of(drawn(30, 1)).await;
}

#[actix_rt::test]
async fn one_class() {
    let accepted = drawn(4_000, 2).into_iter().filter(|p| p.decision.label() == Some(1));
    no_job_comes_of(accepted.take(600).collect()).await;
}

#[actix_rt::test]
async fn much_data_that_grows_every_day() {
    let folder = tempfile::tempdir().unwrap();
    let (system, clock) = monday(folder.path(), drawn(3_000, 3)).await;
    // The points that are there cross the threshold: the scheduler's own job makes the first model, which is then watched over
    // without one row that is new.
    settled(&system).await;
    let champion = system.store().active_model().await.unwrap().expect("the gate activates the first model");
    let model = system.store().model(&champion).await.unwrap().unwrap();
    assert!(model.temporal.is_some(), "the sample has enough of a last year");
    let performance = state(&system, "scheduler").await["performance"].clone();
    assert!(performance.as_str().unwrap().contains("no new rows"), "{performance}");
    a_week(&system, &clock, async |day| {
        system.store().record_points(drawn(100, 100 + u64::from(day))).await.unwrap();
        let active = system.store().active_model().await.unwrap().unwrap();
        system.evaluate(&active, false).await.unwrap();
    })
    .await;
    let rules = all_has_run(&system).await;
    for rule in ["slot", "threshold", "age"] {
        assert!(rules[rule]["triggers"].as_u64().unwrap() > 0, "{rule}: {rules}");
    }
    assert!(rules["performance"]["tests"].as_u64().unwrap() >= 7, "{rules}");
    let evaluator = state(&system, "evaluator").await;
    assert_eq!((&evaluator["finished"], &evaluator["failed"]), (&7.into(), &0.into()));
    let jobs = system.store().list_jobs(None, None, 100).await.unwrap().items;
    assert!(jobs.len() >= 7 && jobs.iter().all(|job| job.status == JobStatus::Completed), "{jobs:?}");
}
