//! `TrainingConfig`: what a client may ask of a training job, with the contract's defaults and ranges.
//!
//! ```
//! use provost_domain::{Algorithm, TrainingConfig};
//! use serde_json::json;
//!
//! let config = TrainingConfig::from_json(&json!({"algorithms": ["xgboost"], "test_size": 0.25})).unwrap();
//! assert_eq!(config.algorithms, [Algorithm::Xgboost]);
//! let faults = TrainingConfig::from_json(&json!({"test_size": 0.9})).unwrap_err();
//! assert_eq!(faults.0[0].pointer, "/test_size");
//! ```

mod grids;

pub use grids::{Grid, candidates, too_many_candidates};

use crate::algorithm::{Algorithm, TargetMetric};
use crate::check::{Faults, brief};
use crate::features::{EXTENDED, FEATURES};
use crate::fields::{Fields, Texts, did_you_mean, shown};
use crate::hash::hex;
use crate::limits;
use crate::words::word_enum;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use utoipa::ToSchema;

word_enum!(
    /// Where the rows come from; `mongodb` means the configured store.
    DataSource { Mongodb = "mongodb", Csv = "csv", Json = "json" });
word_enum!(
    /// How features are chosen.
    FeatureSelection { Auto = "auto", Manual = "manual", Rfe = "rfe", Lasso = "lasso", TreeBased = "tree_based" });
word_enum!(
    /// How hyperparameters are searched.
    Tuning { None = "none", GridSearch = "grid_search", RandomSearch = "random_search", Bayesian = "bayesian" });
word_enum!(
    /// Whether candidates that cannot win are given up early.
    Pruning { Racing = "racing", None = "none" });
word_enum!(
    /// How rows are divided into training and test.
    SplitKind { Random = "random", Grouped = "grouped", Temporal = "temporal" });
word_enum!(
    /// The features that models see.
    FeatureSet { Base = "base", Extended = "extended" });

/// A training job's configuration. Every field has a default; unknown fields are faults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// Where the rows come from.
    pub data_source: DataSource,
    /// For `csv` and `json`: a file below the configured import folder.
    pub data_path: Option<String>,
    /// At least 100.
    #[schema(minimum = 100, format = "uint64")]
    pub min_samples: u64,
    /// Train on points with verified outcomes only.
    pub use_verified_only: bool,
    /// Not empty, no repeats.
    #[schema(min_items = 1)]
    pub algorithms: Vec<Algorithm>,
    /// Share of the rows that are held out to measure the model.
    #[schema(minimum = 0.1, maximum = 0.3)]
    pub test_size: f64,
    /// Share of the rows for early stopping and calibration.
    #[schema(minimum = 0.1, maximum = 0.3)]
    pub validation_size: f64,
    /// Seed of every random choice.
    #[schema(format = "uint64")]
    pub random_state: u64,
    /// How features are chosen.
    pub feature_selection: FeatureSelection,
    /// The features to train on, for `feature_selection` = `manual`.
    pub selected_features: Option<Vec<String>>,
    /// Standardise features to mean 0 and variance 1.
    pub scale_features: bool,
    /// How hyperparameters are searched.
    pub hyperparameter_tuning: Tuning,
    /// Candidates of a random or Bayesian search.
    #[schema(minimum = 10, maximum = 200)]
    pub tuning_iterations: u32,
    /// Folds of the cross-validation.
    #[schema(minimum = 3, maximum = 10)]
    pub cross_validation_folds: u32,
    /// What candidates and models are ranked by.
    pub target_metric: TargetMetric,
    /// 0 is off.
    #[schema(format = "uint32")]
    pub early_stopping_rounds: u32,
    /// Minutes of running after which searches end with their best finished trial.
    #[schema(minimum = 1, format = "uint32")]
    pub max_training_time_minutes: u32,
    /// -1 is all cores; 0 is none, and refused.
    #[schema(minimum = -1)]
    pub n_jobs: i32,
    /// A label of the models that come out of the job.
    pub version_tag: Option<String>,
    /// Free text.
    pub notes: Option<String>,
    /// Whether candidates that cannot win are given up early.
    pub pruning: Pruning,
    /// How rows are divided into training and test.
    pub split: SplitKind,
    /// The features that models see.
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
    /// Identifies a configuration by its content, to run equal requests as one job: 32 hexadecimal digits.
    pub fn content_hash(&self) -> String {
        // Every field serialises, so there is always a text.
        let text = serde_json::to_string(self).unwrap_or_default();
        let mut content = crate::hash::Content::new();
        content.text(Some(&text));
        format!("{:032x}", content.u128())
    }

    /// Reads and checks a request body. The learners check the values of parameters in `grids`.
    ///
    /// # Errors
    /// All faults of the body at once.
    pub fn from_json(body: &Value) -> Result<Self, Faults> {
        let d = Self::default();
        let mut f = Fields::new(body, "a training configuration")?;
        let features = Texts { items: limits::SELECTED_FEATURES, characters: limits::FEATURE_NAME };
        let config = Self {
            data_source: f.word("data_source", d.data_source),
            data_path: f.optional_text("data_path", limits::DATA_PATH),
            min_samples: f.whole("min_samples", d.min_samples, 100, u64::MAX.into()),
            use_verified_only: f.flag("use_verified_only", d.use_verified_only),
            algorithms: f.words("algorithms", d.algorithms),
            test_size: f.real("test_size", d.test_size, 0.1, 0.3),
            validation_size: f.real("validation_size", d.validation_size, 0.1, 0.3),
            random_state: f.whole("random_state", d.random_state, 0, u64::MAX.into()),
            feature_selection: f.word("feature_selection", d.feature_selection),
            selected_features: f.optional_texts("selected_features", features),
            scale_features: f.flag("scale_features", d.scale_features),
            hyperparameter_tuning: f.word("hyperparameter_tuning", d.hyperparameter_tuning),
            tuning_iterations: f.whole("tuning_iterations", d.tuning_iterations, 10, 200),
            cross_validation_folds: f.whole("cross_validation_folds", d.cross_validation_folds, 3, 10),
            target_metric: f.word("target_metric", d.target_metric),
            early_stopping_rounds: f.whole("early_stopping_rounds", d.early_stopping_rounds, 0, u32::MAX.into()),
            max_training_time_minutes: f.whole(
                "max_training_time_minutes",
                d.max_training_time_minutes,
                1,
                u32::MAX.into(),
            ),
            n_jobs: f.whole_or("n_jobs", d.n_jobs, (-1, "all cores"), 1, i32::MAX.into()),
            version_tag: f.optional_text("version_tag", limits::VERSION_TAG),
            notes: f.optional_text("notes", limits::NOTES),
            pruning: f.word("pruning", d.pruning),
            split: f.word("split", d.split),
            features: f.word("features", d.features),
            grids: grids::read(&mut f),
        };
        check_data_path(&config, &mut f);
        check_selected_features(&config, &mut f);
        grids::check_size(&config, &mut f);
        f.finish(config)
    }

    /// One sentence for each setting that has no effect.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(path) = self.data_path.as_deref().filter(|_| self.data_source == DataSource::Mongodb) {
            let (path, source) = (brief(path, 60), self.data_source);
            warnings.push(format!(
                "`data_path` (`{path}`) has no effect: `data_source` is {source}, so rows come from the store; csv or json \
                 reads the file"
            ));
        }
        if self.selected_features.is_some() && self.feature_selection != FeatureSelection::Manual {
            warnings.push(format!(
                "`selected_features` has no effect: `feature_selection` is {}; manual learns from these features",
                self.feature_selection
            ));
        }
        for algorithm in self.grids.iter().flat_map(BTreeMap::keys).filter(|a| !self.algorithms.contains(a)) {
            warnings.push(format!("`grids.{algorithm}` has no effect: `algorithms` does not name {algorithm}"));
        }
        warnings
    }

    /// SHA-256, in hexadecimal digits, of the canonical JSON of all settings that may change the result. Labels for
    /// people (`notes`, `version_tag`) and the number of threads (`n_jobs`) are left out.
    pub fn config_hash(&self) -> String {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Value::Object(map) = &mut value {
            for label in ["notes", "version_tag", "n_jobs"] {
                map.remove(label);
            }
        }
        value.sort_all_objects();
        let digest = Sha256::digest(value.to_string().as_bytes());
        hex(&digest)
    }
}

fn check_data_path(config: &TrainingConfig, f: &mut Fields<'_>) {
    match &config.data_path {
        None if config.data_source != DataSource::Mongodb && !f.is_faulty("data_path") => f.fault(
            "data_path",
            format!(
                "`data_path` is missing; `data_source` {} needs a file below the import folder",
                config.data_source
            ),
        ),
        Some(path) if !stays_below(path) => f.fault(
            "data_path",
            format!(
                "`data_path` is {}; a relative path that stays below the import folder is allowed",
                shown(&Value::from(path.as_str()))
            ),
        ),
        _ => {}
    }
}

/// Whether a client's path is relative and has no `..`. Symbolic links are checked by the code that opens the file.
pub fn stays_below(path: &str) -> bool {
    !path.is_empty()
        && !path.starts_with(['/', '\\'])
        && !path.chars().any(char::is_control)
        && path.split(['/', '\\']).all(|part| part != ".." && !part.contains(':'))
}

fn check_selected_features(config: &TrainingConfig, f: &mut Fields<'_>) {
    let selected = config.selected_features.as_deref().unwrap_or_default();
    if config.feature_selection == FeatureSelection::Manual && selected.is_empty() && !f.is_faulty("selected_features")
    {
        f.fault(
            "selected_features",
            "`selected_features` is empty; `feature_selection` manual needs the names of one or more features",
        );
    }
    let mut allowed = FEATURES.to_vec();
    if config.features == FeatureSet::Extended {
        allowed.extend(EXTENDED);
    }
    for (i, name) in selected.iter().enumerate() {
        let at = format!("selected_features/{i}");
        if !allowed.contains(&name.as_str()) {
            f.fault_with(&at, || {
                let hint = did_you_mean(name, allowed.iter().copied());
                format!("`{}` is no feature{hint}; allowed are {}", brief(name, 60), allowed.join(", "))
            });
        } else if selected[..i].contains(name) {
            f.fault(&at, format!("`{name}` is named twice in `selected_features`"));
        }
    }
}

#[cfg(test)]
mod tests;
