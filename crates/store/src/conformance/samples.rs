//! Documents for the suite, each different from the others in what identifies it.

use crate::roles::evaluations::EvaluationRecord;
use crate::roles::jobs::{JobCreation, NewJob, NewJobEvent};
use crate::roles::outbox::OutboxMessage;
use crate::roles::responses::StoredResponse;
use crate::roles::triggers::TriggerRecord;
use crate::store::Store;
use chrono::{DateTime, TimeDelta, Utc};
use provost_domain::evaluation::{EvaluationResults, ThresholdCounts};
use provost_domain::job::{JobEventKind, JobRecord, TrialRecord, UnitProgress};
use provost_domain::lease::{Lease, UnitState, WorkUnit};
use provost_domain::model::{FeatureImportance, ImportanceKind, ModelRecord, SetCoverage, TrainingMetrics};
use provost_domain::prediction::{LoggedFeatures, PredictionRecord};
use provost_domain::record::{Decision, Profile, Program, TestScore, TestType};
use provost_domain::schedule::{TrainingTrigger, TriggerType};
use provost_domain::watch::{DriftReference, DriftWindow, Interval, PerformanceMetrics, PerformanceWindow, WindowKind};
use provost_domain::watch_record::{
    LogPosition, LogRange, PointPosition, WatchState, WatchedWindow, WindowRun, window_id,
};
use provost_domain::{AdmissionDataPoint, Algorithm, JobId, ModelId, ModelVersion, TrainingConfig, TrainingJob};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// So many seconds after a fixed moment.
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_700_000_000 + seconds)
}

pub fn point(id: &str, seq: u64) -> AdmissionDataPoint {
    AdmissionDataPoint {
        data_point_id: id.to_owned(),
        profile: Profile {
            gpa: Some(3.0 + 1.0 / 7.0),
            undergraduate_major: Some("Physics \"with\" ünïcode\n".to_owned()),
            test_scores: vec![TestScore {
                test_type: TestType::Gre,
                total_score: Some(325.0),
                verbal_score: Some(160.0),
                quantitative_score: Some(165.0),
                analytical_score: None,
                date_taken: None,
            }],
            ..Profile::default()
        },
        program: Program { university_name: Some("Somewhere".to_owned()), ..Program::default() },
        decision: Decision::Accepted,
        decision_date: None,
        application_year: Some(2024),
        application_cycle: None,
        scholarship_amount: None,
        assistantship_offered: None,
        verified: true,
        source: None,
        created_at: None,
        updated_at: None,
        applicant_id: None,
        seq,
        attributes: BTreeMap::new(),
    }
}

/// A pending job, `seconds` after the fixed moment; `number` distinguishes jobs of one moment.
pub fn job(number: u128, seconds: i64) -> JobRecord {
    let created_at = at(seconds);
    let job = TrainingJob::new(JobId::new(created_at, number), TrainingConfig::default(), created_at);
    JobRecord {
        units: BTreeMap::from([(Algorithm::RandomForest, UnitProgress::default())]),
        config_hash: "c0ffee".to_owned(),
        estimated_minutes: Some(1.5),
        ..JobRecord::new(job)
    }
}

/// Creates the job without events, outbox, key or bound.
pub async fn create(store: &Arc<dyn Store>, record: JobRecord) -> JobRecord {
    match store.create_job(NewJob::new(record)).await.unwrap() {
        JobCreation::Created(record) => *record,
        other => panic!("not created: {other:?}"),
    }
}

pub fn event(number: u64) -> NewJobEvent {
    NewJobEvent { at: at(0), kind: JobEventKind::Log, data: json!({ "number": number }) }
}

pub fn message(id: &str) -> OutboxMessage {
    OutboxMessage {
        id: id.to_owned(),
        channel: "event".to_owned(),
        topic: "training.job.queued".to_owned(),
        payload: json!({ "about": id }),
        at: at(0),
    }
}

pub fn response(key: &str, at: DateTime<Utc>) -> StoredResponse {
    StoredResponse {
        key: key.to_owned(),
        owner: "key_1".to_owned(),
        request_hash: "abc".to_owned(),
        status: 202,
        location: Some("/jobs/x".to_owned()),
        body: json!({ "success": true }),
        at,
    }
}

pub fn trial(job: &JobId, index: u32) -> TrialRecord {
    TrialRecord {
        job_id: job.clone(),
        algorithm: Algorithm::RandomForest,
        index,
        result: json!({ "score": 0.1 + 0.2, "index": index }),
        finished_at: at(i64::from(index)),
    }
}

fn metrics() -> TrainingMetrics {
    TrainingMetrics {
        accuracy: 0.7,
        precision: 0.7,
        recall: 0.7,
        f1_score: 0.7,
        auc_roc: 0.75,
        confusion_matrix: [[5, 2], [1, 6]],
        classification_report: serde_json::Map::from_iter([("accuracy".to_owned(), json!(0.7))]),
        cv_scores: vec![0.1, 0.2, 1.0 / 3.0],
        cv_mean: 0.2,
        cv_std: 0.08,
        training_time_seconds: 1.5,
        iterations_completed: 100,
        threshold: Some(0.4),
        intervals_95: BTreeMap::from([("auc_roc".to_owned(), [0.6, 0.9])]),
        set_coverage: Some(SetCoverage { asked: 0.9, accepted: Some(0.88), rejected: None }),
    }
}

/// A version trained `number` seconds after the fixed moment.
pub fn model(number: u32, job: &JobId) -> ModelRecord {
    let date = at(i64::from(number));
    ModelRecord {
        version: ModelVersion {
            model_id: ModelId::new(Algorithm::RandomForest, date, u128::from(number)),
            version: format!("20231114_{number}"),
            algorithm: Algorithm::RandomForest,
            training_date: date,
            training_samples: 1000,
            training_config: TrainingConfig::default(),
            model_sha256: "0".repeat(64),
            metrics: metrics(),
            feature_importance: vec![FeatureImportance {
                feature_name: "gpa_normalized".to_owned(),
                importance_score: 1.0,
                rank: 1,
            }],
            hyperparameters: serde_json::Map::from_iter([("max_depth".to_owned(), json!(null))]),
            model_path: "x".to_owned(),
            scaler_path: None,
            is_active: false,
            is_deprecated: false,
            parent_model_id: None,
            created_by: None,
            version_tag: None,
            notes: None,
        },
        job_id: job.clone(),
        snapshot: "1".repeat(64),
        threshold: 0.5,
        temporal: None,
    }
}

/// A finished evaluation.
pub fn evaluation(task: &str, model: &ModelRecord) -> EvaluationRecord {
    let id = model.version.model_id.clone();
    EvaluationRecord {
        task_id: task.to_owned(),
        model_id: id.clone(),
        requested_at: at(0),
        results: Some(EvaluationResults {
            model_id: id,
            evaluation_date: at(1),
            metrics: metrics(),
            performance_by_university_tier: BTreeMap::new(),
            calibration_score: 0.2,
            calibration_bins: vec![],
            feature_importance: vec![],
            importance_kind: Some(ImportanceKind::Gain),
            importance_rows: Some(1000),
            threshold_counts: Some(ThresholdCounts {
                false_positives: vec![60, 20, 0],
                true_positives: vec![40, 30, 0],
            }),
            confusion_matrix_plot: None,
            roc_curve_plot: None,
            feature_importance_plot: None,
            calibration_plot: None,
        }),
        error: None,
        plots: BTreeMap::from([("roc_curve.png".to_owned(), "2".repeat(64))]),
    }
}

/// Registers model `number` with an evaluation `task-{number}`.
pub async fn register(store: &Arc<dyn Store>, number: u32) -> ModelRecord {
    let model = model(number, &job(0, 0).job.job_id);
    let evaluation = evaluation(&format!("task-{number}"), &model);
    store.register_model(model.clone(), evaluation, vec![]).await.unwrap();
    model
}

pub fn trigger(number: u32) -> TriggerRecord {
    TriggerRecord {
        id: format!("trigger-{number:03}"),
        trigger: TrainingTrigger {
            trigger_type: TriggerType::Scheduled,
            triggered_at: at(i64::from(number / 2)),
            triggered_by: None,
            reason: Some("Sunday".to_owned()),
            new_samples_count: Some(1200),
            evidence: None,
        },
        config: None,
        activation: Default::default(),
        job_id: None,
        outcome: None,
    }
}

/// Offered for this job, `seconds` after the fixed moment.
pub fn unit(id: &str, job: &JobRecord, seconds: i64) -> WorkUnit {
    WorkUnit {
        id: id.to_owned(),
        job_id: job.job.job_id.clone(),
        algorithm: Algorithm::RandomForest,
        job_epoch: job.epoch,
        rev: 0,
        state: UnitState::Open,
        lease: Lease { name: id.to_owned(), holder: String::new(), epoch: 0, beat: 0 },
        order: json!({"threads": 2, "seed": u64::MAX, "share": 1.0 / 3.0}),
        stop: None,
        progress: 0.0,
        result: None,
        failure: None,
        created_at: at(seconds),
    }
}

/// The id of a model that predicts.
pub fn predicting_model(number: u128) -> ModelId {
    ModelId::new(Algorithm::Xgboost, at(0), number)
}

/// A prediction of model 1, made `seconds` after the fixed moment.
pub fn prediction(id: &str, seconds: i64) -> PredictionRecord {
    PredictionRecord {
        prediction_id: id.to_owned(),
        predicted_at: at(seconds),
        model_id: predicting_model(1),
        data_point_id: Some(format!("application-{id}")),
        probability: 0.1 + 0.2,
        predicted_outcome: Decision::Rejected,
        outcome: None,
        features: LoggedFeatures::new([("gpa", Some(f64::from(3.3_f32))), ("toefl", None)]),
        serving: None,
        caller: "key-1".into(),
    }
}

/// How far the watching of that model has come, at its change of this number.
pub fn watch_state(revision: u64) -> WatchState {
    let run = |closed| WindowRun { until: at(0), closed, last: None };
    WatchState {
        revision,
        model_id: predicting_model(1),
        predictions: run(revision),
        predictions_read: LogPosition { at: at(5), id: "p5".to_owned() },
        points: run(0),
        points_read: PointPosition { number: 7, id: "point-7".to_owned() },
    }
}

/// Window `number` of that model's predictions, closed `seconds` after the fixed moment.
pub fn watched(number: u64, seconds: i64) -> WatchedWindow {
    let id = window_id(&predicting_model(1), WindowKind::Predictions, number);
    let position = |seconds| LogPosition { at: at(seconds), id: "p".to_owned() };
    WatchedWindow {
        model_id: predicting_model(1),
        closed_at: at(seconds),
        reference: DriftReference { rows: 1_000, from: Some(2_015), to: None },
        range: Some(LogRange { after: position(seconds), upto: position(seconds + 1) }),
        drift: DriftWindow {
            id: id.clone(),
            kind: WindowKind::Predictions,
            from: at(seconds),
            to: at(seconds + 1),
            rows: 500,
            rows_tested: 500,
            reference_rows_tested: 1_000,
            permutations: 2_000,
            level: 0.05,
            alarm: false,
            domain_auc: Some(Interval { value: 0.1 + 0.2, low: 0.25, high: 0.5 }),
            predictions_moved: None,
            features: vec![],
            not_compared: vec!["application_year".to_owned()],
        },
        performance: Some(PerformanceWindow {
            id,
            from: at(seconds),
            to: at(seconds + 1),
            rows: 500,
            outcomes: 0,
            estimated: PerformanceMetrics::default(),
            realised: None,
            calibration_holds: None,
        }),
    }
}
