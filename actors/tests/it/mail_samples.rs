//! Letters with something of everything in them, some of it hostile.

use chrono::{DateTime, TimeDelta, Utc};
use provost_domain::job::{JobRecord, JobStatus};
use provost_domain::mail::{ActivatedLetter, DriftLetter, JobLetter, Letter, ModelFigures};
use provost_domain::model::FeatureImportance;
use provost_domain::schedule::{TrainingTrigger, TriggerType};
use provost_domain::watch::WindowKind;
use provost_domain::{Algorithm, JobId, ModelId, TargetMetric};

pub const HOSTILE: &str = "<script>alert('Grüße & 你好')</script>";
/// Colours what follows, turns it round, and hides a part of it.
pub const DISGUISED: &str = "\u{1b}[31m\u{9b}1m\u{202e}gnp\u{200b}\u{2028}\u{7}";
/// As it is shown.
pub const WRITTEN_OUT: &str = r"\u{1b}[31m\u{9b}1m\u{202e}gnp\u{200b}\u{2028}\u{7}";

pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_767_576_600 + seconds)
}

pub fn figures(algorithm: Algorithm, score: f64) -> ModelFigures {
    ModelFigures {
        model_id: ModelId::new(algorithm, at(0), 7),
        algorithm,
        version: "20260105_8421".to_owned(),
        training_samples: 8421,
        target_metric: TargetMetric::F1Score,
        accuracy: score + 0.02,
        precision: score - 0.013,
        recall: score + 0.031,
        f1_score: score,
        auc_roc: score + 0.07,
        cv_mean: score + 0.004,
        cv_std: 0.0112,
        training_time_seconds: 83.4,
    }
}

pub fn features() -> Vec<FeatureImportance> {
    let names =
        ["gpa_normalized", "program_competitiveness", "research_score", "gre_quant_percentile", "english_proficiency"];
    let ranked = names.iter().zip([0.31, 0.22, 0.17, 0.08, 0.05]).zip(1..);
    ranked
        .map(|((name, score), rank)| FeatureImportance {
            feature_name: (*name).to_owned(),
            importance_score: score,
            rank,
        })
        .collect()
}

pub fn completed() -> JobLetter {
    let trigger = |kind, reason: &str, count| TrainingTrigger {
        new_samples_count: count,
        ..TrainingTrigger::new(kind, at(-700), Some("the scheduler".to_owned()), Some(reason.to_owned()))
    };
    let models = vec![
        figures(Algorithm::Xgboost, 0.842),
        figures(Algorithm::RandomForest, 0.831),
        figures(Algorithm::LogisticRegression, 0.794),
    ];
    JobLetter {
        job_id: JobId::new(at(-700), 3),
        status: JobStatus::Completed,
        algorithms: vec![Algorithm::RandomForest, Algorithm::Xgboost, Algorithm::LogisticRegression],
        target_metric: TargetMetric::F1Score,
        triggers: vec![
            trigger(
                TriggerType::DataThreshold,
                "1,043 new rows with an outcome since the active model's snapshot",
                Some(1043),
            ),
            trigger(TriggerType::Event, "the admissions office asks\r\nBcc: everyone@example.org", None),
        ],
        created_by: Some("the scheduler".to_owned()),
        created_at: at(-700),
        started_at: Some(at(-690)),
        completed_at: Some(at(0)),
        running_seconds: 690.2,
        error_message: None,
        warnings: vec![
            "the time limit of 60 min was reached: the best so far is kept".to_owned(),
            HOSTILE.to_owned(),
            DISGUISED.to_owned(),
        ],
        more_warnings: 3,
        best_model_id: Some(models[0].model_id.clone()),
        models,
        top_features: features(),
        gate: Some(
            "Activated: F1 score improves by 0.021 over the active model (lower bound 0.006 at alpha 0.017)."
                .to_owned(),
        ),
        version_tag: Some("winter".to_owned()),
        notes: Some(HOSTILE.to_owned()),
    }
}

pub fn failed() -> JobLetter {
    JobLetter {
        status: JobStatus::Failed,
        error_message: Some(format!(
            "xgboost: the fit panicked{DISGUISED}\r\nBcc: everyone@example.org\r\n\r\n{HOSTILE}"
        )),
        models: Vec::new(),
        best_model_id: None,
        top_features: Vec::new(),
        gate: None,
        ..completed()
    }
}

pub fn activated() -> ActivatedLetter {
    ActivatedLetter {
        model: figures(Algorithm::Xgboost, 0.842),
        top_features: features(),
        previous_model_id: Some(ModelId::new(Algorithm::RandomForest, at(-9_000_000), 1)),
        previous: Some(figures(Algorithm::RandomForest, 0.821)),
        activated_at: at(5),
        activated_by: Some("Zoë <zoe@example.org>".to_owned()),
        reason: Some(format!("{HOSTILE}{DISGUISED}")),
        version_tag: None,
        notes: Some("für das Wintersemester".to_owned()),
    }
}

pub fn drift() -> DriftLetter {
    DriftLetter {
        model_id: ModelId::new(Algorithm::Xgboost, at(-9_000_000), 1),
        kind: WindowKind::Predictions,
        rows: 1_500,
        to: at(5),
        since: at(-3_600),
        changes: vec!["GPA moved by 0.31 deviations".to_owned(), HOSTILE.to_owned(), DISGUISED.to_owned()],
        more_changes: 2,
        predictions_moved: Some(0.18),
    }
}

pub fn letters() -> [Letter; 4] {
    [
        Letter::Completed(completed()),
        Letter::Failed(failed()),
        Letter::Activated(Box::new(activated())),
        Letter::Drift(Box::new(drift())),
    ]
}

/// A job that is over, for a store where mails are to be written with it.
pub fn job_record() -> JobRecord {
    let mut record = provost_store::conformance::samples::job(9, 0);
    record.job.status = JobStatus::Completed;
    (record.job.started_at, record.job.completed_at) = (Some(at(-60)), Some(at(0)));
    record
}
