//! The content of mails about jobs and models. The notifier renders and sends them.

use crate::algorithm::{Algorithm, TargetMetric};
use crate::hash::Content;
use crate::ids::{JobId, ModelId};
use crate::job::{JobRecord, JobStatus};
use crate::model::{FeatureImportance, ModelVersion};
use crate::schedule::TrainingTrigger;
use crate::watch::WindowKind;
use crate::watch_alarm::{AlarmFeature, DriftAlarm};
use crate::words::word_enum;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Features that a mail names.
const FEATURES: usize = 5;
/// Changed features that a mail describes.
const CHANGES: usize = 10;
/// Warnings that a mail repeats; of more it gives the number.
const WARNINGS: usize = 20;
/// Characters of an error or a warning that a mail repeats.
const TEXT: usize = 2000;

word_enum!(
    /// Kinds of mails; each has its templates.
    MailTopic { Completed = "completed", Failed = "failed", Activated = "activated", Drift = "drift" }
);

/// One model's figures: on the test part, and cross-validated in the target metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelFigures {
    /// The model.
    pub model_id: ModelId,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The version.
    pub version: String,
    /// Training rows.
    pub training_samples: u64,
    /// The metric that the model was selected by.
    pub target_metric: TargetMetric,
    /// Accuracy on the test rows.
    pub accuracy: f64,
    /// Precision on the test rows.
    pub precision: f64,
    /// Recall on the test rows.
    pub recall: f64,
    /// F1 score on the test rows.
    pub f1_score: f64,
    /// Area under the curve on the test rows.
    pub auc_roc: f64,
    /// Mean score of the cross-validation.
    pub cv_mean: f64,
    /// Standard deviation of the cross-validation's scores.
    pub cv_std: f64,
    /// Seconds that the training took.
    pub training_time_seconds: f64,
}

impl From<&ModelVersion> for ModelFigures {
    fn from(v: &ModelVersion) -> Self {
        let m = &v.metrics;
        Self {
            model_id: v.model_id.clone(),
            algorithm: v.algorithm,
            version: v.version.clone(),
            training_samples: v.training_samples,
            target_metric: v.training_config.target_metric,
            accuracy: m.accuracy,
            precision: m.precision,
            recall: m.recall,
            f1_score: m.f1_score,
            auc_roc: m.auc_roc,
            cv_mean: m.cv_mean,
            cv_std: m.cv_std,
            training_time_seconds: m.training_time_seconds,
        }
    }
}

/// The content of a mail about a job that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobLetter {
    /// The job.
    pub job_id: JobId,
    /// Its status.
    pub status: JobStatus,
    /// Its algorithms.
    pub algorithms: Vec<Algorithm>,
    /// The metric that its models are ranked by.
    pub target_metric: TargetMetric,
    /// The triggers that led to it.
    pub triggers: Vec<TrainingTrigger>,
    /// Who asked for it.
    pub created_by: Option<String>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it began to run.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// Seconds that it ran.
    pub running_seconds: f64,
    /// Why it failed.
    pub error_message: Option<String>,
    /// Its warnings.
    pub warnings: Vec<String>,
    /// Number of further warnings, which are not listed.
    pub more_warnings: usize,
    /// The trained models, the best first.
    pub models: Vec<ModelFigures>,
    /// Its best model.
    pub best_model_id: Option<ModelId>,
    /// The most important features of the best model.
    pub top_features: Vec<FeatureImportance>,
    /// What the gate decided about the best model, and why; None if it has not decided yet.
    pub gate: Option<String>,
    /// The label of its models.
    pub version_tag: Option<String>,
    /// The notes of its configuration.
    pub notes: Option<String>,
}

impl JobLetter {
    /// The letter about a job that ended.
    pub fn new(record: &JobRecord, models: &[ModelVersion], gate: Option<String>) -> Self {
        let job = &record.job;
        let mut models: Vec<&ModelVersion> =
            models.iter().filter(|m| job.trained_models.contains(&m.model_id)).collect();
        models.sort_by(|a, b| {
            let best = |m: &ModelVersion| Some(&m.model_id) != job.best_model_id.as_ref();
            best(a).cmp(&best(b)).then(b.metrics.cv_mean.total_cmp(&a.metrics.cv_mean))
        });
        let best = models.first().filter(|m| Some(&m.model_id) == job.best_model_id.as_ref());
        Self {
            job_id: job.job_id.clone(),
            status: job.status,
            algorithms: job.config.algorithms.clone(),
            target_metric: job.config.target_metric,
            triggers: job.triggers.clone(),
            created_by: job.created_by.clone(),
            created_at: job.created_at,
            started_at: job.started_at,
            completed_at: job.completed_at,
            running_seconds: record.running_seconds,
            error_message: job.error_message.as_deref().map(shortened),
            warnings: job.warnings.iter().take(WARNINGS).map(|w| shortened(w)).collect(),
            more_warnings: job.warnings.len().saturating_sub(WARNINGS),
            top_features: best.map(|m| top(m)).unwrap_or_default(),
            models: models.into_iter().map(ModelFigures::from).collect(),
            best_model_id: job.best_model_id.clone(),
            gate: gate.as_deref().map(shortened),
            version_tag: job.config.version_tag.clone(),
            notes: job.config.notes.as_deref().map(shortened),
        }
    }
}

/// The content of a mail about an activated model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivatedLetter {
    /// The model that was activated.
    pub model: ModelFigures,
    /// The most important features.
    pub top_features: Vec<FeatureImportance>,
    /// The model that was active before.
    pub previous_model_id: Option<ModelId>,
    /// Figures of the model that was active before; None also if they could not be read.
    pub previous: Option<ModelFigures>,
    /// When the model was activated.
    pub activated_at: DateTime<Utc>,
    /// Who activated it.
    pub activated_by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// The model's label.
    pub version_tag: Option<String>,
    /// The model's notes.
    pub notes: Option<String>,
}

impl ActivatedLetter {
    /// The letter about an activation.
    pub fn new(model: &ModelVersion, at: DateTime<Utc>, by: Option<String>, reason: Option<String>) -> Self {
        Self {
            model: model.into(),
            top_features: top(model),
            previous_model_id: None,
            previous: None,
            activated_at: at,
            activated_by: by,
            reason: reason.as_deref().map(shortened),
            version_tag: model.version_tag.clone(),
            notes: model.notes.as_deref().map(shortened),
        }
    }
}

/// The content of a mail about drift: the data of the active model is not what the model was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriftLetter {
    /// The model.
    pub model_id: ModelId,
    /// Kind of the window that raised the alarm.
    pub kind: WindowKind,
    /// Rows of that window.
    pub rows: u64,
    /// The end of that window.
    pub to: DateTime<Utc>,
    /// The start of the first window that showed the drift.
    pub since: DateTime<Utc>,
    /// What has changed, feature by feature.
    pub changes: Vec<String>,
    /// Number of further features, which are not listed.
    pub more_changes: usize,
    /// The least share of the predictions that would have to move back, 0 to 1.
    pub predictions_moved: Option<f64>,
}

impl From<&DriftAlarm> for DriftLetter {
    fn from(alarm: &DriftAlarm) -> Self {
        Self {
            model_id: alarm.model_id.clone(),
            kind: alarm.kind,
            rows: alarm.rows,
            to: alarm.to,
            since: alarm.since,
            changes: alarm.features.iter().take(CHANGES).map(AlarmFeature::words).collect(),
            more_changes: alarm.features.len().saturating_sub(CHANGES),
            predictions_moved: alarm.predictions_moved,
        }
    }
}

/// The content of a mail, the same for each recipient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "topic", rename_all = "snake_case")]
pub enum Letter {
    /// A job completed.
    Completed(JobLetter),
    /// A job failed.
    Failed(JobLetter),
    /// A model was activated.
    Activated(Box<ActivatedLetter>),
    /// The data has drifted.
    Drift(Box<DriftLetter>),
}

impl Letter {
    /// What the letter is about.
    pub fn topic(&self) -> MailTopic {
        match self {
            Letter::Completed(_) => MailTopic::Completed,
            Letter::Failed(_) => MailTopic::Failed,
            Letter::Activated(_) => MailTopic::Activated,
            Letter::Drift(_) => MailTopic::Drift,
        }
    }
}

/// One mail as it waits in the outbox: one recipient each, so that none waits for another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mail {
    /// The recipient.
    pub to: String,
    /// The content.
    pub letter: Letter,
}

/// The mail's id: the same occasion and recipient always give the same, so that writing a mail again changes nothing
/// and sending it again repeats its Message-ID.
pub fn mail_id(occasion: &str, recipient: &str) -> String {
    let mut content = Content::new();
    content.text(Some(occasion)).text(Some(recipient));
    format!("mail_{:032x}", content.u128())
}

fn top(model: &ModelVersion) -> Vec<FeatureImportance> {
    model.feature_importance.iter().take(FEATURES).cloned().collect()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_hangs_on_occasion_and_recipient_alone() {
        let id = mail_id("job_1:completed", "a@b.org");
        assert_eq!(id, mail_id("job_1:completed", "a@b.org"));
        assert_ne!(id, mail_id("job_1:failed", "a@b.org"));
        assert_ne!(id, mail_id("job_1:completed", "b@b.org"));
        assert_ne!(mail_id("ab", "c"), mail_id("a", "bc"));
        assert!(id.len() == 37 && id.starts_with("mail_"), "{id}");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shortened("é"), "é");
        let cut = shortened(&"é".repeat(TEXT + 1));
        assert!(cut.chars().count() == TEXT + 1 && cut.ends_with('…'));
    }
}
