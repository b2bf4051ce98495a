//! Properties of API keys and of the audit log.

use super::samples::at;
use crate::error::StoreError;
use crate::store::Store;
use chrono::TimeDelta;
use provost_domain::audit::{Act, AuditEntry, Deed, Head};
use provost_domain::key::{ApiKey, KeyText, Role};
use provost_domain::limits;
use provost_domain::session::{Session, SessionBounds, SessionToken};
use std::sync::Arc;
use tokio::task::JoinSet;

fn key(n: u8) -> ApiKey {
    let text = KeyText::new([n; 8], [n; 32]);
    ApiKey::new(&text, Some(format!("key {n} ünïcode")), Role::Operator, at(n.into()), Some(at(1000)))
}

fn created(key: &ApiKey) -> Deed {
    Deed::key_created(key, "someone")
}

fn deed(subject: &str) -> Deed {
    Deed::new(at(0), "someone", Act::HttpRequest, subject).with_outcome("202").with("a", "1\n2")
}

/// Every entry, read in small pages, each checked against the one before; ends at the head.
pub async fn checked_log(store: &Arc<dyn Store>) -> Vec<AuditEntry> {
    let mut entries = Vec::new();
    let mut head = Head::origin();
    loop {
        let page = store.audit_after(head.number, 3).await.unwrap();
        if page.is_empty() {
            break;
        }
        for entry in page {
            entry.check(&head).unwrap();
            head = entry.head();
            entries.push(entry);
        }
    }
    assert_eq!(store.audit_head().await.unwrap(), head);
    entries
}

pub async fn keys_are_kept_with_their_deeds(store: Arc<dyn Store>) {
    assert_eq!(store.keys().await.unwrap(), []);
    let (a, b) = (key(1), key(2));
    store.add_key(b.clone(), created(&b)).await.unwrap();
    store.add_key(a.clone(), created(&a)).await.unwrap();
    assert_eq!(store.keys().await.unwrap(), [a.clone(), b.clone()]);
    let again = store.add_key(key(1), created(&a)).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");
    let log = checked_log(&store).await;
    assert_eq!(log.iter().map(|e| e.deed.clone()).collect::<Vec<_>>(), [created(&b), created(&a)]);
}

pub async fn the_earliest_revocation_counts(store: Arc<dyn Store>) {
    let a = key(1);
    store.add_key(a.clone(), created(&a)).await.unwrap();
    let revoke = |from| {
        let deed = Deed::key_revoked(&a.id, at(from), "someone", at(9));
        let (store, id) = (Arc::clone(&store), a.id.clone());
        async move { store.revoke_key(&id, at(from), deed).await.unwrap() }
    };
    for (from, counts) in [(50, 50), (70, 50), (20, 20)] {
        let revoked = revoke(from).await;
        assert_eq!(revoked, ApiKey { revoked_at: Some(at(counts)), ..a.clone() });
        assert_eq!(store.keys().await.unwrap(), [revoked]);
    }
    let unknown = store.revoke_key("key_none", at(0), deed("x")).await;
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })), "{unknown:?}");
    assert_eq!(checked_log(&store).await.len(), 4, "a refused revocation leaves no deed");
}

pub async fn deeds_make_a_chain(store: Arc<dyn Store>) {
    assert_eq!(store.audit_head().await.unwrap(), Head::origin());
    assert_eq!(store.append_audit(vec![]).await.unwrap(), []);
    let first = store.append_audit(vec![deed("a"), deed("b")]).await.unwrap();
    assert_eq!(first.iter().map(|e| e.number).collect::<Vec<_>>(), [1, 2]);
    let mut all = first;
    for n in 0..5 {
        all.extend(store.append_audit(vec![deed(&n.to_string())]).await.unwrap());
    }
    assert_eq!(checked_log(&store).await, all);

    let mut pages = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = store.audit(cursor.as_deref(), 2).await.unwrap();
        pages.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    all.reverse();
    assert_eq!(pages, all);
    assert!(matches!(store.audit(Some("elsewhere"), 2).await, Err(StoreError::Invalid(_))));
}

pub async fn pages_of_the_log_are_bounded_in_bytes(store: Arc<dyn Store>) {
    let long = "d".repeat(limits::PAGE_BYTES / 3);
    for n in 0..5 {
        store.append_audit(vec![deed(&n.to_string()).with("long", long.as_str())]).await.unwrap();
    }
    let (mut pages, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = store.audit(cursor.as_deref(), 200).await.unwrap();
        pages.push(page.items.iter().map(|entry| entry.number).collect::<Vec<_>>());
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec![5, 4], vec![3, 2], vec![1]]);
    assert_eq!(checked_log(&store).await.len(), 5);
}

pub async fn appends_race(store: Arc<dyn Store>) {
    let mut racing = JoinSet::new();
    for i in 0..16 {
        let store = Arc::clone(&store);
        racing.spawn(async move { store.append_audit(vec![deed(&format!("{i}a")), deed(&format!("{i}b"))]).await });
    }
    for entries in racing.join_all().await {
        let entries = entries.unwrap();
        assert_eq!(entries[0].number + 1, entries[1].number, "deeds of one step stay together");
    }
    assert_eq!(checked_log(&store).await.len(), 32);
}

const BOUNDS: SessionBounds = SessionBounds { of_key: 3, of_all: 5 };
const IDLE: TimeDelta = TimeDelta::seconds(100);
const LIFETIME: TimeDelta = TimeDelta::seconds(1000);

/// A session of this key that began and was seen at this second.
fn session(n: u8, key_id: &str, seconds: i64) -> Session {
    Session::new(&SessionToken::new([n; 32]), key_id, at(seconds), IDLE, LIFETIME)
}

pub async fn sessions_are_seen_and_ended(store: Arc<dyn Store>) {
    assert_eq!(store.sessions().await.unwrap(), []);
    let (a, b) = (session(1, "key_a", 0), session(2, "key_b", 10));
    store.add_session(b.clone(), BOUNDS).await.unwrap();
    store.add_session(a.clone(), BOUNDS).await.unwrap();
    assert_eq!(store.sessions().await.unwrap(), [a.clone(), b.clone()]);
    let again = store.add_session(session(1, "key_b", 1), BOUNDS).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");

    let (seen, late) = (a.clone().seen(at(50), IDLE, LIFETIME), a.clone().seen(at(40), IDLE, LIFETIME));
    store.see_sessions(vec![seen.clone(), session(3, "key_a", 0)]).await.unwrap();
    store.see_sessions(vec![late]).await.unwrap();
    assert_eq!(store.sessions().await.unwrap(), [seen.clone(), b.clone()], "time goes forward, and none is made anew");
    assert!(store.end_session(&a.sha256).await.unwrap());
    assert!(!store.end_session(&a.sha256).await.unwrap());
    store.see_sessions(vec![seen]).await.unwrap();
    assert_eq!(store.sessions().await.unwrap(), [b], "an ended session stays ended");
}

pub async fn sessions_are_bounded(store: Arc<dyn Store>) {
    let names = async || -> Vec<String> { store.sessions().await.unwrap().into_iter().map(|s| s.sha256).collect() };
    let name = |n: u8| SessionToken::new([n; 32]).sha256();
    for n in 1..=3 {
        store.add_session(session(n, "key_a", n.into()), BOUNDS).await.unwrap();
    }
    store.see_sessions(vec![session(1, "key_a", 1).seen(at(9), IDLE, LIFETIME)]).await.unwrap();
    store.add_session(session(4, "key_a", 10), BOUNDS).await.unwrap();
    assert_eq!(names().await, [1, 3, 4].map(name), "of one key the longest silent goes");
    for n in 5..=6 {
        store.add_session(session(n, "key_b", n.into()), BOUNDS).await.unwrap();
    }
    store.add_session(session(7, "key_c", 11), BOUNDS).await.unwrap();
    assert_eq!(names().await, [1, 5, 6, 4, 7].map(name), "and of all");
    store.add_session(session(8, "key_c", 106), BOUNDS).await.unwrap();
    assert_eq!(names().await, [1, 4, 7, 8].map(name), "5 and 6 had expired");
}
