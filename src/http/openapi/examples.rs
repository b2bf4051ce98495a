//! An example of each body that is sent and answered, built from the types that are read and written, so that the
//! examples stay correct.

use super::super::auth;
use super::super::code::Code;
use super::super::jobs::{CancelAccepted, JobAnswer, TrainAccepted};
use super::super::models::{
    ActivateRequest, MetricValues, ModelFeatureImportance, ModelMetrics, RankedFeature, RollbackRequest,
    activation_reason,
};
use super::super::needs::{acknowledgement, snoozing};
use super::super::problem::{PROBLEM, Problem, key_reused};
use super::super::schedule::Trigger;
use super::super::status::{Alive, Faults, JobCounts, LatestModel, ModelCounts, Readiness, ServiceStatus};
use super::super::{BASE, evaluations};
use super::audits;
use super::records::{self, COMPARISON_PLOT, job_id, model_id, of};
use super::{administration, needs, points, predictions, watch};
use provost_actors::error::{CancelError, RegistryError, SubmitError};
use provost_domain::evaluation::{ModelComparisonRequest, PLOTS};
use provost_domain::job::JobStatus;
use provost_domain::key::Role;
use provost_domain::model::ImportanceKind;
use provost_domain::queue::Waiting;
use provost_domain::schedule::ScheduledTrainingConfig;
use provost_domain::status::{ComponentStatus, Health};
use provost_domain::{Algorithm, TargetMetric, TrainingConfig, limits};
use provost_store::StoreError;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const TASK: &str = "task_0199c7a2b4d87c3e9f10a1b2c3d4e5f6";

/// Adds the examples of one operation, except for bodies that have one already.
pub fn add(operation: &mut Value) {
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    let body = operation.pointer_mut("/requestBody/content/application~1json").and_then(Value::as_object_mut);
    insert(body, || request(&id));
    let lines = operation.pointer_mut("/requestBody/content/application~1x-ndjson").and_then(Value::as_object_mut);
    insert(lines, || predictions::line(&id));
    let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
    for (status, response) in responses.into_iter().flatten() {
        let status = status.parse().unwrap_or_default();
        for (kind, body) in response.get_mut("content").and_then(Value::as_object_mut).into_iter().flatten() {
            insert(body.as_object_mut(), || match kind.as_str() {
                PROBLEM => Some(of(&problem(&id, status))),
                JSON => answer(&id, status),
                NDJSON => points::answer_line(&id).or_else(|| predictions::answer_line(&id)),
                _ => None,
            });
        }
    }
}

fn insert(body: Option<&mut Map<String, Value>>, example: impl FnOnce() -> Option<Value>) {
    if let Some(body) = body.filter(|body| !body.contains_key("example") && !body.contains_key("examples"))
        && let Some(example) = example()
    {
        body.insert("example".to_owned(), example);
    }
}

/// The fields that differ from the defaults, which a client would write.
fn beyond<T: serde::Serialize>(wanted: &T, default: &T) -> Value {
    let default = of(default);
    let mut wanted = of(wanted);
    if let Some(fields) = wanted.as_object_mut() {
        fields.retain(|name, value| default[name.as_str()] != *value);
    }
    wanted
}

/// The example of an operation's request body.
pub fn request(operation: &str) -> Option<Value> {
    Some(match operation {
        "train" | "check_data_quality" | "check_data" => beyond(&records::config(), &TrainingConfig::default()),
        "activate_model" => of(&ActivateRequest {
            model_id: None,
            reason: Some("ranks better than its predecessor on the rows of this spring".to_owned()),
        }),
        "rollback" => of(&RollbackRequest { reason: Some("complaints since noon".to_owned()) }),
        "compare_models" => of(&ModelComparisonRequest {
            model_ids: records::models().iter().map(|model| model.model_id.to_string()).collect(),
            metrics: vec![TargetMetric::AucRoc, TargetMetric::F1Score],
            include_visualizations: true,
        }),
        "replace_schedule" => {
            let mut schedule = beyond(&schedule(), &ScheduledTrainingConfig::default());
            schedule["training_config"] = beyond(&schedule_config(), &TrainingConfig::default());
            schedule
        }
        other => {
            return needs::request(other)
                .or_else(|| administration::request(other))
                .or_else(|| predictions::request(other));
        }
    })
}

fn schedule_config() -> TrainingConfig {
    TrainingConfig { algorithms: Algorithm::ALL.to_vec(), ..records::config() }
}

fn schedule() -> ScheduledTrainingConfig {
    ScheduledTrainingConfig {
        schedule_cron: "30 2 * * 1".to_owned(),
        time_zone: "America/New_York".to_owned(),
        auto_activate_if_better: false,
        notification_emails: vec!["admissions@example.edu".to_owned()],
        training_config: schedule_config(),
        ..ScheduledTrainingConfig::default()
    }
}

/// The example of an operation's JSON answer with this status.
fn answer(operation: &str, status: u16) -> Option<Value> {
    let challenger = || records::model(Algorithm::Xgboost);
    Some(match (operation, status) {
        ("train", _) => of(&train_accepted()),
        ("get_job", _) => of(&job(JobStatus::Running)),
        ("list_jobs", _) => of(&[job(JobStatus::Running), job(JobStatus::Completed)]),
        ("cancel_job", _) => of(&CancelAccepted::wish(&job_id(), false)),
        ("evaluate_model", _) => of(&evaluations::EvaluationAccepted::started(TASK.to_owned(), challenger().model_id)),
        ("get_evaluation_results", _) => of(&records::evaluation(BASE)),
        ("check_data", _) => of(&audits::data_checks()),
        ("get_fairness", _) => of(&audits::fairness()),
        ("list_models", _) => of(&records::models()),
        ("get_model" | "activate_model", _) => of(&challenger()),
        ("rollback", _) => of(&records::model(Algorithm::RandomForest)),
        ("list_activations", _) => of(&records::activations()),
        ("list_decisions", _) => of(&[records::decision()]),
        ("compare_models", _) => of(&records::comparison(BASE)),
        ("get_metrics", _) => of(&metrics()),
        ("get_feature_importance", _) => of(&importance()),
        ("check_data_quality", _) => of(&records::quality()),
        ("list_triggers", _) => of(&[trigger()]),
        ("get_schedule" | "replace_schedule", _) => of(&schedule()),
        ("get_status", _) => of(&service_status()),
        ("list_audit", _) => of(&records::audit(BASE)),
        ("live", _) => of(&Alive::default()),
        ("ready", 200) => of(&Readiness::of("ready", Some(Health::Up), Some(Health::Disabled))),
        ("ready", _) => of(&Readiness::of("unavailable", Some(Health::Down), Some(Health::Disabled))),
        _ => {
            return needs::answer(operation)
                .or_else(|| watch::answer(operation))
                .or_else(|| points::answer(operation))
                .or_else(|| administration::answer(operation))
                .or_else(|| predictions::answer(operation, status));
        }
    })
}

fn train_accepted() -> TrainAccepted {
    TrainAccepted {
        success: true,
        message: format!("Training job {} is queued", job_id()),
        job_id: job_id(),
        status: "queued".to_owned(),
        estimated_time_minutes: 4.5,
        queue_position: Some(1),
        waits_for: None,
        estimated_wait_minutes: Some(0.0),
    }
}

fn job(status: JobStatus) -> JobAnswer {
    JobAnswer {
        job: records::job(status),
        waiting: Waiting::default(),
        current_algorithm: (status == JobStatus::Running).then_some(Algorithm::Xgboost),
    }
}

fn metrics() -> ModelMetrics {
    let version = records::model(Algorithm::Xgboost);
    ModelMetrics {
        metrics: MetricValues::of(&version.metrics),
        confusion_matrix: version.metrics.confusion_matrix,
        training_time_seconds: version.metrics.training_time_seconds,
        threshold: version.metrics.threshold,
        performance_by_university_tier: records::tiers_of(version.algorithm),
        model_id: version.model_id,
        algorithm: version.algorithm,
        training_date: version.training_date,
        intervals_95: version.metrics.intervals_95,
    }
}

fn importance() -> ModelFeatureImportance {
    let version = records::model(Algorithm::Xgboost);
    let importance_kind = ImportanceKind::of(version.algorithm);
    ModelFeatureImportance {
        model_id: version.model_id,
        algorithm: version.algorithm,
        feature_importance: version.feature_importance.into_iter().map(RankedFeature::from).collect(),
        importance_kind,
        importance_rows: importance_kind.rows(version.training_samples),
    }
}

fn trigger() -> Trigger {
    Trigger { id: format!("manual-{}", job_id()), trigger: records::trigger(), job_id: Some(job_id()), outcome: None }
}

fn service_status() -> ServiceStatus {
    let latest = records::model(Algorithm::Xgboost);
    let up = |state: Value| ComponentStatus {
        exits: Default::default(),
        health: Health::Up,
        restarts: 0,
        panics: 0,
        last_panic: None,
        last_error: None,
        state,
    };
    ServiceStatus {
        status: "operational".to_owned(),
        models: ModelCounts { total: Some(2), active: Some(1), active_model_id: Some(latest.model_id.clone()) },
        jobs: JobCounts { running: Some(0), pending: Some(0), completed: Some(1), failed: Some(0), cancelled: Some(0) },
        latest_model: Some(LatestModel {
            model_id: latest.model_id,
            algorithm: latest.algorithm,
            training_date: latest.training_date,
            f1_score: latest.metrics.f1_score,
        }),
        components: BTreeMap::from([("store".to_owned(), up(json!({})))]),
        faults: Faults { panics: 0, restarts: 0, error_lines: 0, warning_lines: 0, latest_panics: Vec::new() },
    }
}

/// The example of an operation's error answer with this status.
fn problem(operation: &str, status: u16) -> Problem {
    let model = || model_id(Algorithm::Xgboost);
    match (operation, status) {
        ("cancel_job", 400) => CancelError::AlreadyFinal(JobStatus::Completed).into(),
        ("import_points", 400) => Problem::new(Code::BodyIncomplete, "the body broke off"),
        (_, 400) => SubmitError::Quality(Arc::new(records::poor_quality())).into(),
        (_, 401) => auth::unauthorized(Code::KeyMissing, auth::KEY_NEEDED),
        (_, 403) => auth::forbidden("key_01", Role::Viewer, Role::Operator),
        ("get_plot", 404) => Problem::not_found("plot", &format!("{}.gif", PLOTS[0])),
        ("get_comparison_plot", 404) => Problem::not_found("plot", COMPARISON_PLOT),
        ("get_rejected_rows", 404) => Problem::new(Code::UploadNotFound, "there is no upload 0199c7a2"),
        ("get_parked", 404) => Problem::new(Code::MessageNotFound, "no message 0199c7a2 is parked"),
        ("revoke_key", 404) => Problem::not_found("key", "key_0123456789abcdef"),
        ("get_prediction", 404) => Problem::new(Code::PredictionNotFound, "there is no prediction pred_01"),
        ("get_job" | "cancel_job" | "stream_job_events", 404) => Problem::not_found("job", job_id().as_str()),
        ("acknowledge_need" | "snooze_need", 404) => Problem::not_found("need", "need_0123456789abcdef"),
        ("get_drift_window", 404) => Problem::not_found("window", "window_00000000000000000000000000000000"),
        (_, 404) => Problem::not_found("model", model().as_str()),
        ("get_evaluation_results", 409) => evaluations::first_still_runs(&model()),
        ("rollback", 409) => RegistryError::NothingBefore.into(),
        ("get_drift" | "get_performance", 409) => {
            Problem::new(Code::NoActiveModel, "no model is active, so none is watched")
        }
        ("list_parked" | "get_parked" | "return_parked" | "drop_parked", 409) => {
            Problem::new(Code::NoBus, "there is no bus: the setting bridge.url is empty")
        }
        ("snooze_need", 409) => StoreError::Conflict { what: "need", id: needs::need().need_id }.into(),
        (_, 409) => StoreError::NoArtifact { model: model().to_string() }.into(),
        (_, 413) => Problem::new(Code::BodyTooLarge, "the body is larger than the 1048576 bytes allowed"),
        (_, 415) => {
            Problem::new(Code::UnsupportedMediaType, "Content-Encoding gzip is not supported; a body is sent as it is")
        }
        (_, 421) => auth::not_ours("the request calls this service by the name reports.example.edu"),
        (_, 422) => invalid(operation),
        (_, 429) => auth::too_many("too many requests with this key", Duration::from_secs(2)),
        ("train", 503) => SubmitError::QueueFull { max_queued: 100 }.into(),
        (_, 503) => Problem::unavailable(Code::StoreUnavailable, "the store does not answer", 5),
        (_, other) => {
            let code = Code::ALL.iter().find(|code| code.status().as_u16() == other);
            Problem::new(code.copied().unwrap_or(Code::Internal), "the request was not carried out")
        }
    }
}

/// The problem that the operation's own parser returns for a bad body or parameter.
fn invalid(operation: &str) -> Problem {
    let faults = |read: Option<provost_domain::Faults>| read.map(Problem::from);
    let said = match operation {
        "train" | "check_data_quality" | "check_data" => {
            faults(TrainingConfig::from_json(&json!({"test_size": 0.5, "algorithms": ["oracle"]})).err())
        }
        "compare_models" => {
            faults(ModelComparisonRequest::from_json(&json!({"model_ids": [model_id(Algorithm::Xgboost)]})).err())
        }
        "replace_schedule" => faults(ScheduledTrainingConfig::from_json(&json!({"min_new_samples": 0})).err()),
        "activate_model" => activation_reason(br#"{"reason": 1}"#, &model_id(Algorithm::Xgboost)).err(),
        "acknowledge_need" => acknowledgement(br#"{"reason": 1}"#).err(),
        "snooze_need" => snoozing(br#"{"hours": 0}"#).err(),
        "create_key" => super::super::keys::wanted(br#"{"role": "owner"}"#).err(),
        "return_parked" | "drop_parked" => super::super::parked::wanted(br#"{"ids": []}"#).err(),
        "rollback" => Some(key_reused()),
        "export_model" => Some(Problem::invalid(
            "/format",
            "query parameter format = `pickle`: one of onnx, xgboost-json, artifact is allowed",
        )),
        "evaluate_model" => Some(Problem::invalid(
            "/generate_plots",
            "query parameter generate_plots = `maybe`: true or false is allowed",
        )),
        "cancel_job" => {
            Some(Problem::invalid("/keep_best", "query parameter keep_best = `maybe`: true or false is allowed"))
        }
        _ => None,
    };
    said.unwrap_or_else(|| {
        let message = format!("query parameter limit = `0`: a whole number from 1 to {} is allowed", limits::PAGE);
        Problem::invalid("/limit", message)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_readers_of_bodies_take_the_examples() {
        let read = |operation: &str| request(operation).unwrap();
        assert_eq!(TrainingConfig::from_json(&read("train")).unwrap(), records::config());
        assert_eq!(TrainingConfig::from_json(&read("check_data_quality")).unwrap(), records::config());
        assert_eq!(ScheduledTrainingConfig::from_json(&read("replace_schedule")).unwrap(), schedule());
        assert_eq!(ModelComparisonRequest::from_json(&read("compare_models")).unwrap().model_ids.len(), 2);
        let body = read("activate_model").to_string();
        let reason = activation_reason(body.as_bytes(), &model_id(Algorithm::Xgboost)).unwrap();
        assert!(reason.is_some_and(|reason| reason.starts_with("ranks better")));
    }

    #[test]
    fn the_figures_of_the_examples_agree() {
        let (better, worse) = (records::metrics(Algorithm::Xgboost), records::metrics(Algorithm::RandomForest));
        let comparison = records::comparison(BASE);
        assert_eq!(comparison.metric_comparison["auc_roc"][model_id(Algorithm::Xgboost).as_str()], better.auc_roc);
        assert!(better.auc_roc > worse.auc_roc && comparison.verdict.contains("ranks better than"));
        assert!(records::quality().passes_quality_check && !records::poor_quality().passes_quality_check);
        assert_eq!(records::evaluation(BASE).metrics, better);
        let [newer, older] = &records::audit(BASE)[..] else { panic!() };
        assert!(older.check(&provost_domain::audit::Head::origin()).is_ok() && newer.check(&older.head()).is_ok());
        let shares: f64 = records::importance().iter().map(|f| f.importance_score).sum();
        assert!((shares - 1.0).abs() < 1e-9, "{shares}");
    }
}
