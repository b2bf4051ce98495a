//! Windows of predictions and points, and how far the watching has come.

use super::samples::{at, message, predicting_model as model, watch_state, watched};
use crate::error::StoreError;
use crate::page::Page;
use crate::roles::watch::WindowFilter;
use crate::store::Store;
use provost_domain::watch::WindowKind;
use provost_domain::watch_record::{WatchedWindow, window_id};
use std::sync::Arc;

async fn ids(store: &Arc<dyn Store>, filter: WindowFilter) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    loop {
        let Page { items, next } = store.watched_windows(filter.clone(), cursor.as_deref(), 2).await.unwrap();
        assert!(items.len() <= 2 && (next.is_none() || !items.is_empty()));
        ids.extend(items.into_iter().map(|window| window.id().to_owned()));
        cursor = next;
        if cursor.is_none() {
            return ids;
        }
    }
}

pub async fn nothing_is_watched_at_first(store: Arc<dyn Store>) {
    assert_eq!(store.watch_state().await.unwrap(), None);
    assert_eq!(ids(&store, WindowFilter::default()).await, [""; 0]);
    assert_eq!(store.watched_window("window_0").await.unwrap(), None);
    store.update_windows(vec![watched(1, 1)]).await.unwrap();
    assert_eq!(ids(&store, WindowFilter::default()).await, [""; 0], "what is not there stays away");
    let bad = store.watched_windows(WindowFilter::default(), Some("x"), 9).await;
    assert!(matches!(bad, Err(StoreError::Invalid(_))), "not a cursor of this list");
}

pub async fn windows_go_with_the_state(store: Arc<dyn Store>) {
    let window = watched(1, 1);
    assert!(!store.record_watch(watch_state(2), Some(window.clone()), vec![message("no")]).await.unwrap());
    assert!(store.record_watch(watch_state(1), Some(window.clone()), vec![message("alarm")]).await.unwrap());
    assert!(!store.record_watch(watch_state(1), None, vec![message("again")]).await.unwrap(), "not the next one");
    assert!(store.record_watch(watch_state(2), None, vec![]).await.unwrap());
    assert_eq!(store.watch_state().await.unwrap(), Some(watch_state(2)));
    assert_eq!(store.watched_window(window.id()).await.unwrap(), Some(window));
    assert_eq!(store.outbox_pending("event", 9).await.unwrap(), [message("alarm")]);
}

pub async fn a_window_is_replaced_by_its_own(store: Arc<dyn Store>) {
    store.record_watch(watch_state(1), Some(watched(1, 1)), vec![]).await.unwrap();
    store.record_watch(watch_state(2), Some(watched(1, 2)), vec![]).await.unwrap();
    assert_eq!(store.watched_windows(WindowFilter::default(), None, 9).await.unwrap().items, [watched(1, 2)]);
}

pub async fn windows_are_listed(store: Arc<dyn Store>) {
    let of_points = |n| {
        let mut window = WatchedWindow { range: None, performance: None, ..watched(n, 9) };
        window.drift.id = window_id(&model(1), WindowKind::Points, n);
        window.drift.kind = WindowKind::Points;
        window
    };
    let of_other = |n| {
        let mut window = WatchedWindow { model_id: model(2), ..watched(n, 9) };
        window.drift.id = window_id(&model(2), WindowKind::Predictions, n);
        window
    };
    let all: Vec<WatchedWindow> = (1..=3)
        .map(|n| watched(n, n.cast_signed()))
        .chain([of_points(4), of_other(5)])
        .enumerate()
        .map(|(at_second, window)| WatchedWindow { closed_at: at(at_second as i64), ..window })
        .collect();
    for (n, window) in (1..).zip(&all) {
        assert!(store.record_watch(watch_state(n), Some(window.clone()), vec![]).await.unwrap());
    }
    let named = |windows: &[usize]| windows.iter().map(|n| all[*n].id().to_owned()).collect::<Vec<_>>();
    let every = WindowFilter::default();
    let of_model = |n| WindowFilter { model_id: Some(model(n)), kind: None };
    assert_eq!(ids(&store, every.clone()).await, named(&[4, 3, 2, 1, 0]));
    assert_eq!(ids(&store, of_model(1)).await, named(&[3, 2, 1, 0]));
    assert_eq!(ids(&store, of_model(3)).await, [""; 0]);
    assert_eq!(ids(&store, WindowFilter { kind: Some(WindowKind::Points), ..every }).await, named(&[3]));
    let both = WindowFilter { kind: Some(WindowKind::Predictions), ..of_model(1) };
    assert_eq!(ids(&store, both).await, named(&[2, 1, 0]));
    assert_eq!(store.watched_window(all[3].id()).await.unwrap().as_ref(), Some(&all[3]));
}

pub async fn watchers_race(store: Arc<dyn Store>) {
    let tasks: Vec<_> = (0..4)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.record_watch(watch_state(1), Some(watched(1, n)), vec![]).await.unwrap() })
        })
        .collect();
    let mut recorded = 0;
    for task in tasks {
        recorded += usize::from(task.await.unwrap());
    }
    assert_eq!(recorded, 1, "one of them is first");
}

pub async fn windows_learn_of_outcomes(store: Arc<dyn Store>) {
    store.record_watch(watch_state(1), Some(watched(1, 1)), vec![]).await.unwrap();
    let mut learned = watched(1, 1);
    learned.performance.as_mut().unwrap().outcomes = 40;
    store.update_windows(vec![learned.clone(), watched(2, 2)]).await.unwrap();
    assert_eq!(store.watched_windows(WindowFilter::default(), None, 9).await.unwrap().items, [learned]);
}
