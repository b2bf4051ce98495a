//! The retraining schedule and the triggers that lead to jobs.

use crate::check::Faults;
use crate::config::TrainingConfig;
use crate::fields::{Fields, Texts, shown};
use crate::limits;
use crate::words::word_enum;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashSet;
use utoipa::ToSchema;

word_enum!(
    /// The kind of reason to train.
    TriggerType {
    Manual = "manual",
    Scheduled = "scheduled",
    DataThreshold = "data_threshold",
    PerformanceDrop = "performance_drop",
    Event = "event",
    Drift = "drift",
});

/// Why a job was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrainingTrigger {
    /// The kind of reason.
    pub trigger_type: TriggerType,
    /// When.
    pub triggered_at: DateTime<Utc>,
    /// By whom.
    pub triggered_by: Option<String>,
    /// The reason in words.
    pub reason: Option<String>,
    /// Points that had come in since the last training.
    pub new_samples_count: Option<u64>,
    /// The figures that the rule decided on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub evidence: Option<Value>,
}

impl TrainingTrigger {
    /// A trigger without a count of new points.
    pub fn new(trigger_type: TriggerType, at: DateTime<Utc>, by: Option<String>, reason: Option<String>) -> Self {
        Self { trigger_type, triggered_at: at, triggered_by: by, reason, new_samples_count: None, evidence: None }
    }
}

/// Counts of usable points (accepted or rejected) that ever arrived. A point is counted when it arrives or becomes
/// usable. The counts never decrease, so that a difference of two counts is the number of new points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Arrivals {
    /// Points with a final outcome.
    pub usable: u64,
    /// Points with a final outcome that were verified when they were counted.
    pub verified: u64,
}

impl Arrivals {
    /// The count for trainings on verified points only, or on all.
    pub fn of(self, verified_only: bool) -> u64 {
        if verified_only { self.verified } else { self.usable }
    }
}

/// How far the scheduler has come with a cron expression: all times up to `until` are dealt with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotProgress {
    /// The cron expression and time zone that `until` belongs to.
    pub schedule: String,
    /// Times of the schedule up to this one are dealt with.
    pub until: DateTime<Utc>,
}

/// When the service trains by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduledTrainingConfig {
    /// Whether it does.
    pub enabled: bool,
    /// Five-field cron expression, in `time_zone`.
    pub schedule_cron: String,
    /// New points that are a reason to train.
    #[schema(minimum = 1, format = "uint64")]
    pub min_new_samples: u64,
    /// An active model older than this is a reason to train.
    #[schema(minimum = 1, maximum = 36500)]
    pub max_model_age_days: u32,
    /// Whether the gate may activate a better model.
    pub auto_activate_if_better: bool,
    /// How much better a model must be to be activated.
    #[schema(minimum = 0, maximum = 1)]
    pub improvement_threshold: f64,
    /// Who gets mail.
    pub notification_emails: Vec<String>,
    /// IANA name of the zone that the expression is read in.
    pub time_zone: String,
    /// What automatic jobs train; a trigger event may name its own.
    pub training_config: TrainingConfig,
}

impl Default for ScheduledTrainingConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            schedule_cron: "0 1 * * 0".to_owned(),
            min_new_samples: 1000,
            max_model_age_days: 90,
            auto_activate_if_better: true,
            improvement_threshold: 0.02,
            notification_emails: Vec::new(),
            time_zone: "UTC".to_owned(),
            training_config: TrainingConfig::default(),
        }
    }
}

impl ScheduledTrainingConfig {
    /// Reads and checks a request body. Only the form of the cron expression is checked.
    ///
    /// # Errors
    /// All faults of the body at once.
    pub fn from_json(body: &Value) -> Result<Self, Faults> {
        let d = Self::default();
        let mut f = Fields::new(body, "a training schedule")?;
        let emails = Texts { items: limits::NOTIFICATION_EMAILS, characters: limits::EMAIL };
        let training_config = f.document("training_config", d.training_config, TrainingConfig::from_json);
        let schedule = Self {
            enabled: f.flag("enabled", d.enabled),
            schedule_cron: f.text("schedule_cron", d.schedule_cron, limits::SCHEDULE_CRON),
            min_new_samples: f.whole("min_new_samples", d.min_new_samples, 1, u64::MAX.into()),
            max_model_age_days: f.whole("max_model_age_days", d.max_model_age_days, 1, 36_500),
            auto_activate_if_better: f.flag("auto_activate_if_better", d.auto_activate_if_better),
            improvement_threshold: f.real("improvement_threshold", d.improvement_threshold, 0.0, 1.0),
            notification_emails: f.texts("notification_emails", d.notification_emails, emails),
            time_zone: f.text("time_zone", d.time_zone, limits::TIME_ZONE),
            training_config,
        };
        if !looks_like_cron(&schedule.schedule_cron) {
            f.fault(
                "schedule_cron",
                format!(
                    "`schedule_cron` is {}; five fields are allowed: minute, hour, day of month, month, day of week",
                    shown(&Value::from(schedule.schedule_cron.as_str()))
                ),
            );
        }
        let mut seen = HashSet::new();
        for (i, email) in schedule.notification_emails.iter().enumerate() {
            let at = format!("notification_emails/{i}");
            if !looks_like_email(email) {
                f.fault(&at, format!("{} is no e-mail address", shown(&Value::from(email.as_str()))));
            } else if !seen.insert(email) {
                f.fault(&at, format!("`{email}` is named twice in `notification_emails`"));
            }
        }
        f.finish(schedule)
    }
}

fn looks_like_cron(s: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '*' | '/' | ',' | '-' | '?' | '#');
    s.split_whitespace().count() == 5 && s.chars().all(|c| c == ' ' || known(c))
}

fn looks_like_email(s: &str) -> bool {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '<' | '>' | ',' | ';' | '"' | '@');
    let part = |p: &str| !p.is_empty() && p.chars().all(plain);
    s.len() <= limits::EMAIL
        && s.split_once('@').is_some_and(|(local, domain)| {
            part(local) && part(domain) && !domain.starts_with(['.', '-']) && !domain.ends_with('.')
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_are_the_contracts() {
        let read = ScheduledTrainingConfig::from_json(&json!({})).unwrap();
        assert_eq!(read, ScheduledTrainingConfig::default());
        assert_eq!(
            serde_json::to_value(read).unwrap(),
            json!({"enabled": true, "schedule_cron": "0 1 * * 0", "min_new_samples": 1000, "max_model_age_days": 90,
                "auto_activate_if_better": true, "improvement_threshold": 0.02, "notification_emails": [],
                "time_zone": "UTC", "training_config": TrainingConfig::default()})
        );
    }

    #[test]
    fn names_every_fault() {
        let body = json!({"enabled": "yes", "schedule_cron": "0 1 * *", "min_new_samples": 0, "improvement_threshold": 2,
            "notification_emails": ["a@b.org", "nobody", "a@b.org", "x@y.org\r\nBcc: z@w.org"], "cron": 1, "training_config": {"test_size": 0.9}});
        let faults = ScheduledTrainingConfig::from_json(&body).unwrap_err();
        let pointers: Vec<&str> = faults.0.iter().map(|f| f.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/training_config/test_size",
                "/enabled",
                "/min_new_samples",
                "/improvement_threshold",
                "/schedule_cron",
                "/notification_emails/1",
                "/notification_emails/2",
                "/notification_emails/3",
                "/cron"
            ]
        );
    }

    #[test]
    fn long_texts_and_lists_are_faults() {
        let many: Vec<String> = (0..51).map(|i| format!("a{i}@b.org")).collect();
        let body = json!({"schedule_cron": format!("{} 1 * * 0", "0,".repeat(100)), "time_zone": "x".repeat(101),
            "notification_emails": many});
        let faults = ScheduledTrainingConfig::from_json(&body).unwrap_err();
        let pointers: Vec<&str> = faults.0.iter().map(|f| f.pointer.as_str()).collect();
        assert_eq!(pointers, ["/schedule_cron", "/notification_emails", "/time_zone"]);
        assert!(faults.0[1].message.contains("51 items; at most 50"), "{faults}");
        ScheduledTrainingConfig::from_json(&json!({"notification_emails": many[..50]})).unwrap();
        let long = format!("{}@b.org", "a".repeat(250));
        let faults = ScheduledTrainingConfig::from_json(&json!({"notification_emails": [long]})).unwrap_err();
        assert_eq!(faults.0[0].pointer, "/notification_emails/0");
    }

    #[test]
    fn cron_forms() {
        for good in ["0 1 * * 0", "*/15 0-6 1,15 * MON-FRI"] {
            assert!(looks_like_cron(good), "{good}");
        }
        for bad in ["", "@daily", "0 1 * * 0 2026", "0 1 * * 0;", "0\n1 * * 0"] {
            assert!(!looks_like_cron(bad), "{bad}");
        }
    }
}
