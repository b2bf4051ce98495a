//! How the shadow models compare with the models that served, by the log.

use super::error::PredictionError;
use super::served_model::ServedModel;
use super::shadow::Selected;
use crate::blocking::blocking;
use chrono::{DateTime, Utc};
use provost_domain::{ModelId, TargetMetric};
use provost_learn::metrics::{metric, training_metrics};
use provost_store::{PredictionReader, ScoredOutcome};
use serde::Serialize;
use std::collections::BTreeMap;

/// Newest predictions with an outcome that the metrics are computed on.
const MOST_OUTCOMES: u32 = 50_000;
/// With fewer outcomes there are no metrics.
const FEWEST_OUTCOMES: usize = 30;

/// A metric with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MetricWithInterval {
    pub value: f64,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// How a shadow model's answers compare to those that were given.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShadowModelReport {
    pub model_id: ModelId,
    pub predictions: u64,
    /// Share of the predictions with the same outcome; None without any.
    pub agreement: Option<f64>,
    /// Mean of the shadow's probability less the one that was answered.
    pub mean_difference: Option<f64>,
    /// Predictions whose outcome is known by now.
    pub with_outcome: u64,
    /// On these; None where they are few or of one class.
    pub metrics: Option<BTreeMap<&'static str, MetricWithInterval>>,
}

/// What the shadow models have found since they were selected.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShadowReport {
    pub model_ids: Vec<ModelId>,
    pub since: Option<DateTime<Utc>>,
    /// Predictions that no shadow model of this process has scored, for want of room.
    pub dropped: u64,
    pub models: Vec<ShadowModelReport>,
}

/// Reads the comparison of the selected models.
pub(super) async fn report(
    log: &dyn PredictionReader,
    selected: &Selected,
    dropped: u64,
) -> Result<ShadowReport, PredictionError> {
    let mut models = Vec::with_capacity(selected.models.len());
    if let Some(since) = selected.since {
        for model in &selected.models {
            models.push(of_model(log, model, since).await?);
        }
    }
    Ok(ShadowReport { model_ids: selected.ids(), since: selected.since, dropped, models })
}

async fn of_model(
    log: &dyn PredictionReader,
    model: &ServedModel,
    since: DateTime<Utc>,
) -> Result<ShadowModelReport, PredictionError> {
    let tally = log.shadow_tally(&model.model_id, since).await?;
    let scored = log.scored_outcomes(&model.model_id, since, MOST_OUTCOMES).await?;
    let (with_outcome, threshold) = (scored.len() as u64, model.model.threshold());
    let metrics = blocking(move || Ok::<_, PredictionError>(metrics(&scored, threshold))).await?;
    let mean = |sum: f64| (tally.predictions > 0).then(|| sum / tally.predictions as f64);
    Ok(ShadowModelReport {
        model_id: model.model_id.clone(),
        predictions: tally.predictions,
        agreement: mean(tally.agreeing as f64),
        mean_difference: mean(tally.difference_sum),
        with_outcome,
        metrics,
    })
}

fn metrics(scored: &[ScoredOutcome], threshold: f64) -> Option<BTreeMap<&'static str, MetricWithInterval>> {
    let y: Vec<u8> = scored.iter().map(|s| u8::from(s.accepted)).collect();
    let p: Vec<f64> = scored.iter().map(|s| s.probability).collect();
    let accepted = y.iter().filter(|label| **label == 1).count();
    if y.len() < FEWEST_OUTCOMES || accepted == 0 || accepted == y.len() {
        return None;
    }
    let intervals = training_metrics(&y, &p, threshold, &[], 0.0, 0).intervals_95;
    let of = |name: TargetMetric| {
        let interval = intervals.get(name.as_str());
        let (low, high) = (interval.map(|i| i[0]), interval.map(|i| i[1]));
        (name.as_str(), MetricWithInterval { value: metric(name, &y, &p, threshold), low, high })
    };
    Some(TargetMetric::ALL.into_iter().map(of).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]
    use super::*;

    #[test]
    fn there_are_metrics_only_on_enough_outcomes_of_both_classes() {
        let scored = |accepted: usize, rejected: usize| -> Vec<ScoredOutcome> {
            let of = |accepted| ScoredOutcome { probability: if accepted { 0.8 } else { 0.3 }, accepted };
            std::iter::repeat_n(of(true), accepted).chain(std::iter::repeat_n(of(false), rejected)).collect()
        };
        for (accepted, rejected) in [(0, 0), (1, 1), (14, 15), (40, 0), (0, 40)] {
            assert_eq!(metrics(&scored(accepted, rejected), 0.5), None, "{accepted}, {rejected}");
        }
        let found = metrics(&scored(20, 20), 0.5).expect("there are enough");
        assert_eq!(found["auc_roc"].value, 1.0);
        assert!(found["accuracy"].low.is_some_and(|low| low < 1.0));
    }
}
