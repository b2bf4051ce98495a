//! The prediction log, the outcomes that it learns of, and the shadow selection.

use super::samples::{at, point, predicting_model as model, prediction};
use crate::error::StoreError;
use crate::page::Page;
use crate::roles::inbox::{InboxEffect, InboxEntry};
use crate::roles::predictions::{LoggedPredictions, PredictionFilter, ScoredOutcome, ShadowTally};
use crate::store::Store;
use provost_domain::event::Retraction;
use provost_domain::prediction::{LoggedFeatures, PredictionRecord, ServingAnswer, ShadowSelection};
use provost_domain::record::Decision;
use provost_domain::watch_record::{LogPosition, LogRange};
use std::sync::Arc;

/// What model 2, in the shadow, predicted for the same application.
fn shadow(of: &PredictionRecord, probability: f64, predicted_outcome: Decision) -> PredictionRecord {
    let serving = ServingAnswer {
        model_id: of.model_id.clone(),
        probability: of.probability,
        predicted_outcome: of.predicted_outcome,
    };
    let features = LoggedFeatures::new::<&str>([]);
    PredictionRecord {
        model_id: model(2),
        probability,
        predicted_outcome,
        features,
        serving: Some(serving),
        ..of.clone()
    }
}

fn decided(id: &str, seq: u64, decision: Decision) -> provost_domain::AdmissionDataPoint {
    provost_domain::AdmissionDataPoint { decision, ..point(&format!("application-{id}"), seq) }
}

async fn all(store: &Arc<dyn Store>, filter: PredictionFilter) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    loop {
        let Page { items, next } = store.predictions(filter.clone(), cursor.as_deref(), 2).await.unwrap();
        assert!(items.len() <= 2 && (next.is_none() || !items.is_empty()));
        ids.extend(items.into_iter().map(|record| record.prediction_id));
        cursor = next;
        if cursor.is_none() {
            return ids;
        }
    }
}

async fn outcome(store: &Arc<dyn Store>, id: &str) -> Option<Decision> {
    store.prediction(id).await.unwrap().unwrap().outcome
}

pub async fn an_empty_log_has_nothing(store: Arc<dyn Store>) {
    assert_eq!(all(&store, PredictionFilter::default()).await, [""; 0]);
    assert_eq!(store.prediction("p").await.unwrap(), None);
    assert_eq!(store.prediction_totals().await.unwrap(), Default::default());
    assert_eq!(store.shadow_tally(&model(1), at(0)).await.unwrap(), ShadowTally::default());
    assert_eq!(store.scored_outcomes(&model(1), at(0), 9).await.unwrap(), []);
    assert_eq!(store.forget_predictions(at(9), 0, 9).await.unwrap(), 0);
    assert_eq!(store.append_predictions(vec![]).await.unwrap(), 0);
    store.record_points(vec![point("p", 0)]).await.unwrap();
}

pub async fn entries_come_back_as_they_were(store: Arc<dyn Store>) {
    let records: Vec<_> = (0..3).map(|n| prediction(&format!("p{n}"), n)).collect();
    assert_eq!(store.append_predictions(records.clone()).await.unwrap(), 3);
    assert_eq!(store.append_predictions(records.clone()).await.unwrap(), 0, "an id is logged once");
    assert_eq!(store.prediction("p1").await.unwrap().as_ref(), Some(&records[1]));
    assert_eq!(all(&store, PredictionFilter::default()).await, ["p2", "p1", "p0"]);
    let totals = store.prediction_totals().await.unwrap();
    assert_eq!((totals.entries, totals.oldest), (3, Some(at(0))));
    let bad = store.predictions(PredictionFilter::default(), Some("x"), 9).await;
    assert!(matches!(bad, Err(StoreError::Invalid(_))), "not a cursor of this list");
}

pub async fn a_refused_entry_leaves_nothing(store: Arc<dyn Store>) {
    let bad = PredictionRecord { probability: f64::NAN, ..prediction("bad", 1) };
    let error = store.append_predictions(vec![prediction("good", 0), bad]).await.unwrap_err();
    assert!(matches!(&error, StoreError::Invalid(text) if text.contains("NaN")), "{error}");
    assert_eq!(all(&store, PredictionFilter::default()).await, [""; 0]);
}

pub async fn lists_are_filtered(store: Arc<dyn Store>) {
    let other = PredictionRecord { model_id: model(3), ..prediction("p3", 3) };
    let records = (0..3).map(|n| prediction(&format!("p{n}"), n)).chain([other]);
    store.append_predictions(records.collect()).await.unwrap();
    store
        .record_points(vec![decided("p0", 0, Decision::Accepted), decided("p1", 0, Decision::Rejected)])
        .await
        .unwrap();
    let every = PredictionFilter::default();
    let of = |filter| all(&store, filter);
    assert_eq!(of(PredictionFilter { model_id: Some(model(3)), ..every.clone() }).await, ["p3"]);
    assert_eq!(of(PredictionFilter { model_id: Some(model(4)), ..every.clone() }).await, [""; 0]);
    assert_eq!(of(PredictionFilter { from: Some(at(1)), to: Some(at(3)), ..every.clone() }).await, ["p2", "p1"]);
    assert_eq!(of(PredictionFilter { outcome: Some(Decision::Accepted), ..every.clone() }).await, ["p0"]);
    assert_eq!(of(PredictionFilter { outcome: Some(Decision::Rejected), ..every }).await, ["p1"]);
}

pub async fn outcomes_are_joined(store: Arc<dyn Store>) {
    store.append_predictions((0..2).map(|n| prediction(&format!("p{n}"), n)).collect()).await.unwrap();
    assert_eq!(outcome(&store, "p0").await, None);
    store.record_points(vec![decided("p0", 1, Decision::Waitlisted)]).await.unwrap();
    assert_eq!(outcome(&store, "p0").await, None, "not decided yet");
    store.record_points(vec![decided("p0", 2, Decision::Accepted)]).await.unwrap();
    assert_eq!(outcome(&store, "p0").await, Some(Decision::Accepted));
    store.record_points(vec![decided("p0", 1, Decision::Rejected)]).await.unwrap();
    assert_eq!(outcome(&store, "p0").await, Some(Decision::Accepted), "a stale point says nothing");
    store.record_inbox(vec![event(1, InboxEffect::Points(vec![decided("p1", 0, Decision::Rejected)]))]).await.unwrap();
    assert_eq!(outcome(&store, "p1").await, Some(Decision::Rejected));
    store.record_points(vec![decided("p0", 3, Decision::Deferred)]).await.unwrap();
    assert_eq!(outcome(&store, "p0").await, None, "the outcome was taken back");
}

fn event(number: u32, effect: InboxEffect) -> (InboxEntry, InboxEffect) {
    let id = format!("event-{number}");
    (InboxEntry { source: "s".to_owned(), payload_hash: id.clone(), id, at: at(0) }, effect)
}

pub async fn a_retraction_removes_entries(store: Arc<dyn Store>) {
    let first = prediction("p0", 0);
    store
        .append_predictions(vec![shadow(&first, 0.5, Decision::Accepted), first.clone(), prediction("p1", 1)])
        .await
        .unwrap();
    let retraction = Retraction { data_point_id: "application-p0".to_owned(), seq: 5 };
    store.record_inbox(vec![event(1, InboxEffect::Retraction(retraction))]).await.unwrap();
    assert_eq!(all(&store, PredictionFilter::default()).await, ["p1"]);
    assert_eq!(store.shadow_tally(&model(2), at(0)).await.unwrap().predictions, 0);
    assert_eq!(store.append_predictions(vec![first]).await.unwrap(), 0, "none is logged for a retracted point");
}

pub async fn the_shadow_is_compared(store: Arc<dyn Store>) {
    let records: Vec<_> = (0..4).map(|n| prediction(&format!("p{n}"), n)).collect();
    let rejects = records.iter().take(3).map(|record| shadow(record, 0.25, Decision::Rejected));
    let accepts = shadow(&records[3], 0.75, Decision::Accepted);
    let shadows: Vec<_> = rejects.chain([accepts]).collect();
    store.append_predictions(records.iter().cloned().chain(shadows).collect()).await.unwrap();
    let tally = store.shadow_tally(&model(2), at(1)).await.unwrap();
    assert_eq!((tally.predictions, tally.agreeing), (3, 2));
    assert!((tally.difference_sum - (0.25 + 0.25 + 0.75 - 3.0 * 0.3)).abs() < 1e-12, "{tally:?}");
    assert_eq!(all(&store, PredictionFilter::default()).await, ["p3", "p2", "p1", "p0"], "the shadow is not listed");
    store
        .record_points(vec![decided("p1", 0, Decision::Rejected), decided("p3", 0, Decision::Accepted)])
        .await
        .unwrap();
    let scored = store.scored_outcomes(&model(2), at(0), 9).await.unwrap();
    let expected =
        [ScoredOutcome { probability: 0.75, accepted: true }, ScoredOutcome { probability: 0.25, accepted: false }];
    assert_eq!(scored, expected);
    assert_eq!(store.scored_outcomes(&model(2), at(0), 1).await.unwrap(), expected[..1]);
    assert_eq!(store.scored_outcomes(&model(1), at(2), 9).await.unwrap().len(), 1);
}

pub async fn the_log_is_bounded(store: Arc<dyn Store>) {
    store.append_predictions((0..10).map(|n| prediction(&format!("p{n}"), n)).collect()).await.unwrap();
    assert_eq!(store.forget_predictions(at(2), 100, 1).await.unwrap(), 1, "a step is bounded");
    assert_eq!(store.forget_predictions(at(2), 100, 9).await.unwrap(), 1);
    assert_eq!(store.forget_predictions(at(2), 100, 9).await.unwrap(), 0);
    assert_eq!(all(&store, PredictionFilter::default()).await.len(), 8);
    assert_eq!(store.forget_predictions(at(0), 5, 2).await.unwrap(), 2);
    assert_eq!(store.forget_predictions(at(0), 5, 9).await.unwrap(), 1);
    assert_eq!(all(&store, PredictionFilter::default()).await, ["p9", "p8", "p7", "p6", "p5"]);
}

/// Nobody pushes out the entries of others.
pub async fn each_caller_has_a_share_of_the_log(store: Arc<dyn Store>) {
    let of = |caller: &str, id: &str, seconds| PredictionRecord { caller: caller.into(), ..prediction(id, seconds) };
    let quiet = [of("quiet", "q0", 0), of("quiet", "q1", 1), of("second", "s0", 2)];
    store.append_predictions(quiet.to_vec()).await.unwrap();
    let loud: Vec<_> = (0..20).map(|n| of("loud", &format!("l{n:02}"), n + 3)).collect();
    store.append_predictions(loud.clone()).await.unwrap();
    store.append_predictions(loud).await.unwrap();
    assert_eq!(store.prediction("q0").await.unwrap(), Some(quiet[0].clone()));
    assert_eq!(store.forget_predictions(at(0), 8, 9).await.unwrap(), 9, "a step is bounded");
    assert_eq!(store.forget_predictions(at(0), 8, 9).await.unwrap(), 6);
    assert_eq!(store.forget_predictions(at(0), 8, 9).await.unwrap(), 0);
    let left = |filter| all(&store, filter);
    assert_eq!(left(PredictionFilter::default()).await, ["l19", "l18", "l17", "l16", "l15", "s0", "q1", "q0"]);
    // Retracted and aged entries count no more.
    let retraction = Retraction { data_point_id: "application-l19".to_owned(), seq: 5 };
    store.record_inbox(vec![event(1, InboxEffect::Retraction(retraction))]).await.unwrap();
    assert_eq!(store.prediction_totals().await.unwrap().entries, 7);
    assert_eq!(store.forget_predictions(at(1), 7, 9).await.unwrap(), 1, "what is too old goes, whoever has it");
    assert_eq!(store.forget_predictions(at(0), 3, 9).await.unwrap(), 3);
    assert_eq!(left(PredictionFilter::default()).await, ["l18", "s0", "q1"]);
    store.append_predictions(vec![of("second", "s1", 90)]).await.unwrap();
    assert_eq!(store.forget_predictions(at(0), 3, 9).await.unwrap(), 1);
    assert_eq!(left(PredictionFilter::default()).await, ["s1", "l18", "q1"], "the oldest of who has the most");
    let shadowed = shadow(&of("third", "t0", 91), 0.5, Decision::Accepted);
    store.append_predictions(vec![shadowed]).await.unwrap();
    assert_eq!(store.prediction_totals().await.unwrap().entries, 4, "what the shadow says counts too");
}

pub async fn the_shadow_selection_is_kept(store: Arc<dyn Store>) {
    assert_eq!(store.shadow_selection().await.unwrap(), None);
    let selection = ShadowSelection { model_ids: vec![model(1), model(2)], since: at(5) };
    store.put_shadow_selection(selection.clone()).await.unwrap();
    assert_eq!(store.shadow_selection().await.unwrap(), Some(selection.clone()));
    let none = ShadowSelection { model_ids: vec![], ..selection };
    store.put_shadow_selection(none.clone()).await.unwrap();
    assert_eq!(store.shadow_selection().await.unwrap(), Some(none));
}

pub async fn parts_of_the_log_are_read(store: Arc<dyn Store>) {
    let everything = LogRange { after: LogPosition::before(at(0)), upto: LogPosition::before(at(99)) };
    let none = LoggedPredictions { predictions: vec![], cut: false };
    assert_eq!(store.logged_predictions(&model(1), &everything, 9).await.unwrap(), none);
    assert_eq!(store.count_logged_predictions(&model(1), &everything, 9).await.unwrap(), 0);
    let records: Vec<_> = [("b", 1), ("a", 1), ("c", 0), ("d", 2)].map(|(id, at)| prediction(id, at)).to_vec();
    let other = PredictionRecord { model_id: model(3), ..prediction("e", 1) };
    let in_shadow = shadow(&PredictionRecord { model_id: model(3), ..prediction("f", 1) }, 0.5, Decision::Accepted);
    let in_shadow = PredictionRecord { model_id: model(1), ..in_shadow };
    store.append_predictions(records.into_iter().chain([other, in_shadow]).collect()).await.unwrap();
    let read = |range: LogRange, limit| {
        let store = store.clone();
        async move {
            let counted = store.count_logged_predictions(&model(1), &range, limit).await.unwrap();
            let found = store.logged_predictions(&model(1), &range, limit).await.unwrap();
            assert_eq!(counted as usize, found.predictions.len());
            (found.predictions.into_iter().map(|p| p.prediction_id).collect::<String>(), found.cut)
        }
    };
    let position = |seconds, id: &str| LogPosition { at: at(seconds), id: id.to_owned() };
    assert_eq!(read(everything.clone(), 9).await, ("cabd".to_owned(), false));
    assert_eq!(read(everything, 2).await, ("bd".to_owned(), true), "the newest of them");
    assert_eq!(
        read(LogRange { after: position(0, "c"), upto: position(1, "b") }, 9).await,
        ("ab".to_owned(), false),
        "from after the one to the other"
    );
    assert_eq!(read(LogRange { after: position(1, "a"), upto: position(2, "") }, 9).await, ("b".to_owned(), false));
    let last = LogRange { after: position(1, "b"), upto: position(2, "d") };
    assert_eq!(store.logged_predictions(&model(1), &last, 9).await.unwrap().predictions, [prediction("d", 2)]);
}
