//! `TrainingConfig`: what a client may ask of a training job, with the contract's defaults and ranges.

use crate::{Algorithm, Fault, Faults, TargetMetric};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

macro_rules! word_enum {
    ($(#[$m:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$m])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $(#[serde(rename = $word)] $variant),+ }
        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            pub fn as_str(self) -> &'static str { match self { $($name::$variant => $word),+ } }
            pub fn parse(s: &str) -> Option<Self> { Self::ALL.iter().copied().find(|v| v.as_str() == s) }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }
    };
}
pub(crate) use word_enum;

word_enum!(
    /// Where the rows come from; `mongodb` means the configured store.
    DataSource { Mongodb = "mongodb", Csv = "csv", Json = "json" });
word_enum!(FeatureSelection { Auto = "auto", Manual = "manual", Rfe = "rfe", Lasso = "lasso", TreeBased = "tree_based" });
word_enum!(Tuning { None = "none", GridSearch = "grid_search", RandomSearch = "random_search", Bayesian = "bayesian" });
word_enum!(Pruning { Racing = "racing", None = "none" });
word_enum!(SplitKind { Random = "random", Grouped = "grouped", Temporal = "temporal" });
word_enum!(FeatureSet { Base = "base", Extended = "extended" });

/// A search grid: parameter name to the values to try, in this order.
pub type Grid = BTreeMap<String, Vec<Value>>;

/// A training job's configuration. Every field has a default; unknown fields are faults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    pub data_source: DataSource,
    /// For `csv` and `json`: a file below the configured import folder.
    pub data_path: Option<String>,
    /// At least 100.
    #[schema(minimum = 100)]
    pub min_samples: u64,
    pub use_verified_only: bool,
    /// Not empty, no repeats.
    pub algorithms: Vec<Algorithm>,
    #[schema(minimum = 0.1, maximum = 0.3)]
    pub test_size: f64,
    #[schema(minimum = 0.1, maximum = 0.3)]
    pub validation_size: f64,
    pub random_state: u64,
    pub feature_selection: FeatureSelection,
    pub selected_features: Option<Vec<String>>,
    pub scale_features: bool,
    pub hyperparameter_tuning: Tuning,
    #[schema(minimum = 10, maximum = 200)]
    pub tuning_iterations: u32,
    #[schema(minimum = 3, maximum = 10)]
    pub cross_validation_folds: u32,
    pub target_metric: TargetMetric,
    /// 0 is off.
    pub early_stopping_rounds: u32,
    #[schema(minimum = 1)]
    pub max_training_time_minutes: u32,
    /// -1 is all cores.
    pub n_jobs: i32,
    pub version_tag: Option<String>,
    pub notes: Option<String>,
    pub pruning: Pruning,
    pub split: SplitKind,
    pub features: FeatureSet,
    /// Search grids that replace the configured ones, by algorithm.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub grids: Option<BTreeMap<Algorithm, Grid>>,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            data_source: DataSource::Mongodb,
            data_path: None,
            min_samples: 1000,
            use_verified_only: true,
            algorithms: vec![Algorithm::RandomForest, Algorithm::Xgboost],
            test_size: 0.15,
            validation_size: 0.15,
            random_state: 42,
            feature_selection: FeatureSelection::Auto,
            selected_features: None,
            scale_features: true,
            hyperparameter_tuning: Tuning::RandomSearch,
            tuning_iterations: 50,
            cross_validation_folds: 5,
            target_metric: TargetMetric::F1Score,
            early_stopping_rounds: 10,
            max_training_time_minutes: 60,
            n_jobs: -1,
            version_tag: None,
            notes: None,
            pruning: Pruning::Racing,
            split: SplitKind::Random,
            features: FeatureSet::Base,
            grids: None,
        }
    }
}

impl TrainingConfig {
    /// Reads and checks a request body; every fault is named at once.
    pub fn from_json(body: &Value) -> Result<Self, Faults> {
        let _ = (body, Map::<String, Value>::new(), Fault { pointer: String::new(), message: String::new() });
        todo!()
    }
}
