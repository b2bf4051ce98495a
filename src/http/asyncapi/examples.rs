//! The examples of the document: one real event of each type. Examples of announcements are built from the types that
//! are sent; tests parse the others with the code that reads inbound events.

use crate::http::example_ids::{job_id, minute, model_id};
use provost_actors::bridge::PARKED_HEADERS;
use provost_actors::bridge::topology::{DATA, EVENTS};
use provost_domain::Algorithm;
use provost_domain::event::outbound::{
    ActivatedAnnouncement, DeprecatedAnnouncement, DriftAnnouncement, JobAnnouncement, RegisteredAnnouncement,
    RejectedAnnouncement, Topic, UnitAnnouncement, envelope,
};
use provost_domain::event::{InboundEvent, InboundType, SPEC_VERSION};
use provost_domain::job::JobStatus;
use provost_domain::schedule::{TrainingTrigger, TriggerType};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The prefix of attributes in headers, by CloudEvents' binding for AMQP.
pub const PREFIX: &str = "cloudEvents:";
const UPSTREAM: &str = "/admissions/registrar";

/// An event and its purpose.
pub struct Example {
    pub summary: &'static str,
    pub event: Value,
}

impl Example {
    /// The same event as headers and body.
    pub fn in_headers(&self) -> (Map<String, Value>, Value) {
        let attributes = self.event.as_object().into_iter().flatten();
        let headers = attributes
            .filter(|(name, _)| !["data", "datacontenttype"].contains(&name.as_str()))
            .map(|(name, value)| (format!("{PREFIX}{name}"), value.clone()));
        (headers.collect(), self.event["data"].clone())
    }
}

fn point(id: &str, seq: u64, decision: &str) -> Value {
    json!({
        "data_point_id": id,
        "applicant_id": "a-20931",
        "profile": {
            "gpa": 3.7, "gpa_scale": 4.0, "undergraduate_major": "Mathematics",
            "test_scores": [
                {"test_type": "gre", "verbal_score": 158, "quantitative_score": 167, "date_taken": "2025-09-13"},
                {"test_type": "toefl", "total_score": 108},
            ],
            "research_publications": 1, "internships_count": 2, "volunteer_hours": 40,
        },
        "program": {
            "university_name": "Carnegie Mellon University", "university_ranking": 28,
            "program_name": "Computational Data Science", "degree_level": "masters", "acceptance_rate": 0.11,
            "average_gpa": 3.8, "gre_quant_avg": 166, "is_stem": true,
        },
        "decision": decision, "decision_date": "2026-02-14", "application_year": 2026, "application_cycle": "fall",
        "verified": true, "source": "registrar", "seq": seq, "attributes": {"citizenship_status": "resident"},
    })
}

/// An event as an upstream service sends it.
pub fn inbound(kind: InboundType) -> Example {
    let (summary, data) = match kind {
        InboundType::Recorded => ("A data point is new", point("cmu-2026-17", 0, "waitlisted")),
        InboundType::Batch => (
            "Up to 1,000 points at once",
            json!({"points": [point("cmu-2026-18", 0, "accepted"), point("cmu-2026-19", 0, "rejected")]}),
        ),
        InboundType::Corrected => (
            "A point supersedes the one with its id: the highest `seq` wins, however they arrive",
            point("cmu-2026-17", 1, "accepted"),
        ),
        InboundType::Retracted => (
            "A point is not to be learned from any more, in any version up to this `seq`",
            json!({"data_point_id": "cmu-2026-17", "seq": 2}),
        ),
        InboundType::Trigger => (
            "A wish for training: the schedule's configuration, or one of its own",
            json!({
                "reason": "decisions of the fall cycle are complete",
                "config": {"algorithms": ["random_forest", "xgboost"], "target_metric": "auc_roc"},
                "auto_activate": true,
            }),
        ),
        InboundType::Cancel => ("A job is not wanted any more", json!({"job_id": job_id()})),
    };
    let event = json!({
        "specversion": SPEC_VERSION, "id": format!("{kind}-4711"), "source": UPSTREAM, "type": kind.versioned(),
        "time": minute(0), "datacontenttype": "application/json", "data": data,
    });
    Example { summary, event }
}

/// An event as the service sends it.
pub fn outbound(topic: Topic) -> Example {
    let challenger = || model_id(Algorithm::Xgboost);
    let champion = || model_id(Algorithm::RandomForest);
    let (summary, data) = match topic {
        Topic::JobQueued => ("A job waits", of(&job(JobStatus::Pending, "queued"))),
        Topic::JobStarted => {
            ("A job has begun; once, though it may be resumed", of(&job(JobStatus::Running, "starting")))
        }
        Topic::JobProgress => {
            ("A job has passed another ten per cent", of(&job(JobStatus::Running, "searching xgboost")))
        }
        Topic::JobCompleted => ("A job has ended with a model", of(&job(JobStatus::Completed, "completed"))),
        Topic::JobFailed => ("A job has ended without a model", of(&job(JobStatus::Failed, "failed"))),
        Topic::JobCancelled => ("A job was cancelled", of(&job(JobStatus::Cancelled, "cancelled"))),
        Topic::ModelRegistered => (
            "A model version is there",
            of(&RegisteredAnnouncement {
                model_id: challenger(),
                job_id: job_id(),
                algorithm: Algorithm::Xgboost,
                version: "20260216_5120".to_owned(),
                cv_mean: 0.712,
                auc_roc: 0.803,
            }),
        ),
        Topic::ModelActivated => (
            "Another model is the active one",
            of(&ActivatedAnnouncement {
                model_id: challenger(),
                previous_model_id: Some(champion()),
                activated_by: Some("gate".to_owned()),
                reason: Some(
                    "activated, because auc_roc rose by 0.031 (0.02 is needed), with a lower bound of 0.011".to_owned(),
                ),
            }),
        ),
        Topic::ModelRejected => (
            "The best model of a job did not become the active one",
            of(&RejectedAnnouncement {
                model_id: challenger(),
                job_id: job_id(),
                champion_id: Some(champion()),
                reason: "kept the active model, because auc_roc rose by 0.004, and 0.02 is needed".to_owned(),
            }),
        ),
        Topic::ModelDeprecated => (
            "A model version is not to be used any more (reserved: not sent yet)",
            of(&DeprecatedAnnouncement { model_id: champion(), reason: None }),
        ),
        Topic::DriftDetected => (
            "The data is not what the active model was trained on",
            of(&DriftAnnouncement {
                model_id: champion(),
                reason: "GPA moved by 0.31 deviations in two windows of predictions in a row, since 2026-02-16 00:10 UTC; at least 11 % of the predictions moved".to_owned(),
                evidence: json!({
                    "model_id": champion(), "window_id": "window_5d41402abc4b2a76b9719d911017c592", "kind": "predictions",
                    "since": minute(-50), "to": minute(70), "rows": 500,
                    "features": [{"feature": "gpa_normalized", "test": "kolmogorov_smirnov", "effect": 0.31, "missing": null}],
                    "domain_auc": {"value": 0.61, "low": 0.58, "high": 0.64}, "predictions_moved": 0.11,
                }),
            }),
        ),
        Topic::UnitOffered => (
            "A fit waits for a worker",
            of(&UnitAnnouncement {
                unit_id: "unit_0199c7a2b4d87c3e9f10a1b2c3d4e5f6".to_owned(),
                job_id: job_id(),
                algorithm: Algorithm::Xgboost,
            }),
        ),
    };
    let event = envelope(&format!("{topic}-4712"), "/provost/64b5d2a4c3e80", topic.as_str(), minute(5), &data);
    Example { summary, event }
}

fn job(status: JobStatus, step: &str) -> JobAnnouncement {
    let completed = status == JobStatus::Completed;
    let reason = Some("decisions of the fall cycle are complete".to_owned());
    JobAnnouncement {
        job_id: job_id(),
        status,
        progress_percentage: match status {
            JobStatus::Completed => 100.0,
            JobStatus::Pending => 0.0,
            _ => 37.5,
        },
        current_step: Some(step.to_owned()),
        algorithms: vec![Algorithm::RandomForest, Algorithm::Xgboost],
        trained_models: if completed { vec![model_id(Algorithm::Xgboost)] } else { Vec::new() },
        best_model_id: completed.then(|| model_id(Algorithm::Xgboost)),
        best_score: completed.then_some(0.803),
        error_message: (status == JobStatus::Failed).then(|| "no model was trained".to_owned()),
        warnings: Vec::new(),
        created_by: Some(UPSTREAM.to_owned()),
        triggers: vec![TrainingTrigger::new(TriggerType::Event, minute(0), Some(UPSTREAM.to_owned()), reason)],
    }
}

fn of<T: Serialize>(announcement: &T) -> Value {
    // Announcements are plain structs of texts, numbers and lists: they always serialise.
    serde_json::to_value(announcement).unwrap_or_default()
}

/// A parked message: headers and body.
pub struct Parked {
    pub headers: Map<String, Value>,
    pub payload: Value,
}

/// An event that cannot be processed, with the reader's reason.
pub fn parked() -> Parked {
    let mut event = inbound(InboundType::Recorded).event;
    event["data"]["profile"]["gpa"] = json!(-1);
    let refusal = InboundEvent::structured(event.to_string().as_bytes()).err();
    let (code, detail) = refusal.map(|r| (r.code.to_string(), r.detail)).unwrap_or_default();
    let said = |name: &str| match name {
        "x-provost-reason" => json!(code),
        "x-provost-detail" => json!(detail),
        "x-provost-queue" => json!(DATA),
        "x-provost-exchange" => json!(EVENTS),
        "x-provost-routing-key" => json!(InboundType::Recorded.routing_key()),
        "x-provost-at" => json!(minute(1)),
        _ => json!(0),
    };
    let headers = PARKED_HEADERS.iter().map(|(name, _)| ((*name).to_owned(), said(name))).collect();
    Parked { headers, payload: event }
}
