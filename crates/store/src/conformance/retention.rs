//! Properties of forgetting: what goes, what stays, and that it goes in small steps.

use super::samples::{
    at, create, evaluation, event, job, message, model, point, register, response, trial, unit, watch_state, watched,
};
use crate::roles::inbox::{InboxEffect, InboxEntry, InboxOutcome};
use crate::roles::outbox::OutboxMessage;
use crate::roles::retention::{Cutoffs, Forgotten};
use crate::store::Store;
use chrono::{DateTime, TimeDelta, Utc};
use provost_domain::Algorithm;
use provost_domain::job::{JobRecord, JobStatus};
use provost_domain::session::{Session, SessionBounds, SessionToken};
use std::collections::BTreeSet;
use std::sync::Arc;

fn all_before(cutoff: DateTime<Utc>) -> Cutoffs {
    Cutoffs {
        inbox: cutoff,
        outbox: cutoff,
        job_events: cutoff,
        trials: cutoff,
        needs: cutoff,
        windows: cutoff,
        now: cutoff,
    }
}

/// Forgets until there is nothing left.
async fn forget(store: &Arc<dyn Store>, cutoff: DateTime<Utc>, limit: u32) -> Forgotten {
    let mut sum = Forgotten::default();
    for _ in 0..100 {
        let step = store.forget(all_before(cutoff), limit).await.unwrap();
        if step.total() == 0 {
            return sum;
        }
        sum += step;
    }
    panic!("it goes on for ever: {sum:?}");
}

fn entry(id: &str, seconds: i64) -> (InboxEntry, InboxEffect) {
    let entry =
        InboxEntry { source: "/up".to_owned(), id: id.to_owned(), payload_hash: "x".to_owned(), at: at(seconds) };
    (entry, InboxEffect::Points(vec![point(id, 0)]))
}

/// A job with two events, a trial and a result, that ended so many seconds after the fixed moment, or has not.
async fn worked(store: &Arc<dyn Store>, number: u128, end: Option<(JobStatus, i64)>) -> JobRecord {
    let mut record = create(store, job(number, 0)).await;
    let mut made = trial(&record.job.job_id, 0);
    made.algorithm = Algorithm::RandomForest;
    store.record_trial(record.epoch, made).await.unwrap();
    store.offer_unit(unit(&format!("unit-{number}"), &record, 0), vec![]).await.unwrap();
    record.job.logs = vec!["a line".to_owned()];
    record.job.status = end.map_or(JobStatus::Running, |(status, _)| status);
    record.job.completed_at = end.map(|(_, seconds)| at(seconds));
    record.snapshot = Some("5".repeat(64));
    record.units.entry(Algorithm::RandomForest).or_default().result = Some("6".repeat(64));
    store.save_job(record, vec![event(1), event(2)], vec![]).await.unwrap()
}

pub async fn old_messages_are_forgotten(store: Arc<dyn Store>) {
    store.record_inbox(vec![entry("old", 0), entry("new", 100)]).await.unwrap();
    let late = OutboxMessage { at: at(100), ..message("late") };
    let mail = OutboxMessage { channel: "mail".to_owned(), ..message("mail") };
    let record = create(&store, job(1, 0)).await;
    store.save_job(record, vec![], vec![message("sent"), message("waits"), mail, late]).await.unwrap();
    store.outbox_sent(["sent", "late", "mail"].map(str::to_owned).to_vec()).await.unwrap();
    store.store_response(response("key", at(0))).await.unwrap();

    let forgotten = forget(&store, at(50), 100).await;
    assert_eq!((forgotten.inbox, forgotten.outbox, forgotten.responses), (1, 2, 0));
    assert_eq!(store.outbox_pending("event", 9).await.unwrap(), [message("waits")], "what waits is not old");
    let again = store.record_inbox(vec![entry("new", 200), entry("old", 200)]).await.unwrap();
    assert!(matches!(&again[..], [InboxOutcome::Duplicate, InboxOutcome::New(_)]), "{again:?}");
    assert_eq!(store.point_totals().await.unwrap().total, 2, "points stay, and know themselves again");
    assert!(store.stored_response("key", at(50)).await.unwrap().is_some(), "its time is not over");
    assert_eq!(forget(&store, at(25 * 3600), 100).await.responses, 1);
}

pub async fn old_windows_are_forgotten(store: Arc<dyn Store>) {
    for n in 1..=4 {
        assert!(store.record_watch(watch_state(n), Some(watched(n, n.cast_signed())), vec![]).await.unwrap());
    }
    assert_eq!(forget(&store, at(3), 1).await.windows, 2);
    let left = store.watched_windows(Default::default(), None, 9).await.unwrap();
    assert_eq!(left.items, [watched(4, 4), watched(3, 3)]);
    assert_eq!(store.watch_state().await.unwrap(), Some(watch_state(4)), "how far it has come stays");
}

pub async fn expired_sessions_are_forgotten(store: Arc<dyn Store>) {
    let bounds = SessionBounds { of_key: 10, of_all: 10 };
    let (idle, lifetime) = (TimeDelta::seconds(50), TimeDelta::seconds(500));
    let session = |n: u8| Session::new(&SessionToken::new([n; 32]), "key_a", at(n.into()), idle, lifetime);
    for n in 1..=3 {
        store.add_session(session(n), bounds).await.unwrap();
    }
    assert_eq!(forget(&store, at(52), 1).await.sessions, 2);
    assert_eq!(store.sessions().await.unwrap(), [session(3)]);
}

pub async fn ended_jobs_keep_their_record(store: Arc<dyn Store>) {
    let old = worked(&store, 1, Some((JobStatus::Completed, 10))).await;
    let failed = worked(&store, 2, Some((JobStatus::Failed, 10))).await;
    let recent = worked(&store, 3, Some((JobStatus::Completed, 100))).await;
    let running = worked(&store, 4, None).await;
    let forgotten = forget(&store, at(50), 100).await;
    assert_eq!((forgotten.job_events, forgotten.trials, forgotten.units), (4, 2, 2), "{forgotten:?}");
    assert!(store.unit("unit-1").await.unwrap().is_none() && store.unit("unit-3").await.unwrap().is_some());
    for record in [old, failed] {
        let id = record.job.job_id.clone();
        assert_eq!(store.job_events(&id, 0, 9).await.unwrap(), []);
        assert_eq!(store.trials(&id, Algorithm::RandomForest).await.unwrap(), []);
        let kept = store.job(&id).await.unwrap().unwrap();
        let mut expected = record;
        expected.job.logs.clear();
        expected.units.values_mut().for_each(|unit| unit.result = None);
        expected.rev = kept.rev;
        assert_eq!(kept, expected, "all else stays");
    }
    for record in [recent, running] {
        let id = &record.job.job_id;
        assert_eq!(store.job_events(id, 0, 9).await.unwrap().len(), 2);
        assert_eq!(store.trials(id, Algorithm::RandomForest).await.unwrap().len(), 1);
        assert_eq!(store.job(id).await.unwrap().as_ref(), Some(&record));
    }
    // Each by a cutoff of its own.
    let only_trials = Cutoffs { trials: at(200), ..all_before(at(50)) };
    let step = store.forget(only_trials, 100).await.unwrap();
    assert_eq!((step.job_events, step.trials), (0, 1));
}

pub async fn steps_are_bounded(store: Arc<dyn Store>) {
    let entries = (0..25).map(|n| entry(&format!("e{n:02}"), n)).collect();
    store.record_inbox(entries).await.unwrap();
    for number in 0..3 {
        worked(&store, number, Some((JobStatus::Cancelled, 10))).await;
    }
    let step = store.forget(all_before(at(50)), 10).await.unwrap();
    assert!((1..=12).contains(&step.total()), "{step:?}");
    let oldest = store.record_inbox(vec![entry("e00", 60)]).await.unwrap();
    assert!(matches!(oldest[..], [InboxOutcome::New(_)]), "the oldest goes first");
    let rest = forget(&store, at(50), 3).await;
    assert_eq!((step.inbox + rest.inbox, step.job_events + rest.job_events, step.trials + rest.trials), (25, 6, 3));
}

pub async fn artifacts_in_use(store: Arc<dyn Store>) {
    assert_eq!(store.artifacts_in_use().await.unwrap(), BTreeSet::new());
    let name = |digit: &str| digit.repeat(64);
    let ended = worked(&store, 1, Some((JobStatus::Completed, 10))).await;
    let (first, second) = (register(&store, 1).await, model(2, &ended.job.job_id));
    let mut scored = evaluation("task-2", &second);
    scored.plots = [("roc.svg".to_owned(), name("8"))].into();
    store.register_model(second.clone(), scored.clone(), vec![]).await.unwrap();
    scored.task_id = "task-3".to_owned();
    scored.plots = [("roc.svg".to_owned(), name("9"))].into();
    store.start_evaluation(scored).await.unwrap();
    let mut expected = BTreeSet::from(["5", "6", "8", "9"].map(name));
    for record in [&first, &second] {
        expected.extend([record.version.model_sha256.clone(), record.snapshot.clone()]);
        expected.extend([record.version.model_path.clone()]);
        expected.extend(record.version.scaler_path.clone());
    }
    expected.extend(evaluation("task-1", &first).plots.into_values());
    assert_eq!(store.artifacts_in_use().await.unwrap(), expected);
    // An intermediate result of an ended job is named until its trials go; what models name is named for ever.
    forget(&store, at(50), 100).await;
    expected.remove(&name("6"));
    assert_eq!(store.artifacts_in_use().await.unwrap(), expected);
}
