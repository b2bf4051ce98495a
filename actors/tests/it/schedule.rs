//! The scheduler's rules and its arbiter, with a clock that the test moves.

use crate::silence::{System, expect, expect_panics, start};
use crate::support::*;
use chrono::{DateTime, TimeDelta, Utc};
use provost_actors::{Handle, Options, TestClock};
use provost_domain::gate::ActivationWish;
use provost_domain::job::JobStatus;
use provost_domain::record::Decision;
use provost_domain::schedule::{ScheduledTrainingConfig, TrainingTrigger, TriggerType};
use provost_domain::status::Health;
use provost_domain::{Algorithm, TrainingConfig, TrainingJob, sample};
use provost_store::TriggerRecord;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn schedule() -> ScheduledTrainingConfig {
    ScheduledTrainingConfig {
        min_new_samples: 1_000_000,
        auto_activate_if_better: false,
        training_config: config(&[Algorithm::LogisticRegression]),
        ..ScheduledTrainingConfig::default()
    }
}

async fn options_at(folder: &Path, now: &str) -> (Options, TestClock) {
    let clock = TestClock::new(at(now));
    let options = Options { clock: Arc::new(clock.clone()), schedule_enabled: true, ..options(folder).await };
    (options, clock)
}

async fn scheduled(folder: &Path, now: &str, schedule: ScheduledTrainingConfig) -> (System, TestClock) {
    let (options, clock) = options_at(folder, now).await;
    options.store.put_schedule(schedule).await.unwrap();
    let handle = start(options).await.unwrap();
    looked(&handle).await;
    (handle, clock)
}

/// Waits for a whole look of the scheduler that began after now.
async fn looked(handle: &Handle) {
    let looks = async || handle.components().await["scheduler"].state["looks"].as_u64().unwrap_or(0);
    let before = looks().await;
    while looks().await < before + 3 {
        handle.options().nudge.notify_one();
        tokio::task::yield_now().await;
    }
}

async fn jobs(handle: &Handle) -> Vec<TrainingJob> {
    handle.store().list_jobs(None, None, 100).await.unwrap().items
}

/// All jobs, those that the next look brings included, once they have ended.
async fn ended(handle: &Handle) -> Vec<TrainingJob> {
    looked(handle).await;
    for job in jobs(handle).await {
        finished(handle, &job.job_id).await;
    }
    looked(handle).await;
    jobs(handle).await
}

/// So many usable points.
async fn add_points(handle: &Handle, number: usize, seed: u64, verified: bool) {
    let usable = sample::draw(2 * number + 100, seed).filter(|d| d.point.decision.label().is_some()).take(number);
    let points = usable.map(|d| {
        let mut point = d.point;
        point.data_point_id = format!("{seed}-{}", point.data_point_id);
        point.verified = verified;
        point
    });
    handle.store().record_points(points.collect()).await.unwrap();
}

fn event_trigger(id: &str, now: DateTime<Utc>, config: Option<TrainingConfig>) -> TriggerRecord {
    TriggerRecord {
        id: id.to_owned(),
        trigger: TrainingTrigger::new(TriggerType::Event, now, Some("/upstream".to_owned()), Some(id.to_owned())),
        config,
        activation: ActivationWish::None,
        job_id: None,
        outcome: None,
    }
}

async fn outcome_of(handle: &Handle, id: &str) -> TriggerRecord {
    let all = handle.store().list_triggers(None, 100).await.unwrap().items;
    all.into_iter().find(|t| t.id == id).unwrap()
}

#[actix_rt::test]
async fn a_first_start_has_missed_nothing_and_each_slot_is_one_job() {
    let folder = tempfile::tempdir().unwrap();
    // A Sunday, an hour after the slot.
    let (handle, clock) = scheduled(folder.path(), "2026-11-22T02:00:00Z", schedule()).await;
    assert!(jobs(&handle).await.is_empty(), "a first start has missed no slot");
    let state = handle.components().await["scheduler"].state.clone();
    assert_eq!(state["next_slot"], "2026-11-29T01:00:00Z");
    clock.advance(6 * DAY + Duration::from_secs(22 * 3600 + 3599));
    looked(&handle).await;
    assert!(jobs(&handle).await.is_empty(), "a second too early");
    clock.advance(Duration::from_secs(1));
    let first = ended(&handle).await;
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].status, JobStatus::Completed, "{:?}", first[0].logs);
    assert_eq!(first[0].triggers[0].trigger_type, TriggerType::Scheduled);
    assert_eq!(first[0].triggers[0].evidence.as_ref().unwrap()["slot"], "2026-11-29T01:00:00Z");
    // Four Sundays pass at once: one job.
    clock.advance(28 * DAY);
    assert_eq!(ended(&handle).await.len(), 2);
    let triggers = handle.store().list_triggers(None, 10).await.unwrap().items;
    assert_eq!(triggers.len(), 2);
    assert_eq!(triggers[0].trigger.evidence.as_ref().unwrap()["slot"], "2026-12-27T01:00:00Z");
}

#[actix_rt::test]
async fn slots_missed_while_the_process_was_down_are_one_job_and_the_clock_may_jump() {
    let folder = tempfile::tempdir().unwrap();
    let (handle, clock) = scheduled(folder.path(), "2026-11-22T02:00:00Z", schedule()).await;
    handle.shutdown(Duration::ZERO).await;
    clock.advance(21 * DAY);
    for _ in 0..50 {
        handle.store().ping().await.unwrap(); // more turns than a look takes
    }
    assert!(jobs(&handle).await.is_empty(), "a scheduler that was stopped does nothing more");
    drop(handle);
    // Down for three weeks.
    let (options, clock) = options_at(folder.path(), "2026-12-14T12:00:00Z").await;
    let handle = start(options).await.unwrap();
    looked(&handle).await;
    assert_eq!(ended(&handle).await.len(), 1);
    clock.advance(Duration::from_secs(60));
    assert_eq!(ended(&handle).await.len(), 1);
    handle.shutdown(Duration::ZERO).await;
    drop(handle);
    // The clock was wrong and goes back by two weeks: the schedule goes on, and a slot that had fired does not fire again.
    let (options, clock) = options_at(folder.path(), "2026-11-30T12:00:00Z").await;
    let handle = start(options).await.unwrap();
    looked(&handle).await;
    clock.advance(7 * DAY);
    assert_eq!(ended(&handle).await.len(), 2, "the slot of 6 December, which had not fired");
    clock.advance(7 * DAY);
    assert_eq!(ended(&handle).await.len(), 2, "the slot of 13 December, which had");
    clock.advance(7 * DAY);
    assert_eq!(ended(&handle).await.len(), 3);
}

#[actix_rt::test]
async fn a_day_with_a_repeated_hour_has_its_slot_once() {
    let folder = tempfile::tempdir().unwrap();
    let berlin = ScheduledTrainingConfig {
        schedule_cron: "30 2 * * *".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        ..schedule()
    };
    let (handle, clock) = scheduled(folder.path(), "2026-10-24T22:00:00Z", berlin).await;
    for _ in 0..24 {
        clock.advance(Duration::from_secs(3600));
        ended(&handle).await;
    }
    let slots: Vec<_> = jobs(&handle).await.iter().map(|j| j.triggers[0].evidence.clone().unwrap()).collect();
    assert_eq!(slots.len(), 1, "{slots:?}");
    assert_eq!(slots[0]["slot"], "2026-10-25T00:30:00Z");
}

#[actix_rt::test]
async fn a_schedule_that_was_off_has_missed_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let off = ScheduledTrainingConfig { enabled: false, ..schedule() };
    let (handle, clock) = scheduled(folder.path(), "2026-11-22T02:00:00Z", off).await;
    clock.advance(10 * DAY);
    looked(&handle).await;
    handle.store().put_schedule(schedule()).await.unwrap();
    looked(&handle).await;
    assert!(jobs(&handle).await.is_empty());
    clock.advance(7 * DAY);
    assert_eq!(ended(&handle).await.len(), 1);
}

#[actix_rt::test]
async fn enough_new_usable_points_are_one_job() {
    let folder = tempfile::tempdir().unwrap();
    let mut by_number = ScheduledTrainingConfig { min_new_samples: 300, ..schedule() };
    by_number.training_config.use_verified_only = true;
    let (options, clock) = options_at(folder.path(), "2026-11-23T12:00:00Z").await;
    let store = options.store.clone();
    // With no job yet all that ever came is new.
    let there = store.point_totals().await.unwrap().arrivals.verified;
    store.put_schedule(ScheduledTrainingConfig { min_new_samples: there + 300, ..by_number.clone() }).await.unwrap();
    let handle = start(options).await.unwrap();
    add_points(&handle, 299, 100, true).await;
    add_points(&handle, 900, 101, false).await;
    looked(&handle).await;
    assert!(jobs(&handle).await.is_empty());
    let state = handle.components().await["scheduler"].state.clone();
    assert_eq!(state["new_points"], there + 299);
    add_points(&handle, 600, 102, true).await;
    let first = ended(&handle).await;
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].status, JobStatus::Completed, "{:?}", first[0].error_message);
    assert_eq!(first[0].triggers[0].trigger_type, TriggerType::DataThreshold);
    assert_eq!(first[0].triggers[0].new_samples_count, Some(there + 899));
    // Counted from the rows of that job now.
    handle.store().put_schedule(by_number).await.unwrap();
    add_points(&handle, 299, 103, true).await;
    clock.advance(DAY);
    assert_eq!(ended(&handle).await.len(), 1);
    add_points(&handle, 1, 104, true).await;
    assert_eq!(ended(&handle).await.len(), 2);
}

#[actix_rt::test]
async fn new_points_count_from_the_active_models_rows() {
    let folder = tempfile::tempdir().unwrap();
    let by_number = ScheduledTrainingConfig { min_new_samples: 400, ..schedule() };
    let off = ScheduledTrainingConfig { enabled: false, ..by_number.clone() };
    let (handle, clock) = scheduled(folder.path(), "2026-11-23T12:00:00Z", off).await;
    let champion = finished(&handle, &submit(&handle, config(&[Algorithm::LogisticRegression])).await).await;
    handle.activate(&champion.trained_models[0], None, None).await.unwrap();
    add_points(&handle, 250, 100, false).await;
    // A person's later experiment does not move the count.
    let tried = TrainingConfig { random_state: 7, ..config(&[Algorithm::LogisticRegression]) };
    finished(&handle, &submit(&handle, tried).await).await;
    handle.store().put_schedule(by_number).await.unwrap();
    add_points(&handle, 149, 101, false).await;
    looked(&handle).await;
    assert_eq!(jobs(&handle).await.len(), 2);
    clock.advance(Duration::from_secs(1));
    add_points(&handle, 1, 102, false).await;
    let all = ended(&handle).await;
    assert_eq!(all.len(), 3);
    assert_eq!(all[0].triggers[0].new_samples_count, Some(400));
    // The challenger was not activated; the same points do not lead to another job.
    clock.advance(DAY);
    assert_eq!(ended(&handle).await.len(), 3);
}

#[actix_rt::test]
async fn an_old_model_is_one_job_and_may_be_replaced_by_one_that_is_not_worse() {
    let folder = tempfile::tempdir().unwrap();
    let aging =
        ScheduledTrainingConfig { schedule_cron: "0 0 29 2 *".to_owned(), auto_activate_if_better: true, ..schedule() };
    let (handle, clock) = scheduled(folder.path(), "2026-05-01T12:00:00Z", aging).await;
    let champion = finished(&handle, &submit(&handle, config(&[Algorithm::LogisticRegression])).await).await;
    handle.activate(&champion.trained_models[0], None, None).await.unwrap();
    clock.advance(89 * DAY);
    assert_eq!(ended(&handle).await.len(), 1);
    clock.advance(2 * DAY);
    let all = ended(&handle).await;
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].triggers[0].evidence.as_ref().unwrap()["rule"], "age");
    assert!(all[0].triggers[0].reason.as_ref().unwrap().contains("old"));
    let record = handle.store().job(&all[0].job_id).await.unwrap().unwrap();
    assert_eq!(record.activation, ActivationWish::IfNotWorse);
}

#[actix_rt::test]
async fn events_join_the_job_that_waits_and_the_cooldown_holds_the_next_back() {
    let folder = tempfile::tempdir().unwrap();
    let (handle, clock) = scheduled(folder.path(), "2026-11-23T12:00:00Z", schedule()).await;
    let busy = submit(&handle, long_search()).await;
    trials_recorded(&handle, &busy, 1).await;
    let now = at("2026-11-23T12:00:00Z");
    let wanted = config(&[Algorithm::LogisticRegression]);
    for id in ["a", "b"] {
        handle.store().add_trigger(event_trigger(id, now, None), vec![]).await.unwrap();
        looked(&handle).await;
    }
    // The same configuration, named instead of the schedule's own.
    handle.store().add_trigger(event_trigger("c", now, Some(wanted)), vec![]).await.unwrap();
    looked(&handle).await;
    let waiting = handle.store().list_jobs(Some(JobStatus::Pending), None, 10).await.unwrap().items;
    assert_eq!(waiting.len(), 1, "one job answers them all");
    let reasons: Vec<_> = waiting[0].triggers.iter().map(|t| t.reason.clone().unwrap()).collect();
    assert_eq!(reasons, ["a", "b", "c"]);
    for id in ["a", "b", "c"] {
        assert_eq!(outcome_of(&handle, id).await.job_id.as_ref(), Some(&waiting[0].job_id));
    }
    handle.cancel(&busy, None, false).await.unwrap();
    assert_eq!(ended(&handle).await.len(), 2);
    // The cooldown is not over: the next one waits, and a person's does not.
    handle.store().add_trigger(event_trigger("d", now, None), vec![]).await.unwrap();
    looked(&handle).await;
    assert!(outcome_of(&handle, "d").await.is_pending());
    let other = TrainingConfig { random_state: 9, ..config(&[Algorithm::LogisticRegression]) };
    finished(&handle, &submit(&handle, other).await).await;
    clock.advance(Duration::from_secs(599));
    looked(&handle).await;
    assert!(outcome_of(&handle, "d").await.is_pending());
    clock.advance(Duration::from_secs(1));
    let all = ended(&handle).await;
    assert_eq!(all.len(), 4);
    assert_eq!(outcome_of(&handle, "d").await.job_id.as_ref(), Some(&all[0].job_id));
    let record = handle.store().job(&all[0].job_id).await.unwrap().unwrap();
    assert_eq!(record.activation, ActivationWish::Approval, "as the schedule says");
}

#[actix_rt::test]
async fn a_trigger_that_can_lead_to_no_job_says_why() {
    expect(&["triggers lead to no job"]);
    let folder = tempfile::tempdir().unwrap();
    let (handle, _) = scheduled(folder.path(), "2026-11-23T12:00:00Z", schedule()).await;
    let too_much = TrainingConfig { min_samples: 1_000_000, ..config(&[Algorithm::LogisticRegression]) };
    let trigger = event_trigger("a", at("2026-11-23T12:00:00Z"), Some(too_much));
    handle.store().add_trigger(trigger, vec![]).await.unwrap();
    looked(&handle).await;
    let why = outcome_of(&handle, "a").await.outcome.unwrap();
    assert!(why.contains("quality check") && why.contains("1000000"), "{why}");
    assert!(jobs(&handle).await.is_empty());
}

#[actix_rt::test]
async fn two_schedulers_make_one_job() {
    let folder = tempfile::tempdir().unwrap();
    let (first, clock) = options_at(folder.path(), "2026-11-22T02:00:00Z").await;
    first.store.put_schedule(schedule()).await.unwrap();
    let second = Options { nudge: Arc::default(), ..first.clone() };
    let (first, second) = (start(first).await.unwrap(), start(second).await.unwrap());
    tokio::join!(looked(&first), looked(&second));
    for weeks in 1..=3 {
        clock.advance(7 * DAY);
        tokio::join!(looked(&first), looked(&second));
        assert_eq!(jobs(&first).await.len(), weeks);
        for job in jobs(&first).await {
            // Whichever took it in drives it.
            while !first.store().job(&job.job_id).await.unwrap().unwrap().job.status.is_final() {
                tokio::task::yield_now().await;
            }
        }
    }
    let triggers = first.store().list_triggers(None, 10).await.unwrap().items;
    assert_eq!(triggers.len(), 3);
    assert!(triggers.iter().all(|t| t.job_id.is_some()));
}

#[actix_rt::test]
async fn triggers_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let (options, _) = options_at(folder.path(), "2026-11-23T12:00:00Z").await;
    options.store.put_schedule(schedule()).await.unwrap();
    options.store.add_trigger(event_trigger("a", at("2026-11-23T11:59:00Z"), None), vec![]).await.unwrap();
    drop(options); // the process died before it looked
    let (options, _) = options_at(folder.path(), "2026-11-23T12:00:00Z").await;
    let handle = start(options).await.unwrap();
    looked(&handle).await;
    let all = ended(&handle).await;
    assert_eq!(all.len(), 1);
    assert!(all[0].created_at - at("2026-11-23T12:00:00Z") < TimeDelta::minutes(1));
}

/// New points of the years after the sample's, settled by now; `turned` decides against what the profiles say.
async fn add_cohorts(handle: &Handle, number: usize, seed: u64, turned: bool) {
    let usable = sample::draw(2 * number, seed).filter(|d| d.point.decision.label().is_some()).take(number);
    let points = usable.enumerate().map(|(i, drawn)| {
        let mut point = drawn.point;
        point.data_point_id = format!("{seed}-{}", point.data_point_id);
        point.application_year = Some(2027 + (2 * i / number) as i32);
        if turned {
            point.decision = match point.decision {
                Decision::Accepted => Decision::Rejected,
                _ => Decision::Accepted,
            };
        }
        point
    });
    handle.store().record_points(points.collect()).await.unwrap();
}

#[actix_rt::test]
async fn a_model_that_foretells_new_cohorts_worse_is_one_job_and_drift_is_announced() {
    let folder = tempfile::tempdir().unwrap();
    let rare =
        ScheduledTrainingConfig { schedule_cron: "0 0 29 2 *".to_owned(), max_model_age_days: 10_000, ..schedule() };
    let (handle, clock) = scheduled(folder.path(), "2028-06-01T12:00:00Z", rare).await;
    let champion = finished(&handle, &submit(&handle, config(&[Algorithm::LogisticRegression])).await).await;
    let model = handle.store().model(&champion.trained_models[0]).await.unwrap().unwrap();
    let reference = model.temporal.expect("the sample has enough of a last year");
    handle.activate(&model.version.model_id, None, None).await.unwrap();
    let performance = async || handle.components().await["scheduler"].state["performance"].clone();

    add_cohorts(&handle, 800, 100, false).await;
    looked(&handle).await;
    assert!(performance().await.as_str().unwrap().contains("two are needed"), "2028's fall is not settled yet");
    clock.advance(300 * DAY);
    looked(&handle).await;
    assert!(performance().await.as_str().unwrap().contains("no measure is worse"), "{}", performance().await);
    assert_eq!(jobs(&handle).await.len(), 1);

    add_cohorts(&handle, 800, 101, true).await;
    clock.advance(Duration::from_secs(60));
    let all = ended(&handle).await;
    assert_eq!(all.len(), 2, "{}", performance().await);
    let trigger = &all[0].triggers[0];
    assert_eq!(trigger.trigger_type, TriggerType::PerformanceDrop);
    assert!(trigger.reason.as_ref().unwrap().contains("two consecutive windows"), "{trigger:?}");
    let evidence = trigger.evidence.as_ref().unwrap();
    assert_eq!(evidence["latest"].as_array().unwrap().len(), 2);
    assert_eq!(evidence["latest"][0]["auc"]["reference"]["value"], reference.auc);
    let outbox = handle.store().outbox_pending("event", 1000).await.unwrap();
    let drift: Vec<_> = outbox.iter().filter(|m| m.topic == "data.drift.detected").collect();
    assert_eq!(drift.len(), 1);
    assert_eq!(drift[0].payload["model_id"], model.version.model_id.as_str());
    // Seen again, it is the same occasion.
    clock.advance(DAY);
    assert_eq!(ended(&handle).await.len(), 2);
}

#[actix_rt::test]
async fn a_rule_that_panics_is_given_up_after_three_looks_and_told() {
    expect_panics("failpoint performance_check", 6);
    let folder = tempfile::tempdir().unwrap();
    let (handle, clock) = scheduled(folder.path(), "2029-01-15T12:00:00Z", schedule()).await;
    let job = finished(&handle, &submit(&handle, config(&[Algorithm::LogisticRegression])).await).await;
    let watched = handle.options().failpoints.clone();
    watched.arm("performance_check", 1_000);
    handle.activate(&job.trained_models[0], None, None).await.unwrap();
    let minute = Duration::from_secs(60);
    looked(&handle).await;
    assert_eq!(watched.left("performance_check"), 999, "once a minute, however many looks there are");
    for _ in 0..4 {
        clock.advance(minute);
        looked(&handle).await;
    }
    assert_eq!(watched.left("performance_check"), 997, "given up after the third");
    let components = handle.components().await;
    let (scheduler, evaluator) = (&components["scheduler"], &components["evaluator"]);
    let text = scheduler.last_error.clone().unwrap();
    assert_eq!(scheduler.health, Health::Degraded);
    assert!(
        text.contains("rule performance failed 3 times in a row") && text.contains("failpoint performance_check"),
        "{text}"
    );
    assert_eq!((evaluator.panics, evaluator.restarts, handle.panics().count()), (3, 0, 3));
    let panic = evaluator.last_panic.clone().unwrap();
    assert!(panic.contains("failpoint performance_check") && panic.contains("testkit.rs:"), "{panic}");
    // A day later it is tried again, and what succeeds is degraded no more.
    clock.advance(DAY);
    looked(&handle).await;
    for _ in 0..3 {
        clock.advance(minute);
        looked(&handle).await;
    }
    assert_eq!(watched.left("performance_check"), 994);
    watched.arm("performance_check", 0);
    clock.advance(DAY);
    looked(&handle).await;
    let components = handle.components().await;
    assert_eq!((components["scheduler"].health, components["evaluator"].panics), (Health::Up, 6));
}

#[actix_rt::test]
async fn a_job_that_has_chosen_its_rows_is_not_joined_though_it_waits_again() {
    let folder = tempfile::tempdir().unwrap();
    let (options, _) = options_at(folder.path(), "2026-11-23T12:00:00Z").await;
    options.store.put_schedule(schedule()).await.unwrap();
    let handle = start(options).await.unwrap();
    let id = submit(&handle, long_search()).await;
    trials_recorded(&handle, &id, 1).await;
    handle.shutdown(Duration::from_secs(60)).await;
    assert_eq!(handle.store().job(&id).await.unwrap().unwrap().job.status, JobStatus::Pending, "interrupted");
    drop(handle);
    let (options, _) = options_at(folder.path(), "2026-11-23T12:00:00Z").await;
    let trigger = event_trigger("a", at("2026-11-23T12:00:00Z"), Some(long_search()));
    options.store.add_trigger(trigger, vec![]).await.unwrap();
    let handle = start(options).await.unwrap();
    looked(&handle).await;
    assert!(outcome_of(&handle, "a").await.is_pending(), "its points may be newer than the rows");
    handle.cancel(&id, None, false).await.unwrap();
    finished(&handle, &id).await;
    looked(&handle).await;
    let settled = outcome_of(&handle, "a").await;
    let led_to = settled.job_id.clone().unwrap_or_else(|| panic!("{settled:?}"));
    assert_ne!(led_to, id);
    handle.cancel(&led_to, None, false).await.unwrap();
}
