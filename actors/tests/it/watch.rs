//! Watching the active model: when windows close, when an alarm is raised and what it leads to, and what ends a run of windows.

use crate::metrics::read;
use crate::silence::{System, expect, start};
use crate::support::{config, finished, options, submit, system};
use chrono::Utc;
use provost_actors::{Handle, Leases, MailOptions, MailUrl, Options, PredictOptions, Sender, TestClock};
use provost_domain::need::{NeedKind, NeedState};
use provost_domain::record::{AdmissionDataPoint, Decision};
use provost_domain::schedule::{ScheduledTrainingConfig, TriggerType};
use provost_domain::watch::WindowKind;
use provost_domain::watch_record::WatchedWindow;
use provost_domain::{Algorithm, ModelId, TrainingConfig, sample};
use provost_predict::application::Application;
use provost_store::WindowFilter;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const WINDOW: usize = 300;
const PATIENCE: Duration = Duration::from_secs(120);
const DAY: Duration = Duration::from_secs(86_400);
/// The clock runs far ahead in these tests: what ends after a while ends later than they do.
const NEVER: Duration = Duration::from_secs(3_650 * 86_400);

/// Models that were trained in this folder, the first of them active.
async fn trained(folder: &Path, models: u64) -> Vec<ModelId> {
    let handle = system(folder).await;
    let mut ids = Vec::new();
    for seed in 1..=models {
        let logistic = TrainingConfig { random_state: seed, ..config(&[Algorithm::LogisticRegression]) };
        let id = submit(&handle, logistic).await;
        ids.push(finished(&handle, &id).await.trained_models[0].clone());
    }
    handle.activate(&ids[0], None, None).await.unwrap();
    handle.shutdown(Duration::from_secs(10)).await;
    ids
}

async fn watching(folder: &Path) -> (Options, Arc<TestClock>) {
    let mut options = options(folder).await;
    let clock = Arc::new(TestClock::new(Utc::now() + Duration::from_secs(3600)));
    options.clock = clock.clone();
    options.watch.enabled = true;
    options.watch.window = WINDOW;
    // Windows are to close by their rows alone.
    options.watch.close_after = NEVER;
    (options, clock)
}

/// Rows of the sample, those of another seed than the training data's; `shift` is added to their grades.
fn points(rows: usize, seed: u64, shift: f64) -> Vec<AdmissionDataPoint> {
    let drawn = sample::draw(rows, seed).map(|drawn| drawn.point);
    let shifted = drawn.enumerate().map(|(n, mut point)| {
        point.data_point_id = format!("new-{seed}-{n}");
        point.profile.gpa = point.profile.gpa.map(|gpa| (gpa + shift * point.profile.gpa_scale).max(0.0));
        point
    });
    shifted.collect()
}

/// Predicts them, and moves the clock on, so that they are earlier than what comes after.
async fn predict(handle: &Handle, clock: &TestClock, points: Vec<AdmissionDataPoint>) {
    let rows: Vec<Application> = points.into_iter().map(Application::from_point).collect();
    handle.predict(rows, PredictOptions::default()).await.unwrap();
    clock.advance(Duration::from_secs(60));
}

async fn windows(handle: &Handle, kind: WindowKind) -> Vec<WatchedWindow> {
    let filter = WindowFilter { model_id: None, kind: Some(kind) };
    handle.store().watched_windows(filter, None, 50).await.unwrap().items
}

/// Moves the clock until there are so many windows of a kind.
async fn until_windows(handle: &Handle, clock: &TestClock, kind: WindowKind, count: usize) -> Vec<WatchedWindow> {
    let began = Instant::now();
    loop {
        let found = windows(handle, kind).await;
        if found.len() >= count {
            assert_eq!(found.len(), count, "{found:?}");
            return found;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "{} of {count} windows: {:?}",
            found.len(),
            handle.components().await["watch"]
        );
        clock.advance(Duration::from_millis(500));
        actix_rt::task::yield_now().await;
    }
}

/// Moves the clock until the actor has looked twice more, so that what it could do is done.
async fn two_looks(handle: &Handle, clock: &TestClock) {
    let looks = async || handle.components().await["watch"].state["looks"].as_u64().unwrap_or(0);
    let (began, before) = (Instant::now(), looks().await);
    while looks().await < before + 2 {
        assert!(began.elapsed() < PATIENCE, "the actor does not look");
        clock.advance(Duration::from_secs(1_900));
        actix_rt::task::yield_now().await;
    }
}

async fn announced(handle: &Handle) -> usize {
    let pending = handle.store().outbox_pending("event", 1_000).await.unwrap();
    pending.iter().filter(|message| message.topic == "data.drift.detected").count()
}

async fn needs(handle: &Handle) -> usize {
    let now = handle.options().clock.now();
    let open = handle.store().needs(Some(NeedState::Open), now, None, 50).await.unwrap().items;
    open.iter().filter(|need| need.kind == NeedKind::DriftAlarm).count()
}

/// A system whose active model answers.
async fn started(options: Options) -> System {
    let handle = start(options).await.unwrap();
    let began = Instant::now();
    while handle.serving().is_none() {
        assert!(began.elapsed() < PATIENCE, "{:?}", handle.components().await["serving"]);
        actix_rt::task::yield_now().await;
    }
    handle
}

#[actix_rt::test]
async fn an_alarm_takes_two_windows_in_a_row_and_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let models = trained(folder.path(), 1).await;
    let (options, clock) = watching(folder.path()).await;
    let handle = started(options).await;
    predict(&handle, &clock, points(WINDOW, 11, -0.2)).await;
    let first = until_windows(&handle, &clock, WindowKind::Predictions, 1).await;
    let gpa = |window: &WatchedWindow| {
        window.drift.features.iter().find(|feature| feature.feature == "gpa_normalized").unwrap().clone()
    };
    assert!(gpa(&first[0]).over && !gpa(&first[0]).alarm && !first[0].drift.alarm, "{:?}", gpa(&first[0]));
    assert_eq!((first[0].drift.rows, &first[0].model_id), (WINDOW as u64, &models[0]));
    assert_eq!((announced(&handle).await, needs(&handle).await), (0, 0));

    predict(&handle, &clock, points(WINDOW, 12, -0.2)).await;
    let second = until_windows(&handle, &clock, WindowKind::Predictions, 2).await;
    assert!(second[0].drift.alarm && gpa(&second[0]).alarm, "{:?}", gpa(&second[0]));
    let performance = second[0].performance.as_ref().unwrap();
    assert!(performance.estimated.auc_roc.is_some() && performance.realised.is_none());
    predict(&handle, &clock, points(WINDOW, 13, -0.2)).await;
    until_windows(&handle, &clock, WindowKind::Predictions, 3).await;
    two_looks(&handle, &clock).await;
    assert_eq!((announced(&handle).await, needs(&handle).await), (1, 1), "an alarm that goes on is told once");

    // Windows without a shift end it.
    predict(&handle, &clock, points(WINDOW, 14, 0.0)).await;
    let last = until_windows(&handle, &clock, WindowKind::Predictions, 4).await;
    assert!(!last[0].drift.alarm, "{:?}", last[0].drift.features);
    two_looks(&handle, &clock).await;
    assert_eq!((announced(&handle).await, needs(&handle).await), (1, 0));
}

#[actix_rt::test]
async fn an_alarm_is_a_reason_to_train_where_that_is_wished() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path(), 1).await;
    let (mut options, clock) = watching(folder.path()).await;
    (options.schedule_enabled, options.watch.retrain) = (true, true);
    let schedule = ScheduledTrainingConfig {
        // The rule under test alone.
        schedule_cron: "0 1 29 2 *".to_owned(),
        min_new_samples: 1_000_000,
        auto_activate_if_better: false,
        training_config: config(&[Algorithm::LogisticRegression]),
        ..ScheduledTrainingConfig::default()
    };
    options.store.put_schedule(schedule).await.unwrap();
    let handle = started(options).await;
    let drift_triggers = async || {
        let all = handle.store().list_triggers(None, 50).await.unwrap().items;
        all.into_iter().filter(|t| t.trigger.trigger_type == TriggerType::Drift).collect::<Vec<_>>()
    };
    for (count, seed) in [(1, 11), (2, 12)] {
        assert_eq!(drift_triggers().await, []);
        predict(&handle, &clock, points(WINDOW, seed, -0.2)).await;
        until_windows(&handle, &clock, WindowKind::Predictions, count).await;
    }
    let began = Instant::now();
    let job = loop {
        if let [trigger] = &drift_triggers().await[..]
            && let Some(job) = &trigger.job_id
        {
            let raised_by = windows(&handle, WindowKind::Predictions).await[0].id().to_owned();
            assert_eq!(trigger.trigger.evidence.as_ref().unwrap()["window_id"], raised_by);
            break job.clone();
        }
        assert!(began.elapsed() < PATIENCE, "{:?}", handle.components().await["scheduler"]);
        clock.advance(Duration::from_secs(1));
        actix_rt::task::yield_now().await;
    };
    finished(&handle, &job).await;
    two_looks(&handle, &clock).await;
    assert_eq!(drift_triggers().await.len(), 1);
}

#[actix_rt::test]
async fn an_open_window_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path(), 1).await;
    let (options, clock) = watching(folder.path()).await;
    let handle = started(options).await;
    predict(&handle, &clock, points(WINDOW - 100, 11, 0.0)).await;
    two_looks(&handle, &clock).await;
    assert_eq!(windows(&handle, WindowKind::Predictions).await, []);
    handle.shutdown(Duration::from_secs(10)).await;

    let (mut options, _) = watching(folder.path()).await;
    options.clock = clock.clone();
    let handle = started(options).await;
    predict(&handle, &clock, points(100, 12, 0.0)).await;
    let found = until_windows(&handle, &clock, WindowKind::Predictions, 1).await;
    assert_eq!(found[0].drift.rows, WINDOW as u64);
}

#[actix_rt::test]
async fn another_model_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let models = trained(folder.path(), 2).await;
    let (options, clock) = watching(folder.path()).await;
    let handle = started(options).await;
    predict(&handle, &clock, points(WINDOW, 11, -0.2)).await;
    until_windows(&handle, &clock, WindowKind::Predictions, 1).await;
    // In the middle of a window, whose rows are then in none.
    predict(&handle, &clock, points(WINDOW / 2, 13, -0.2)).await;
    two_looks(&handle, &clock).await;
    handle.activate(&models[1], None, None).await.unwrap();
    predict(&handle, &clock, points(WINDOW, 12, -0.2)).await;
    let found = until_windows(&handle, &clock, WindowKind::Predictions, 2).await;
    assert_eq!((&found[0].model_id, found[0].drift.alarm), (&models[1], false));
    assert_eq!(found[0].drift.rows, WINDOW as u64);
    assert!(found[0].drift.features.iter().any(|feature| feature.over), "{:?}", found[0].drift.features);
    assert_eq!(announced(&handle).await, 0);
}

#[actix_rt::test]
async fn points_are_compared_and_outcomes_bring_realised_performance() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path(), 1).await;
    let (options, clock) = watching(folder.path()).await;
    let handle = started(options).await;
    two_looks(&handle, &clock).await;
    let rows = points(WINDOW, 11, 0.0);
    predict(&handle, &clock, rows.clone()).await;
    let before = until_windows(&handle, &clock, WindowKind::Predictions, 1).await;
    assert_eq!(before[0].performance.as_ref().unwrap().outcomes, 0);
    let known = rows.iter().filter(|point| point.decision.label().is_some()).count() as u64;
    handle.store().record_points(rows).await.unwrap();
    two_looks(&handle, &clock).await;
    let after = windows(&handle, WindowKind::Predictions).await;
    let performance = after[0].performance.as_ref().unwrap();
    assert_eq!(performance.outcomes, known);
    assert!(performance.realised.is_some_and(|realised| realised.accuracy.is_some()));

    // A point without an outcome is in no window.
    let mut more = points(WINDOW, 12, 0.0);
    more.iter_mut().take(WINDOW / 2).for_each(|point| point.decision = Decision::Waitlisted);
    handle.store().record_points(more).await.unwrap();
    let windows_of = (known as usize + WINDOW / 2) / WINDOW;
    let found = until_windows(&handle, &clock, WindowKind::Points, windows_of).await;
    assert_eq!((found[0].drift.rows, found[0].performance.is_none()), (WINDOW as u64, true));
    assert!(!found[0].drift.alarm);
}

#[actix_rt::test]
async fn a_clock_that_jumps_ahead_closes_an_open_window_and_raises_nothing() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path(), 1).await;
    let (mut options, clock) = watching(folder.path()).await;
    options.watch.close_after = 7 * DAY;
    let handle = started(options).await;
    predict(&handle, &clock, points(60, 11, -0.2)).await;
    clock.advance(30 * DAY);
    let found = until_windows(&handle, &clock, WindowKind::Predictions, 1).await;
    assert_eq!((found[0].drift.rows, found[0].drift.alarm), (60, false));
    // Fewer rows than 50 stay open, however old they are.
    predict(&handle, &clock, points(49, 12, -0.2)).await;
    clock.advance(30 * DAY);
    two_looks(&handle, &clock).await;
    assert_eq!(windows(&handle, WindowKind::Predictions).await.len(), 1);
    assert_eq!((announced(&handle).await, needs(&handle).await), (0, 0));
}

#[actix_rt::test]
async fn a_clock_that_was_set_back_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path(), 1).await;
    let (options, clock) = watching(folder.path()).await;
    clock.advance(3 * DAY);
    let handle = started(options).await;
    predict(&handle, &clock, points(WINDOW, 11, -0.2)).await;
    let first = until_windows(&handle, &clock, WindowKind::Predictions, 1).await;
    assert!(first[0].drift.features.iter().any(|feature| feature.over), "{:?}", first[0].drift.features);
    handle.shutdown(Duration::from_secs(10)).await;

    let (options, clock) = watching(folder.path()).await;
    let handle = started(options).await;
    // The first look is at this time.
    let began = Instant::now();
    while handle.components().await["watch"].state["looks"].as_u64().unwrap_or(0) == 0 {
        assert!(began.elapsed() < PATIENCE, "the actor does not look");
        actix_rt::task::yield_now().await;
    }
    for (count, seed, alarms) in [(2, 12, 0), (3, 13, 1)] {
        predict(&handle, &clock, points(WINDOW, seed, -0.2)).await;
        let found = until_windows(&handle, &clock, WindowKind::Predictions, count).await;
        assert!(found.iter().all(|window| window.drift.rows == WINDOW as u64));
        assert_eq!(found.iter().filter(|window| window.drift.alarm).count(), alarms, "after {count} windows");
    }
}

/// A server of several that share a store, with a mail server that does not answer, so that mails stay where they are counted.
async fn one_of_several(folder: &Path, name: &str, clock: &Arc<TestClock>) -> System {
    let (mut options, _) = watching(folder).await;
    options.clock = clock.clone();
    options.leases = Some(Leases::new(options.store.clone(), clock.clone(), name, Duration::from_secs(3_600)));
    let (url, from) = ("smtp://127.0.0.1:9", "Provost <provost@example.org>");
    let mail = MailOptions::new(MailUrl::parse(url).unwrap(), Sender::parse(from).unwrap());
    options.mail = Some(MailOptions { give_up_after: NEVER, ..mail });
    started(options).await
}

#[actix_rt::test]
async fn of_two_servers_on_one_store_a_window_is_closed_once_and_its_alarm_told_once() {
    // The test moves the clock further than a lease lasts.
    expect(&["reaching the mail server", "taken over: its holder has fallen silent"]);
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path(), 1).await;
    let (options, clock) = watching(folder.path()).await;
    let schedule = ScheduledTrainingConfig {
        notification_emails: vec!["zoe@example.org".to_owned()],
        ..ScheduledTrainingConfig::default()
    };
    options.store.put_schedule(schedule).await.unwrap();
    drop(options);
    let servers = [one_of_several(folder.path(), "a", &clock).await, one_of_several(folder.path(), "b", &clock).await];
    for count in 1..=2 {
        // Each server logs a part of the window, and is nudged by that.
        for (part, server) in (0..).zip(&servers) {
            predict(server, &clock, points(WINDOW / 2, 10 * count as u64 + part, -0.2)).await;
        }
        until_windows(&servers[0], &clock, WindowKind::Predictions, count).await;
    }
    for server in &servers {
        two_looks(server, &clock).await;
    }
    let found = windows(&servers[1], WindowKind::Predictions).await;
    let rows: Vec<(u64, bool)> = found.iter().map(|window| (window.drift.rows, window.drift.alarm)).collect();
    assert_eq!(rows, [(WINDOW as u64, true), (WINDOW as u64, false)]);
    let [mut closed, mut alarms] = [0.0, 0.0];
    for server in &servers {
        closed += read(server, "provost_watch_windows", &["predictions"]).await.unwrap();
        alarms += read(server, "provost_watch_alarm_windows", &["predictions"]).await.unwrap();
        for name in ["provost_watch_looks", "provost_watch_last_look_timestamp_seconds"] {
            assert!(read(server, name, &[]).await.is_some_and(|value| value > 0.0), "{name}");
        }
        assert_eq!(read(server, "provost_watch_interval_seconds", &[]).await, Some(3_600.0));
    }
    assert_eq!((closed, alarms), (2.0, 1.0), "by both servers together");
    assert_eq!((announced(&servers[0]).await, needs(&servers[0]).await), (1, 1));
    assert_eq!(servers[0].store().outbox_count("mail").await.unwrap(), 1);
}
