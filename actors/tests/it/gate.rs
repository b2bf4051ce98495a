//! The gate at the end of a job: what becomes the active model by itself, and what does not.

use crate::silence::start;
use crate::support::*;
use provost_actors::{FairnessOptions, Handle, Submission};
use provost_domain::config::FeatureSelection;
use provost_domain::gate::{ActivationWish, GateDecision, GateOutcome};
use provost_domain::job::JobStatus;
use provost_domain::{AdmissionDataPoint, Algorithm, ModelId, TargetMetric, TrainingConfig, TrainingJob};
use provost_store::PointSelection;

fn logistic() -> TrainingConfig {
    TrainingConfig { target_metric: TargetMetric::AucRoc, ..config(&[Algorithm::LogisticRegression]) }
}

/// A model that sees next to nothing.
fn blind() -> TrainingConfig {
    TrainingConfig {
        feature_selection: FeatureSelection::Manual,
        selected_features: Some(vec!["extracurricular_score".to_owned()]),
        ..logistic()
    }
}

async fn trained(handle: &Handle, config: TrainingConfig, wish: ActivationWish) -> TrainingJob {
    let mut submission = submission(config);
    submission.triggers[0].activation = wish;
    let id = submit_as(handle, submission).await;
    let job = finished(handle, &id).await;
    assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error_message);
    job
}

async fn submit_as(handle: &Handle, submission: Submission) -> provost_domain::JobId {
    match handle.submit(submission).await.unwrap() {
        provost_actors::Submitted::New(accepted) => accepted.job.job_id,
        other => panic!("{other:?}"),
    }
}

async fn decision(handle: &Handle, job: &TrainingJob) -> GateDecision {
    let decision = handle.store().decision(&job.job_id).await.unwrap().unwrap();
    assert!(job.logs.iter().any(|l| l.ends_with(&format!("gate: {}", decision.reason))), "{:?}", job.logs);
    decision
}

async fn active(handle: &Handle) -> Option<ModelId> {
    handle.store().active_model().await.unwrap()
}

async fn topics(handle: &Handle) -> Vec<String> {
    let outbox = handle.store().outbox_pending("event", 1000).await.unwrap();
    outbox.into_iter().map(|m| m.topic).filter(|t| t.starts_with("model.version.")).collect()
}

#[actix_rt::test]
async fn the_first_model_needs_to_be_better_than_chance_and_a_manual_job_decides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let by_hand = trained(&handle, logistic(), ActivationWish::None).await;
    assert_eq!(handle.store().decision(&by_hand.job_id).await.unwrap(), None);
    assert_eq!(active(&handle).await, None);
    let job = trained(&handle, logistic(), ActivationWish::IfBetter).await;
    let decided = decision(&handle, &job).await;
    assert_eq!(decided.outcome, GateOutcome::Activated, "{}", decided.reason);
    assert_eq!((active(&handle).await, decided.champion_id), (job.best_model_id.clone(), None));
    let evidence = decided.evidence.unwrap();
    assert_eq!((evidence.metric, evidence.look), (TargetMetric::AucRoc, 1));
    assert!(evidence.lower_bound > 0.0 && evidence.lower_bound < evidence.improvement, "{evidence:?}");
    let history = handle.store().activations(None, 9).await.unwrap().items;
    assert_eq!(history[0].activated_by.as_deref(), Some("gate"));
    assert_eq!(history[0].reason, Some(decided.reason));
    assert_eq!(topics(&handle).await.last().unwrap(), "model.version.activated");
}

#[actix_rt::test]
async fn a_better_model_replaces_the_champion_and_one_that_is_not_is_told_why() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let weak = trained(&handle, blind(), ActivationWish::None).await;
    let champion = weak.best_model_id.unwrap();
    handle.activate(&champion, None, None).await.unwrap();

    let better = trained(&handle, logistic(), ActivationWish::IfBetter).await;
    let decided = decision(&handle, &better).await;
    assert_eq!(decided.outcome, GateOutcome::Activated, "{}", decided.reason);
    assert_eq!(decided.champion_id, Some(champion));
    let evidence = decided.evidence.unwrap();
    assert!(evidence.improvement >= 0.02 && evidence.lower_bound > 0.0, "{evidence:?}");
    assert!(evidence.delong.unwrap().p_value < 0.05);
    assert!(evidence.mcnemar.is_some() && evidence.rows >= 100);
    assert_eq!(active(&handle).await, better.best_model_id);

    let same = trained(&handle, TrainingConfig { random_state: 7, ..logistic() }, ActivationWish::IfBetter).await;
    let decided = decision(&handle, &same).await;
    assert_eq!(decided.outcome, GateOutcome::Kept);
    assert!(decided.reason.starts_with("kept the active model, because auc_roc"), "{}", decided.reason);
    let spent = decided.evidence.unwrap();
    assert_eq!(spent.look, 2);
    assert!(spent.alpha < evidence.alpha, "the same rows are looked at again");
    assert_eq!(active(&handle).await, better.best_model_id);
    assert_eq!(topics(&handle).await.last().unwrap(), "model.version.rejected");

    // The successor of an old model need not be better.
    let successor = trained(&handle, logistic(), ActivationWish::IfNotWorse).await;
    let decided = decision(&handle, &successor).await;
    assert_eq!(decided.outcome, GateOutcome::Activated, "{}", decided.reason);
    assert_eq!(active(&handle).await, successor.best_model_id);
    handle.rollback(None, None).await.unwrap();
    assert_eq!(active(&handle).await, better.best_model_id);
}

/// The better model follows the grades, and so accepts those with low ones less often; the one before it knows the program alone.
#[actix_rt::test]
async fn a_better_model_that_is_less_fair_is_kept_out_where_the_gate_looks_at_groups() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path()).await;
    let tables = options.tables.clone();
    let mut grouped: Vec<AdmissionDataPoint> = Vec::new();
    let mut batches = options.store.stream_points(PointSelection::default()).await.unwrap();
    while let Some(batch) = batches.recv().await {
        for mut point in batch.unwrap() {
            let grade = tables.row(&point).values[0];
            let group = [(0.86..=1.0, "high"), (0.0..=0.8, "low")].iter().find(|(grades, _)| grades.contains(&grade));
            point.attributes.extend(group.map(|(_, group)| ("grades".to_owned(), (*group).to_owned())));
            point.seq += 1;
            grouped.push(point);
        }
    }
    options.store.record_points(grouped).await.unwrap();
    options.fairness = FairnessOptions { attributes: vec!["grades".to_owned()], gate: true };
    let handle = start(options).await.unwrap();
    let all = TrainingConfig { test_size: 0.3, ..logistic() };
    let by_program = Some(vec!["program_competitiveness".to_owned()]);
    let weak = TrainingConfig { selected_features: by_program, test_size: 0.3, ..blind() };
    let champion = trained(&handle, weak, ActivationWish::None).await.best_model_id.unwrap();
    handle.activate(&champion, None, None).await.unwrap();
    let better = trained(&handle, all, ActivationWish::IfBetter).await;
    let decided = decision(&handle, &better).await;
    assert_eq!(decided.outcome, GateOutcome::Kept, "{}", decided.reason);
    assert!(decided.reason.contains("which is below 0.8"), "{}", decided.reason);
    assert!(decided.evidence.is_some_and(|e| e.improvement > 0.0));
    assert_eq!(active(&handle).await, Some(champion));
}

#[actix_rt::test]
async fn in_manual_mode_the_challenger_waits_for_an_approval() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let weak = trained(&handle, blind(), ActivationWish::None).await;
    let champion = weak.best_model_id.unwrap();
    handle.activate(&champion, None, None).await.unwrap();
    let job = trained(&handle, logistic(), ActivationWish::Approval).await;
    let decided = decision(&handle, &job).await;
    assert_eq!(decided.outcome, GateOutcome::AwaitsApproval);
    assert!(decided.evidence.is_some(), "the approver is told what was found");
    assert_eq!(active(&handle).await, Some(champion));
    let challenger = job.best_model_id.unwrap();
    handle.activate(&challenger, Some("ann".to_owned()), Some("approved".to_owned())).await.unwrap();
    assert_eq!(active(&handle).await, Some(challenger));
}

#[actix_rt::test]
async fn a_champion_that_cannot_be_opened_stays_and_the_job_completes() {
    let folder = tempfile::tempdir().unwrap();
    let handle = system(folder.path()).await;
    let first = trained(&handle, blind(), ActivationWish::None).await;
    let champion = first.best_model_id.unwrap();
    let version = handle.activate(&champion, None, None).await.unwrap();
    let path = walk(&folder.path().join("artifacts")).into_iter().find(|p| p.ends_with(&version.model_sha256));
    let path = path.expect("the artifact's file");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let job = trained(&handle, logistic(), ActivationWish::IfBetter).await;
    let decided = decision(&handle, &job).await;
    assert_eq!((decided.outcome, decided.champion_id.as_ref()), (GateOutcome::NotComparable, Some(&champion)));
    assert!(decided.reason.starts_with("kept the active model, not comparable, because"), "{}", decided.reason);
    assert_eq!(active(&handle).await, Some(champion));
    assert_eq!(topics(&handle).await.last().unwrap(), "model.version.rejected");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
