//! Properties of what crosses the border: outbox, inbox, stored responses; of triggers and the schedule.

use super::points::all;
use super::samples::{at, create, event, job, message, point, response, trigger};
use crate::store::{InboxEntry, InboxOutcome, JobCreation, OutboxMessage, RESPONSE_LIFETIME_HOURS};
use crate::{Store, StoreError};
use chrono::TimeDelta;
use provost_domain::schedule::ScheduledTrainingConfig;
use std::sync::Arc;
use tokio::task::JoinSet;

fn entry(id: &str, payload: &str) -> InboxEntry {
    InboxEntry { source: "/upstream".to_owned(), id: id.to_owned(), payload_hash: payload.to_owned(), at: at(0) }
}

pub async fn outbox_goes_with_its_change(store: Arc<dyn Store>) {
    let key = response("key", at(0));
    let creation = store.create_job(job(1, 0), vec![], vec![message("created")], Some(key.clone()), 9).await.unwrap();
    let JobCreation::Created(record) = creation else { panic!("{creation:?}") };
    store.create_job(job(2, 0), vec![], vec![message("repeated")], Some(key), 9).await.unwrap();
    store.save_job(*record.clone(), vec![event(1)], vec![message("saved")]).await.unwrap();
    store.save_job(*record, vec![event(2)], vec![message("refused")]).await.unwrap_err();
    assert_eq!(store.outbox_pending("event", 9).await.unwrap(), [message("created"), message("saved")]);
}

pub async fn outbox_is_in_order(store: Arc<dyn Store>) {
    let mail = OutboxMessage { channel: "mail".to_owned(), ..message("a") };
    let messages = ["z", "m", "b"].map(message);
    let mut both = vec![mail.clone()];
    both.extend(messages.clone());
    let record = create(&store, job(1, 0)).await;
    let record = store.save_job(record, vec![], both).await.unwrap();
    assert_eq!(store.outbox_pending("event", 9).await.unwrap(), messages);
    assert_eq!(store.outbox_pending("event", 2).await.unwrap(), messages[..2]);
    assert_eq!(store.outbox_pending("mail", 9).await.unwrap(), [mail]);
    store.outbox_sent(vec!["z".to_owned(), "unknown".to_owned()]).await.unwrap();
    assert_eq!(store.outbox_pending("event", 9).await.unwrap(), messages[1..]);
    store.save_job(record, vec![], vec![message("z"), message("m")]).await.unwrap();
    assert_eq!(store.outbox_pending("event", 9).await.unwrap(), messages[1..], "an id is announced once");
}

pub async fn inbox_is_deduplicated(store: Arc<dyn Store>) {
    use InboxOutcome::*;
    let other_source = InboxEntry { source: "/other".to_owned(), ..entry("1", "y") };
    let batch = vec![
        (entry("1", "x"), vec![point("a", 0)]),
        (entry("1", "x"), vec![point("b", 0)]),
        (entry("1", "y"), vec![point("c", 0)]),
        (other_source, vec![]),
    ];
    assert_eq!(store.record_inbox(batch).await.unwrap(), [New, Duplicate, Mismatch, New]);
    assert_eq!(store.record_inbox(vec![(entry("1", "x"), vec![point("d", 0)])]).await.unwrap(), [Duplicate]);
    assert_eq!(all(&store, false).await, [point("a", 0)], "only a new event has an effect");
    let mut racing = JoinSet::new();
    for i in 0..8 {
        let store = Arc::clone(&store);
        let delivery = (entry("2", "x"), vec![point(&format!("r{i}"), 0)]);
        racing.spawn(async move { store.record_inbox(vec![delivery]).await.unwrap()[0] });
    }
    assert_eq!(racing.join_all().await.into_iter().filter(|o| *o == New).count(), 1);
    assert_eq!(all(&store, false).await.len(), 2);
}

pub async fn inbox_and_points_are_one_step(store: Arc<dyn Store>) {
    let mut bad = point("bad", 0);
    bad.profile.gpa_scale = f64::INFINITY;
    let batch = vec![(entry("1", "x"), vec![point("a", 0)]), (entry("2", "x"), vec![bad])];
    assert!(matches!(store.record_inbox(batch).await, Err(StoreError::Invalid(_))));
    assert_eq!(all(&store, false).await, []);
    let again = store.record_inbox(vec![(entry("1", "x"), vec![point("a", 0)])]).await.unwrap();
    assert_eq!(again, [InboxOutcome::New], "an event whose points were refused counts as taken in");
    assert_eq!(store.points_mark().await.unwrap().total, 1);
}

pub async fn responses_expire(store: Arc<dyn Store>) {
    let life = TimeDelta::hours(RESPONSE_LIFETIME_HOURS);
    let first = response("key", at(0));
    assert_eq!(store.stored_response("key", at(0)).await.unwrap(), None);
    assert_eq!(store.store_response(first.clone()).await.unwrap(), first);
    let second = response("key", at(60));
    assert_eq!(store.store_response(second).await.unwrap(), first, "the first stays");
    assert_eq!(store.stored_response("key", at(-1) + life).await.unwrap(), Some(first));
    assert_eq!(store.stored_response("key", at(0) + life).await.unwrap(), None);
    let third = response("key", at(0) + life);
    assert_eq!(store.store_response(third.clone()).await.unwrap(), third);
}

pub async fn responses_race(store: Arc<dyn Store>) {
    let mut racing = JoinSet::new();
    for status in 200..208 {
        let store = Arc::clone(&store);
        let mut mine = response("key", at(0));
        mine.status = status;
        racing.spawn(async move { store.store_response(mine).await.unwrap() });
    }
    let answers = racing.join_all().await;
    assert!(answers.iter().all(|a| *a == answers[0]), "two answers under one key");
}

pub async fn triggers(store: Arc<dyn Store>) {
    for number in 0..7 {
        store.record_trigger(trigger(number)).await.unwrap();
    }
    let mut joined = trigger(3);
    joined.outcome = Some("a job for this configuration waits".to_owned());
    store.record_trigger(joined.clone()).await.unwrap();
    let first = store.list_triggers(None, 4).await.unwrap();
    let second = store.list_triggers(first.next.as_deref(), 4).await.unwrap();
    assert_eq!(second.next, None);
    let seen: Vec<_> = first.items.into_iter().chain(second.items).collect();
    let mut expected: Vec<_> = (0..7).rev().map(trigger).collect();
    expected[3] = joined;
    assert_eq!(seen, expected);
}

pub async fn schedule(store: Arc<dyn Store>) {
    assert_eq!(store.schedule().await.unwrap(), None);
    for enabled in [false, true] {
        let schedule = ScheduledTrainingConfig { enabled, improvement_threshold: 0.1 + 0.2, ..Default::default() };
        store.put_schedule(schedule.clone()).await.unwrap();
        assert_eq!(store.schedule().await.unwrap(), Some(schedule));
    }
}
