//! The algorithms and the metrics they are chosen by.

use crate::fields::Word;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a model is trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// Random forest.
    RandomForest,
    /// Gradient-boosted trees by the XGBoost library.
    Xgboost,
    /// Gradient-boosted trees on histograms.
    GradientBoosting,
    /// Logistic regression with elastic-net penalty.
    LogisticRegression,
    /// Multilayer perceptron.
    NeuralNetwork,
    /// Weighted or stacked combination of other algorithms.
    Ensemble,
}

impl Algorithm {
    /// Every algorithm, in the order in which they are listed to readers.
    pub const ALL: [Algorithm; 6] = [
        Algorithm::RandomForest,
        Algorithm::Xgboost,
        Algorithm::GradientBoosting,
        Algorithm::LogisticRegression,
        Algorithm::NeuralNetwork,
        Algorithm::Ensemble,
    ];
    /// The five algorithms that are fitted to rows; `Ensemble` combines their predictions.
    pub const BASE: [Algorithm; 5] = [
        Algorithm::RandomForest,
        Algorithm::Xgboost,
        Algorithm::GradientBoosting,
        Algorithm::LogisticRegression,
        Algorithm::NeuralNetwork,
    ];

    /// The word in JSON, in texts and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::RandomForest => "random_forest",
            Algorithm::Xgboost => "xgboost",
            Algorithm::GradientBoosting => "gradient_boosting",
            Algorithm::LogisticRegression => "logistic_regression",
            Algorithm::NeuralNetwork => "neural_network",
            Algorithm::Ensemble => "ensemble",
        }
    }

    /// The name for people, as at the beginning of a sentence or a heading.
    pub fn title(self) -> &'static str {
        match self {
            Algorithm::RandomForest => "Random forest",
            Algorithm::Xgboost => "XGBoost",
            Algorithm::GradientBoosting => "Gradient boosting",
            Algorithm::LogisticRegression => "Logistic regression",
            Algorithm::NeuralNetwork => "Neural network",
            Algorithm::Ensemble => "Ensemble",
        }
    }

    /// Rank of the algorithm by complexity. A lower rank is smaller and simpler to understand: one weight per feature
    /// (0), averaged trees (1), boosted trees (2 and 3), layers of weights (4), a combination of all of these (5).
    pub fn complexity(self) -> u32 {
        match self {
            Algorithm::LogisticRegression => 0,
            Algorithm::RandomForest => 1,
            Algorithm::GradientBoosting => 2,
            Algorithm::Xgboost => 3,
            Algorithm::NeuralNetwork => 4,
            Algorithm::Ensemble => 5,
        }
    }

    /// The algorithm that this word names.
    pub fn parse(s: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str() == s)
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a search maximises. The spellings `f1` and `roc_auc` are accepted too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetMetric {
    /// Share of rows whose outcome is predicted.
    Accuracy,
    /// Share of true positives among predicted positives.
    Precision,
    /// Share of true positives among positives.
    Recall,
    /// Harmonic mean of precision and recall.
    #[serde(alias = "f1")]
    F1Score,
    /// Area under the receiver operating characteristic.
    #[serde(alias = "roc_auc")]
    AucRoc,
}

impl TargetMetric {
    /// Every metric, in the order in which they are listed to readers.
    pub const ALL: [TargetMetric; 5] = [
        TargetMetric::Accuracy,
        TargetMetric::Precision,
        TargetMetric::Recall,
        TargetMetric::F1Score,
        TargetMetric::AucRoc,
    ];

    /// The word in JSON, in texts and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            TargetMetric::Accuracy => "accuracy",
            TargetMetric::Precision => "precision",
            TargetMetric::Recall => "recall",
            TargetMetric::F1Score => "f1_score",
            TargetMetric::AucRoc => "auc_roc",
        }
    }

    /// The name that people know it by, within a sentence.
    pub fn title(self) -> &'static str {
        match self {
            TargetMetric::Accuracy => "accuracy",
            TargetMetric::Precision => "precision",
            TargetMetric::Recall => "recall",
            TargetMetric::F1Score => "F1",
            TargetMetric::AucRoc => "AUC",
        }
    }

    /// The metric that this word names.
    pub fn parse(s: &str) -> Option<Self> {
        match s {
            "f1" => Some(TargetMetric::F1Score),
            "roc_auc" => Some(TargetMetric::AucRoc),
            _ => Self::ALL.into_iter().find(|m| m.as_str() == s),
        }
    }
}

impl std::fmt::Display for TargetMetric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Word for Algorithm {
    const WORDS: &'static [Self] = &Self::ALL;
    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Word for TargetMetric {
    const WORDS: &'static [Self] = &Self::ALL;
    fn word(self) -> &'static str {
        self.as_str()
    }
    fn from_word(s: &str) -> Option<Self> {
        Self::parse(s)
    }
}
