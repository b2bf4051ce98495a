//! Keeps the results of the last comparisons. Models and their test rows never change, so neither do the results.

use provost_domain::evaluation::ModelComparisonResponse;
use provost_domain::{ModelId, TargetMetric};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Results that are kept.
const MOST: usize = 32;
/// The result of a comparison of more models is not kept, because each pair of models takes about a kilobyte.
const MOST_MODELS: usize = 10;

struct Known {
    /// The order decides between equal scores.
    ids: Vec<ModelId>,
    metrics: Vec<TargetMetric>,
    /// Without its models.
    result: ModelComparisonResponse,
}

impl Known {
    fn is_of(&self, ids: &[ModelId], metrics: &[TargetMetric]) -> bool {
        self.ids == ids && self.metrics == metrics
    }
}

/// The last comparisons, the latest first. Clones share them.
#[derive(Clone, Default)]
pub struct RecentComparisons(Arc<Mutex<VecDeque<Known>>>);

impl RecentComparisons {
    /// The result without its `models`, whose notes and states may have changed since.
    pub fn get(&self, ids: &[ModelId], metrics: &[TargetMetric]) -> Option<ModelComparisonResponse> {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = recent.iter().position(|known| known.is_of(ids, metrics))?;
        let found = recent.remove(at)?;
        let result = found.result.clone();
        recent.push_front(found);
        Some(result)
    }

    pub fn keep(&self, ids: Vec<ModelId>, metrics: Vec<TargetMetric>, result: &ModelComparisonResponse) {
        if ids.len() > MOST_MODELS {
            return;
        }
        let result = ModelComparisonResponse { models: Vec::new(), ..result.clone() };
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|known| !known.is_of(&ids, &metrics));
        recent.push_front(Known { ids, metrics, result });
        recent.truncate(MOST);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use chrono::DateTime;
    use provost_domain::Algorithm;
    use std::collections::BTreeMap;

    fn id(n: u128) -> ModelId {
        ModelId::new(Algorithm::Xgboost, DateTime::UNIX_EPOCH, n)
    }

    fn result(rows: u64) -> ModelComparisonResponse {
        ModelComparisonResponse {
            models: Vec::new(),
            metric_comparison: BTreeMap::new(),
            statistical_significance: BTreeMap::new(),
            best_model_id: None,
            best_metric: "auc_roc".to_owned(),
            comparison_plots: BTreeMap::new(),
            verdict: String::new(),
            rows,
            metric_intervals_95: BTreeMap::new(),
            highest_beyond_chance: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn a_result_is_that_of_the_same_models_in_the_same_order_by_the_same_metrics() {
        let (recent, auc) = (RecentComparisons::default(), vec![TargetMetric::AucRoc]);
        recent.keep(vec![id(1), id(2)], auc.clone(), &result(7));
        assert_eq!(recent.get(&[id(1), id(2)], &auc).unwrap().rows, 7);
        assert!(recent.get(&[id(2), id(1)], &auc).is_none());
        assert!(recent.get(&[id(1), id(2)], &[TargetMetric::Accuracy]).is_none());
    }

    #[test]
    fn what_was_longest_unused_goes_and_many_models_are_not_kept() {
        let (recent, auc) = (RecentComparisons::default(), vec![TargetMetric::AucRoc]);
        let pair = |n: u128| vec![id(0), id(n)];
        for n in 0..MOST as u128 {
            recent.keep(pair(n), auc.clone(), &result(1));
        }
        assert!(recent.get(&pair(0), &auc).is_some());
        recent.keep(pair(1_000), auc.clone(), &result(1));
        assert!(recent.get(&pair(0), &auc).is_some());
        assert!(recent.get(&pair(1), &auc).is_none());
        let many: Vec<ModelId> = (0..=MOST_MODELS as u128).map(id).collect();
        recent.keep(many.clone(), auc.clone(), &result(1));
        assert!(recent.get(&many, &auc).is_none());
    }
}
