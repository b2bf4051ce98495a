//! The data quality report, every field computed from the data points that a configuration selects.

use crate::features::FeatureTables;
use crate::{AdmissionDataPoint, TrainingConfig};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct DataQualityReport {
    /// All points that source and `use_verified_only` select, whatever the decision.
    pub total_samples: u64,
    /// Those that are accepted or rejected.
    pub usable_samples: u64,
    pub verified_samples: u64,
    /// Per cent of the points in which a feature is really present.
    pub feature_completeness: BTreeMap<String, f64>,
    pub duplicate_count: u64,
    pub outlier_count: u64,
    pub class_distribution: BTreeMap<String, u64>,
    /// Minority over majority of accepted and rejected.
    pub class_balance_ratio: f64,
    /// `min` and `max` application year, as strings.
    pub data_date_range: BTreeMap<String, String>,
    pub recent_data_percentage: f64,
    pub samples_by_university: BTreeMap<String, u64>,
    pub universities_below_threshold: Vec<String>,
    pub passes_quality_check: bool,
    pub quality_issues: Vec<String>,
    pub recommendations: Vec<String>,
}

/// Takes points one at a time; holds counts and hashes only.
pub struct QualityAccumulator {}

impl QualityAccumulator {
    pub fn new(_tables: &FeatureTables) -> Self {
        todo!()
    }
    /// `features` are the point's features as `FeatureTables::row` gives them.
    pub fn add(&mut self, _point: &AdmissionDataPoint, _features: &crate::features::FeatureRow) {
        todo!()
    }
    /// `strict` blocks on advice too, as the replaced service did. `now` decides what is recent.
    pub fn finish(self, _config: &TrainingConfig, _strict: bool, _now: DateTime<Utc>) -> DataQualityReport {
        todo!()
    }
}
