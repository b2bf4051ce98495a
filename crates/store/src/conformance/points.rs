//! Properties of data points.

use super::samples::{at, point};
use crate::error::StoreError;
use crate::roles::inbox::{InboxEffect, InboxEntry};
use crate::roles::points::{PointOutcome, PointSelection, RecordedPoints};
use crate::store::Store;
use provost_domain::AdmissionDataPoint;
use provost_domain::event::Retraction;
use provost_domain::record::Decision;
use provost_domain::watch_record::PointPosition;
use std::sync::Arc;

/// All points of a stream.
pub async fn all(store: &Arc<dyn Store>, verified_only: bool) -> Vec<AdmissionDataPoint> {
    let mut stream = store.stream_points(PointSelection { verified_only }).await.unwrap();
    let mut points = Vec::new();
    while let Some(batch) = stream.recv().await {
        points.extend(batch.unwrap());
    }
    points
}

async fn record(store: &Arc<dyn Store>, point: AdmissionDataPoint) -> PointOutcome {
    let outcomes = store.record_points(vec![point]).await.unwrap();
    assert_eq!(outcomes.len(), 1);
    outcomes.into_iter().next().unwrap()
}

fn rejected(mut point: AdmissionDataPoint) -> AdmissionDataPoint {
    point.decision = Decision::Rejected;
    point
}

pub async fn outcomes(store: Arc<dyn Store>) {
    assert_eq!(record(&store, point("a", 1)).await, PointOutcome::Inserted);
    assert_eq!(record(&store, point("a", 1)).await, PointOutcome::Unchanged);
    assert_eq!(record(&store, rejected(point("a", 1))).await, PointOutcome::Conflict);
    assert_eq!(record(&store, rejected(point("a", 0))).await, PointOutcome::Stale);
    assert_eq!(all(&store, false).await, [point("a", 1)], "neither conflict nor stale changes what is stored");
    assert_eq!(record(&store, rejected(point("a", 2))).await, PointOutcome::Superseded);
    assert_eq!(record(&store, point("a", u64::MAX)).await, PointOutcome::Superseded);
    assert_eq!(record(&store, point("a", 3)).await, PointOutcome::Stale);
    assert_eq!(all(&store, false).await, [point("a", u64::MAX)]);
    // When it was written is no part of a point's content.
    let mut later = point("a", u64::MAX);
    later.updated_at = Some(at(9));
    assert_eq!(record(&store, later).await, PointOutcome::Unchanged);
}

pub async fn duplicates_in_one_batch(store: Arc<dyn Store>) {
    let batch =
        vec![point("a", 1), point("b", 0), point("a", 1), point("a", 2), rejected(point("a", 2)), point("a", 0)];
    use PointOutcome::*;
    assert_eq!(store.record_points(batch).await.unwrap(), [Inserted, Inserted, Unchanged, Superseded, Conflict, Stale]);
    assert_eq!(all(&store, false).await, [point("a", 2), point("b", 0)]);
    assert_eq!(store.point_totals().await.unwrap().total, 2);
    assert_eq!(store.record_points(vec![]).await.unwrap(), []);
}

pub async fn content_is_kept(store: Arc<dyn Store>) {
    let mut full = point("x/../\u{1F393} '\"", 7);
    full.profile.gpa = Some(0.1 + 0.2);
    full.profile.test_scores.clear();
    full.scholarship_amount = Some(1e300);
    full.created_at = Some(at(1) + chrono::TimeDelta::nanoseconds(123_456_789));
    full.updated_at = Some(at(2));
    full.decision_date = at(3).date_naive().into();
    full.applicant_id = Some(String::new());
    full.attributes = [("degree", "Bachelor"), ("group/1~2", "")].map(|(n, v)| (n.to_owned(), v.to_owned())).into();
    record(&store, full.clone()).await;
    assert_eq!(all(&store, false).await, [full]);
}

pub async fn order_and_selection(store: Arc<dyn Store>) {
    let number = 4500; // several batches of a stream
    let points = (0..number).map(|i| {
        let mut p = point(&format!("p{:05}", (i * 7919) % number), 0);
        p.verified = i % 3 == 0;
        p
    });
    let points: Vec<_> = points.collect();
    for batch in points.chunks(2000) {
        store.record_points(batch.to_vec()).await.unwrap();
    }
    let streamed = all(&store, false).await;
    assert_eq!(streamed.len(), number);
    assert!(streamed.windows(2).all(|w| w[0].data_point_id < w[1].data_point_id), "not in id order");
    let verified = all(&store, true).await;
    assert_eq!(verified.len(), number / 3);
    assert!(verified.iter().all(|p| p.verified));
    assert!(verified.windows(2).all(|w| w[0].data_point_id < w[1].data_point_id), "not in id order");
    // A correction may change whether a point is selected.
    let mut corrected = verified[0].clone();
    (corrected.verified, corrected.seq) = (false, 1);
    record(&store, corrected).await;
    assert_eq!(all(&store, true).await.len(), number / 3 - 1);
}

pub async fn points_are_found_by_their_ids(store: Arc<dyn Store>) {
    assert_eq!(store.points_by_id(&[]).await.unwrap(), []);
    for id in ["a", "b", "c"] {
        record(&store, point(id, 1)).await;
    }
    record(&store, rejected(point("b", 2))).await;
    let ids = ["c", "b", "never there"].map(str::to_owned);
    let mut found = store.points_by_id(&ids).await.unwrap();
    found.sort_by(|x, y| x.data_point_id.cmp(&y.data_point_id));
    assert_eq!(found, [rejected(point("b", 2)), point("c", 1)]);
}

pub async fn a_stream_can_be_left(store: Arc<dyn Store>) {
    let points = (0..9000).map(|i| point(&format!("p{i:05}"), 0)).collect();
    store.record_points(points).await.unwrap();
    for _ in 0..6 {
        let mut stream = store.stream_points(PointSelection::default()).await.unwrap();
        assert_eq!(stream.recv().await.unwrap().unwrap()[0].data_point_id, "p00000");
    }
    // Streams that were left hold nothing that writers or readers need.
    assert_eq!(record(&store, point("z", 0)).await, PointOutcome::Inserted);
    assert_eq!(all(&store, false).await.len(), 9001);
}

pub async fn mark_moves_with_changes(store: Arc<dyn Store>) {
    let first = store.point_totals().await.unwrap();
    assert_eq!(first.total, 0);
    record(&store, point("a", 1)).await;
    let inserted = store.point_totals().await.unwrap();
    assert_ne!(inserted, first);
    assert_eq!(inserted.total, 1);
    for same in [point("a", 1), rejected(point("a", 1)), point("a", 0)] {
        record(&store, same).await;
        assert_eq!(store.point_totals().await.unwrap(), inserted);
    }
    record(&store, point("a", 2)).await;
    let superseded = store.point_totals().await.unwrap();
    assert_ne!(superseded.version, inserted.version);
    assert_eq!(superseded.total, 1);
}

pub async fn arrivals_count_what_is_new(store: Arc<dyn Store>) {
    let with = |id: &str, seq, decision, verified| {
        let mut p = point(id, seq);
        (p.decision, p.verified) = (decision, verified);
        p
    };
    let steps = [
        (with("a", 0, Decision::Accepted, true), (1, 1)),
        (with("b", 0, Decision::Waitlisted, true), (1, 1)),
        (with("c", 0, Decision::Rejected, false), (2, 1)),
        // Its outcome is known now.
        (with("b", 1, Decision::Accepted, true), (3, 2)),
        // It was counted before.
        (with("b", 2, Decision::Rejected, true), (3, 2)),
        (with("c", 1, Decision::Rejected, true), (3, 3)),
        (with("a", 1, Decision::Deferred, true), (3, 3)),
    ];
    for (p, expected) in steps {
        record(&store, p.clone()).await;
        let arrivals = store.point_totals().await.unwrap().arrivals;
        assert_eq!((arrivals.usable, arrivals.verified), expected, "after {p:?}");
    }
}

pub async fn a_refused_batch_leaves_nothing(store: Arc<dyn Store>) {
    let mark = store.point_totals().await.unwrap();
    let mut bad = point("bad", 0);
    bad.profile.gpa_scale = f64::NAN;
    let error = store.record_points(vec![point("good", 0), bad]).await.unwrap_err();
    assert!(matches!(&error, StoreError::Invalid(text) if text.contains("`bad`")), "{error}");
    assert_eq!(all(&store, false).await, []);
    assert_eq!(store.point_totals().await.unwrap(), mark);
}

pub async fn points_are_read_as_they_were_recorded(store: Arc<dyn Store>) {
    let start = store.last_point_position().await.unwrap();
    let read = |after: PointPosition, limit| {
        let store = store.clone();
        async move { store.recorded_points(&after, limit).await.unwrap() }
    };
    assert_eq!(read(start.clone(), 9).await, RecordedPoints { points: vec![], cut: false });
    record(&store, point("b", 0)).await;
    let first = store.last_point_position().await.unwrap();
    assert!(first > start);
    for id in ["a", "c", "d"] {
        record(&store, point(id, 0)).await;
    }
    // A correction stays in its place, and what was retracted is not read.
    record(&store, point("b", 1)).await;
    let entry = InboxEntry { source: "s".to_owned(), id: "1".to_owned(), payload_hash: "x".to_owned(), at: at(0) };
    let retraction = Retraction { data_point_id: "c".to_owned(), seq: 9 };
    store.record_inbox(vec![(entry, InboxEffect::Retraction(retraction))]).await.unwrap();

    let all = read(start.clone(), 9).await;
    let ids = |read: &RecordedPoints| -> Vec<String> {
        read.points.iter().map(|(_, point)| point.data_point_id.clone()).collect()
    };
    assert_eq!((ids(&all), all.cut), (vec!["b".to_owned(), "a".to_owned(), "d".to_owned()], false));
    assert_eq!(all.points[0].1.seq, 1);
    assert!(all.points.is_sorted_by(|a, b| a.0 < b.0));
    let newest = read(start.clone(), 2).await;
    assert_eq!((ids(&newest), newest.cut), (vec!["a".to_owned(), "d".to_owned()], true));
    assert_eq!(ids(&read(first.clone(), 9).await), ["a", "d"]);
    assert_eq!(ids(&read(all.points[1].0.clone(), 9).await), ["d"]);
    for (after, most, count) in [(&start, 9, 3), (&start, 2, 2), (&first, 9, 2)] {
        assert_eq!(store.count_recorded_points(after, most).await.unwrap(), count);
    }
}
