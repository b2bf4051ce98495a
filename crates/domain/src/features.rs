//! The twelve features and their scale conversions. Tables and weights are configuration (`FeatureTables`).

use crate::AdmissionDataPoint;
use serde::{Deserialize, Serialize};

/// The twelve features, in order.
pub const FEATURES: [&str; 12] = [
    "gpa_normalized",
    "gre_verbal_percentile",
    "gre_quant_percentile",
    "gmat_percentile",
    "english_proficiency",
    "research_score",
    "professional_score",
    "extracurricular_score",
    "undergrad_prestige",
    "program_competitiveness",
    "gpa_vs_avg",
    "test_score_vs_avg",
];

/// Percentile anchors and weights; the defaults are the contract's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureTables {}

impl Default for FeatureTables {
    fn default() -> Self {
        todo!()
    }
}

/// The features of one data point: NaN is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureRow {
    pub values: [f32; 12],
    /// Values that are impossible on every scale (read as missing, counted as outliers).
    pub outliers: u32,
}

impl FeatureTables {
    pub fn row(&self, point: &AdmissionDataPoint) -> FeatureRow {
        let _ = point;
        todo!()
    }
}
