//! Properties of jobs, their events and their trials.

use super::samples::{at, create, event, job, message, response, trial};
use crate::error::StoreError;
use crate::page::Page;
use crate::roles::jobs::{JobCreation, JobRank, NewJob};
use crate::roles::responses::RESPONSE_LIFETIME_HOURS;
use crate::store::Store;
use chrono::TimeDelta;
use provost_domain::job::{CancelWish, JobStatus, TrialRecord};
use provost_domain::queue::QueuedJob;
use provost_domain::{Algorithm, JobId, TrainingJob, limits};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::task::JoinSet;

fn is_conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Conflict { what: "job", .. }))
}

pub async fn life_cycle(store: Arc<dyn Store>) {
    assert_eq!(store.job(&job(1, 0).job.job_id).await.unwrap(), None);
    let mut first = create(&store, job(1, 0)).await;
    let second = create(&store, job(2, 5)).await;
    assert_eq!(store.unfinished_jobs().await.unwrap(), [&first, &second].map(QueuedJob::from), "oldest first");
    first.job.status = JobStatus::Running;
    first.job.progress_percentage = 50.0;
    first.snapshot = Some("ab".repeat(32));
    first.cancel = Some(CancelWish { at: at(1), by: None, keep_best: true });
    (first.running_seconds, first.job.estimated_time_remaining_seconds) = (1.0 / 3.0, Some(2.0 / 7.0));
    let saved = store.save_job(first.clone(), vec![], vec![]).await.unwrap();
    assert!(saved.rev > first.rev);
    assert_eq!(store.unfinished_jobs().await.unwrap(), [&saved, &second].map(QueuedJob::from), "as it is now");
    assert_eq!(store.job(&first.job.job_id).await.unwrap(), Some(saved.clone()));
    let counts = store.job_counts().await.unwrap();
    assert_eq!((counts[&JobStatus::Running], counts[&JobStatus::Pending], counts[&JobStatus::Failed]), (1, 1, 0));
    let mut done = saved;
    done.job.status = JobStatus::Completed;
    store.save_job(done, vec![], vec![]).await.unwrap();
    assert_eq!(store.unfinished_jobs().await.unwrap(), [QueuedJob::from(&second)]);
    let completed = store.list_jobs(Some(JobStatus::Completed), None, 10).await.unwrap();
    assert_eq!(completed.items.iter().map(|j| &j.job_id).collect::<Vec<_>>(), [&first.job.job_id]);
    let ids: Vec<_> = store.list_jobs(None, None, 10).await.unwrap().items.into_iter().map(|j| j.job_id).collect();
    assert_eq!(ids, [second.job.job_id, first.job.job_id.clone()], "newest first");
    assert!(is_conflict(store.claim_job(&first.job.job_id, 0).await), "a finished job cannot be claimed");
    assert!(
        is_conflict(store.create_job(NewJob { max_waiting: 9, ..NewJob::new(job(1, 0)) }).await),
        "an id names one job"
    );
}

pub async fn saves_are_compared(store: Arc<dyn Store>) {
    let created = create(&store, job(1, 0)).await;
    let saved = store.save_job(created.clone(), vec![], vec![]).await.unwrap();
    let mut old = created;
    old.job.current_step = Some("late".to_owned());
    assert!(is_conflict(store.save_job(old, vec![event(1)], vec![message("m")]).await));
    assert_eq!(store.job(&saved.job.job_id).await.unwrap(), Some(saved.clone()));
    assert_eq!(store.job_events(&saved.job.job_id, 0, 10).await.unwrap(), []);
    assert_eq!(store.outbox_pending("event", 10).await.unwrap(), []);
    let error = store.save_job(job(9, 9), vec![], vec![]).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { what: "job", .. }), "{error}");
}

pub async fn claims_fence_older_writers(store: Arc<dyn Store>) {
    let created = create(&store, job(1, 0)).await;
    let id = created.job.job_id.clone();
    let claimed = store.claim_job(&id, created.epoch).await.unwrap();
    assert_eq!(claimed.epoch, created.epoch + 1);
    assert!(is_conflict(store.claim_job(&id, created.epoch).await), "a claim on what is not so any more");
    assert!(is_conflict(store.save_job(created.clone(), vec![], vec![]).await));
    // Even with the right revision an older epoch is refused.
    let mut forged = claimed.clone();
    forged.epoch = created.epoch;
    assert!(is_conflict(store.save_job(forged, vec![], vec![]).await));
    store.save_job(claimed, vec![], vec![]).await.unwrap();
    let error = store.claim_job(&job(9, 9).job.job_id, 0).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { what: "job", .. }), "{error}");
}

/// If several claim a job in the state that they have read, exactly one succeeds.
pub async fn claims_race(store: Arc<dyn Store>) {
    let created = create(&store, job(1, 0)).await;
    let mut claims = JoinSet::new();
    for _ in 0..8 {
        let (store, id, epoch) = (Arc::clone(&store), created.job.job_id.clone(), created.epoch);
        claims.spawn(async move { store.claim_job(&id, epoch).await });
    }
    let (claimed, refused): (Vec<_>, Vec<_>) = claims.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!(claimed.len(), 1, "one claim wins");
    assert!(refused.into_iter().all(is_conflict));
    assert!(is_conflict(store.save_job(created, vec![], vec![]).await), "whoever read before the claim wrote after it");
    for record in claimed {
        store.save_job(record.unwrap(), vec![], vec![]).await.unwrap();
    }
}

pub async fn saves_race(store: Arc<dyn Store>) {
    let created = create(&store, job(1, 0)).await;
    let mut saves = JoinSet::new();
    for i in 0..8 {
        let (store, mut record) = (Arc::clone(&store), created.clone());
        record.job.current_step = Some(format!("writer {i}"));
        saves.spawn(async move { store.save_job(record, vec![event(i)], vec![]).await });
    }
    let won: Vec<_> = saves.join_all().await.into_iter().filter_map(Result::ok).collect();
    assert_eq!(won.len(), 1, "exactly one save of one revision wins");
    assert_eq!(store.job(&created.job.job_id).await.unwrap().as_ref(), won.first());
    assert_eq!(store.job_events(&created.job.job_id, 0, 10).await.unwrap().len(), 1);
}

pub async fn events_are_numbered(store: Arc<dyn Store>) {
    let creation = store
        .create_job(NewJob { events: vec![event(1), event(2)], max_waiting: 1, ..NewJob::new(job(1, 0)) })
        .await
        .unwrap();
    let JobCreation::Created(record) = creation else { panic!("{creation:?}") };
    assert_eq!(record.next_event, 3);
    let id = record.job.job_id.clone();
    let mut record = *record;
    record.next_event = 1; // not the caller's to say
    let record = store.save_job(record, vec![event(3)], vec![]).await.unwrap();
    store.save_job(record, vec![event(4), event(5)], vec![]).await.unwrap();
    let events = store.job_events(&id, 0, 100).await.unwrap();
    assert_eq!(events.iter().map(|e| e.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert!(events.iter().all(|e| e.data["number"] == e.seq));
    let some = store.job_events(&id, 2, 2).await.unwrap();
    assert_eq!(some, events[2..4]);
    assert_eq!(store.job_events(&id, 5, 10).await.unwrap(), []);
    assert_eq!(store.job_events(&id, u64::MAX, 10).await.unwrap(), []);
    assert_eq!(store.job_events(&job(9, 9).job.job_id, 0, 10).await.unwrap(), []);
}

/// Writers that read again and retry after a conflict all get their event in, each with a number of its own.
pub async fn events_race(store: Arc<dyn Store>) {
    let id = create(&store, job(1, 0)).await.job.job_id;
    let mut writers = JoinSet::new();
    for i in 0..6 {
        let (store, id) = (Arc::clone(&store), id.clone());
        writers.spawn(async move {
            loop {
                let record = store.job(&id).await.unwrap().unwrap();
                match store.save_job(record, vec![event(i)], vec![]).await {
                    Ok(_) => break,
                    Err(StoreError::Conflict { .. }) => {}
                    Err(e) => panic!("{e}"),
                }
            }
        });
    }
    writers.join_all().await;
    let events = store.job_events(&id, 0, 100).await.unwrap();
    assert_eq!(events.iter().map(|e| e.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    let writers: BTreeSet<_> = events.iter().map(|e| e.data["number"].as_u64()).collect();
    assert_eq!(writers.len(), 6);
}

pub async fn queue_is_bounded(store: Arc<dyn Store>) {
    let mut running = create(&store, job(1, 0)).await;
    running.job.status = JobStatus::Running;
    store.save_job(running, vec![], vec![]).await.unwrap();
    create(&store, job(2, 0)).await;
    // One waits; what runs does not count.
    let attempt = |number| {
        let response = response("key", at(0));
        store.create_job(NewJob {
            events: vec![event(1)],
            outbox: vec![message("m")],
            response: Some(response),
            max_waiting: 2,
            ..NewJob::new(job(number, 0))
        })
    };
    assert!(matches!(attempt(3).await.unwrap(), JobCreation::Created(_)));
    store.outbox_sent(vec!["m".to_owned()]).await.unwrap();
    let full = store
        .create_job(NewJob {
            outbox: vec![message("n")],
            response: Some(response("other", at(0))),
            max_waiting: 2,
            ..NewJob::new(job(4, 0))
        })
        .await
        .unwrap();
    assert_eq!(full, JobCreation::QueueFull);
    assert_eq!(store.job(&job(4, 0).job.job_id).await.unwrap(), None);
    assert_eq!(store.outbox_pending("event", 10).await.unwrap(), []);
    assert_eq!(store.stored_response("other", at(0)).await.unwrap(), None, "a refused request may be tried again");
    assert!(
        matches!(attempt(5).await.unwrap(), JobCreation::Known(_)),
        "a known key is answered from a full queue too"
    );
}

async fn walk(store: &Arc<dyn Store>, status: Option<JobStatus>, limit: u32) -> Vec<TrainingJob> {
    let mut jobs = Vec::new();
    let mut cursor = None;
    loop {
        let Page { items, next } = store.list_jobs(status, cursor.as_deref(), limit).await.unwrap();
        assert!(items.len() <= limit as usize);
        jobs.extend(items);
        match next {
            Some(next) => cursor = Some(next),
            None => return jobs,
        }
    }
}

pub async fn pages_lose_and_repeat_nothing(store: Arc<dyn Store>) {
    for number in 0..250 {
        create(&store, job((number * 31) % 250, 0)).await;
    }
    for limit in [1, 7, 50, 125, 200, 250, 1000] {
        let ids: Vec<_> = walk(&store, None, limit).await.into_iter().map(|j| j.job_id).collect();
        assert_eq!(ids.len(), 250, "limit {limit}");
        assert!(ids.windows(2).all(|w| w[0] > w[1]), "limit {limit}: not newest first, or repeated");
    }
    assert_eq!(walk(&store, Some(JobStatus::Pending), 100).await.len(), 250);
    assert_eq!(walk(&store, Some(JobStatus::Failed), 100).await.len(), 0);
    // Jobs that come while a client walks are newer than its cursor.
    let first = store.list_jobs(None, None, 100).await.unwrap();
    create(&store, job(999, 60)).await;
    let second = store.list_jobs(None, first.next.as_deref(), 1000).await.unwrap();
    assert_eq!(second.items.len(), 150);
    assert_eq!(second.next, None);
    // Exactly one page: nothing follows.
    assert_eq!(store.list_jobs(None, None, 251).await.unwrap().next, None);
}

/// The ids of ranked jobs, read in pages of this size.
async fn ranked(store: &Arc<dyn Store>, rank: JobRank, status: Option<JobStatus>, limit: u32) -> Vec<JobId> {
    let mut ids = Vec::new();
    let mut cursor = None;
    loop {
        let Page { items, next } = store.ranked_jobs(rank, status, cursor.as_deref(), limit).await.unwrap();
        assert!(items.len() <= limit as usize);
        ids.extend(items.into_iter().map(|job| job.job_id));
        match next {
            Some(next) => cursor = Some(next),
            None => return ids,
        }
    }
}

pub async fn jobs_are_ranked(store: Arc<dyn Store>) {
    let mut expected = Vec::new();
    for number in 0..40 {
        let mut record = create(&store, job(number, 0)).await;
        // Of five jobs one has not ended, and has no score; of the others some are equal.
        let ended = number % 5 != 0;
        let (took, score) = (TimeDelta::milliseconds(i64::from(number as u8 % 7) * 1_500), (number % 4) as f64 / 8.0);
        record.job.started_at = Some(at(10));
        if ended {
            record.job.status = JobStatus::Completed;
            record.job.completed_at = Some(at(10) + took);
            record.job.best_score = Some(score);
        } else {
            record.job.status = JobStatus::Running;
        }
        let saved = store.save_job(record, vec![], vec![]).await.unwrap();
        let place = if ended { (took, score) } else { (TimeDelta::MIN, -1.0) };
        expected.push((place, saved.job.job_id, ended));
    }
    for limit in [1, 7, 40, 100] {
        expected.sort_by(|a, b| b.0.0.cmp(&a.0.0).then(b.1.cmp(&a.1)));
        let ids = |ended: bool| {
            expected.iter().filter(move |one| !ended || one.2).map(|one| one.1.clone()).collect::<Vec<_>>()
        };
        assert_eq!(ranked(&store, JobRank::Duration, None, limit).await, ids(false), "longest, {limit}");
        assert_eq!(ranked(&store, JobRank::Duration, Some(JobStatus::Completed), limit).await, ids(true), "{limit}");
        expected.sort_by(|a, b| b.0.1.total_cmp(&a.0.1).then(b.1.cmp(&a.1)));
        let ids = |ended: bool| {
            expected.iter().filter(move |one| !ended || one.2).map(|one| one.1.clone()).collect::<Vec<_>>()
        };
        assert_eq!(ranked(&store, JobRank::Score, None, limit).await, ids(false), "best, {limit}");
        assert_eq!(ranked(&store, JobRank::Score, Some(JobStatus::Completed), limit).await, ids(true), "{limit}");
    }
    assert_eq!(ranked(&store, JobRank::Score, Some(JobStatus::Failed), 9).await, []);
    // Each list knows its own cursors.
    let next = store.ranked_jobs(JobRank::Score, None, None, 1).await.unwrap().next;
    for error in [
        store.ranked_jobs(JobRank::Duration, None, next.as_deref(), 1).await.unwrap_err(),
        store.list_jobs(None, next.as_deref(), 1).await.unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Invalid(_)), "{error}");
    }
}

/// Long texts that an older version took in do not make a page long.
pub async fn pages_are_bounded_in_bytes(store: Arc<dyn Store>) {
    let long = |number, bytes: usize| {
        let mut record = job(number, 0);
        record.job.config.notes = Some("n".repeat(bytes));
        record
    };
    for number in 0..6 {
        create(&store, long(number, limits::PAGE_BYTES / 3)).await;
    }
    create(&store, long(6, limits::PAGE_BYTES * 2)).await;
    let first = store.list_jobs(None, None, 200).await.unwrap();
    assert_eq!(first.items.len(), 1, "one longer than a page is a page");
    let second = store.list_jobs(None, first.next.as_deref(), 200).await.unwrap();
    assert_eq!(second.items.len(), 2);
    let ids: Vec<_> = walk(&store, None, 200).await.into_iter().map(|j| j.job_id).collect();
    assert!(ids.len() == 7 && ids.windows(2).all(|w| w[0] > w[1]), "{ids:?}");
    // Who asks for the newest jobs gets them, however long they are.
    for most in [0, 3, 7, 9] {
        let newest: Vec<_> = store.newest_jobs(most).await.unwrap().into_iter().map(|j| j.job_id).collect();
        assert_eq!(newest, ids[..ids.len().min(most as usize)], "{most}");
    }
}

pub async fn bad_cursors_are_named(store: Arc<dyn Store>) {
    create(&store, job(1, 0)).await;
    create(&store, job(2, 0)).await;
    let good = store.list_jobs(None, None, 1).await.unwrap().next.unwrap();
    let cut = &good[..good.len() - 1];
    for bad in ["", "x", "../..", "%00", "'; DROP TABLE jobs; --", cut, "ffff", "\u{1F393}"] {
        let error = store.list_jobs(None, Some(bad), 10).await.unwrap_err();
        assert!(matches!(&error, StoreError::Invalid(text) if text.contains(bad)), "{bad}: {error}");
    }
    let error = store.list_models(false, Some(&good), 10).await.unwrap_err();
    assert!(matches!(error, StoreError::Invalid(_)), "a cursor of another list was taken: {error}");
    assert_eq!(store.list_jobs(None, Some(&good), 10).await.unwrap().items.len(), 1);
}

pub async fn keys_repeat_responses(store: Arc<dyn Store>) {
    let first = response("key", at(0));
    let attempt = |number, response| {
        store.create_job(NewJob { response: Some(response), max_waiting: 9, ..NewJob::new(job(number, 0)) })
    };
    assert!(matches!(attempt(1, first.clone()).await.unwrap(), JobCreation::Created(_)));
    let mut again = response("key", at(60));
    again.request_hash = "other".to_owned();
    assert_eq!(attempt(2, again).await.unwrap(), JobCreation::Known(first.clone()));
    assert_eq!(store.job(&job(2, 0).job.job_id).await.unwrap(), None);
    let mut racing = JoinSet::new();
    for number in 10..18 {
        let store = Arc::clone(&store);
        racing.spawn(async move {
            store
                .create_job(NewJob {
                    response: Some(response("race", at(0))),
                    max_waiting: 99,
                    ..NewJob::new(job(number, 0))
                })
                .await
                .unwrap()
        });
    }
    let created = racing.join_all().await.into_iter().filter(|c| matches!(c, JobCreation::Created(_))).count();
    assert_eq!(created, 1, "one key made several jobs");
    let late = response("key", at(0) + TimeDelta::hours(RESPONSE_LIFETIME_HOURS));
    assert!(
        matches!(attempt(3, late).await.unwrap(), JobCreation::Created(_)),
        "a key may be used anew after its life"
    );
}

pub async fn trials_are_idempotent(store: Arc<dyn Store>) {
    let record = create(&store, job(1, 0)).await;
    let id = record.job.job_id;
    for index in [2, 0, 10, 1, 2] {
        store.record_trial(record.epoch, trial(&id, index)).await.unwrap();
    }
    let other = TrialRecord { algorithm: Algorithm::Xgboost, ..trial(&id, 0) };
    store.record_trial(record.epoch, other.clone()).await.unwrap();
    let trials = store.trials(&id, Algorithm::RandomForest).await.unwrap();
    assert_eq!(trials, [0, 1, 2, 10].map(|index| trial(&id, index)), "by index, each once");
    assert_eq!(store.trials(&id, Algorithm::Xgboost).await.unwrap(), [other]);
    assert_eq!(store.trials(&id, Algorithm::Ensemble).await.unwrap(), []);
}

/// Who reads very many trials can stop between two parts, and no part is long.
pub async fn trials_are_read_in_parts(store: Arc<dyn Store>) {
    let record = create(&store, job(1, 0)).await;
    let id = record.job.job_id;
    let long = "t".repeat(limits::PAGE_BYTES / 3);
    let all: Vec<TrialRecord> = [0, 1, 2, 3, 7, 8, 9, u32::MAX]
        .map(|index| match index {
            4.. => trial(&id, index),
            _ => TrialRecord { result: serde_json::json!({ "long": long }), ..trial(&id, index) },
        })
        .to_vec();
    for one in &all {
        store.record_trial(record.epoch, one.clone()).await.unwrap();
    }
    let part = async |from, limit| {
        let part = store.trials_from(&id, Algorithm::RandomForest, from, limit).await.unwrap();
        part.iter().map(|trial| trial.index).collect::<Vec<_>>()
    };
    assert_eq!(part(0, 100).await, [0, 1], "longer together than a page");
    assert_eq!(part(3, 3).await, [3, 7, 8]);
    assert_eq!(part(4, 1).await, [7]);
    assert_eq!(part(10, 9).await, [u32::MAX]);
    assert_eq!(store.trials(&id, Algorithm::RandomForest).await.unwrap(), all);
    assert_eq!(store.trials_from(&id, Algorithm::Xgboost, 0, 9).await.unwrap(), []);
}

pub async fn trials_of_an_older_epoch_are_refused(store: Arc<dyn Store>) {
    let id = create(&store, job(1, 0)).await.job.job_id;
    let old = store.claim_job(&id, 0).await.unwrap().epoch;
    store.record_trial(old, trial(&id, 0)).await.unwrap();
    let new = store.claim_job(&id, old).await.unwrap().epoch;
    assert!(is_conflict(store.record_trial(old, trial(&id, 1)).await));
    store.record_trial(new, trial(&id, 1)).await.unwrap();
    assert_eq!(store.trials(&id, Algorithm::RandomForest).await.unwrap().len(), 2);
    let error = store.record_trial(0, trial(&job(9, 9).job.job_id, 0)).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { what: "job", .. }), "{error}");
}

/// A resumed search must see the very scores that the first one saw, or it could choose otherwise.
pub async fn numbers_survive(store: Arc<dyn Store>) {
    let mut rng = provost_domain::rng::SplitMix64::new(1);
    let scores: Vec<f64> = (0..500).map(|_| rng.unit() * 10f64.powi(rng.below(20) as i32 - 10)).collect();
    let record = create(&store, job(1, 0)).await;
    let id = record.job.job_id;
    let written = TrialRecord { result: serde_json::json!({ "fold_scores": scores }), ..trial(&id, 0) };
    store.record_trial(record.epoch, written).await.unwrap();
    let read = store.trials(&id, Algorithm::RandomForest).await.unwrap().remove(0);
    let back = read.result["fold_scores"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap());
    assert!(back.zip(&scores).all(|(a, b)| a.to_bits() == b.to_bits()), "a score changed on its way");
}
