//! What needs a person: raised once, dealt with once, and open again only for a younger fact.

use super::samples::at;
use crate::error::StoreError;
use crate::roles::retention::Cutoffs;
use crate::store::Store;
use chrono::{DateTime, Utc};
use provost_domain::need::{Need, NeedDealing, NeedKind, NeedState};
use std::sync::Arc;

fn need(subject: &str, since: i64) -> Need {
    Need::new(NeedKind::JobFailed, subject, &format!("{subject} failed"), "out of memory", at(since))
}

fn dealing(seconds: i64) -> NeedDealing {
    NeedDealing { at: at(seconds), by: Some("key_1".to_owned()), reason: Some("run again".to_owned()) }
}

async fn subjects(store: &Arc<dyn Store>, state: Option<NeedState>, now: DateTime<Utc>) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.needs(state, now, cursor.as_deref(), 2).await.unwrap();
        assert!(page.items.len() <= 2);
        found.extend(page.items.into_iter().map(|need| need.subject));
        cursor = page.next;
        if cursor.is_none() {
            return found;
        }
    }
}

pub async fn needs_are_raised_once(store: Arc<dyn Store>) {
    assert_eq!(store.open_needs(at(0)).await.unwrap(), 0);
    assert_eq!(store.need("need_x").await.unwrap(), None);
    for (subject, since) in [("a", 3), ("b", 1), ("c", 2)] {
        assert!(store.raise_need(need(subject, since)).await.unwrap());
    }
    assert!(!store.raise_need(need("a", 9)).await.unwrap(), "it has been open all the time");
    assert_eq!(store.need(&need("a", 0).need_id).await.unwrap(), Some(need("a", 3)));
    let told = Need { detail: "the disk is full".to_owned(), ..need("b", 9) };
    assert!(!store.raise_need(told.clone()).await.unwrap());
    let stored = store.need(&told.need_id).await.unwrap().unwrap();
    assert_eq!((stored.since, stored.detail), (at(1), told.detail));
    assert_eq!(subjects(&store, Some(NeedState::Open), at(10)).await, ["a", "c", "b"], "newest first");
    assert_eq!(store.open_needs(at(10)).await.unwrap(), 3);
    assert!(matches!(store.needs(None, at(0), Some("elsewhere"), 2).await, Err(StoreError::Invalid(_))));
}

pub async fn needs_are_dealt_with(store: Arc<dyn Store>) {
    for (subject, since) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
        store.raise_need(need(subject, since)).await.unwrap();
    }
    let id = |subject: &str| need(subject, 0).need_id;
    let acknowledged = store.acknowledge_need(&id("a"), dealing(10)).await.unwrap();
    assert_eq!(acknowledged.acknowledged, Some(dealing(10)));
    assert_eq!(store.acknowledge_need(&id("a"), dealing(11)).await.unwrap(), acknowledged, "the first one stays");
    assert!(store.withdraw_need(&id("b"), at(10)).await.unwrap());
    assert!(!store.withdraw_need(&id("b"), at(11)).await.unwrap());
    assert!(!store.withdraw_need(&id("nothing"), at(11)).await.unwrap());
    let snoozed = store.snooze_need(&id("c"), at(20), dealing(10)).await.unwrap();
    assert_eq!(store.need(&id("c")).await.unwrap(), Some(snoozed));
    for (now, open, snoozed) in [(19, vec!["d"], vec!["c"]), (20, vec!["d", "c"], vec![])] {
        assert_eq!(subjects(&store, Some(NeedState::Open), at(now)).await, open);
        assert_eq!(subjects(&store, Some(NeedState::Snoozed), at(now)).await, snoozed);
        assert_eq!(store.open_needs(at(now)).await.unwrap(), open.len() as u64);
    }
    assert_eq!(subjects(&store, Some(NeedState::Acknowledged), at(10)).await, ["a"]);
    assert_eq!(subjects(&store, Some(NeedState::Withdrawn), at(10)).await, ["b"]);
    assert_eq!(subjects(&store, None, at(10)).await, ["d", "c", "b", "a"]);
    let refused = store.snooze_need(&id("a"), at(30), dealing(12)).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    for missing in
        [store.acknowledge_need("need_x", dealing(1)).await, store.snooze_need("need_x", at(9), dealing(1)).await]
    {
        assert!(matches!(missing, Err(StoreError::NotFound { what: "need", .. })), "{missing:?}");
    }
}

pub async fn younger_facts_open_needs_again(store: Arc<dyn Store>) {
    store.raise_need(need("a", 1)).await.unwrap();
    store.acknowledge_need(&need("a", 1).need_id, dealing(10)).await.unwrap();
    assert!(!store.raise_need(need("a", 1)).await.unwrap());
    assert_eq!(store.open_needs(at(20)).await.unwrap(), 0);
    assert!(store.raise_need(need("a", 11)).await.unwrap());
    assert_eq!(subjects(&store, Some(NeedState::Open), at(20)).await, ["a"]);
    assert_eq!(store.need(&need("a", 1).need_id).await.unwrap(), Some(need("a", 11)));
}

pub async fn dealt_needs_are_forgotten(store: Arc<dyn Store>) {
    for subject in ["a", "b", "c"] {
        store.raise_need(need(subject, 1)).await.unwrap();
    }
    store.acknowledge_need(&need("a", 1).need_id, dealing(10)).await.unwrap();
    store.withdraw_need(&need("b", 1).need_id, at(30)).await.unwrap();
    let cutoffs = |needs| Cutoffs {
        inbox: at(0),
        outbox: at(0),
        job_events: at(0),
        trials: at(0),
        needs,
        windows: at(0),
        now: at(0),
    };
    assert_eq!(store.forget(cutoffs(at(20)), 10).await.unwrap().needs, 1);
    assert_eq!(subjects(&store, None, at(40)).await, ["c", "b"]);
    assert_eq!(store.forget(cutoffs(at(99)), 10).await.unwrap().needs, 1);
    assert_eq!(store.forget(cutoffs(at(99)), 10).await.unwrap().needs, 0, "what waits is not forgotten");
}
