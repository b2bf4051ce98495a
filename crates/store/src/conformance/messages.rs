//! Properties of what crosses the border: outbox, inbox, stored responses; of triggers and the schedule.

use super::points::all;
use super::samples::{at, create, event, job, message, point, response, trigger};
use crate::error::StoreError;
use crate::roles::inbox::{InboxEffect, InboxEntry, InboxOutcome};
use crate::roles::jobs::{JobCreation, NewJob};
use crate::roles::outbox::OutboxMessage;
use crate::roles::points::PointOutcome;
use crate::roles::responses::{RESPONSE_LIFETIME_HOURS, ResponsesHeld, StoredResponse};
use crate::store::Store;
use chrono::TimeDelta;
use provost_domain::schedule::{ScheduledTrainingConfig, SlotProgress};
use serde_json::json;
use std::sync::Arc;
use tokio::task::JoinSet;

fn entry(id: &str, payload: &str) -> InboxEntry {
    InboxEntry { source: "/upstream".to_owned(), id: id.to_owned(), payload_hash: payload.to_owned(), at: at(0) }
}

fn carries(id: &str, seq: u64) -> InboxEffect {
    InboxEffect::Points(vec![point(id, seq)])
}

pub async fn outbox_goes_with_its_change(store: Arc<dyn Store>) {
    let key = response("key", at(0));
    let creation = store
        .create_job(NewJob {
            outbox: vec![message("created")],
            response: Some(key.clone()),
            max_waiting: 9,
            ..NewJob::new(job(1, 0))
        })
        .await
        .unwrap();
    let JobCreation::Created(record) = creation else { panic!("{creation:?}") };
    store
        .create_job(NewJob {
            outbox: vec![message("repeated")],
            response: Some(key),
            max_waiting: 9,
            ..NewJob::new(job(2, 0))
        })
        .await
        .unwrap();
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
        (entry("1", "x"), carries("a", 0)),
        (entry("1", "x"), carries("b", 0)),
        (entry("1", "y"), carries("c", 0)),
        (other_source, InboxEffect::None),
    ];
    let inserted = New(vec![PointOutcome::Inserted]);
    assert_eq!(store.record_inbox(batch).await.unwrap(), [inserted, Duplicate, Mismatch, New(vec![])]);
    assert_eq!(store.record_inbox(vec![(entry("1", "x"), carries("d", 0))]).await.unwrap(), [Duplicate]);
    assert_eq!(all(&store, false).await, [point("a", 0)], "only a new event has an effect");
    let mut racing = JoinSet::new();
    for i in 0..8 {
        let store = Arc::clone(&store);
        let delivery = (entry("2", "x"), carries(&format!("r{i}"), 0));
        racing.spawn(async move { store.record_inbox(vec![delivery]).await.unwrap().remove(0) });
    }
    assert_eq!(racing.join_all().await.into_iter().filter(|o| matches!(o, New(_))).count(), 1);
    assert_eq!(all(&store, false).await.len(), 2);
    let audited = super::locks::checked_log(&store).await;
    assert_eq!(audited.len(), 1, "the mismatch is audited");
    assert_eq!((audited[0].deed.subject.as_str(), &audited[0].deed.details["payload_hash"][..]), ("/upstream 1", "y"));
}

pub async fn inbox_and_points_are_one_step(store: Arc<dyn Store>) {
    let mut bad = point("bad", 0);
    bad.profile.gpa_scale = f64::INFINITY;
    let batch = vec![(entry("1", "x"), carries("a", 0)), (entry("2", "x"), InboxEffect::Points(vec![bad]))];
    assert!(matches!(store.record_inbox(batch).await, Err(StoreError::Invalid(_))));
    assert_eq!(all(&store, false).await, []);
    let again = store.record_inbox(vec![(entry("1", "x"), carries("a", 0))]).await.unwrap();
    assert_eq!(
        again,
        [InboxOutcome::New(vec![PointOutcome::Inserted])],
        "an event whose points were refused counts as taken in"
    );
    assert_eq!(store.point_totals().await.unwrap().total, 1);
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

pub async fn responses_are_counted_by_owner(store: Arc<dyn Store>) {
    let life = TimeDelta::hours(RESPONSE_LIFETIME_HOURS);
    let held = |owner: &'static str, at| {
        let store = Arc::clone(&store);
        async move { store.responses_held(owner, at).await.unwrap() }
    };
    assert_eq!(held("key_1", at(0)).await, ResponsesHeld::default());
    store.store_response(response("a", at(0))).await.unwrap();
    let one = held("key_1", at(0)).await;
    assert_eq!((one.keys, one.oldest), (1, Some(at(0))));
    assert!((100..400).contains(&one.bytes), "{one:?}");
    // A known key does not count again.
    store.store_response(response("a", at(5))).await.unwrap();
    assert_eq!(held("key_1", at(5)).await, one);
    let long = StoredResponse { body: json!({ "text": "x".repeat(10_000) }), ..response("b", at(10)) };
    store.store_response(long).await.unwrap();
    store.store_response(StoredResponse { owner: "key_2".to_owned(), ..response("c", at(10)) }).await.unwrap();
    let two = held("key_1", at(10)).await;
    assert_eq!((two.keys, two.oldest, two.bytes > one.bytes + 10_000), (2, Some(at(0)), true));
    assert_eq!(held("key_2", at(10)).await.keys, 1);
    // A job's response counts as well, and one that was refused does not.
    let of_job = response("d", at(20));
    store
        .create_job(NewJob { response: Some(of_job.clone()), max_waiting: 1, ..NewJob::new(job(1, 0)) })
        .await
        .unwrap();
    store
        .create_job(NewJob { response: Some(response("e", at(20))), max_waiting: 1, ..NewJob::new(job(2, 0)) })
        .await
        .unwrap();
    assert_eq!(held("key_1", at(20)).await.keys, 3);
    // What has expired does not count.
    let left = held("key_1", at(5) + life).await;
    assert_eq!((left.keys, left.oldest), (2, Some(at(10))));
    assert_eq!(held("key_1", at(20) + life).await, ResponsesHeld::default());
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

pub async fn triggers_arrive_with_their_event(store: Arc<dyn Store>) {
    let effect = || InboxEffect::Trigger(Box::new(trigger(1)));
    let batch = vec![(entry("1", "x"), effect()), (entry("1", "x"), effect())];
    assert_eq!(store.record_inbox(batch).await.unwrap(), [InboxOutcome::New(vec![]), InboxOutcome::Duplicate]);
    assert_eq!(store.pending_triggers().await.unwrap(), [trigger(1)]);
}

pub async fn retractions(store: Arc<dyn Store>) {
    let send = |id: &str, effect: InboxEffect| {
        let (store, event) = (Arc::clone(&store), (entry(id, "x"), effect));
        async move {
            match store.record_inbox(vec![event]).await.unwrap().remove(0) {
                InboxOutcome::New(outcomes) => outcomes[0].clone(),
                other => panic!("{other:?}"),
            }
        }
    };
    let retract = |id: &str, seq| {
        InboxEffect::Retraction(provost_domain::event::Retraction { data_point_id: id.to_owned(), seq })
    };
    use PointOutcome::*;
    assert_eq!(send("1", carries("a", 3)).await, Inserted);
    assert_eq!(send("2", retract("a", 2)).await, Stale, "an older retraction takes nothing");
    assert_eq!(send("3", retract("a", 3)).await, Superseded);
    assert_eq!(all(&store, false).await, []);
    let mark = store.point_totals().await.unwrap();
    assert_eq!((mark.total, mark.arrivals.usable), (0, 1));
    assert_eq!(store.points_by_id(&["a".to_owned()]).await.unwrap(), [], "what is retracted is not there");
    assert_eq!(send("4", retract("a", 3)).await, Stale, "it is retracted already");
    assert_eq!(send("5", carries("a", 3)).await, Stale, "what was retracted stays so");
    assert_eq!(send("6", carries("a", 4)).await, Superseded, "a later record brings it back");
    assert_eq!(all(&store, false).await, [point("a", 4)]);
    assert_eq!(store.point_totals().await.unwrap().total, 1);
    // A retraction that overtook its record.
    assert_eq!(send("7", retract("b", 5)).await, Superseded);
    assert_eq!(send("8", carries("b", 5)).await, Stale);
    assert_eq!(all(&store, false).await, [point("a", 4)]);
    assert_eq!(all(&store, true).await, [point("a", 4)]);
}

pub async fn outbox_is_bounded(store: Arc<dyn Store>) {
    let messages = ["a", "b", "c", "d"].map(message);
    let mail = OutboxMessage { channel: "mail".to_owned(), ..message("m") };
    let mut all = messages.to_vec();
    all.push(mail.clone());
    let record = create(&store, job(1, 0)).await;
    store.save_job(record, vec![], all).await.unwrap();
    store.outbox_sent(vec!["a".to_owned()]).await.unwrap();
    assert_eq!(store.outbox_count("event").await.unwrap(), 3);
    assert_eq!(store.outbox_trim("event", 3).await.unwrap(), 0);
    assert_eq!(store.outbox_trim("event", 1).await.unwrap(), 2);
    assert_eq!(store.outbox_pending("event", 9).await.unwrap(), messages[3..]);
    assert_eq!(store.outbox_pending("mail", 9).await.unwrap(), [mail]);
}

pub async fn triggers(store: Arc<dyn Store>) {
    for number in 0..7 {
        assert!(store.add_trigger(trigger(number), vec![message(&number.to_string())]).await.unwrap());
    }
    let mut again = trigger(2);
    again.trigger.reason = Some("again".to_owned());
    assert!(!store.add_trigger(again, vec![message("again")]).await.unwrap(), "one occasion is one trigger");
    assert_eq!(store.outbox_count("event").await.unwrap(), 7, "and is announced once");
    assert_eq!(store.pending_triggers().await.unwrap(), (0..7).map(trigger).collect::<Vec<_>>());
    let why = "the data fails its quality check";
    assert!(store.settle_trigger("trigger-003", why.to_owned()).await.unwrap());
    assert!(!store.settle_trigger("trigger-003", "other".to_owned()).await.unwrap());
    assert!(!store.settle_trigger("unknown", "other".to_owned()).await.unwrap());
    let first = store.list_triggers(None, 4).await.unwrap();
    let second = store.list_triggers(first.next.as_deref(), 4).await.unwrap();
    assert_eq!(second.next, None);
    let seen: Vec<_> = first.items.into_iter().chain(second.items).collect();
    let mut expected: Vec<_> = (0..7).rev().map(trigger).collect();
    expected[3].outcome = Some(why.to_owned());
    assert_eq!(seen, expected);
    assert_eq!(store.pending_triggers().await.unwrap().len(), 6);
}

pub async fn triggers_lead_to_one_job(store: Arc<dyn Store>) {
    store.add_trigger(trigger(1), vec![]).await.unwrap();
    let new = trigger(2); // recorded with its job
    let creation = store
        .create_job(NewJob { triggers: vec![trigger(1), new.clone()], max_waiting: 9, ..NewJob::new(job(1, 0)) })
        .await
        .unwrap();
    let JobCreation::Created(record) = creation else { panic!("{creation:?}") };
    let id = record.job.job_id.clone();
    assert_eq!(store.pending_triggers().await.unwrap(), []);
    let listed = store.list_triggers(None, 9).await.unwrap().items;
    assert_eq!(listed.iter().map(|t| t.job_id.as_ref()).collect::<Vec<_>>(), [Some(&id), Some(&id)]);
    // Another scheduler had the same trigger in hand.
    let second = store
        .create_job(NewJob {
            outbox: vec![message("m")],
            triggers: vec![new.clone()],
            max_waiting: 9,
            ..NewJob::new(job(2, 0))
        })
        .await
        .unwrap();
    assert_eq!(second, JobCreation::Settled);
    assert_eq!(store.unfinished_jobs().await.unwrap().len(), 1);
    assert_eq!(store.outbox_pending("event", 9).await.unwrap(), []);
    // A third trigger joins.
    store.add_trigger(trigger(3), vec![]).await.unwrap();
    let mut joined = *record;
    joined.job.triggers.push(trigger(3).trigger);
    let joined = store.join_job(joined, vec![event(1)], vec![trigger(3)]).await.unwrap();
    assert_eq!(store.job(&id).await.unwrap(), Some(joined.clone()));
    assert_eq!(store.job_events(&id, 0, 9).await.unwrap().len(), 1);
    assert_eq!(store.pending_triggers().await.unwrap(), []);
    let twice = store.join_job(joined.clone(), vec![], vec![trigger(3)]).await;
    assert!(matches!(twice, Err(StoreError::Conflict { .. })), "{twice:?}");
    // A job that was changed meanwhile is not joined, and the trigger stays pending.
    store.add_trigger(trigger(4), vec![]).await.unwrap();
    store.save_job(joined.clone(), vec![], vec![]).await.unwrap();
    let late = store.join_job(joined, vec![], vec![trigger(4)]).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
    assert_eq!(store.pending_triggers().await.unwrap(), [trigger(4)]);
}

pub async fn schedulers_race(store: Arc<dyn Store>) {
    store.add_trigger(trigger(1), vec![]).await.unwrap();
    let mut racing = JoinSet::new();
    for number in 0..8 {
        let store = Arc::clone(&store);
        let triggers = vec![trigger(1)];
        racing.spawn(async move {
            store.create_job(NewJob { triggers, max_waiting: 99, ..NewJob::new(job(number, 0)) }).await.unwrap()
        });
    }
    let created = racing.join_all().await.into_iter().filter(|c| matches!(c, JobCreation::Created(_))).count();
    assert_eq!(created, 1);
    assert_eq!(store.unfinished_jobs().await.unwrap().len(), 1);
}

pub async fn schedule(store: Arc<dyn Store>) {
    assert_eq!(store.schedule().await.unwrap(), None);
    for enabled in [false, true] {
        let schedule = ScheduledTrainingConfig { enabled, improvement_threshold: 0.1 + 0.2, ..Default::default() };
        store.put_schedule(schedule.clone()).await.unwrap();
        assert_eq!(store.schedule().await.unwrap(), Some(schedule));
    }
}

pub async fn slots(store: Arc<dyn Store>) {
    assert_eq!(store.slot_progress().await.unwrap(), None);
    for seconds in [1, 5] {
        let progress = SlotProgress { schedule: "0 1 * * 0 UTC".to_owned(), until: at(seconds) };
        store.put_slot_progress(progress.clone()).await.unwrap();
        assert_eq!(store.slot_progress().await.unwrap(), Some(progress));
    }
}
