//! Properties of models, activation and evaluations.

use super::samples::{at, evaluation, job, message, model, register};
use crate::error::StoreError;
use crate::roles::evaluations::EvaluationRecord;
use crate::store::Store;
use provost_domain::gate::{GateDecision, GateOutcome};
use provost_domain::model::ModelRecord;
use provost_domain::{ModelId, limits};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinSet;

fn id(record: &ModelRecord) -> &ModelId {
    &record.version.model_id
}

fn running(task: &str, model: &ModelRecord) -> EvaluationRecord {
    EvaluationRecord { results: None, plots: Default::default(), ..evaluation(task, model) }
}

async fn activate(store: &Arc<dyn Store>, model: &ModelRecord) -> ModelRecord {
    store.activate_model(id(model), Some("me".to_owned()), None, at(0), vec![]).await.unwrap()
}

pub async fn registration_is_idempotent(store: Arc<dyn Store>) {
    let mut m = model(1, &job(0, 0).job.job_id);
    m.version.is_active = true; // not the caller's to say
    let e = evaluation("task", &m);
    store.register_model(m.clone(), e.clone(), vec![message("a")]).await.unwrap();
    let mut again = m.clone();
    again.version.notes = Some("again".to_owned());
    store.register_model(again, evaluation("task-2", &m), vec![message("b")]).await.unwrap();
    m.version.is_active = false;
    assert_eq!(store.model(id(&m)).await.unwrap(), Some(m.clone()), "the first registration stays");
    assert_eq!(store.evaluation(id(&m)).await.unwrap(), Some(e), "a registered model has its evaluation at once");
    assert_eq!(store.outbox_pending("event", 9).await.unwrap(), [message("a")]);
    assert_eq!(store.model_count().await.unwrap(), 1);
    let other = model(2, &job(0, 0).job.job_id);
    let error = store.register_model(other.clone(), evaluation("x", &m), vec![]).await.unwrap_err();
    assert!(matches!(error, StoreError::Invalid(_)), "{error}");
    assert_eq!(store.model(id(&other)).await.unwrap(), None);
}

/// Ids are found by their text; another text, or an id of the other kind, is not found.
pub async fn names(store: Arc<dyn Store>) {
    let created = super::samples::create(&store, job(1, 0)).await;
    let (m, job_id) = (register(&store, 1).await, created.job.job_id);
    assert_eq!(store.model_named(id(&m).as_str()).await.unwrap().as_ref(), Some(id(&m)));
    assert_eq!(store.job_named(job_id.as_str()).await.unwrap().as_ref(), Some(&job_id));
    let absent = model(2, &job_id);
    for name in ["", "rf_20230401", "65f0c0ffee0123456789abcd", job_id.as_str(), id(&absent).as_str()] {
        assert_eq!(store.model_named(name).await.unwrap(), None, "{name}");
    }
    for name in ["", "job_20230401", "65f0c0ffee0123456789abcd", id(&m).as_str()] {
        assert_eq!(store.job_named(name).await.unwrap(), None, "{name}");
    }
}

pub async fn activation_moves_one_pointer(store: Arc<dyn Store>) {
    assert_eq!(store.active_model().await.unwrap(), None);
    assert_eq!(store.activations(None, 9).await.unwrap().items, []);
    let (a, b) = (register(&store, 1).await, register(&store, 2).await);
    assert_eq!(store.list_models(true, None, 9).await.unwrap().items, []);
    let activated = activate(&store, &a).await;
    assert!(activated.version.is_active);
    assert_eq!(store.model(id(&a)).await.unwrap(), Some(activated.clone()));
    let again = store.activate_model(id(&a), None, None, at(9), vec![message("again")]).await.unwrap();
    assert_eq!(again, activated);
    assert_eq!(
        store.activations(None, 9).await.unwrap().items.len(),
        1,
        "activating the active model is no activation"
    );
    assert_eq!(store.outbox_pending("event", 9).await.unwrap(), []);
    let by = (Some("me".to_owned()), Some("better".to_owned()));
    store.activate_model(id(&b), by.0.clone(), by.1.clone(), at(7), vec![message("b")]).await.unwrap();
    let history = store.activations(None, 9).await.unwrap().items;
    assert_eq!(history.iter().map(|h| (h.rev, &h.model_id)).collect::<Vec<_>>(), [(2, id(&b)), (1, id(&a))]);
    assert_eq!((history[0].previous_model_id.as_ref(), history[1].previous_model_id.as_ref()), (Some(id(&a)), None));
    assert_eq!((history[0].activated_by.clone(), history[0].reason.clone()), by);
    assert_eq!(history[0].activated_at, at(7));
    assert_eq!(store.activations(None, 1).await.unwrap().items, history[..1]);
    assert_eq!(store.outbox_pending("event", 9).await.unwrap(), [message("b")]);
    assert!(!store.model(id(&a)).await.unwrap().unwrap().version.is_active);
    let active = store.list_models(true, None, 9).await.unwrap().items;
    assert_eq!(active.iter().map(|v| (&v.model_id, v.is_active)).collect::<Vec<_>>(), [(id(&b), true)]);
    let all = store.list_models(false, None, 9).await.unwrap().items;
    assert_eq!(all.iter().map(|v| v.is_active).collect::<Vec<_>>(), [true, false]);
}

pub async fn unknown_models_are_not_activated(store: Arc<dyn Store>) {
    let known = register(&store, 1).await;
    activate(&store, &known).await;
    let unknown = model(2, &job(0, 0).job.job_id);
    let error = store.activate_model(id(&unknown), None, None, at(0), vec![message("m")]).await.unwrap_err();
    assert!(matches!(&error, StoreError::NotFound { what: "model", id: named } if named == id(&unknown).as_str()));
    assert_eq!(store.active_model().await.unwrap().as_ref(), Some(id(&known)));
    assert_eq!(store.outbox_pending("event", 9).await.unwrap(), []);
}

/// At every read exactly one model is active, and the history lists every switch in order.
pub async fn activations_race(store: Arc<dyn Store>) {
    let mut models = Vec::new();
    for number in 0..4 {
        models.push(register(&store, number).await);
    }
    activate(&store, &models[0]).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for _ in 0..2 {
        let (store, over) = (Arc::clone(&store), Arc::clone(&over));
        readers.spawn(async move {
            let mut reads = 0;
            while !over.load(Ordering::Relaxed) || reads == 0 {
                assert!(store.active_model().await.unwrap().is_some());
                assert_eq!(store.list_models(true, None, 9).await.unwrap().items.len(), 1);
                let all = store.list_models(false, None, 9).await.unwrap().items;
                assert_eq!(all.iter().filter(|v| v.is_active).count(), 1);
                reads += 1;
            }
        });
    }
    let mut writers = JoinSet::new();
    for m in models {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            for _ in 0..10 {
                assert!(activate(&store, &m).await.version.is_active);
            }
        });
    }
    writers.join_all().await;
    over.store(true, Ordering::Relaxed);
    readers.join_all().await;
    let history = store.activations(None, 100).await.unwrap().items;
    let revs: Vec<u64> = history.iter().map(|h| h.rev).rev().collect();
    assert_eq!(revs, (1..=revs.len() as u64).collect::<Vec<_>>(), "a switch is missing from the history");
    for pair in history.windows(2) {
        assert_eq!(pair[0].previous_model_id.as_ref(), Some(&pair[1].model_id));
    }
    assert_eq!(store.active_model().await.unwrap().as_ref(), Some(&history[0].model_id));
}

pub async fn pages(store: Arc<dyn Store>) {
    for number in [3, 1, 2, 5, 4] {
        register(&store, number).await;
    }
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.list_models(false, cursor.as_deref(), 2).await.unwrap();
        seen.extend(page.items.into_iter().map(|v| v.version));
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1].map(|n| format!("20231114_{n}")));
    assert_eq!(store.model_count().await.unwrap(), 5);
}

pub async fn evaluations_stay_readable(store: Arc<dyn Store>) {
    let m = register(&store, 1).await;
    let first = store.evaluation(id(&m)).await.unwrap().unwrap();
    store.start_evaluation(running("later", &m)).await.unwrap();
    store.start_evaluation(running("later", &m)).await.unwrap();
    assert_eq!(store.evaluation(id(&m)).await.unwrap(), Some(first));
    assert_eq!(store.unfinished_evaluations().await.unwrap(), [running("later", &m)]);
    let mut second = evaluation("later", &m);
    second.results.as_mut().unwrap().calibration_score = 0.125;
    store.finish_evaluation(second.clone()).await.unwrap();
    assert_eq!(store.evaluation(id(&m)).await.unwrap(), Some(second.clone()));
    assert_eq!(store.unfinished_evaluations().await.unwrap(), []);
    store.finish_evaluation(evaluation("later", &m)).await.unwrap();
    store.start_evaluation(running("later", &m)).await.unwrap();
    assert_eq!(store.evaluation(id(&m)).await.unwrap(), Some(second), "what is finished stays");
    assert_eq!(store.unfinished_evaluations().await.unwrap(), []);
}

pub async fn failed_evaluations_hide_nothing(store: Arc<dyn Store>) {
    let m = register(&store, 1).await;
    let first = store.evaluation(id(&m)).await.unwrap();
    store.start_evaluation(running("bad", &m)).await.unwrap();
    let error = store.finish_evaluation(running("bad", &m)).await.unwrap_err();
    assert!(matches!(error, StoreError::Invalid(_)), "neither results nor an error is no end: {error}");
    let failed = EvaluationRecord { error: Some("the artifact is corrupt".to_owned()), ..running("bad", &m) };
    store.finish_evaluation(failed).await.unwrap();
    assert_eq!(store.unfinished_evaluations().await.unwrap(), []);
    assert_eq!(store.evaluation(id(&m)).await.unwrap(), first);
    let unknown = model(9, &job(0, 0).job.job_id);
    let error = store.start_evaluation(running("x", &unknown)).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { what: "model", .. }), "{error}");
    let error = store.finish_evaluation(evaluation("never asked for", &m)).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { what: "evaluation", .. }), "{error}");
    assert_eq!(store.evaluation(id(&unknown)).await.unwrap(), None);
}

pub async fn activations_of_a_time(store: Arc<dyn Store>) {
    let (a, b) = (register(&store, 1).await, register(&store, 2).await);
    for (model, seconds) in [(&a, 10), (&b, 20), (&a, 30)] {
        store.activate_model(id(model), None, None, at(seconds), vec![]).await.unwrap();
    }
    for (seconds, expected) in [(9, None), (10, Some(1)), (19, Some(1)), (25, Some(2)), (99, Some(3))] {
        let found = store.activation_at(at(seconds)).await.unwrap();
        assert_eq!(found.map(|f| f.rev), expected, "at {seconds}");
    }
    let older = store.activations(Some(3), 9).await.unwrap().items;
    assert_eq!(older.iter().map(|h| h.rev).collect::<Vec<_>>(), [2, 1]);
}

fn decision(
    number: u32,
    challenger: &ModelRecord,
    champion: Option<&ModelRecord>,
    outcome: GateOutcome,
) -> GateDecision {
    GateDecision {
        job_id: job(u128::from(number), i64::from(number)).job.job_id,
        challenger_id: id(challenger).clone(),
        champion_id: champion.map(|c| id(c).clone()),
        decided_at: at(i64::from(number)),
        outcome,
        reason: format!("reason {number}"),
        improvement_threshold: 0.02,
        evidence: None,
    }
}

pub async fn decisions(store: Arc<dyn Store>) {
    let (a, b) = (register(&store, 1).await, register(&store, 2).await);
    let first = decision(1, &a, None, GateOutcome::Activated);
    assert_eq!(store.decide(first.clone(), vec![message("1")]).await.unwrap(), first);
    assert_eq!(store.active_model().await.unwrap().as_ref(), Some(id(&a)));
    let history = store.activations(None, 9).await.unwrap().items;
    assert_eq!((history.len(), history[0].reason.as_deref()), (1, Some("reason 1")));
    let kept = decision(2, &b, Some(&a), GateOutcome::Kept);
    assert_eq!(store.decide(kept.clone(), vec![message("2")]).await.unwrap(), kept);
    assert_eq!(store.active_model().await.unwrap().as_ref(), Some(id(&a)));
    // Deciding again changes nothing.
    let again = GateDecision { outcome: GateOutcome::Activated, ..kept.clone() };
    assert_eq!(store.decide(again, vec![message("3")]).await.unwrap(), kept);
    assert_eq!(store.active_model().await.unwrap().as_ref(), Some(id(&a)));
    assert_eq!(store.outbox_pending("event", 9).await.unwrap(), [message("1"), message("2")]);
    assert_eq!(store.decision(&kept.job_id).await.unwrap(), Some(kept.clone()));
    assert_eq!(store.decisions(None, None, 9).await.unwrap().items, [kept.clone(), first]);
    assert_eq!(store.decisions(Some(at(2)), None, 9).await.unwrap().items, [kept]);
    let audited = super::locks::checked_log(&store).await;
    assert_eq!(audited.len(), 1, "an activation by the gate is audited, and nothing else of it");
    assert_eq!(audited[0].deed.subject, id(&a).to_string());
}

/// However long the reasons are that an older version took in.
pub async fn histories_are_bounded_in_bytes(store: Arc<dyn Store>) {
    let (a, b) = (register(&store, 1).await, register(&store, 2).await);
    let long = "r".repeat(limits::PAGE_BYTES / 3);
    for number in 0..5 {
        let to = if number % 2 == 0 { &a } else { &b };
        store.activate_model(id(to), None, Some(long.clone()), at(number), vec![]).await.unwrap();
        let decided = GateDecision { reason: long.clone(), ..decision(number as u32, &a, Some(to), GateOutcome::Kept) };
        store.decide(decided, vec![]).await.unwrap();
    }
    let mut before = None;
    let mut revs = Vec::new();
    loop {
        let page = store.activations(before, 200).await.unwrap();
        revs.push(page.items.iter().map(|activation| activation.rev).collect::<Vec<_>>());
        let Some(next) = page.next else { break };
        before = Some(next.parse().unwrap());
    }
    assert_eq!(revs, [vec![5, 4], vec![3, 2], vec![1]]);
    assert_eq!(store.activation_at(at(0)).await.unwrap().map(|found| found.rev), Some(1));
    let jobs = |page: &[GateDecision]| page.iter().map(|one| one.decided_at).collect::<Vec<_>>();
    let first = store.decisions(Some(at(1)), None, 200).await.unwrap();
    assert_eq!(jobs(&first.items), [at(4), at(3)]);
    let second = store.decisions(Some(at(1)), first.next.as_deref(), 200).await.unwrap();
    assert_eq!((jobs(&second.items), second.next), (vec![at(2), at(1)], None));
    assert_eq!(jobs(&store.decisions(None, first.next.as_deref(), 1).await.unwrap().items), [at(2)]);
    for most in [0, 3, 9] {
        let newest = store.newest_decisions(None, most).await.unwrap();
        assert_eq!(jobs(&newest), [4, 3, 2, 1, 0].map(at)[..5.min(most as usize)]);
    }
    assert!(matches!(store.decisions(None, Some("elsewhere"), 2).await, Err(StoreError::Invalid(_))));
}

pub async fn decisions_on_another_champion(store: Arc<dyn Store>) {
    let (a, b) = (register(&store, 1).await, register(&store, 2).await);
    activate(&store, &a).await;
    let stale = decision(1, &b, None, GateOutcome::Activated);
    let refused = store.decide(stale.clone(), vec![message("m")]).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    assert_eq!(store.active_model().await.unwrap().as_ref(), Some(id(&a)));
    assert_eq!(store.decision(&stale.job_id).await.unwrap(), None);
    assert_eq!(store.outbox_pending("event", 9).await.unwrap(), []);
}
