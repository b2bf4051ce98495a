//! Compares models by their stored metrics, if one of them is a record without an artifact.

use crate::error::RegistryError;
use provost_domain::evaluation::{ModelComparisonResponse, PairSignificance};
use provost_domain::model::TrainingMetrics;
use provost_domain::{ModelVersion, TargetMetric};
use std::collections::BTreeMap;

/// How many models without an artifact a sentence names.
const NAMED: usize = 3;

fn stored(metric: TargetMetric, metrics: &TrainingMetrics) -> f64 {
    match metric {
        TargetMetric::Accuracy => metrics.accuracy,
        TargetMetric::Precision => metrics.precision,
        TargetMetric::Recall => metrics.recall,
        TargetMetric::F1Score => metrics.f1_score,
        TargetMetric::AucRoc => metrics.auc_roc,
    }
}

/// Each model's own figures. They come from different rows, so nothing is tested, and a warning says so.
///
/// # Errors
/// `Invalid` without a metric.
pub fn compare(models: Vec<ModelVersion>, metrics: &[TargetMetric]) -> Result<ModelComparisonResponse, RegistryError> {
    let target = models.first().map(|model| model.training_config.target_metric);
    let best_metric = target
        .filter(|target| metrics.contains(target))
        .or_else(|| metrics.first().copied())
        .ok_or_else(|| RegistryError::Invalid("metrics: at least one is needed".to_owned()))?;
    let score = |metric, model: &ModelVersion| stored(metric, &model.metrics);
    let row = |metric: &TargetMetric| {
        models.iter().map(|model| (model.model_id.to_string(), score(*metric, model))).collect::<BTreeMap<_, _>>()
    };
    let table = metrics.iter().map(|metric| (metric.to_string(), row(metric))).collect();
    let mut best: Option<&ModelVersion> = None;
    for model in &models {
        if best.is_none_or(|best| score(best_metric, model) > score(best_metric, best)) {
            best = Some(model);
        }
    }
    let without: Vec<&str> = models.iter().filter(|m| !m.has_artifact()).map(|m| m.model_id.as_str()).collect();
    // The sentence is repeated for each pair, so it names at most three ids.
    let more = match without.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = without[..without.len().min(NAMED)].join(", ");
    let why = format!("{named}{more} cannot predict: models of the replaced service have no artifact");
    let mut pairs = BTreeMap::new();
    for (nth, a) in models.iter().enumerate() {
        for b in &models[nth + 1..] {
            let pair = PairSignificance {
                model_a: a.model_id.clone(),
                model_b: b.model_id.clone(),
                rows: 0,
                verdict: format!("The models cannot be compared: {why}"),
                not_comparable: Some(why.clone()),
                mcnemar: None,
                delong: None,
                bootstrap: None,
            };
            pairs.insert(format!("{}_vs_{}", pair.model_a, pair.model_b), pair);
        }
    }
    let warning = format!("{why}; the figures are those that each model was stored with, not made on the same rows");
    Ok(ModelComparisonResponse {
        best_model_id: best.map(|best| best.model_id.clone()),
        best_metric: best_metric.to_string(),
        metric_comparison: table,
        statistical_significance: pairs,
        comparison_plots: BTreeMap::new(),
        verdict: format!("The models cannot be compared: {why}"),
        rows: 0,
        metric_intervals_95: BTreeMap::new(),
        highest_beyond_chance: BTreeMap::new(),
        warnings: vec![warning],
        models,
    })
}
