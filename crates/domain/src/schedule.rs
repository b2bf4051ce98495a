//! The retraining schedule and the triggers that lead to jobs.

use crate::config::word_enum;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

word_enum!(TriggerType {
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
    pub trigger_type: TriggerType,
    pub triggered_at: DateTime<Utc>,
    pub triggered_by: Option<String>,
    pub reason: Option<String>,
    pub new_samples_count: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduledTrainingConfig {
    pub enabled: bool,
    /// Five-field cron expression, UTC unless a time zone is configured.
    pub schedule_cron: String,
    pub min_new_samples: u64,
    pub max_model_age_days: u32,
    pub auto_activate_if_better: bool,
    pub improvement_threshold: f64,
    pub notification_emails: Vec<String>,
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
        }
    }
}
