//! Chooses the model that the demo activates.

use provost_domain::ModelId;
use provost_domain::ModelVersion;
use provost_domain::evaluation::ModelComparisonResponse;
use provost_domain::verdict::Standing;

/// The simplest of the models that cannot be told apart from the one with the highest AUC. Without a comparison, the best by
/// cross-validation.
pub fn choice<'a>(
    models: &'a [ModelVersion],
    compared: Option<&ModelComparisonResponse>,
) -> Option<(&'a ModelId, String)> {
    let Some(standing) = compared.and_then(Standing::of) else {
        return models.first().map(|m| (&m.model_id, "best by cross-validation".to_owned()));
    };
    let alike = standing.alike();
    let simplest = models.iter().filter(|m| alike.contains(&&m.model_id)).min_by_key(|m| m.algorithm.complexity())?;
    let reason = match alike.len() {
        1 => "ranks better than every other model of the job".to_owned(),
        n => format!("the simplest of {n} models that cannot be told apart by AUC"),
    };
    Some((&simplest.model_id, reason))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use provost_domain::evaluation::{Difference, PairSignificance};
    use provost_domain::{Algorithm, TrainingConfig};
    use serde_json::json;

    fn model(algorithm: Algorithm) -> ModelVersion {
        let id = ModelId::new(algorithm, chrono::DateTime::UNIX_EPOCH, 1);
        serde_json::from_value(json!({
            "model_id": id, "version": "", "algorithm": algorithm, "training_date": "2026-01-01T00:00:00Z",
            "training_samples": 0, "training_config": TrainingConfig::default(), "model_sha256": "",
            "metrics": {"accuracy": 0, "precision": 0, "recall": 0, "f1_score": 0, "auc_roc": 0,
                "confusion_matrix": [[0, 0], [0, 0]], "classification_report": {}, "cv_scores": [], "cv_mean": 0,
                "cv_std": 0, "training_time_seconds": 0, "iterations_completed": 0},
            "feature_importance": [], "hyperparameters": {}, "model_path": "", "is_active": false, "is_deprecated": false,
        }))
        .unwrap()
    }

    fn compared(models: &[ModelVersion], aucs: &[f64], reach: f64) -> ModelComparisonResponse {
        let mut pairs = std::collections::BTreeMap::new();
        for a in 0..models.len() {
            for b in a + 1..models.len() {
                let difference = aucs[a] - aucs[b];
                let auc =
                    Difference { difference, interval_95: [difference - reach, difference + reach], p_value: 0.5 };
                let pair = PairSignificance {
                    model_a: models[a].model_id.clone(),
                    model_b: models[b].model_id.clone(),
                    rows: 900,
                    verdict: String::new(),
                    not_comparable: None,
                    mcnemar: None,
                    delong: Some(auc),
                    bootstrap: None,
                };
                pairs.insert(format!("{a}{b}"), pair);
            }
        }
        ModelComparisonResponse {
            models: models.to_vec(),
            metric_comparison: Default::default(),
            statistical_significance: pairs,
            best_model_id: None,
            best_metric: String::new(),
            comparison_plots: Default::default(),
            verdict: String::new(),
            rows: 900,
            metric_intervals_95: Default::default(),
            highest_beyond_chance: Default::default(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn the_simplest_of_those_that_cannot_be_told_apart_is_chosen() {
        use Algorithm::*;
        let models = [Ensemble, NeuralNetwork, Xgboost, LogisticRegression, RandomForest].map(model);
        let aucs = [0.791, 0.789, 0.790, 0.788, 0.74];
        let chosen = |reach: f64| {
            let (id, why) = choice(&models, Some(&compared(&models, &aucs, reach))).unwrap();
            (models.iter().find(|m| m.model_id == *id).unwrap().algorithm, why)
        };
        assert_eq!(
            chosen(0.02),
            (LogisticRegression, "the simplest of 4 models that cannot be told apart by AUC".to_owned())
        );
        assert_eq!(chosen(0.0015).0, Xgboost, "the logistic regression is worse beyond chance");
        assert_eq!(chosen(0.0001), (Ensemble, "ranks better than every other model of the job".to_owned()));
        assert_eq!(choice(&models, None).unwrap().0, &models[0].model_id);
        assert_eq!(choice(&[], None), None);
    }
}
